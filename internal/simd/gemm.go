package simd

import (
	"fmt"

	"gonum.org/v1/gonum/blas"
)

// float is the element type of a matrix.
type float interface{ float32 | float64 }

// Sgemm computes C = alpha op(A) op(B) + beta C, where op(A) is m x k, op(B) is k x n and C is m x n, row-major with row
// strides lda, ldb and ldc. op(X) is X for NoTrans and Xᵀ otherwise. C must not overlap A or B. With beta = 0 the old C is
// not read, so NaNs in it vanish. It panics if a matrix does not fit its slice.
func Sgemm(tA, tB blas.Transpose, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	p := product[float32]{tA, tB, 0, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc}
	p.check()
	sblas.multiply(p)
}

// Dgemm is Sgemm in float64.
func Dgemm(tA, tB blas.Transpose, m, n, k int, alpha float64, a []float64, lda int, b []float64, ldb int, beta float64, c []float64, ldc int) {
	p := product[float64]{tA, tB, 0, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc}
	p.check()
	dblas.multiply(p)
}

// SgemmBatch computes batch products like Sgemm, side by side; the i-th takes its matrices from a[i*strideA:],
// b[i*strideB:] and c[i*strideC:]. A stride of zero shares A or B; the results must not overlap.
func SgemmBatch(tA, tB blas.Transpose, batch, m, n, k int, alpha float32, a []float32, lda, strideA int, b []float32, ldb, strideB int, beta float32, c []float32, ldc, strideC int) {
	p := product[float32]{tA, tB, 0, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc}
	if batch > 0 {
		p.checkBatch(batch-1, strideA, strideB, strideC)
		sblas.multiplyBatch(batch, p, strideA, strideB, strideC)
	}
}

// DgemmBatch is SgemmBatch in float64.
func DgemmBatch(tA, tB blas.Transpose, batch, m, n, k int, alpha float64, a []float64, lda, strideA int, b []float64, ldb, strideB int, beta float64, c []float64, ldc, strideC int) {
	p := product[float64]{tA, tB, 0, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc}
	if batch > 0 {
		p.checkBatch(batch-1, strideA, strideB, strideC)
		dblas.multiplyBatch(batch, p, strideA, strideB, strideC)
	}
}

// check panics unless the matrices fit their slices.
func (p *product[T]) check() {
	checkMatrix("A", p.tA, p.m, p.k, len(p.a), p.lda)
	checkMatrix("B", p.tB, p.k, p.n, len(p.b), p.ldb)
	checkMatrix("C", blas.NoTrans, p.m, p.n, len(p.c), p.ldc)
}

// checkBatch checks the last product of a batch, strides after the first.
func (p product[T]) checkBatch(last, strideA, strideB, strideC int) {
	checkOffset("A", last*strideA, len(p.a))
	checkOffset("B", last*strideB, len(p.b))
	checkOffset("C", last*strideC, len(p.c))
	p.a, p.b, p.c = p.a[last*strideA:], p.b[last*strideB:], p.c[last*strideC:]
	p.check()
}

func checkOffset(name string, offset, length int) {
	if offset < 0 || offset > length {
		panic(fmt.Sprintf("simd: the last %s of the batch is at %d, but there are %d values", name, offset, length))
	}
}

// checkMatrix panics unless op(X), rows x cols, fits a slice of length values with row stride ld.
func checkMatrix(name string, t blas.Transpose, rows, cols, length, ld int) {
	if t != blas.NoTrans {
		rows, cols = cols, rows
	}
	switch {
	case rows < 0 || cols < 0:
		panic(fmt.Sprintf("simd: %s is %d x %d", name, rows, cols))
	case ld < max(1, cols):
		panic(fmt.Sprintf("simd: %s has %d columns, row stride %d", name, cols, ld))
	case rows > 0 && length < (rows-1)*ld+cols:
		panic(fmt.Sprintf("simd: %s is %d x %d with row stride %d, but has %d values", name, rows, cols, ld, length))
	}
}
