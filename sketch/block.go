package sketch

import (
	"fmt"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"

	"github.com/eckart-go/eckart/internal/pool"
	"github.com/eckart-go/eckart/internal/simd"
)

// newBlock returns a zero matrix.
func newBlock(rows, cols int) blas64.General {
	return blas64.General{Rows: rows, Cols: cols, Stride: max(1, cols), Data: make([]float64, rows*cols)}
}

// row returns row i of b.
func row(b blas64.General, i int) []float64 { return b.Data[i*b.Stride:][:b.Cols] }

// rowsOf returns rows i to i+rows-1 of b.
func rowsOf(b blas64.General, i, rows int) blas64.General {
	return blas64.General{Rows: rows, Cols: b.Cols, Stride: b.Stride, Data: b.Data[i*b.Stride:]}
}

// colsOf returns columns j to j+cols-1 of b.
func colsOf(b blas64.General, j, cols int) blas64.General {
	return blas64.General{Rows: b.Rows, Cols: cols, Stride: b.Stride, Data: b.Data[min(j, len(b.Data)):]}
}

// copyTo copies src to dst, of the same shape.
func copyTo(dst, src blas64.General) {
	for i := range src.Rows {
		copy(row(dst, i), row(src, i))
	}
}

// transposeTo sets dst to the transpose of src, tile by tile.
func transposeTo(dst, src blas64.General) {
	const tile = 16
	pool.Ranges(src.Rows, 4*tile, func(lo, hi int) {
		for j := 0; j < src.Cols; j += tile {
			for i := lo; i < hi; i++ {
				for q, v := range src.Data[i*src.Stride+j : i*src.Stride+min(src.Cols, j+tile)] {
					dst.Data[(j+q)*dst.Stride+i] = v
				}
			}
		}
	})
}

// gemm computes c = alpha op(a) op(b) + beta c.
func gemm(ta, tb blas.Transpose, alpha float64, a, b blas64.General, beta float64, c blas64.General) {
	k := a.Cols
	if ta != blas.NoTrans {
		k = a.Rows
	}
	if c.Rows == 0 || c.Cols == 0 || k == 0 && beta == 1 {
		return
	}
	simd.Dgemm(ta, tb, c.Rows, c.Cols, k, alpha, a.Data, a.Stride, b.Data, b.Stride, beta, c.Data, c.Stride)
}

// checkShape panics unless dst is rows x cols.
func checkShape(what string, dst blas64.General, rows, cols int) {
	if dst.Rows != rows || dst.Cols != cols {
		panic(fmt.Sprintf("sketch: %s is %d x %d, not %d x %d", what, rows, cols, dst.Rows, dst.Cols))
	}
}

// checkDims panics unless a product's inner dimensions agree.
func checkDims(what string, a, b int) {
	if a != b {
		panic(fmt.Sprintf("sketch: inner dimensions %d and %d of %s differ", a, b, what))
	}
}

// checkSize panics unless a sketch of s x n can be.
func checkSize(s, n int) {
	if s < 1 || n < 1 || int64(s) > 1<<31 || int64(n) > 1<<31 {
		panic(fmt.Sprintf("sketch: a sketch of %d x %d: expected 1 to 2^31 of each", s, n))
	}
}
