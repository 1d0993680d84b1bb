package simd

import "gonum.org/v1/gonum/blas"

// Ssyrk computes one triangle of C = alpha A Aᵀ + beta C (t = NoTrans, A is n x k) or C = alpha Aᵀ A + beta C (otherwise,
// A is k x n), at half the work of Sgemm. The other triangle of C is neither read nor written. It panics if a matrix does
// not fit its slice or uplo is neither Upper nor Lower.
func Ssyrk(uplo blas.Uplo, t blas.Transpose, n, k int, alpha float32, a []float32, lda int, beta float32, c []float32, ldc int) {
	sblas.syrk(uplo, t, n, k, alpha, a, lda, beta, c, ldc)
}

// Dsyrk is Ssyrk in float64.
func Dsyrk(uplo blas.Uplo, t blas.Transpose, n, k int, alpha float64, a []float64, lda int, beta float64, c []float64, ldc int) {
	dblas.syrk(uplo, t, n, k, alpha, a, lda, beta, c, ldc)
}

func (e *engine[T]) syrk(uplo blas.Uplo, t blas.Transpose, n, k int, alpha T, a []T, lda int, beta T, c []T, ldc int) {
	if uplo != blas.Upper && uplo != blas.Lower {
		panic("simd: syrk needs blas.Upper or blas.Lower")
	}
	other := blas.Trans
	if t != blas.NoTrans {
		other = blas.NoTrans
	}
	p := product[T]{t, other, uplo, n, n, k, alpha, a, lda, a, lda, beta, c, ldc}
	p.check()
	e.multiply(p)
}
