package simd

import (
	"fmt"

	"gonum.org/v1/gonum/blas"
)

// float is the element type of a matrix.
type float interface{ float32 | float64 }

// Sgemm computes C = alpha op(A) op(B) + beta C, where op(A) is m x k, op(B) is k x n and C is m x n, row-major with row
// strides lda, ldb and ldc. op(X) is X for NoTrans and Xᵀ otherwise. C must not overlap A or B. With beta = 0 the old C is
// not read, so NaNs in it vanish. It panics if a shape does not fit its slice.
func Sgemm(tA, tB blas.Transpose, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	gemm(sgemmEngine, tA, tB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}

// Dgemm is Sgemm in float64.
func Dgemm(tA, tB blas.Transpose, m, n, k int, alpha float64, a []float64, lda int, b []float64, ldb int, beta float64, c []float64, ldc int) {
	gemm(dgemmEngine, tA, tB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}

// SgemmBatch computes batch products like Sgemm; the i-th takes its matrices from a[i*strideA:], b[i*strideB:] and
// c[i*strideC:]. A stride of zero shares that operand.
func SgemmBatch(tA, tB blas.Transpose, batch, m, n, k int, alpha float32, a []float32, lda, strideA int, b []float32, ldb, strideB int, beta float32, c []float32, ldc, strideC int) {
	for i := range batch {
		Sgemm(tA, tB, m, n, k, alpha, a[i*strideA:], lda, b[i*strideB:], ldb, beta, c[i*strideC:], ldc)
	}
}

// DgemmBatch is SgemmBatch in float64.
func DgemmBatch(tA, tB blas.Transpose, batch, m, n, k int, alpha float64, a []float64, lda, strideA int, b []float64, ldb, strideB int, beta float64, c []float64, ldc, strideC int) {
	for i := range batch {
		Dgemm(tA, tB, m, n, k, alpha, a[i*strideA:], lda, b[i*strideB:], ldb, beta, c[i*strideC:], ldc)
	}
}

// gemm checks the shapes and runs one product.
func gemm[T float](e *gemmEngine[T], tA, tB blas.Transpose, m, n, k int, alpha T, a []T, lda int, b []T, ldb int, beta T, c []T, ldc int) {
	checkShape("A", tA, m, k, len(a), lda)
	checkShape("B", tB, k, n, len(b), ldb)
	checkShape("C", blas.NoTrans, m, n, len(c), ldc)
	g := e.calls.Get().(*gemmCall[T])
	g.tA, g.tB, g.m, g.n, g.k = tA, tB, m, n, k
	g.alpha, g.beta = alpha, beta
	g.a, g.b, g.c = a, b, c
	g.lda, g.ldb, g.ldc = lda, ldb, ldc
	g.run()
}

// checkShape panics unless op(X), rows x cols, fits a slice of length values with row stride ld.
func checkShape(name string, t blas.Transpose, rows, cols, length, ld int) {
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
