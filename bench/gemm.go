package main

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"

	eckart "github.com/eckart-go/eckart/blas"
)

// The suite "gemm": products and the routines built on them, in both precisions, against OpenBLAS through the bindings of
// NumPy and SciPy (bench/peers/blas_peer.py), called without hidden copies, and against gonum.

// scalar is an element type.
type scalar interface{ float32 | float64 }

// product is one routine in one shape. Matrices are row-major and dense.
type product struct {
	routine string // gemm, gemv, syrk, trsm
	tA, tB  blas.Transpose
	m, n, k int
}

func gemmCases() ([]benchCase, error) {
	var cases []benchCase
	add := func(name string, p product, flops float64) {
		cases = append(cases,
			productCase[float32]("S"+name, "float32", p, flops),
			productCase[float64]("D"+name, "float64", p, flops))
	}
	for _, n := range []int{256, 512, 1024, 2048} {
		for _, tA := range []blas.Transpose{blas.NoTrans, blas.Trans} {
			for _, tB := range []blas.Transpose{blas.NoTrans, blas.Trans} {
				p := product{"gemm", tA, tB, n, n, n}
				add(fmt.Sprintf("gemm %c%c n=%d", tA, tB, n), p, cube(n, n, n))
			}
		}
	}
	for _, n := range []int{512, 1024, 4096} {
		for _, t := range []blas.Transpose{blas.NoTrans, blas.Trans} {
			add(fmt.Sprintf("gemv %c n=%d", t, n), product{"gemv", t, blas.NoTrans, n, n, 1}, cube(n, n, 1))
		}
	}
	add("gemm tall 100000x64 64x64", product{"gemm", blas.NoTrans, blas.NoTrans, 100000, 64, 64}, cube(100000, 64, 64))
	add("syrk Gram 100000x64", product{"syrk", blas.Trans, blas.NoTrans, 64, 64, 100000}, cube(100000, 64, 64)/2)
	add("syrk Gram 20000x1024", product{"syrk", blas.Trans, blas.NoTrans, 1024, 1024, 20000}, cube(20000, 1024, 1024)/2)
	for _, n := range []int{256, 1024} {
		add(fmt.Sprintf("trsm n=%d", n), product{"trsm", blas.NoTrans, blas.NoTrans, n, n, n}, cube(n, n, n)/2)
	}
	return cases, nil
}

func cube(m, n, k int) float64 { return 2 * float64(m) * float64(n) * float64(k) }

// productCase builds the case; operands are made when it runs.
func productCase[T scalar](name, dtype string, p product, flops float64) benchCase {
	tol := 1e-11
	if dtype == "float32" {
		tol = 2e-5
	}
	return benchCase{
		name: name, work: flops, unit: "flop", tol: tol, peer: "blas",
		request: map[string]any{
			"routine": p.routine, "dtype": dtype, "m": p.m, "n": p.n, "k": p.k,
			"trans_a": p.tA != blas.NoTrans, "trans_b": p.tB != blas.NoTrans,
		},
		prepare: func() (*prepared, error) { return prepareProduct[T](p), nil },
	}
}

// routines are those of one implementation for one element type.
type routines[T scalar] struct {
	gemm func(tA, tB blas.Transpose, m, n, k int, alpha T, a []T, lda int, b []T, ldb int, beta T, c []T, ldc int)
	gemv func(t blas.Transpose, m, n int, alpha T, a []T, lda int, x []T, incX int, beta T, y []T, incY int)
	syrk func(ul blas.Uplo, t blas.Transpose, n, k int, alpha T, a []T, lda int, beta T, c []T, ldc int)
	trsm func(s blas.Side, ul blas.Uplo, t blas.Transpose, d blas.Diag, m, n int, alpha T, a []T, lda int, b []T, ldb int)
}

