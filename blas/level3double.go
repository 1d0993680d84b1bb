package blas

import "gonum.org/v1/gonum/blas"

// Dgemm computes C = alpha op(A) op(B) + beta C, where op(A) is m x k, op(B) is k x n and C is m x n.
func (i Implementation) Dgemm(tA, tB blas.Transpose, m, n, k int, alpha float64, a []float64, lda int, b []float64, ldb int, beta float64, c []float64, ldc int) {
	if alpha == 0 || !isOperand(tA, m, k, a, lda) || !isOperand(tB, k, n, b, ldb) || !isMatrix(m, n, c, ldc) {
		i.Implementation.Dgemm(tA, tB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
		return
	}
	double.gemm(realTranspose(tA), realTranspose(tB), m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}

// Dsyrk computes C = alpha op(A) op(A)ᵀ + beta C in the triangle ul of C, n x n, where op(A) is n x k.
func (i Implementation) Dsyrk(ul blas.Uplo, tA blas.Transpose, n, k int, alpha float64, a []float64, lda int, beta float64, c []float64, ldc int) {
	if alpha == 0 || !isUplo(ul) || !isOperand(tA, n, k, a, lda) || !isMatrix(n, n, c, ldc) {
		i.Implementation.Dsyrk(ul, tA, n, k, alpha, a, lda, beta, c, ldc)
		return
	}
	double.syrk(ul, realTranspose(tA), n, k, alpha, a, lda, beta, c, ldc)
}

// Dsyr2k computes C = alpha (op(A) op(B)ᵀ + op(B) op(A)ᵀ) + beta C in the triangle ul of C, n x n, where op(A) and
// op(B) are n x k.
func (i Implementation) Dsyr2k(ul blas.Uplo, tA blas.Transpose, n, k int, alpha float64, a []float64, lda int, b []float64, ldb int, beta float64, c []float64, ldc int) {
	if alpha == 0 || !isUplo(ul) || !isOperand(tA, n, k, a, lda) || !isOperand(tA, n, k, b, ldb) || !isMatrix(n, n, c, ldc) {
		i.Implementation.Dsyr2k(ul, tA, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
		return
	}
	double.syr2k(ul, realTranspose(tA), n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}

// Dsymm computes C = alpha A B + beta C (side Left) or C = alpha B A + beta C (Right), where A is symmetric and stored
// in its triangle ul, and B and C are m x n.
func (i Implementation) Dsymm(s blas.Side, ul blas.Uplo, m, n int, alpha float64, a []float64, lda int, b []float64, ldb int, beta float64, c []float64, ldc int) {
	k := order(s, m, n)
	if alpha == 0 || !isSide(s) || !isUplo(ul) || !isMatrix(k, k, a, lda) || !isMatrix(m, n, b, ldb) || !isMatrix(m, n, c, ldc) {
		i.Implementation.Dsymm(s, ul, m, n, alpha, a, lda, b, ldb, beta, c, ldc)
		return
	}
	double.symm(s, ul, m, n, alpha, a, lda, b, ldb, beta, c, ldc)
}

// Dtrmm replaces the m x n matrix B by alpha op(A) B (side Left) or alpha B op(A) (Right), where A is triangular.
func (i Implementation) Dtrmm(s blas.Side, ul blas.Uplo, tA blas.Transpose, d blas.Diag, m, n int, alpha float64, a []float64, lda int, b []float64, ldb int) {
	k := order(s, m, n)
	if alpha == 0 || !isTriangular(s, ul, tA, d) || !isMatrix(k, k, a, lda) || !isMatrix(m, n, b, ldb) {
		i.Implementation.Dtrmm(s, ul, tA, d, m, n, alpha, a, lda, b, ldb)
		return
	}
	double.scale(m, n, alpha, b, ldb)
	double.multiply(s, newTriangle(ul, tA, d, k, a, lda), m, n, b, ldb)
}

// Dtrsm solves op(A) X = alpha B (side Left) or X op(A) = alpha B (Right) for X, m x n, where A is triangular. X replaces
// B. Like gonum's it does not check that A is invertible.
func (i Implementation) Dtrsm(s blas.Side, ul blas.Uplo, tA blas.Transpose, d blas.Diag, m, n int, alpha float64, a []float64, lda int, b []float64, ldb int) {
	k := order(s, m, n)
	if alpha == 0 || !isTriangular(s, ul, tA, d) || !isMatrix(k, k, a, lda) || !isMatrix(m, n, b, ldb) {
		i.Implementation.Dtrsm(s, ul, tA, d, m, n, alpha, a, lda, b, ldb)
		return
	}
	double.scale(m, n, alpha, b, ldb)
	double.trsm(s, ul, realTranspose(tA), d, m, n, a, lda, b, ldb)
}
