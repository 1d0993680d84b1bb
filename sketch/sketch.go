// Package sketch multiplies matrices by short random ones and finds the ranges of matrices with them.
//
// # Sketches
//
// A sketch S (s x n, s usually much smaller than n) keeps the geometry of a subspace: E SᵀS = I, and ||S x|| is near ||x|| for
// all x of a subspace whose dimension is well below s. Every sketch here is an Operator, never stored as a matrix, whose elements
// depend on the seed and on their position alone (package internal/philox): results are the same for any number of threads,
// and any submatrix can be made without the rest.
//
//	NewGaussian, NewUniform  dense: the best statistics; for s small, and for low-rank work
//	NewSparseSign            zeta nonzeros in every column: for sketching tall matrices, dense or sparse, at zeta operations an element
//	NewCountSketch           the same with one nonzero: cheapest, and needs s of the order of the square of the dimension
//	NewLongSparse            zeta nonzeros in every row (LESS-uniform): cheapest where s is tiny
//	NewSubsampled            random signs, a fast Hadamard or cosine transform, and some of its rows (SRHT, SRCT)
//	NewSampling              rows of the matrix itself, drawn with given probabilities
//
// # Ranges
//
// Range finds an orthonormal basis Q for most of what a matrix does, for a rank; QB, to a tolerance, with QᵀA beside it. Both
// take any linop.Operator, count what they cost, and say how good they are: Halko, Martinsson, Tropp 2011 (HMT), and Murray
// and others 2023 (arXiv 2302.11474).
package sketch

import (
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"

	"github.com/eckart-go/eckart/internal/simd"
	"github.com/eckart-go/eckart/linop"
)

// Operator is a random s x n matrix S with E SᵀS = I. Products check shapes and panic; their errors are always nil.
type Operator interface {
	// MulTo computes dst = S A, MulTransTo dst = Sᵀ Y; Dims returns s and n.
	linop.Operator
	// RightTo computes dst = A Sᵀ for a (m x n); dst (m x s) is overwritten and must not overlap a.
	RightTo(dst, a blas64.General)
	// BlockTo sets dst to the submatrix of S whose first element is (i, j).
	BlockTo(dst blas64.General, i, j int)
}

// Left computes dst = S A for any operator a (n x c); dst (s x c) is overwritten. A dense matrix is read once and a sparse one
// costs S's nonzeros a column for every element; a stream takes one pass; other operators are asked for products of Aᵀ with S's
// rows.
func Left(dst blas64.General, s Operator, a linop.Operator) error {
	rows, n := s.Dims()
	m, c := a.Dims()
	checkShape("S A", dst, rows, c)
	checkDims("S A", n, m)
	if d, ok := a.(linop.Dense); ok {
		return s.MulTo(dst, blas64.General(d))
	}
	if sparse, ok := a.(rowed); ok {
		if few, ok := s.(listed); ok {
			leftOf(dst, few, sparse)
			return nil
		}
	}
	if source, ok := a.(linop.Rows); ok && linop.OnePassGram(a) {
		return leftOfRows(dst, s, source)
	}
	return eachRows(s, func(i int, block blas64.General) error {
		part := newBlock(c, block.Cols)
		if err := a.MulTransTo(part, block); err != nil {
			return err
		}
		transposeTo(rowsOf(dst, i, block.Cols), part)
		return nil
	})
}

// leftOfRows sums up the products of S's columns with the rows as they pass by.
func leftOfRows(dst blas64.General, s Operator, source linop.Rows) error {
	for i := range dst.Rows {
		clear(row(dst, i))
	}
	part := newBlock(dst.Rows, dst.Cols)
	return source.EachBlock(func(first int, block blas64.General) error {
		if d, ok := s.(*SparseSign); ok {
			cols := d.cols
			cols.rows = block.Rows
			cols.fill = func(j int, index []int, value []float64) int { return d.cols.fill(first+j, index, value) }
			cols.scatterTo(part, block)
			for i := range dst.Rows {
				simd.Daxpy(1, row(part, i), row(dst, i))
			}
			return nil
		}
		columns := newBlock(dst.Rows, block.Rows)
		s.BlockTo(columns, 0, first)
		gemm(blas.NoTrans, blas.NoTrans, 1, columns, block, 1, dst)
		return nil
	})
}

// Right computes dst = A Sᵀ for any operator a (m x n); dst (m x s) is overwritten. It costs as much as Left.
func Right(dst blas64.General, a linop.Operator, s Operator) error {
	rows, n := s.Dims()
	m, c := a.Dims()
	checkShape("A Sᵀ", dst, m, rows)
	checkDims("A Sᵀ", c, n)
	if d, ok := a.(linop.Dense); ok {
		s.RightTo(dst, blas64.General(d))
		return nil
	}
	if sparse, ok := a.(rowed); ok {
		if few, ok := s.(listed); ok {
			rightOf(dst, sparse, few)
			return nil
		}
	}
	return eachRows(s, func(i int, block blas64.General) error {
		return a.MulTo(colsOf(dst, i, block.Cols), block)
	})
}

// rowsAtOnce bounds the rows of S that are made dense together.
const rowsAtOnce = 256

// eachRows calls f with rows i, i+1, ... of S as the columns of a dense block (n x at most rowsAtOnce).
func eachRows(s Operator, f func(i int, block blas64.General) error) error {
	rows, n := s.Dims()
	for i := 0; i < rows; i += rowsAtOnce {
		width := min(rowsAtOnce, rows-i)
		across, block := newBlock(width, n), newBlock(n, width)
		s.BlockTo(across, i, 0)
		transposeTo(block, across)
		if err := f(i, block); err != nil {
			return err
		}
	}
	return nil
}
