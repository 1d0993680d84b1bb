package sketch

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"
)

func mustOrthonormalise(t *testing.T, w blas64.General) {
	t.Helper()
	new(Orthonormaliser).Basis(w)
}

// graded returns an m x n matrix U diag(s) Vᵀ with random orthonormal U and V.
func graded(t *testing.T, m, n int, s []float64, seed uint64) blas64.General {
	t.Helper()
	k := len(s)
	u, v := random(m, k, seed), random(n, k, seed+1)
	mustOrthonormalise(t, u)
	mustOrthonormalise(t, v)
	for i := range m {
		for j := range k {
			u.Data[i*k+j] *= s[j]
		}
	}
	a := newBlock(m, n)
	gemm(blas.NoTrans, blas.Trans, 1, u, v, 0, a)
	return a
}

// Q R = W with Q orthonormal, at any condition and scale: backward error and orthogonality are those of Householder's method,
// and those of CholeskyQR2 where it is taken, c n eps (Higham 2002, theorem 19.4; Yamamoto et al. 2015), c = 8.
func TestFactorizeAtAnyCondition(t *testing.T) {
	const m, n = 400, 30
	for _, tc := range []struct {
		name        string
		decay       float64 // the last singular value
		scale       float64
		householder bool
	}{{"well conditioned", 0.5, 1, false}, {"1e4", 1e-4, 1, false}, {"1e9", 1e-9, 1, true}, {"1e15", 1e-15, 1, true},
		{"singular", 0, 1, true}, {"tiny", 1e-2, 1e-200, true}, {"huge", 1e-2, 1e200, true}, {"zero", 0, 0, true}} {
		s := make([]float64, n)
		for i := range s {
			s[i] = tc.scale * math.Pow(tc.decay, float64(i)/(n-1))
		}
		if tc.decay == 0 {
			for i := range s {
				s[i] = map[bool]float64{true: tc.scale, false: 0}[i < n/2]
			}
		}
		w := graded(t, m, n, s, 3)
		q, r, product := newBlock(m, n), newBlock(n, n), newBlock(m, n)
		copyTo(q, w)
		var o Orthonormaliser
		o.Factorize(q, r)
		if (o.Householder > 0) != tc.householder {
			t.Errorf("%s: Householder %d times", tc.name, o.Householder)
		}
		if e := orthogonality(q); !(e <= 8*n*0x1p-52) {
			t.Errorf("%s: off orthogonality by %.3g", tc.name, e)
		}
		for i := range n {
			for j := range i {
				if r.Data[i*n+j] != 0 {
					t.Fatalf("%s: R is not triangular", tc.name)
				}
			}
		}
		gemm(blas.NoTrans, blas.NoTrans, 1, q, r, 0, product)
		if e := distance(product, w); !(e <= 8*n*0x1p-52*mat.Norm(view(w), 2)) {
			t.Errorf("%s: Q R is off by %.3g of %.3g", tc.name, e, mat.Norm(view(w), 2))
		}
	}
}

// Columns of very different size are no difficulty: scaling them changes no direction.
func TestFactorizeScaledColumns(t *testing.T) {
	w := random(200, 10, 5)
	for i := range w.Rows {
		for j := range w.Cols {
			w.Data[i*w.Stride+j] *= math.Pow(10, float64(-8*j))
		}
	}
	var o Orthonormaliser
	o.Basis(w)
	if e := orthogonality(w); o.Householder > 0 || !(e <= 8*10*0x1p-52) {
		t.Errorf("off orthogonality by %.3g, Householder %d times", e, o.Householder)
	}
}

func BenchmarkFactorize(b *testing.B) {
	for _, n := range []int{20, 60, 210} {
		w, q, r := random(4000, n, 1), newBlock(4000, n), newBlock(n, n)
		b.Run(map[int]string{20: "20", 60: "60", 210: "210"}[n], func(b *testing.B) {
			var o Orthonormaliser
			for b.Loop() {
				copyTo(q, w)
				o.Factorize(q, r)
			}
			b.ReportMetric(4*4000*float64(n*n)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
}
