// Package linop is the one idea of a matrix that is known by its products: what randomized, Krylov and streaming methods are
// given. A dense matrix, a sparse one, a file larger than memory, a difference of matrices that is never formed, and two
// functions are all an Operator.
//
// # Products
//
// Operator has two products, A X and Aᵀ X, with X and the result as row-major blocks of columns (blas64.General). A method
// that multiplies many columns at once reads A once for all of them. What only some operators can do is an interface of its
// own (Normer, GramMultiplier, Checker) behind a function that works for all of them (FrobeniusNorm, MulGramTo, CheckFinite).
//
// # Errors
//
// Products return an error because reading a file can fail, a number in it can be NaN, and a long computation can be
// cancelled: WithContext makes every product of an operator return the context's error. Operators in memory always return nil.
// Wrong shapes are the programmer's error and panic, as in gonum.
//
// # Passes
//
// Rows is the weaker idea: rows that are delivered in order, a block at a time. Stream makes an Operator of it, where every
// product is a pass over the source, and MulGramTo has both products in one pass.
package linop

import (
	"errors"
	"fmt"

	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"
)

// Operator is a linear map A (m x n) that is known by its products.
type Operator interface {
	// Dims returns the number of rows and of columns.
	Dims() (m, n int)
	// MulTo computes dst = A X for x (n x p). dst (m x p) is overwritten, whatever it holds, and must not overlap x. After an
	// error the content of dst is undefined.
	MulTo(dst, x blas64.General) error
	// MulTransTo computes dst = Aᵀ X for x (m x p). dst (n x p) is overwritten and must not overlap x.
	MulTransTo(dst, x blas64.General) error
}

// GramMultiplier is an operator that can apply AᵀA for less than two products, for instance in one pass over a file.
type GramMultiplier interface {
	Operator
	// MulGramTo computes dst = Aᵀ(A X) for x (n x p); dst (n x p) is overwritten. If y is not empty it is m x p and becomes A X.
	MulGramTo(dst, y, x blas64.General) error
}

// Normer is an operator that knows or can compute its Frobenius norm.
type Normer interface {
	// FrobeniusNorm returns the square root of the sum of squares of all elements.
	FrobeniusNorm() (float64, error)
}

// Checker is an operator whose elements can be inspected.
type Checker interface {
	// CheckFinite returns an *ElementError of the first element that is NaN or infinite, or nil.
	CheckFinite() error
}

// ElementError says which element of a matrix is NaN or infinite.
type ElementError struct {
	Row, Col int
	Value    float64
}

func (e *ElementError) Error() string {
	return fmt.Sprintf("linop: element (%d, %d) is %v: expected a finite number", e.Row, e.Col, e.Value)
}

// TransposedError returns err, of the transpose of a matrix, as it is for the matrix itself: an ElementError has its row and column
// exchanged.
func TransposedError(err error) error {
	var at *ElementError
	if errors.As(err, &at) {
		return &ElementError{Row: at.Col, Col: at.Row, Value: at.Value}
	}
	return err
}

// Of returns a as an Operator: a itself if it is one, a view of it if it shows its elements (mat.Dense and its transpose), and
// of anything else a copy.
func Of(a mat.Matrix) Operator {
	switch a := a.(type) {
	case Operator:
		return a
	case mat.RawMatrixer:
		return Dense(a.RawMatrix())
	case mat.Transpose:
		return Transposed(Of(a.Matrix))
	}
	return Dense(mat.DenseCopyOf(a).RawMatrix())
}

// MulGramTo computes dst = Aᵀ(A X) for x (n x p), in one pass if a can. If y is not empty it is m x p and becomes A X.
func MulGramTo(a Operator, dst, y, x blas64.General) error {
	if g, ok := a.(GramMultiplier); ok {
		return g.MulGramTo(dst, y, x)
	}
	if isEmpty(y) {
		m, _ := a.Dims()
		y = newBlock(m, x.Cols)
	}
	if err := a.MulTo(y, x); err != nil {
		return err
	}
	return a.MulTransTo(dst, y)
}

// OnePassGram reports whether MulGramTo reads a once, and not once for each product.
func OnePassGram(a Operator) bool {
	if o, ok := a.(interface{ OnePassGram() bool }); ok { // of a combination it depends on what it is made of
		return o.OnePassGram()
	}
	_, ok := a.(GramMultiplier)
	return ok
}

// FrobeniusNorm returns ||A||_F and true, or false if a cannot tell it for less than its elements one by one.
func FrobeniusNorm(a Operator) (norm float64, known bool, err error) {
	n, ok := a.(Normer)
	if !ok {
		return 0, false, nil
	}
	norm, err = n.FrobeniusNorm()
	if err == errUnknown {
		return 0, false, nil
	}
	return norm, err == nil, err
}

// CheckFinite returns an error that names the first element of a that is NaN or infinite. It returns nil if there is none, and
// for operators whose elements cannot be inspected (those check what they read, or leave it to the products).
func CheckFinite(a Operator) error {
	if c, ok := a.(Checker); ok {
		return c.CheckFinite()
	}
	return nil
}

// newBlock returns a zero block of columns.
func newBlock(rows, cols int) blas64.General {
	return blas64.General{Rows: rows, Cols: cols, Stride: max(1, cols), Data: make([]float64, rows*cols)}
}

func isEmpty(b blas64.General) bool { return b.Rows == 0 && b.Cols == 0 }

// CheckProduct panics unless x is cols x p and dst rows x p with data for these shapes: the check that implementations of
// MulTo (rows, cols = m, n) and MulTransTo (n, m) begin with.
func CheckProduct(rows, cols int, dst, x blas64.General) {
	if x.Rows != cols || dst.Rows != rows || dst.Cols != x.Cols {
		panic(fmt.Sprintf("linop: a product of %d x %d with %d x %d into %d x %d", rows, cols, x.Rows, x.Cols, dst.Rows, dst.Cols))
	}
	checkBlock(dst)
	checkBlock(x)
}

func checkBlock(b blas64.General) {
	if b.Rows > 0 && b.Cols > 0 && (b.Stride < b.Cols || len(b.Data) < (b.Rows-1)*b.Stride+b.Cols) {
		panic(fmt.Sprintf("linop: %d x %d elements with stride %d in %d numbers", b.Rows, b.Cols, b.Stride, len(b.Data)))
	}
}
