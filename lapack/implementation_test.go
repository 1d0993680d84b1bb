package lapack

import (
	"testing"

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
