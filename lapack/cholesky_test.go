package lapack

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/mat"
)

// gram returns XᵀX for a random X (t x n), row-major.
func gram(rng *rand.Rand, t, n int) []float64 {
	x := mat.NewDense(t, n, nil)
	for i := range t {
		for j := range n {
			x.Set(i, j, rng.NormFloat64())
		}
	}
	var g mat.Dense
	g.Mul(x.T(), x)
	return g.RawMatrix().Data
}

// The computed factor satisfies |A - L Lᵀ| <= (n+1) eps |L||Lᵀ| element by element, and row i of |L||Lᵀ| is bounded by
// sqrt(a_ii a_jj) (Higham 2002, theorem 10.3 and (10.7)); twice that for the rounding of the check itself.
func TestCholesky(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 2, 3, 31, 48, 49, 97, 130, 300} {
		for _, uplo := range []blas.Uplo{blas.Lower, blas.Upper} {
			f := gram(rng, 2*n+1, max(n, 1))
			a := symmetric(uplo, n, func(i, j int) float64 { return f[i*n+j] })
			if err := Cholesky(uplo, n, a.Data, a.Stride); err != nil {
				t.Fatalf("n=%d: %v", n, err)
			}
			at := func(i, j int) float64 { // L
				if uplo == blas.Upper {
					i, j = j, i
				}
				return a.Data[i*a.Stride+j]
			}
			for i := range n {
				for j := range n {
					if stored := (uplo == blas.Lower) == (j <= i) || i == j; !stored && !math.IsNaN(a.Data[i*a.Stride+j]) {
						t.Fatalf("n=%d: the other triangle was written", n)
					}
					if j > i {
						continue
					}
					var sum float64
					for k := range j + 1 {
						sum += at(i, k) * at(j, k)
					}
					tol := 2 * float64(n+1) * 0x1p-53 * math.Sqrt(f[i*n+i]*f[j*n+j])
					if !(math.Abs(sum-f[i*n+j]) <= tol) {
						t.Fatalf("n=%d %c: (L Lᵀ)[%d, %d] = %v, want %v within %.2g", n, uplo, i, j, sum, f[i*n+j], tol)
					}
				}
			}
			checkCholeskySolve(t, rng, uplo, n, a.Data, a.Stride, f)
		}
	}
}

// checkCholeskySolve: the residual of a solve is at most (3n+1) eps || |L||Lᵀ| |x| || (Higham 2002, theorem 10.4), here
// bounded by the trace.
func checkCholeskySolve(t *testing.T, rng *rand.Rand, uplo blas.Uplo, n int, factor []float64, lda int, f []float64) {
	t.Helper()
	const k = 3
	b := make([]float64, n*k)
	for i := range b {
		b[i] = rng.NormFloat64()
	}
	x := slices.Clone(b)
	CholeskySolve(uplo, n, k, factor, lda, x, k)
	var trace float64
	for i := range n {
		trace += f[i*n+i]
	}
	for c := range k {
		var residual, norm float64
		for i := range n {
			norm = math.Hypot(norm, x[i*k+c])
			r := -b[i*k+c]
			for j := range n {
				r += f[i*n+j] * x[j*k+c]
			}
			residual = math.Hypot(residual, r)
		}
		if tol := 2 * float64(3*n+1) * 0x1p-53 * trace * norm; !(residual <= tol) {
			t.Errorf("n=%d %c: residual %.3g, tolerance %.3g", n, uplo, residual, tol)
		}
	}
}

