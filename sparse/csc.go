package sparse

import (
	"fmt"

	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/linop"
)

// CSC is a matrix stored by columns ("compressed sparse column"): the transpose of a CSR. The zero value is not usable; make one
// with NewCSC, CSR.CSC or CSR.T.
type CSC[T Float] struct {
	t *CSR[T] // row j is column j
}

var (
	_ mat.NonZeroDoer = (*CSC[float64])(nil)
	_ linop.Operator  = (*CSC[float64])(nil)
	_ linop.Normer    = (*CSC[float64])(nil)
	_ linop.Checker   = (*CSC[float64])(nil)
)

// NewCSC returns the matrix (rows x cols) whose column j has its rows and values at starts[j] to starts[j+1]-1. It takes the
// arrays over and fails like New.
func NewCSC[T Float](rows, cols int, starts []int, index []int32, values []T) (*CSC[T], error) {
	t, err := New(cols, rows, starts, index, values)
	if err != nil {
		return nil, fmt.Errorf("by columns, so rows are columns here: %w", err)
	}
	return &CSC[T]{t: t}, nil
}

// Dims returns the number of rows and of columns.
func (a *CSC[T]) Dims() (m, n int) {
	n, m = a.t.Dims()
	return m, n
}

// NNZ returns the number of entries.
func (a *CSC[T]) NNZ() int { return a.t.NNZ() }

// At returns element (i, j), found by bisection of the column.
func (a *CSC[T]) At(i, j int) float64 {
	if m, n := a.Dims(); uint(i) >= uint(m) {
		panic(mat.ErrRowAccess)
	} else if uint(j) >= uint(n) {
		panic(mat.ErrColAccess)
	}
	return a.t.At(j, i)
}

// T returns the transpose, a *CSR that shares everything with a.
func (a *CSC[T]) T() mat.Matrix { return a.t }

// Column returns the rows and values of column j, which are a's own.
func (a *CSC[T]) Column(j int) (rows []int32, values []T) { return a.t.Row(j) }

// Arrays returns SciPy's indptr, indices and data, which are a's own.
func (a *CSC[T]) Arrays() (starts []int, index []int32, values []T) { return a.t.Arrays() }

// DoNonZero calls f for every entry, column by column.
func (a *CSC[T]) DoNonZero(f func(i, j int, v float64)) {
	a.t.DoNonZero(func(j, i int, v float64) { f(i, j, v) })
}

// Dense returns all m*n elements.
func (a *CSC[T]) Dense() *mat.Dense {
	if m, n := a.Dims(); m == 0 || n == 0 {
		return &mat.Dense{}
	}
	return mat.DenseCopyOf(a.t.Dense().T())
}

// CSR returns the same matrix stored by rows: made by the first call, in time proportional to the entries and rows, and kept
// beside a.
func (a *CSC[T]) CSR() *CSR[T] { return a.t.mirrored() }

// MulTo computes dst = A X for x (n x p); dst is m x p. It returns nil.
func (a *CSC[T]) MulTo(dst, x blas64.General) error { return a.t.MulTransTo(dst, x) }

// MulTransTo computes dst = Aᵀ X for x (m x p); dst is n x p. It returns nil.
func (a *CSC[T]) MulTransTo(dst, x blas64.General) error { return a.t.MulTo(dst, x) }

// Mul32To is MulTo for blocks of float32.
func (a *CSC[T]) Mul32To(dst, x blas32.General) { a.t.MulTrans32To(dst, x) }

// MulTrans32To is MulTransTo for blocks of float32.
func (a *CSC[T]) MulTrans32To(dst, x blas32.General) { a.t.Mul32To(dst, x) }

// MulVecTo computes dst = A x for n numbers; dst has m.
func (a *CSC[T]) MulVecTo(dst, x []float64) { a.t.MulTransVecTo(dst, x) }

// MulTransVecTo computes dst = Aᵀ x for m numbers; dst has n.
func (a *CSC[T]) MulTransVecTo(dst, x []float64) { a.t.MulVecTo(dst, x) }

// FrobeniusNorm returns the square root of the sum of squares; the error is nil.
func (a *CSC[T]) FrobeniusNorm() (float64, error) { return a.t.FrobeniusNorm() }

// CheckFinite returns a *linop.ElementError of the first entry, by columns, that is NaN or infinite, or nil.
func (a *CSC[T]) CheckFinite() error { return linop.TransposedError(a.t.CheckFinite()) }
