package blas

import (
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
)

// The property tests run every accelerated routine in both precisions against gonum's float64 routines on the same
// numbers. Wherever a routine must not read, there is NaN; wherever it must not write, a NaN has to survive.

// oracle computes the reference values, and, on absolute values, the scale of each element's rounding error.
var oracle gonum.Implementation

// routines are our routines in one precision.
type routines[T scalar] struct {
	name string
	eps  float64 // unit roundoff

	gemm  func(tA, tB blas.Transpose, m, n, k int, alpha T, a []T, lda int, b []T, ldb int, beta T, c []T, ldc int)
	syrk  func(ul blas.Uplo, t blas.Transpose, n, k int, alpha T, a []T, lda int, beta T, c []T, ldc int)
	syr2k func(ul blas.Uplo, t blas.Transpose, n, k int, alpha T, a []T, lda int, b []T, ldb int, beta T, c []T, ldc int)
	symm  func(s blas.Side, ul blas.Uplo, m, n int, alpha T, a []T, lda int, b []T, ldb int, beta T, c []T, ldc int)
	trmm  func(s blas.Side, ul blas.Uplo, t blas.Transpose, d blas.Diag, m, n int, alpha T, a []T, lda int, b []T, ldb int)
	trsm  func(s blas.Side, ul blas.Uplo, t blas.Transpose, d blas.Diag, m, n int, alpha T, a []T, lda int, b []T, ldb int)

	gemv func(t blas.Transpose, m, n int, alpha T, a []T, lda int, x []T, incX int, beta T, y []T, incY int)
	ger  func(m, n int, alpha T, x []T, incX int, y []T, incY int, a []T, lda int)
	symv func(ul blas.Uplo, n int, alpha T, a []T, lda int, x []T, incX int, beta T, y []T, incY int)
	trmv func(ul blas.Uplo, t blas.Transpose, d blas.Diag, n int, a []T, lda int, x []T, incX int)
	trsv func(ul blas.Uplo, t blas.Transpose, d blas.Diag, n int, a []T, lda int, x []T, incX int)
	syr  func(ul blas.Uplo, n int, alpha T, x []T, incX int, a []T, lda int)
	syr2 func(ul blas.Uplo, n int, alpha T, x []T, incX int, y []T, incY int, a []T, lda int)

	dot  func(n int, x []T, incX int, y []T, incY int) T
	asum func(n int, x []T, incX int) T
	nrm2 func(n int, x []T, incX int) T
}

func singles() routines[float32] {
	var i Implementation
	return routines[float32]{
		name: "float32", eps: 0x1p-24,
		gemm: i.Sgemm, syrk: i.Ssyrk, syr2k: i.Ssyr2k, symm: i.Ssymm, trmm: i.Strmm, trsm: i.Strsm,
		gemv: i.Sgemv, ger: i.Sger, symv: i.Ssymv, trmv: i.Strmv, trsv: i.Strsv, syr: i.Ssyr, syr2: i.Ssyr2,
		dot: i.Sdot, asum: i.Sasum, nrm2: i.Snrm2,
	}
}

func doubles() routines[float64] {
	var i Implementation
	return routines[float64]{
		name: "float64", eps: 0x1p-53,
		gemm: i.Dgemm, syrk: i.Dsyrk, syr2k: i.Dsyr2k, symm: i.Dsymm, trmm: i.Dtrmm, trsm: i.Dtrsm,
		gemv: i.Dgemv, ger: i.Dger, symv: i.Dsymv, trmv: i.Dtrmv, trsv: i.Dtrsv, syr: i.Dsyr, syr2: i.Dsyr2,
		dot: i.Ddot, asum: i.Dasum, nrm2: i.Dnrm2,
	}
}

// sum bounds the relative error of n operations in a row, in any order, ours and the oracle's (whose own precision matters
// for float64): 2 gamma_n of Higham 2002, (3.5).
func (r routines[T]) gamma(n int) float64 {
	u := float64(n) * r.eps
	return 2 * u / (1 - u)
}

// matrix is rows x cols in row-major order with padding behind each row. A vector with increment inc is one column of it
// with stride |inc|.
type matrix[T scalar] struct {
	rows, cols, stride int
	data               []T
}

var nan = math.NaN()

// random draws standard normal entries and fills the padding with NaN.
func random[T scalar](rnd *rand.Rand, rows, cols int) matrix[T] {
	m := matrix[T]{rows, cols, cols + rnd.IntN(4), nil}
	m.data = make([]T, max(0, rows*m.stride))
	for i := range m.data {
		m.data[i] = T(nan)
		if i%m.stride < cols {
			m.data[i] = T(rnd.NormFloat64())
		}
	}
	return m
}

// operand draws a matrix A such that op(A) is rows x cols.
func operand[T scalar](rnd *rand.Rand, t blas.Transpose, rows, cols int) matrix[T] {
	if t != blas.NoTrans {
		rows, cols = cols, rows
	}
	return random[T](rnd, rows, cols)
}

