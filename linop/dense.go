package linop

import (
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"

	"github.com/eckart-go/eckart/internal/simd"
)

// Dense is a matrix in memory, row-major, as an Operator. The conversion Dense(a.RawMatrix()) shares a's elements.
type Dense blas64.General

var (
	_ Operator = Dense{}
	_ Normer   = Dense{}
	_ Checker  = Dense{}
	_ Rows     = Dense{}
)

// Dims returns the number of rows and of columns.
func (a Dense) Dims() (m, n int) { return a.Rows, a.Cols }

// MulTo computes dst = A X. It returns nil.
func (a Dense) MulTo(dst, x blas64.General) error {
	CheckProduct(a.Rows, a.Cols, dst, x)
	a.multiply(blas.NoTrans, dst, x)
	return nil
}

// MulTransTo computes dst = Aᵀ X. It returns nil.
func (a Dense) MulTransTo(dst, x blas64.General) error {
	CheckProduct(a.Cols, a.Rows, dst, x)
	a.multiply(blas.Trans, dst, x)
	return nil
}

func (a Dense) multiply(t blas.Transpose, dst, x blas64.General) {
	addProduct(0, dst, t, blas64.General(a), x)
}

// addProduct computes dst = beta dst + op(A) X.
func addProduct(beta float64, dst blas64.General, t blas.Transpose, a, x blas64.General) {
	switch {
	case dst.Rows == 0 || dst.Cols == 0:
	case a.Rows == 0 || a.Cols == 0:
		if beta == 0 {
			clearBlock(dst)
		}
	case dst.Cols == 1:
		simd.Dgemv(t, a.Rows, a.Cols, 1, a.Data, a.Stride, x.Data, max(1, x.Stride), beta, dst.Data, max(1, dst.Stride))
	default:
		simd.Dgemm(t, blas.NoTrans, dst.Rows, dst.Cols, x.Rows, 1, a.Data, a.Stride, x.Data, x.Stride, beta, dst.Data, dst.Stride)
	}
}

// FrobeniusNorm returns ||A||_F; the error is nil.
func (a Dense) FrobeniusNorm() (float64, error) {
	var sum hypotenuse
	for i := range a.Rows {
		sum.add(a.row(i))
	}
	return sum.value(), nil
}

// CheckFinite returns an *ElementError of the first element that is NaN or infinite, or nil.
func (a Dense) CheckFinite() error {
	for i := range a.Rows {
		if err := checkRow(i, a.row(i)); err != nil {
			return err
		}
	}
	return nil
}

// EachBlock calls f with the whole matrix, if it has rows.
func (a Dense) EachBlock(f func(first int, block blas64.General) error) error {
	if a.Rows == 0 {
		return nil
	}
	return f(0, blas64.General(a))
}

func (a Dense) row(i int) []float64 { return a.Data[i*a.Stride:][:a.Cols] }

func checkRow(i int, row []float64) error {
	if sum := simd.Dasum(row); !math.IsNaN(sum) && !math.IsInf(sum, 0) {
		return nil
	}
	for j, v := range row {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return &ElementError{i, j, v}
		}
	}
	return nil // finite, with a sum that overflows
}

// hypotenuse adds up squares without leaving the range of float64: the sum is scale² * ssq, as in LAPACK's dlassq.
type hypotenuse struct{ scale, ssq float64 }

// add adds the squares of x.
func (h *hypotenuse) add(x []float64) {
	if s := simd.Dsumsq(x); s > 0x1p-960 && s < 0x1p960 || s == 0 && simd.Dasum(x) == 0 {
		h.addNorm(math.Sqrt(s))
		return
	}
	for _, v := range x {
		h.addNorm(math.Abs(v))
	}
}

// addNorm adds v², v >= 0.
func (h *hypotenuse) addNorm(v float64) {
	switch {
	case math.IsNaN(v) || math.IsNaN(h.scale):
		h.scale, h.ssq = math.NaN(), 1
	case v == 0:
	case math.IsInf(v, 0):
		h.scale, h.ssq = v, 1
	case h.scale < v:
		r := h.scale / v
		h.scale, h.ssq = v, 1+h.ssq*r*r
	default:
		r := v / h.scale
		h.ssq += r * r
	}
}

func (h *hypotenuse) value() float64 { return h.scale * math.Sqrt(h.ssq) }

// clearBlock sets all elements to zero.
func clearBlock(b blas64.General) {
	for i := range b.Rows {
		clear(b.Data[i*b.Stride:][:b.Cols])
	}
}
