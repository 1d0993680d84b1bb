package linop

import (
	"fmt"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
)

// Rows is a matrix whose rows are delivered in order, a block at a time: a file larger than memory, or anything that a method
// of one or two passes works on.
type Rows interface {
	// Dims returns the number of rows and of columns.
	Dims() (m, n int)
	// EachBlock is a pass: it calls f for consecutive blocks of rows, from the first row to the last. block has n columns, first
	// is the index of its first row in the matrix. It belongs to the source, is not to be written to, and is valid until f
	// returns. An error of f ends the pass and is returned.
	EachBlock(f func(first int, block blas64.General) error) error
}

// Stream is a source of rows as an Operator: every product is a pass over the source, and MulGramTo one pass for both products.
// Elements are checked as they pass by; one that is NaN or infinite is an error that names it.
type Stream struct {
	source Rows
	passes int
	norm   float64 // of what has passed, valid after the first complete pass
	known  bool
}

var (
	_ GramMultiplier = (*Stream)(nil)
	_ Normer         = (*Stream)(nil)
	_ Checker        = (*Stream)(nil)
	_ Rows           = (*Stream)(nil)
)

// NewStream returns the operator of a source.
func NewStream(source Rows) *Stream { return &Stream{source: source} }

// Dims returns the number of rows and of columns.
func (s *Stream) Dims() (m, n int) { return s.source.Dims() }

// Passes returns how often the source has been read, counting passes that failed.
func (s *Stream) Passes() int { return s.passes }

// EachBlock is a pass over the source, counted and checked.
func (s *Stream) EachBlock(f func(first int, block blas64.General) error) error {
	s.passes++
	m, n := s.source.Dims()
	var sum hypotenuse
	next := 0
	err := s.source.EachBlock(func(first int, block blas64.General) error {
		if first != next || block.Cols != n || block.Rows > m-next {
			return fmt.Errorf("linop: a block of %d x %d at row %d: expected row %d of a matrix of %d x %d", block.Rows, block.Cols, first, next, m, n)
		}
		next += block.Rows
		for i := range block.Rows {
			row := Dense(block).row(i)
			if err := checkRow(first+i, row); err != nil {
				return err
			}
			if !s.known {
				sum.add(row)
			}
		}
		return f(first, block)
	})
	if err != nil {
		return err
	}
	if next != m {
		return fmt.Errorf("linop: the source ended after %d of %d rows", next, m)
	}
	if !s.known {
		s.norm, s.known = sum.value(), true
	}
	return nil
}

// MulTo computes dst = A X in one pass.
func (s *Stream) MulTo(dst, x blas64.General) error {
	m, n := s.Dims()
	CheckProduct(m, n, dst, x)
	return s.EachBlock(func(first int, block blas64.General) error {
		return Dense(block).MulTo(rowsOf(dst, first, block.Rows), x)
	})
}

// MulTransTo computes dst = Aᵀ X in one pass.
func (s *Stream) MulTransTo(dst, x blas64.General) error {
	m, n := s.Dims()
	CheckProduct(n, m, dst, x)
	clearBlock(dst)
	return s.EachBlock(func(first int, block blas64.General) error {
		addProduct(1, dst, blas.Trans, block, rowsOf(x, first, block.Rows))
		return nil
	})
}

// MulGramTo computes dst = Aᵀ(A X), and y = A X if y is not empty, in one pass.
func (s *Stream) MulGramTo(dst, y, x blas64.General) error {
	m, n := s.Dims()
	CheckProduct(n, n, dst, x)
	if !isEmpty(y) {
		CheckProduct(m, n, y, x)
	}
	clearBlock(dst)
	var part blas64.General
	return s.EachBlock(func(first int, block blas64.General) error {
		var yb blas64.General
		switch {
		case !isEmpty(y):
			yb = rowsOf(y, first, block.Rows)
		default:
			if part.Rows < block.Rows {
				part = newBlock(block.Rows, x.Cols)
			}
			yb = rowsOf(part, 0, block.Rows)
		}
		addProduct(0, yb, blas.NoTrans, block, x)
		addProduct(1, dst, blas.Trans, block, yb)
		return nil
	})
}

// FrobeniusNorm returns ||A||_F, which every pass finds on the way; if there has been none it makes one.
func (s *Stream) FrobeniusNorm() (float64, error) {
	if err := s.CheckFinite(); err != nil {
		return 0, err
	}
	return s.norm, nil
}

// CheckFinite makes a pass unless there has been one, and returns its error.
func (s *Stream) CheckFinite() error {
	if s.known {
		return nil
	}
	return s.EachBlock(func(int, blas64.General) error { return nil })
}

// rowsOf returns rows first to first+rows-1 of b.
func rowsOf(b blas64.General, first, rows int) blas64.General {
	if rows == 0 || b.Cols == 0 {
		return blas64.General{Rows: rows, Cols: b.Cols, Stride: b.Stride}
	}
	return blas64.General{Rows: rows, Cols: b.Cols, Stride: b.Stride, Data: b.Data[first*b.Stride:][:(rows-1)*b.Stride+b.Cols]}
}
