package blas

import "gonum.org/v1/gonum/blas"

// Sgemm computes C = alpha op(A) op(B) + beta C, where op(A) is m x k, op(B) is k x n and C is m x n.
func (i Implementation) Sgemm(tA, tB blas.Transpose, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	if alpha == 0 || !isOperand(tA, m, k, a, lda) || !isOperand(tB, k, n, b, ldb) || !isMatrix(m, n, c, ldc) {
		i.Implementation.Sgemm(tA, tB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
		return
	}
	single.gemm(realTranspose(tA), realTranspose(tB), m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}

// Ssyrk computes C = alpha op(A) op(A)ᵀ + beta C in the triangle ul of C, n x n, where op(A) is n x k.
func (i Implementation) Ssyrk(ul blas.Uplo, tA blas.Transpose, n, k int, alpha float32, a []float32, lda int, beta float32, c []float32, ldc int) {
	if alpha == 0 || !isUplo(ul) || !isOperand(tA, n, k, a, lda) || !isMatrix(n, n, c, ldc) {
		i.Implementation.Ssyrk(ul, tA, n, k, alpha, a, lda, beta, c, ldc)
		return
	}
	single.syrk(ul, realTranspose(tA), n, k, alpha, a, lda, beta, c, ldc)
}

// Ssyr2k computes C = alpha (op(A) op(B)ᵀ + op(B) op(A)ᵀ) + beta C in the triangle ul of C, n x n, where op(A) and
// op(B) are n x k.
func (i Implementation) Ssyr2k(ul blas.Uplo, tA blas.Transpose, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	if alpha == 0 || !isUplo(ul) || !isOperand(tA, n, k, a, lda) || !isOperand(tA, n, k, b, ldb) || !isMatrix(n, n, c, ldc) {
		i.Implementation.Ssyr2k(ul, tA, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
		return
	}
	single.syr2k(ul, realTranspose(tA), n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}

// Ssymm computes C = alpha A B + beta C (side Left) or C = alpha B A + beta C (Right), where A is symmetric and stored
// in its triangle ul, and B and C are m x n.
func (i Implementation) Ssymm(s blas.Side, ul blas.Uplo, m, n int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	k := order(s, m, n)
	if alpha == 0 || !isSide(s) || !isUplo(ul) || !isMatrix(k, k, a, lda) || !isMatrix(m, n, b, ldb) || !isMatrix(m, n, c, ldc) {
		i.Implementation.Ssymm(s, ul, m, n, alpha, a, lda, b, ldb, beta, c, ldc)
		return
	}
	single.symm(s, ul, m, n, alpha, a, lda, b, ldb, beta, c, ldc)
}

// Strmm replaces the m x n matrix B by alpha op(A) B (side Left) or alpha B op(A) (Right), where A is triangular.
func (i Implementation) Strmm(s blas.Side, ul blas.Uplo, tA blas.Transpose, d blas.Diag, m, n int, alpha float32, a []float32, lda int, b []float32, ldb int) {
	k := order(s, m, n)
	if alpha == 0 || !isTriangular(s, ul, tA, d) || !isMatrix(k, k, a, lda) || !isMatrix(m, n, b, ldb) {
		i.Implementation.Strmm(s, ul, tA, d, m, n, alpha, a, lda, b, ldb)
		return
	}
	single.scale(m, n, alpha, b, ldb)
	single.multiply(s, newTriangle(ul, tA, d, k, a, lda), m, n, b, ldb)
}

// Strsm solves op(A) X = alpha B (side Left) or X op(A) = alpha B (Right) for X, m x n, where A is triangular. X replaces
// B. Like gonum's it does not check that A is invertible.
func (i Implementation) Strsm(s blas.Side, ul blas.Uplo, tA blas.Transpose, d blas.Diag, m, n int, alpha float32, a []float32, lda int, b []float32, ldb int) {
	k := order(s, m, n)
	if alpha == 0 || !isTriangular(s, ul, tA, d) || !isMatrix(k, k, a, lda) || !isMatrix(m, n, b, ldb) {
		i.Implementation.Strsm(s, ul, tA, d, m, n, alpha, a, lda, b, ldb)
		return
	}
	single.scale(m, n, alpha, b, ldb)
	single.trsm(s, ul, realTranspose(tA), d, m, n, a, lda, b, ldb)
}
