package lapack

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/lapack"
	"gonum.org/v1/gonum/lapack/gonum"
	"gonum.org/v1/gonum/lapack/testlapack"
)

// Gonum's suite, for every routine that Implementation replaces; the kernels are those that ECKART_SIMD chose.
func TestAgainstGonumSuite(t *testing.T) {
	var impl Implementation
	for _, tc := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"Dpotrf", func(t *testing.T) { testlapack.DpotrfTest(t, impl) }},
		{"Dpotrs", func(t *testing.T) { testlapack.DpotrsTest(t, impl) }},
		{"Dpotri", func(t *testing.T) { testlapack.DpotriTest(t, impl) }},
		{"Dpocon", func(t *testing.T) { testlapack.DpoconTest(t, impl) }},
		{"Dtrcon", func(t *testing.T) { testlapack.DtrconTest(t, impl) }},
		{"Dlauum", func(t *testing.T) { testlapack.DlauumTest(t, impl) }},
		{"Dtrtri", func(t *testing.T) { testlapack.DtrtriTest(t, impl) }},
		{"Dtrtrs", func(t *testing.T) { testlapack.DtrtrsTest(t, impl) }},
		{"Dgetrf", func(t *testing.T) { testlapack.DgetrfTest(t, impl) }},
		{"Dgetrs", func(t *testing.T) { testlapack.DgetrsTest(t, impl) }},
		{"Dgetri", func(t *testing.T) { testlapack.DgetriTest(t, impl) }},
		{"Dgecon", func(t *testing.T) { testlapack.DgeconTest(t, impl) }},
		{"Dgeqrf", func(t *testing.T) { testlapack.DgeqrfTest(t, impl) }},
		{"Dgelqf", func(t *testing.T) { testlapack.DgelqfTest(t, impl) }},
		{"Dorgqr", func(t *testing.T) { testlapack.DorgqrTest(t, impl) }},
		{"Dorglq", func(t *testing.T) { testlapack.DorglqTest(t, impl) }},
		{"Dormqr", func(t *testing.T) { testlapack.DormqrTest(t, impl) }},
		{"Dormlq", func(t *testing.T) { testlapack.DormlqTest(t, impl) }},
		{"Dgeqp3", func(t *testing.T) { testlapack.Dgeqp3Test(t, impl) }},
		{"Dgels", func(t *testing.T) { testlapack.DgelsTest(t, impl) }},
		{"Dsyev", func(t *testing.T) { testlapack.DsyevTest(t, impl) }},
		{"Dgesvd", func(t *testing.T) { testlapack.DgesvdTest(t, impl, 1e-13) }},
	} {
		t.Run(tc.name, tc.run)
	}
}

// Condition numbers that overflow, and those at the ends of the range, are gonum's.
func TestConditionAtTheEndsOfTheRange(t *testing.T) {
	const n = 40
	for _, scale := range []float64{1, 0x1p-1000, 0x1p1000} {
		for _, smallest := range []float64{1e-3, 1e-200, 1e-310, 0} {
			a := make([]float64, n*n)
			for i := range n {
				for j := i; j < n; j++ {
					a[i*n+j] = scale * float64((i*7+j*3)%5-2) / 8
				}
				a[i*n+i] = scale
			}
			a[n*n-1] = smallest * scale
			work, iwork := make([]float64, 4*n), make([]int, n)
			norm := gonum.Implementation{}.Dlange(lapack.MaxColumnSum, n, n, a, n, work)
			for _, which := range []struct {
				name         string
				ours, theirs func() float64
			}{
				{
					"Dtrcon",
					func() float64 {
						return Implementation{}.Dtrcon(lapack.MaxRowSum, blas.Upper, blas.NonUnit, n, a, n, work, iwork)
					},
					func() float64 {
						return gonum.Implementation{}.Dtrcon(lapack.MaxRowSum, blas.Upper, blas.NonUnit, n, a, n, work, iwork)
					},
				},
				{
					"Dgecon",
					func() float64 { return Implementation{}.Dgecon(lapack.MaxColumnSum, n, a, n, norm, work, iwork) },
					func() float64 { return gonum.Implementation{}.Dgecon(lapack.MaxColumnSum, n, a, n, norm, work, iwork) },
				},
			} {
				// Both are the same estimate but for the rounding of triangular solves, whose condition is far smaller than the matrix's.
				if got, want := which.ours(), which.theirs(); !(math.Abs(got-want) <= 1e-8*want) {
					t.Errorf("%s, scale %.3g, smallest %.3g: %.6g, gonum has %.6g", which.name, scale, smallest, got, want)
				}
			}
		}
	}
}
