package simd

import "gonum.org/v1/gonum/blas"

// float is the element type of a matrix.
type float interface{ float32 | float64 }

// Sgemm computes C = alpha op(A) op(B) + beta C, where op(A) is m x k, op(B) is k x n and C is m x n, row-major with row
// strides lda, ldb and ldc. op(X) is X for NoTrans and Xᵀ otherwise. C must not overlap A or B. With beta = 0 the old C is
// not read, so NaNs in it vanish. It panics if a shape does not fit its slice.
func Sgemm(tA, tB blas.Transpose, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	gemmGeneric(tA, tB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}

// Dgemm is Sgemm in float64.
func Dgemm(tA, tB blas.Transpose, m, n, k int, alpha float64, a []float64, lda int, b []float64, ldb int, beta float64, c []float64, ldc int) {
	gemmGeneric(tA, tB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
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

func gemmGeneric[T float](tA, tB blas.Transpose, m, n, k int, alpha T, a []T, lda int, b []T, ldb int, beta T, c []T, ldc int) {
	for i := range m {
		ci := c[i*ldc:][:n]
		if beta == 0 {
			clear(ci)
		} else {
			for j := range ci {
				ci[j] *= beta
			}
		}
		if alpha == 0 {
			continue
		}
		for p := range k {
			var x T
			if tA == blas.NoTrans {
				x = alpha * a[i*lda+p]
			} else {
				x = alpha * a[p*lda+i]
			}
			if tB == blas.NoTrans {
				for j, v := range b[p*ldb:][:n] {
					ci[j] += x * v
				}
			} else {
				for j := range ci {
					ci[j] += x * b[j*ldb+p]
				}
			}
		}
	}
}
