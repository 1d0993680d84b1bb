package simd

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/blas"
)

// triangularSystem is op(A) X = B or X op(A) = B. What is not to be read, NaN, is all of A but the triangle.
type triangularSystem[T float] struct {
	side  blas.Side
	uplo  blas.Uplo
	trans blas.Transpose
	diag  blas.Diag
	m, n  int
	a, b  []T
	lda   int
	ldb   int
}

func randomSystem[T float](rng *rand.Rand, s blas.Side, ul blas.Uplo, t blas.Transpose, d blas.Diag, m, n int) *triangularSystem[T] {
	order := m
	if s == blas.Right {
		order = n
	}
	y := &triangularSystem[T]{side: s, uplo: ul, trans: t, diag: d, m: m, n: n, lda: order + 3, ldb: n + 2}
	y.a = filled[T](max(0, order*y.lda-3), math.NaN())
	for i := range order {
		for j := range order {
			switch {
			case i == j && d == blas.NonUnit:
				y.a[i*y.lda+j] = T((1 + rng.Float64()) * float64(1-2*rng.IntN(2)))
			case i != j && (i < j) == (ul == blas.Upper): // columns of growth 1 or so: X stays in range at any order
				y.a[i*y.lda+j] = T((2*rng.Float64() - 1) / math.Sqrt(float64(order)))
			}
		}
	}
	y.b = filled[T](max(0, m*y.ldb-2), math.NaN())
	for i := range m {
		copy(y.b[i*y.ldb:], random[T](rng, n))
	}
	return y
}

func (y *triangularSystem[T]) String() string {
	return fmt.Sprintf("%c%c%c%c %d x %d", y.side, y.uplo, y.trans, y.diag, y.m, y.n)
}

// at returns element (i, p) of op(A).
func (y *triangularSystem[T]) at(i, p int) float64 {
	if y.trans != blas.NoTrans {
		i, p = p, i
	}
	switch {
	case i == p && y.diag == blas.Unit:
		return 1
	case i != p && (i < p) != (y.uplo == blas.Upper):
		return 0
	}
	return float64(y.a[i*y.lda+p])
}

// checkResult: substitution in any order gives |op(A) X - B| <= gamma_(order+1) |op(A)| |X| (Higham 2002, theorem 8.5).
func (y *triangularSystem[T]) checkResult(t *testing.T, x []T) {
	t.Helper()
	order := y.m
	if y.side == blas.Right {
		order = y.n
	}
	for at, got := range x {
		i, j := at/y.ldb, at%y.ldb
		if j >= y.n {
			if !math.IsNaN(float64(got)) {
				t.Fatalf("%v: wrote beyond row %d", y, i)
			}
			continue
		}
		var s twice
		for p := range order {
			if y.side == blas.Left {
				s.add(y.at(i, p), float64(x[p*y.ldb+j]))
			} else {
				s.add(float64(x[i*y.ldb+p]), y.at(p, j))
			}
		}
		size := s.size
		s.add(-1, float64(y.b[at]))
		if tol := 1.01 * float64(order+1) * unitRoundoff[T]() * size; !(math.Abs(s.sum+s.rest) <= tol) {
			t.Fatalf("%v: residual %v at (%d, %d), more than %.2g", y, s.sum+s.rest, i, j, tol)
		}
	}
}

// forEachSystem calls f for all kinds of triangle on both sides, with order x width systems.
func forEachSystem[T float](rng *rand.Rand, order, width int, f func(y *triangularSystem[T])) {
	for _, s := range []blas.Side{blas.Left, blas.Right} {
		m, n := order, width
		if s == blas.Right {
			m, n = n, m
		}
		for _, ul := range []blas.Uplo{blas.Upper, blas.Lower} {
			for _, t := range transposes {
				for _, d := range []blas.Diag{blas.NonUnit, blas.Unit} {
					f(randomSystem[T](rng, s, ul, t, d, m, n))
				}
			}
		}
	}
}

func TestTrsm(t *testing.T) {
	testTrsm(t, skernels())
	testTrsm(t, dkernels())
}

func testTrsm[T float](t *testing.T, special []blasKernel[T]) {
	for _, c := range []cacheSizes{tinyCaches, caches} {
		forEachEngine(t, special, c, func(t *testing.T, e *engine[T]) {
			rng := rand.New(rand.NewPCG(3, 41))
			solve := func(y *triangularSystem[T]) {
				x := append([]T(nil), y.b...)
				e.trsm(y.side, y.uplo, y.trans, y.diag, y.m, y.n, y.a, y.lda, x, y.ldb)
				y.checkResult(t, x)
			}
			for order := range 2*e.kernel.mr + 2 {
				for _, width := range []int{0, 1, 3, e.kernel.nr - 1, e.kernel.nr, 2*e.kernel.nr + 5} {
					forEachSystem(rng, order, width, solve)
				}
			}
			for _, s := range [][2]int{{61, 40}, {90, 7}, {131, 33}, {200, 70}} {
				forEachSystem(rng, s[0], s[1], solve)
			}
		})
	}
}

func TestTrsmThreadsDoNotMatter(t *testing.T) {
	forEachEngine(t, dkernels(), tinyCaches, func(t *testing.T, e *engine[float64]) {
		forEachSystem(rand.New(rand.NewPCG(3, 42)), 97, 2*narrowStrip+33, func(y *triangularSystem[float64]) {
			x := make([]float64, len(y.b))
			sameForAnyThreads(t, y.String(), x, func() {
				copy(x, y.b)
				e.trsm(y.side, y.uplo, y.trans, y.diag, y.m, y.n, y.a, y.lda, x, y.ldb)
			})
		})
	})
}

// A row that divides by zero is infinite, as in substitution; rows before it are as good as ever.
func TestTrsmSingular(t *testing.T) {
	forEachEngine(t, skernels(), caches, func(t *testing.T, e *engine[float32]) {
		a := []float32{2, 0, 0, 1, 0, 0, 1, 1, 1}
		x := []float32{4, 3, 1}
		e.trsm(blas.Left, blas.Lower, blas.NoTrans, blas.NonUnit, 3, 1, a, 3, x, 1)
		if x[0] != 2 || !math.IsInf(float64(x[1]), 1) || !math.IsInf(float64(x[2]), -1) {
			t.Errorf("solution %v", x)
		}
	})
}

func BenchmarkStrsm(b *testing.B) { benchmarkTrsm(b, Strsm) }
func BenchmarkDtrsm(b *testing.B) { benchmarkTrsm(b, Dtrsm) }

func benchmarkTrsm[T float](b *testing.B, trsm func(s blas.Side, ul blas.Uplo, t blas.Transpose, d blas.Diag, m, n int, a []T, lda int, b []T, ldb int)) {
	rng := rand.New(rand.NewPCG(5, 7))
	for _, n := range []int{64, 256, 1024} {
		for _, s := range []blas.Side{blas.Left, blas.Right} {
			for _, ul := range []blas.Uplo{blas.Upper, blas.Lower} {
				y := randomSystem[T](rng, s, ul, blas.NoTrans, blas.NonUnit, n, n)
				x := append([]T(nil), y.b...)
				b.Run(fmt.Sprintf("%c%c/n=%d", s, ul, n), func(b *testing.B) {
					benchmark(b, n*n*n/2, func() {
						copy(x, y.b)
						trsm(s, ul, blas.NoTrans, blas.NonUnit, n, n, y.a, y.lda, x, y.ldb)
					})
				})
			}
		}
	}
}