func TestCholeskyNamesThePivot(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{5, 60, 150} {
		for _, bad := range []int{0, 3, n / 2, n - 1} {
			for _, uplo := range []blas.Uplo{blas.Lower, blas.Upper} {
				f := gram(rng, 2*n, n)
				f[bad*n+bad] = -1
				a := symmetric(uplo, n, func(i, j int) float64 { return f[i*n+j] })
				var e *NotPositiveDefinite
				if err := Cholesky(uplo, n, a.Data, a.Stride); !errors.As(err, &e) || e.Pivot != bad || !(e.Value < 0) {
					t.Errorf("n=%d %c: negative diagonal %d gives %v", n, uplo, bad, err)
				}
				f[bad*n+bad] = math.NaN()
				a = symmetric(uplo, n, func(i, j int) float64 { return f[i*n+j] })
				if err := Cholesky(uplo, n, a.Data, a.Stride); !errors.As(err, &e) || e.Pivot != bad {
					t.Errorf("n=%d %c: NaN on diagonal %d gives %v", n, uplo, bad, err)
				}
			}
		}
	}
}

// Householder QR has a backward error of c m n eps ||a_j|| in each column, here with c = 1 (Higham's constant is for the worst
// order), and Q is as orthogonal. Columns span 300 decades.
func TestQR(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	var q QR[float64]
	for _, s := range [][2]int{{0, 0}, {1, 1}, {3, 0}, {0, 3}, {5, 2}, {2, 5}, {48, 48}, {49, 49}, {100, 49}, {130, 97}, {60, 150}, {400, 64}} {
		m, n := s[0], s[1]
		t.Run(fmt.Sprintf("%dx%d", m, n), func(t *testing.T) {
			lda := n + 2
			a := make([]float64, m*lda)
			for i := range a {
				a[i] = math.NaN()
			}
			scale := func(j int) float64 { return math.Pow(10, float64(150-300*j/max(n, 1))) }
			for i := range m {
				for j := range n {
					a[i*lda+j] = rng.NormFloat64() * scale(j)
					if j%5 == 4 { // dependent columns
						a[i*lda+j] = a[i*lda+j-1] / scale(j-1) * scale(j)
					}
				}
			}
			q.Factorize(m, n, a, lda)
			k := min(m, n)
			tol := float64(max(m, n)) * math.Sqrt(float64(max(k, 1))) * 8 * 0x1p-53
			r, qm := make([]float64, k*n+1), make([]float64, m*m+1)
			q.RTo(r[:k*n], max(n, 1))
			q.QTo(m, qm[:m*m], max(m, 1))
			for j := range n {
				var e, norm float64
				for i := range m {
					sum := -a[i*lda+j] / scale(j)
					norm = math.Hypot(norm, sum)
					for p := range min(j+1, k) {
						sum += qm[i*m+p] * (r[p*n+j] / scale(j))
					}
					e = math.Hypot(e, sum)
				}
				if !(e <= tol*norm) {
					t.Errorf("column %d: ||A - QR|| / ||A|| = %.3g, tolerance %.3g", j, e/norm, tol)
				}
				for i := j + 1; i < k; i++ {
					if r[i*n+j] != 0 {
						t.Fatalf("R[%d, %d] = %v", i, j, r[i*n+j])
					}
				}
			}
			var e float64
			for i := range m {
				for j := range m {
					sum := 0.0
					for p := range m {
						sum += qm[p*m+i] * qm[p*m+j]
					}
					if i == j {
						sum--
					}
					e = math.Hypot(e, sum)
				}
			}
			if !(e <= tol*math.Sqrt(float64(m))) {
				t.Errorf("||QᵀQ - I|| = %.3g, tolerance %.3g", e, tol*math.Sqrt(float64(m)))
			}
		})
	}
}

// The Hilbert matrix of order 6 has condition 2.9070279e7 in the 1-norm (Higham 2002, section 28.1).
func TestCholeskyCondition(t *testing.T) {
	const n = 6
	a, norm := make([]float64, n*n), 0.0
	for i := range n {
		for j := range n {
			a[i*n+j] = 1 / float64(i+j+1)
		}
		norm += a[i]
	}
	if err := Cholesky(blas.Lower, n, a, n); err != nil {
		t.Fatal(err)
	}
	if got := CholeskyCondition(blas.Lower, n, a, n, norm); !(got > 2.907e7/3 && got < 2.9071e7) {
		t.Errorf("condition of the Hilbert matrix %.6g, want 2.907028e7, or at most 3 times less", got)
	}
}
