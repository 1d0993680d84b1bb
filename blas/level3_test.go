package blas

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/blas"
)

// Orders below, at and above the leaves of the recursions, and odd ones that split twice and more.
var orders = []int{1, 2, 7, leaf - 1, leaf, leaf + 1, 2*leaf + 1, symmetricLeaf + 1, 227}

func TestLevel3(t *testing.T) {
	t.Run("float32", func(t *testing.T) { testLevel3(t, singles()) })
	t.Run("float64", func(t *testing.T) { testLevel3(t, doubles()) })
}

func testLevel3[T scalar](t *testing.T, r routines[T]) {
	t.Run("Gemm", func(t *testing.T) { testGemm(t, r) })
	t.Run("Symm", func(t *testing.T) { testSymm(t, r) })
	t.Run("RankK", func(t *testing.T) { testRankK(t, r) })
	t.Run("Triangular", func(t *testing.T) { testTriangular(t, r) })
}

func testGemm[T scalar](t *testing.T, r routines[T]) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for trial := range 400 {
		m, n, k := 1+rnd.IntN(70), 1+rnd.IntN(70), 1+rnd.IntN(70)
		if trial%20 == 0 {
			m, n, k = 1+rnd.IntN(300), 1+rnd.IntN(300), 1+rnd.IntN(300)
		}
		tA, tB := transposes[rnd.IntN(3)], transposes[rnd.IntN(3)]
		alpha, beta := coefficients[rnd.IntN(4)], coefficients[rnd.IntN(4)]
		a, b, c := operand[T](rnd, tA, m, k), operand[T](rnd, tB, k, n), random[T](rnd, m, n)
		if beta == 0 {
			c.fill(nan)
		}
		want, size := c.wide(), c.abs()
		aw, bw, aa, ba := a.wide(), b.wide(), a.abs(), b.abs()
		oracle.Dgemm(tA, tB, m, n, k, alpha, aw.data, a.stride, bw.data, b.stride, beta, want.data, c.stride)
		oracle.Dgemm(tA, tB, m, n, k, max(alpha, -alpha), aa.data, a.stride, ba.data, b.stride, max(beta, -beta), size.data, c.stride)
		r.gemm(tA, tB, m, n, k, T(alpha), a.data, a.stride, b.data, b.stride, T(beta), c.data, c.stride)
		c.check(t, fmt.Sprintf("%c%c m=%d n=%d k=%d alpha=%v beta=%v", tA, tB, m, n, k, alpha, beta), want, size, r.gamma(k+3))
	}
}

func testSymm[T scalar](t *testing.T, r routines[T]) {
	rnd := rand.New(rand.NewPCG(7, 8))
	for _, order := range orders {
		for _, s := range sides {
			for _, ul := range triangles {
				m, n := order, 1+rnd.IntN(40)
				if s == blas.Right {
					m, n = n, m
				}
				alpha, beta := coefficients[rnd.IntN(4)], coefficients[rnd.IntN(4)]
				a := random[T](rnd, order, order).onlyTriangle(ul, blas.NonUnit)
				b, c := random[T](rnd, m, n), random[T](rnd, m, n)
				if beta == 0 {
					c.fill(nan)
				}
				want, size := c.wide(), c.abs()
				aw, bw, aa, ba := a.wide(), b.wide(), a.abs(), b.abs()
				oracle.Dsymm(s, ul, m, n, alpha, aw.data, a.stride, bw.data, b.stride, beta, want.data, c.stride)
				oracle.Dsymm(s, ul, m, n, max(alpha, -alpha), aa.data, a.stride, ba.data, b.stride, max(beta, -beta), size.data, c.stride)
				r.symm(s, ul, m, n, T(alpha), a.data, a.stride, b.data, b.stride, T(beta), c.data, c.stride)
				c.check(t, fmt.Sprintf("%c%c m=%d n=%d alpha=%v beta=%v", s, ul, m, n, alpha, beta), want, size, r.gamma(order+3))
			}
		}
	}
}