// routinesOf returns the routines of an implementation in the precision of T.
func routinesOf[T scalar](single blas.Float32, double blas.Float64) routines[T] {
	var r any
	switch any(T(0)).(type) {
	case float32:
		r = routines[float32]{single.Sgemm, single.Sgemv, single.Ssyrk, single.Strsm}
	default:
		r = routines[float64]{double.Dgemm, double.Dgemv, double.Dsyrk, double.Dtrsm}
	}
	return r.(routines[T])
}

func prepareProduct[T scalar](p product) *prepared {
	ours := routinesOf[T](eckart.Implementation{}, eckart.Implementation{})
	theirs := routinesOf[T](gonum.Implementation{}, gonum.Implementation{})
	switch p.routine {
	case "gemm":
		a, b, c := noise[T](p.m*p.k, 1), noise[T](p.k*p.n, 2), operand[T](p.m*p.n)
		lda, ldb := stride(p.tA, p.m, p.k), stride(p.tB, p.k, p.n)
		call := func(r routines[T]) func() error {
			return func() error {
				r.gemm(p.tA, p.tB, p.m, p.n, p.k, 1, a, lda, b, ldb, 0, c, p.n)
				return nil
			}
		}
		return &prepared{ours: call(ours), gonum: call(theirs), checksum: checksumOf(c)}
	case "gemv":
		a, x, y := noise[T](p.m*p.n, 1), noise[T](p.n, 2), make([]T, p.m)
		call := func(r routines[T]) func() error {
			return func() error {
				r.gemv(p.tA, p.m, p.n, 1, a, p.n, x, 1, 0, y, 1)
				return nil
			}
		}
		return &prepared{ours: call(ours), gonum: call(theirs), checksum: checksumOf(y)}
	case "syrk":
		a, c := noise[T](p.k*p.n, 1), operand[T](p.n*p.n)
		call := func(r routines[T]) func() error {
			return func() error {
				r.syrk(blas.Upper, p.tA, p.n, p.k, 1, a, p.n, 0, c, p.n)
				return nil
			}
		}
		return &prepared{ours: call(ours), gonum: call(theirs), checksum: checksumOf(c)}
	case "trsm":
		// A unit lower triangle with small entries leaves B of the same size however often it is applied.
		a, b := noise[T](p.n*p.n, 1), noise[T](p.n*p.n, 2)
		for i := range a {
			a[i] /= T(p.n)
		}
		call := func(r routines[T]) func() error {
			return func() error {
				r.trsm(blas.Left, blas.Lower, p.tA, blas.Unit, p.n, p.n, 1, a, p.n, b, p.n)
				return nil
			}
		}
		return &prepared{ours: call(ours), gonum: call(theirs), checksum: checksumOf(b)}
	}
	panic("bench: unknown routine " + p.routine)
}

// stride is the row stride of the dense matrix that holds an operand whose op is rows x cols.
func stride(t blas.Transpose, rows, cols int) int {
	if t != blas.NoTrans {
		return rows
	}
	return cols
}

// operand returns an array of zeros for a matrix.
func operand[T scalar](n int) []T { return onHugePages(make([]T, n)) }

// noise is the sequence that the drivers' noise makes too: uniform in [-1/2, 1/2), from a hash of index and seed, exact in
// float32.
func noise[T scalar](n int, seed uint32) []T {
	x := operand[T](n)
	for i := range x {
		x[i] = T(hash(uint32(i), seed))
	}
	return x
}

func hash(i, seed uint32) float64 {
	h := i*2654435761 + seed*40503
	h ^= h >> 15
	h *= 2246822519
	h ^= h >> 13
	return float64(h>>8)/(1<<24) - 0.5
}

// checksumOf is the inner product of a result with noise, which any misplaced element changes, and the sum of absolute
// values beside it.
func checksumOf[T scalar](c []T) func() (sum, size float64) {
	return func() (sum, size float64) {
		for i, v := range c {
			sum += float64(v) * hash(uint32(i), 7)
			size += math.Abs(float64(v))
		}
		return sum, size
	}
}
