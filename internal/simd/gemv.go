package simd

import "gonum.org/v1/gonum/blas"

// Sgemv computes y = alpha op(A) x + beta y, where A is m x n, row-major with row stride lda. x and y advance by incX and
// incY; a negative increment walks backwards from the far end, as in BLAS. With beta = 0 the old y is not read.
func Sgemv(t blas.Transpose, m, n int, alpha float32, a []float32, lda int, x []float32, incX int, beta float32, y []float32, incY int) {
	gemvGeneric(t, m, n, alpha, a, lda, x, incX, beta, y, incY)
}

// Dgemv is Sgemv in float64.
func Dgemv(t blas.Transpose, m, n int, alpha float64, a []float64, lda int, x []float64, incX int, beta float64, y []float64, incY int) {
	gemvGeneric(t, m, n, alpha, a, lda, x, incX, beta, y, incY)
}

func gemvGeneric[T float](t blas.Transpose, m, n int, alpha T, a []T, lda int, x []T, incX int, beta T, y []T, incY int) {
	rows, cols, down, across := m, n, lda, 1
	if t != blas.NoTrans {
		rows, cols, down, across = n, m, 1, lda
	}
	ix, iy := 0, 0
	if incX < 0 {
		ix = (1 - cols) * incX
	}
	if incY < 0 {
		iy = (1 - rows) * incY
	}
	for i := range rows {
		var sum T
		if alpha != 0 {
			for j := range cols {
				sum += a[i*down+j*across] * x[ix+j*incX]
			}
		}
		v := &y[iy+i*incY]
		if beta == 0 {
			*v = alpha * sum
		} else {
			*v = alpha*sum + beta**v
		}
	}
}
