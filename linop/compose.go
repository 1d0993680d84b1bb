package linop

import (
	"context"
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas/blas64"

	"github.com/eckart-go/eckart/internal/simd"
)

// errUnknown is a combination's answer when an operator it consists of does not know its norm.
var errUnknown = errors.New("linop: the norm is not known")

// Func is an operator given by two functions, for matrices that exist only as code.
type Func struct {
	Rows, Cols int
	// Mul computes dst = A X, MulTrans dst = Aᵀ X, under the contract of Operator's products; shapes have been checked.
	Mul, MulTrans func(dst, x blas64.General) error
}

// Dims returns the number of rows and of columns.
func (f Func) Dims() (m, n int) { return f.Rows, f.Cols }

// MulTo computes dst = A X.
func (f Func) MulTo(dst, x blas64.General) error {
	CheckProduct(f.Rows, f.Cols, dst, x)
	return f.Mul(dst, x)
}

// MulTransTo computes dst = Aᵀ X.
func (f Func) MulTransTo(dst, x blas64.General) error {
	CheckProduct(f.Cols, f.Rows, dst, x)
	return f.MulTrans(dst, x)
}

// Transposed returns Aᵀ.
func Transposed(a Operator) Operator {
	if t, ok := a.(transposed); ok {
		return t.a
	}
	return transposed{a}
}

type transposed struct{ a Operator }

func (t transposed) Dims() (m, n int) {
	n, m = t.a.Dims()
	return m, n
}
func (t transposed) MulTo(dst, x blas64.General) error {
	return TransposedError(t.a.MulTransTo(dst, x))
}
func (t transposed) MulTransTo(dst, x blas64.General) error {
	return TransposedError(t.a.MulTo(dst, x))
}
func (t transposed) FrobeniusNorm() (float64, error) {
	norm, err := normOf(t.a)
	return norm, TransposedError(err)
}
func (t transposed) CheckFinite() error { return TransposedError(CheckFinite(t.a)) }

// Scaled returns alpha A.
func Scaled(alpha float64, a Operator) Operator { return scaled{alpha, a} }

type scaled struct {
	alpha float64
	a     Operator
}

func (s scaled) Dims() (m, n int) { return s.a.Dims() }
func (s scaled) MulTo(dst, x blas64.General) error {
	return s.scale(dst, s.a.MulTo(dst, x))
}
func (s scaled) MulTransTo(dst, x blas64.General) error {
	return s.scale(dst, s.a.MulTransTo(dst, x))
}
func (s scaled) scale(dst blas64.General, err error) error {
	for i := range dst.Rows {
		simd.Dscal(s.alpha, Dense(dst).row(i))
	}
	return err
}
func (s scaled) FrobeniusNorm() (float64, error) {
	norm, err := normOf(s.a)
	return math.Abs(s.alpha) * norm, err
}
func (s scaled) CheckFinite() error { return CheckFinite(s.a) }

// Product returns A B, for a (m x l) and b (l x n). A product with p columns takes a workspace of l x p.
func Product(a, b Operator) Operator {
	_, l := a.Dims()
	if rows, _ := b.Dims(); rows != l {
		panic(fmt.Sprintf("linop: a product of an operator with %d columns and one with %d rows", l, rows))
	}
	return product{a, b}
}

type product struct{ a, b Operator }

func (p product) Dims() (m, n int) {
	m, _ = p.a.Dims()
	_, n = p.b.Dims()
	return m, n
}
func (p product) MulTo(dst, x blas64.General) error {
	m, n := p.Dims()
	CheckProduct(m, n, dst, x)
	inner := p.inner(x.Cols)
	if err := p.b.MulTo(inner, x); err != nil {
		return err
	}
	return p.a.MulTo(dst, inner)
}
func (p product) MulTransTo(dst, x blas64.General) error {
	m, n := p.Dims()
	CheckProduct(n, m, dst, x)
	inner := p.inner(x.Cols)
	if err := p.a.MulTransTo(inner, x); err != nil {
		return err
	}
	return p.b.MulTransTo(dst, inner)
}
func (p product) inner(cols int) blas64.General {
	l, _ := p.b.Dims()
	return newBlock(l, cols)
}
func (p product) CheckFinite() error { return errors.Join(CheckFinite(p.a), CheckFinite(p.b)) }

// Sum returns A + B, of operators of the same shape. With Scaled and Product it is a difference, or a matrix less its low-rank
// approximation. A product takes a workspace of dst's size.
func Sum(a, b Operator) Operator {
	m, n := a.Dims()
	if mb, nb := b.Dims(); mb != m || nb != n {
		panic(fmt.Sprintf("linop: a sum of %d x %d and %d x %d", m, n, mb, nb))
	}
	return sum{a, b}
}

type sum struct{ a, b Operator }

func (s sum) Dims() (m, n int) { return s.a.Dims() }
func (s sum) MulTo(dst, x blas64.General) error {
	return s.add(dst, func(o Operator, dst blas64.General) error { return o.MulTo(dst, x) })
}
func (s sum) MulTransTo(dst, x blas64.General) error {
	return s.add(dst, func(o Operator, dst blas64.General) error { return o.MulTransTo(dst, x) })
}
func (s sum) add(dst blas64.General, multiply func(Operator, blas64.General) error) error {
	if err := multiply(s.a, dst); err != nil {
		return err
	}
	other := newBlock(dst.Rows, dst.Cols)
	if err := multiply(s.b, other); err != nil {
		return err
	}
	for i := range dst.Rows {
		simd.Daxpy(1, Dense(other).row(i), Dense(dst).row(i))
	}
	return nil
}
func (s sum) CheckFinite() error { return errors.Join(CheckFinite(s.a), CheckFinite(s.b)) }

// WithContext returns a with products that return the context's error once it is done. A product that has begun ends first;
// of Rows, a block.
func WithContext(ctx context.Context, a Operator) Operator {
	c := cancellable{ctx, a}
	if r, ok := a.(Rows); ok {
		return cancellableRows{c, r}
	}
	return c
}

type cancellableRows struct {
	cancellable
	rows Rows
}

func (c cancellableRows) EachBlock(f func(first int, block blas64.General) error) error {
	return c.rows.EachBlock(func(first int, block blas64.General) error {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		return f(first, block)
	})
}

type cancellable struct {
	ctx context.Context // an Operator's products take none: this is how one computation's context reaches them
	a   Operator
}

func (c cancellable) Dims() (m, n int) { return c.a.Dims() }
func (c cancellable) MulTo(dst, x blas64.General) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	return c.a.MulTo(dst, x)
}
func (c cancellable) MulTransTo(dst, x blas64.General) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	return c.a.MulTransTo(dst, x)
}
func (c cancellable) MulGramTo(dst, y, x blas64.General) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	return MulGramTo(c.a, dst, y, x)
}
func (c cancellable) OnePassGram() bool               { return OnePassGram(c.a) }
func (c cancellable) FrobeniusNorm() (float64, error) { return normOf(c.a) }
func (c cancellable) CheckFinite() error              { return CheckFinite(c.a) }

// normOf returns the norm of a or errUnknown.
func normOf(a Operator) (float64, error) {
	norm, known, err := FrobeniusNorm(a)
	if err == nil && !known {
		err = errUnknown
	}
	return norm, err
}
