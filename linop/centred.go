package linop

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"

	"github.com/eckart-go/eckart/internal/simd"
)

// Centred is A - 1 meanᵀ: every row of A less the same row, usually that of the columns' means, without forming it. A sparse A
// stays sparse, a file is not rewritten. The singular value decomposition of it is the principal component analysis of A's rows.
type Centred struct {
	a      Operator
	mean   []float64
	isMean bool // mean is that of a's columns, so that the norm can be had from a's
}

var (
	_ GramMultiplier = (*Centred)(nil)
	_ Normer         = (*Centred)(nil)
	_ Checker        = (*Centred)(nil)
	_ Rows           = (*Centred)(nil)
)

// NewCentred returns A - 1 meanᵀ for any row mean (n numbers), which is shared.
func NewCentred(a Operator, mean []float64) *Centred {
	if _, n := a.Dims(); len(mean) != n {
		panic(fmt.Sprintf("linop: %d means for %d columns", len(mean), n))
	}
	return &Centred{a: a, mean: mean}
}

// Centre returns a less the means of its columns, which it finds by one product, Aᵀ 1 / m.
func Centre(a Operator) (*Centred, error) {
	m, n := a.Dims()
	c := &Centred{a: a, mean: make([]float64, n), isMean: true}
	if m == 0 {
		return c, nil
	}
	one := newBlock(m, 1)
	for i := range one.Data {
		one.Data[i] = 1 / float64(m) // before the sum, so that huge elements do not overflow
	}
	if err := a.MulTransTo(blas64.General{Rows: n, Cols: 1, Stride: 1, Data: c.mean}, one); err != nil {
		return nil, err
	}
	return c, nil
}

// Mean returns the row that is subtracted, which is shared.
func (c *Centred) Mean() []float64 { return c.mean }

// Dims returns the number of rows and of columns.
func (c *Centred) Dims() (m, n int) { return c.a.Dims() }

// MulTo computes dst = A X - 1 (meanᵀ X).
func (c *Centred) MulTo(dst, x blas64.General) error {
	if err := c.a.MulTo(dst, x); err != nil {
		return err
	}
	shift := c.shift(x)
	for i := range dst.Rows {
		simd.Daxpy(-1, shift, Dense(dst).row(i))
	}
	return nil
}

// MulTransTo computes dst = Aᵀ X - mean (1ᵀ X).
func (c *Centred) MulTransTo(dst, x blas64.General) error {
	if err := c.a.MulTransTo(dst, x); err != nil {
		return err
	}
	c.subtractSums(dst, columnSums(x))
	return nil
}

// MulGramTo computes dst = (A - 1 meanᵀ)ᵀ(A - 1 meanᵀ) X, and y = (A - 1 meanᵀ) X if y is not empty, for one MulGramTo of A and
// the means of A's columns: with s = meanᵀ X it is Aᵀ(A X) - (Aᵀ 1) s - mean (1ᵀ Y). It needs y in any case.
func (c *Centred) MulGramTo(dst, y, x blas64.General) error {
	m, _ := c.Dims()
	if isEmpty(y) {
		y = newBlock(m, x.Cols)
	}
	if !c.isMean { // Aᵀ 1 is not known
		if err := c.MulTo(y, x); err != nil {
			return err
		}
		return c.MulTransTo(dst, y)
	}
	if err := MulGramTo(c.a, dst, y, x); err != nil {
		return err
	}
	shift := c.shift(x)
	c.subtractSums(dst, scaledBy(float64(m), shift))
	for i := range y.Rows {
		simd.Daxpy(-1, shift, Dense(y).row(i))
	}
	c.subtractSums(dst, columnSums(y))
	return nil
}

// OnePassGram reports whether MulGramTo reads A once.
func (c *Centred) OnePassGram() bool { return c.isMean && OnePassGram(c.a) }

// EachBlock calls f for consecutive blocks of rows, in memory of its own: those of A, if A delivers them, less the mean. Of other
// operators it computes them, as products of Aᵀ with columns of the identity.
func (c *Centred) EachBlock(f func(first int, block blas64.General) error) error {
	var own blas64.General
	return eachBlock(c.a, func(first int, block blas64.General) error {
		if own.Rows < block.Rows {
			own = newBlock(block.Rows, block.Cols)
		}
		part := rowsOf(own, 0, block.Rows)
		for i := range block.Rows {
			row := Dense(part).row(i)
			copy(row, Dense(block).row(i))
			simd.Daxpy(-1, c.mean, row)
		}
		return f(first, part)
	})
}

// eachBlock delivers the rows of any operator.
func eachBlock(a Operator, f func(first int, block blas64.General) error) error {
	if r, ok := a.(Rows); ok {
		return r.EachBlock(f)
	}
	const most = 64
	m, n := a.Dims()
	for first := 0; first < m; first += most {
		rows := min(most, m-first)
		columns, block := newBlock(n, rows), newBlock(rows, n)
		unit := newBlock(m, rows)
		for i := range rows {
			unit.Data[(first+i)*rows+i] = 1
		}
		if err := a.MulTransTo(columns, unit); err != nil {
			return err
		}
		for j := range n {
			for i := range rows {
				block.Data[i*n+j] = columns.Data[j*rows+i]
			}
		}
		if err := f(first, block); err != nil {
			return err
		}
	}
	return nil
}

// shift returns meanᵀ X.
func (c *Centred) shift(x blas64.General) []float64 {
	s := make([]float64, x.Cols)
	if x.Rows > 0 && x.Cols > 0 {
		simd.Dgemv(blas.Trans, x.Rows, x.Cols, 1, x.Data, x.Stride, c.mean, 1, 0, s, 1)
	}
	return s
}

// subtractSums subtracts mean sumsᵀ from dst.
func (c *Centred) subtractSums(dst blas64.General, sums []float64) {
	for j, v := range c.mean {
		simd.Daxpy(-v, sums, Dense(dst).row(j))
	}
}

// FrobeniusNorm returns ||A - 1 meanᵀ||_F where mean is that of A's columns and A knows its norm: the square root of
// ||A||² - m ||mean||². The difference cancels if the means are large: its relative error is then about eps ||A||² / result².
func (c *Centred) FrobeniusNorm() (float64, error) {
	if !c.isMean {
		return 0, errUnknown
	}
	norm, err := normOf(c.a)
	if err != nil {
		return 0, err
	}
	m, _ := c.Dims()
	var h hypotenuse
	h.add(c.mean)
	shift := h.value() * math.Sqrt(float64(m))
	if shift >= norm {
		return 0, nil
	}
	return math.Sqrt(norm-shift) * math.Sqrt(norm+shift), nil
}

// CheckFinite inspects the elements of A.
func (c *Centred) CheckFinite() error { return CheckFinite(c.a) }

// columnSums returns 1ᵀ X.
func columnSums(x blas64.General) []float64 {
	sums := make([]float64, x.Cols)
	for i := range x.Rows {
		simd.Daxpy(1, Dense(x).row(i), sums)
	}
	return sums
}

func scaledBy(alpha float64, x []float64) []float64 {
	out := make([]float64, len(x))
	simd.Daxpy(alpha, x, out)
	return out
}