// onlyTriangle puts NaN into the other triangle, and on the diagonal when it is not to be read.
func (m matrix[T]) onlyTriangle(ul blas.Uplo, d blas.Diag) matrix[T] {
	for i := range m.rows {
		for j := range m.cols {
			if ul == blas.Upper && j < i || ul == blas.Lower && j > i || i == j && d == blas.Unit {
				m.data[i*m.stride+j] = T(nan)
			}
		}
	}
	return m
}

// triangular draws a triangular matrix whose inverse is of moderate size: the off-diagonal is n^(-1/2) times normal.
func triangular[T scalar](rnd *rand.Rand, ul blas.Uplo, d blas.Diag, n int) matrix[T] {
	a := random[T](rnd, n, n).onlyTriangle(ul, d)
	for i := range n {
		for j := range n {
			v := &a.data[i*a.stride+j]
			if i != j {
				*v /= T(math.Sqrt(float64(n)))
			} else {
				*v = T(math.Copysign(1+math.Abs(float64(*v)), float64(*v)))
			}
		}
	}
	return a
}

func (m matrix[T]) clone() matrix[T] {
	m.data = append([]T(nil), m.data...)
	return m
}

func (m matrix[T]) fill(v float64) matrix[T] {
	for i := range m.data {
		m.data[i] = T(v)
	}
	return m
}

// wide is m in float64, and abs its absolute values.
func (m matrix[T]) wide() matrix[float64] { return m.mapped(func(v float64) float64 { return v }) }
func (m matrix[T]) abs() matrix[float64]  { return m.mapped(math.Abs) }

func (m matrix[T]) mapped(f func(float64) float64) matrix[float64] {
	w := matrix[float64]{m.rows, m.cols, m.stride, make([]float64, len(m.data))}
	for i, v := range m.data {
		w.data[i] = f(float64(v))
	}
	return w
}

// check compares with want, element by element within rel times size; NaNs have to be in the same places.
func (m matrix[T]) check(t *testing.T, what string, want, size matrix[float64], rel float64) {
	t.Helper()
	for i, v := range m.data {
		got, want := float64(v), want.data[i]
		if math.IsNaN(want) != math.IsNaN(got) || !math.IsNaN(want) && !(math.Abs(got-want) <= rel*math.Abs(size.data[i])) {
			t.Fatalf("%s: element (%d,%d) is %v, want %v within %.2g", what, i/m.stride, i%m.stride, got, want, rel*math.Abs(size.data[i]))
		}
	}
}

// coefficients are scalings with every special case.
var coefficients = []float64{1, 0, -1, 0.75}

var (
	transposes = []blas.Transpose{blas.NoTrans, blas.Trans, blas.ConjTrans}
	triangles  = []blas.Uplo{blas.Upper, blas.Lower}
	sides      = []blas.Side{blas.Left, blas.Right}
	diagonals  = []blas.Diag{blas.NonUnit, blas.Unit}
)

// TestThreadsDoNotMatter runs the recursive and the parallel routines on one and on many workers.
func TestThreadsDoNotMatter(t *testing.T) {
	t.Run("float32", func(t *testing.T) { testThreads(t, singles()) })
	t.Run("float64", func(t *testing.T) { testThreads(t, doubles()) })
}

func testThreads[T scalar](t *testing.T, r routines[T]) {
	const n = 515
	run := func(threads int) []T {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(threads))
		rnd := rand.New(rand.NewPCG(3, 4))
		a := triangular[T](rnd, blas.Lower, blas.NonUnit, n)
		b, c := random[T](rnd, n, n), random[T](rnd, n, n)
		x, y := random[T](rnd, n, 1), random[T](rnd, n, 1)
		r.trsm(blas.Left, blas.Lower, blas.NoTrans, blas.NonUnit, n, n, 1, a.data, a.stride, b.data, b.stride)
		r.trmm(blas.Right, blas.Lower, blas.Trans, blas.NonUnit, n, n, 1, a.data, a.stride, b.data, b.stride)
		r.symm(blas.Left, blas.Lower, n, n, 1, a.data, a.stride, b.data, b.stride, 0, c.data, c.stride)
		r.syr2k(blas.Upper, blas.Trans, n, n, 1, b.data, b.stride, c.data, c.stride, 1, c.clone().data, c.stride)
		r.symv(blas.Lower, n, 1, a.data, a.stride, x.data, x.stride, 1, y.data, y.stride)
		r.gemv(blas.Trans, n, n, 1, c.data, c.stride, x.data, x.stride, 1, y.data, y.stride)
		r.ger(n, n, 1, x.data, x.stride, y.data, y.stride, c.data, c.stride)
		r.syr2(blas.Upper, n, 1, x.data, x.stride, y.data, y.stride, c.data, c.stride)
		return append(c.data, y.data...)
	}
	one, four := run(1), run(4)
	for i := range one {
		if one[i] != four[i] && one[i] == one[i] {
			t.Fatalf("element %d: %v on one worker, %v on four", i, one[i], four[i])
		}
	}
}
