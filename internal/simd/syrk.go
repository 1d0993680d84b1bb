package simd

import "gonum.org/v1/gonum/blas"

// Ssyrk computes one triangle of C = alpha A Aᵀ + beta C (t = NoTrans, A is n x k) or C = alpha Aᵀ A + beta C (otherwise,
// A is k x n), at half the work of Sgemm. The other triangle of C is neither read nor written.
func Ssyrk(uplo blas.Uplo, t blas.Transpose, n, k int, alpha float32, a []float32, lda int, beta float32, c []float32, ldc int) {
	syrk(sgemmEngine, uplo, t, n, k, alpha, a, lda, beta, c, ldc)
}

// Dsyrk is Ssyrk in float64.
func Dsyrk(uplo blas.Uplo, t blas.Transpose, n, k int, alpha float64, a []float64, lda int, beta float64, c []float64, ldc int) {
	syrk(dgemmEngine, uplo, t, n, k, alpha, a, lda, beta, c, ldc)
}

func syrk[T float](e *gemmEngine[T], uplo blas.Uplo, t blas.Transpose, n, k int, alpha T, a []T, lda int, beta T, c []T, ldc int) {
	other := blas.Trans
	if t != blas.NoTrans {
		other = blas.NoTrans
	}
	for i := range n {
		lo, hi := 0, i+1
		if uplo == blas.Upper {
			lo, hi = i, n
		}
		row, rest := a[i:], a[lo:]
		if t == blas.NoTrans {
			row, rest = a[i*lda:], a[lo*lda:]
		}
		gemm(e, t, other, 1, hi-lo, k, alpha, row, lda, rest, lda, beta, c[i*ldc+lo:], ldc)
	}
}