func testRankK[T scalar](t *testing.T, r routines[T]) {
	rnd := rand.New(rand.NewPCG(9, 10))
	for _, n := range orders {
		for _, tA := range transposes {
			for _, ul := range triangles {
				k := 1 + rnd.IntN(60)
				alpha, beta := coefficients[rnd.IntN(4)], coefficients[rnd.IntN(4)]
				a, b := operand[T](rnd, tA, n, k), operand[T](rnd, tA, n, k)
				aw, bw, aa, ba := a.wide(), b.wide(), a.abs(), b.abs()
				c := random[T](rnd, n, n).onlyTriangle(ul, blas.NonUnit)
				if beta == 0 {
					c.fill(nan)
				}
				what := fmt.Sprintf("%c%c n=%d k=%d alpha=%v beta=%v", ul, tA, n, k, alpha, beta)

				got, want, size := c.clone(), c.wide(), c.abs()
				syrkByGemm(ul, tA, n, k, alpha, aw, beta, want)
				syrkByGemm(ul, tA, n, k, max(alpha, -alpha), aa, max(beta, -beta), size)
				r.syrk(ul, tA, n, k, T(alpha), a.data, a.stride, T(beta), got.data, c.stride)
				got.check(t, "syrk "+what, want, size, r.gamma(k+3))

				got, want, size = c.clone(), c.wide(), c.abs()
				oracle.Dsyr2k(ul, tA, n, k, alpha, aw.data, a.stride, bw.data, b.stride, beta, want.data, c.stride)
				oracle.Dsyr2k(ul, tA, n, k, max(alpha, -alpha), aa.data, a.stride, ba.data, b.stride, max(beta, -beta), size.data, c.stride)
				r.syr2k(ul, tA, n, k, T(alpha), a.data, a.stride, b.data, b.stride, T(beta), got.data, c.stride)
				got.check(t, "syr2k "+what, want, size, r.gamma(2*k+4))
			}
		}
	}
}

// syrkByGemm is the oracle of Syrk: gonum's own (v0.17.0) multiplies what is in C by beta = 0 in the lower transposed case,
// so that a NaN there stays.
func syrkByGemm(ul blas.Uplo, t blas.Transpose, n, k int, alpha float64, a matrix[float64], beta float64, c matrix[float64]) {
	other := blas.Trans
	if t != blas.NoTrans {
		other = blas.NoTrans
	}
	full := c.clone()
	oracle.Dgemm(t, other, n, n, k, alpha, a.data, a.stride, a.data, a.stride, beta, full.data, c.stride)
	for i := range n {
		lo, hi := triangleRow(ul, i, n)
		copy(c.data[i*c.stride+lo:i*c.stride+hi], full.data[i*c.stride+lo:])
	}
}

// testTriangular checks Trmm against the oracle, and Trsm by its residual: |op(A) X - alpha B| <= gamma |op(A)| |X| for
// substitution in any order (Higham 2002, theorem 8.5), one more rounding for alpha, the oracle's for the residual itself.
func testTriangular[T scalar](t *testing.T, r routines[T]) {
	rnd := rand.New(rand.NewPCG(11, 12))
	for _, order := range orders {
		for _, s := range sides {
			for _, ul := range triangles {
				for _, tA := range transposes {
					for _, d := range diagonals {
						m, n := order, 1+rnd.IntN(2*panel)
						if rnd.IntN(8) == 0 {
							n += 2 * strip
						}
						if s == blas.Right {
							m, n = n, m
						}
						alpha := coefficients[rnd.IntN(4)]
						what := fmt.Sprintf("%c%c%c%c m=%d n=%d alpha=%v", s, ul, tA, d, m, n, alpha)
						a, b := triangular[T](rnd, ul, d, order), random[T](rnd, m, n)
						aw, aa := a.wide(), a.abs()

						got, want, size := b.clone(), b.wide(), b.abs()
						oracle.Dtrmm(s, ul, tA, d, m, n, alpha, aw.data, a.stride, want.data, b.stride)
						oracle.Dtrmm(s, ul, tA, d, m, n, max(alpha, -alpha), aa.data, a.stride, size.data, b.stride)
						r.trmm(s, ul, tA, d, m, n, T(alpha), a.data, a.stride, got.data, b.stride)
						got.check(t, "trmm "+what, want, size, r.gamma(order+3))

						x := b.clone()
						r.trsm(s, ul, tA, d, m, n, T(alpha), a.data, a.stride, x.data, b.stride)
						back, size := x.wide(), x.abs()
						oracle.Dtrmm(s, ul, tA, d, m, n, 1, aw.data, a.stride, back.data, b.stride)
						oracle.Dtrmm(s, ul, tA, d, m, n, 1, aa.data, a.stride, size.data, b.stride)
						back.check(t, "trsm "+what, b.mapped(func(v float64) float64 { return alpha * v }), size, r.gamma(order+3))
					}
				}
			}
		}
	}
}
