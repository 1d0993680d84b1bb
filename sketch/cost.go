package sketch

import (
	"gonum.org/v1/gonum/blas/blas64"

	"github.com/eckart-go/eckart/linop"
)

// Cost counts what a method asked of an operator.
type Cost struct {
	Passes   int `json:"passes"`   // how often A was read from the first element to the last
	Products int `json:"products"` // of A or Aᵀ with a vector
}

// Counted is an operator that counts its products. Where A can do both products of AᵀA X in one pass, so can Counted.
type Counted struct {
	linop.Operator
	Cost Cost
}

var _ linop.GramMultiplier = (*Counted)(nil)

// MulTo computes dst = A X.
func (c *Counted) MulTo(dst, x blas64.General) error {
	c.add(1, x.Cols)
	return c.Operator.MulTo(dst, x)
}

// MulTransTo computes dst = Aᵀ X.
func (c *Counted) MulTransTo(dst, x blas64.General) error {
	c.add(1, x.Cols)
	return c.Operator.MulTransTo(dst, x)
}

// MulGramTo computes dst = AᵀA X, and y = A X if y is not empty.
func (c *Counted) MulGramTo(dst, y, x blas64.General) error {
	passes := 2
	if c.OnePassGram() {
		passes = 1
	}
	c.add(passes, 2*x.Cols)
	return linop.MulGramTo(c.Operator, dst, y, x)
}

// OnePassGram reports whether A applies AᵀA in one pass.
func (c *Counted) OnePassGram() bool { return linop.OnePassGram(c.Operator) }

// FrobeniusNorm returns ||A||_F and whether A knows it. It is not counted: a matrix in memory finds it for less than a product,
// and a stream on its first pass.
func (c *Counted) FrobeniusNorm() (float64, bool, error) { return linop.FrobeniusNorm(c.Operator) }

func (c *Counted) add(passes, products int) {
	c.Cost.Passes += passes
	c.Cost.Products += products
}
