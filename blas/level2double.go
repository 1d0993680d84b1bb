package blas

import "gonum.org/v1/gonum/blas"

// Dgemv computes y = alpha op(A) x + beta y, where A is m x n.
func (i Implementation) Dgemv(tA blas.Transpose, m, n int, alpha float64, a []float64, lda int, x []float64, incX int, beta float64, y []float64, incY int) {
	lenX, lenY := n, m
	if tA != blas.NoTrans {
		lenX, lenY = m, n
	}
	if alpha == 0 || !isTranspose(tA) || !isMatrix(m, n, a, lda) || !isVector(lenX, x, incX) || !isVector(lenY, y, incY) {
		i.Implementation.Dgemv(tA, m, n, alpha, a, lda, x, incX, beta, y, incY)
		return
	}
	u, v := double.gather(lenX, x, incX), double.gather(lenY, y, incY)
	double.gemv(realTranspose(tA), m, n, alpha, a, lda, u.x, 1, beta, v.x, 1)
	v.scatter(y, incY)
	double.drop(u, v)
}

// Dger adds alpha x yᵀ to the m x n matrix A.
func (i Implementation) Dger(m, n int, alpha float64, x []float64, incX int, y []float64, incY int, a []float64, lda int) {
	if alpha == 0 || !isMatrix(m, n, a, lda) || !isVector(m, x, incX) || !isVector(n, y, incY) {
		i.Implementation.Dger(m, n, alpha, x, incX, y, incY, a, lda)
		return
	}
	u, v := double.gather(m, x, incX), double.gather(n, y, incY)
	double.ger(n, alpha, u.x, v.x, a, lda)
	double.drop(u, v)
}

// Dsymv computes y = alpha A x + beta y, where A is symmetric of order n and stored in its triangle ul.
func (i Implementation) Dsymv(ul blas.Uplo, n int, alpha float64, a []float64, lda int, x []float64, incX int, beta float64, y []float64, incY int) {
	if alpha == 0 || !isUplo(ul) || !isMatrix(n, n, a, lda) || !isVector(n, x, incX) || !isVector(n, y, incY) {
		i.Implementation.Dsymv(ul, n, alpha, a, lda, x, incX, beta, y, incY)
		return
	}
	u, v := double.gather(n, x, incX), double.gather(n, y, incY)
	double.symv(ul, n, alpha, a, lda, u.x, beta, v.x)
	v.scatter(y, incY)
	double.drop(u, v)
}

// Dtrmv replaces x by op(A) x, where A is triangular of order n.
func (i Implementation) Dtrmv(ul blas.Uplo, tA blas.Transpose, d blas.Diag, n int, a []float64, lda int, x []float64, incX int) {
	if !isUplo(ul) || !isTranspose(tA) || !isDiag(d) || !isMatrix(n, n, a, lda) || !isVector(n, x, incX) {
		i.Implementation.Dtrmv(ul, tA, d, n, a, lda, x, incX)
		return
	}
	u := double.gather(n, x, incX)
	double.trmv(newTriangle(ul, tA, d, n, a, lda), u.x)
	u.scatter(x, incX)
	double.drop(u)
}

// Dtrsv solves op(A) x = b, where A is triangular of order n. At entry x holds b. Like gonum's it does not check that A
// is invertible.
func (i Implementation) Dtrsv(ul blas.Uplo, tA blas.Transpose, d blas.Diag, n int, a []float64, lda int, x []float64, incX int) {
	if !isUplo(ul) || !isTranspose(tA) || !isDiag(d) || !isMatrix(n, n, a, lda) || !isVector(n, x, incX) {
		i.Implementation.Dtrsv(ul, tA, d, n, a, lda, x, incX)
		return
	}
	u := double.gather(n, x, incX)
	double.trsv(newTriangle(ul, tA, d, n, a, lda), u.x)
	u.scatter(x, incX)
	double.drop(u)
}

// Dsyr adds alpha x xᵀ to the triangle ul of A, symmetric of order n.
func (i Implementation) Dsyr(ul blas.Uplo, n int, alpha float64, x []float64, incX int, a []float64, lda int) {
	if alpha == 0 || !isUplo(ul) || !isMatrix(n, n, a, lda) || !isVector(n, x, incX) {
		i.Implementation.Dsyr(ul, n, alpha, x, incX, a, lda)
		return
	}
	u := double.gather(n, x, incX)
	double.syr(ul, n, alpha, u.x, a, lda)
	double.drop(u)
}

// Dsyr2 adds alpha (x yᵀ + y xᵀ) to the triangle ul of A, symmetric of order n.
func (i Implementation) Dsyr2(ul blas.Uplo, n int, alpha float64, x []float64, incX int, y []float64, incY int, a []float64, lda int) {
	if alpha == 0 || !isUplo(ul) || !isMatrix(n, n, a, lda) || !isVector(n, x, incX) || !isVector(n, y, incY) {
		i.Implementation.Dsyr2(ul, n, alpha, x, incX, y, incY, a, lda)
		return
	}
	u, v := double.gather(n, x, incX), double.gather(n, y, incY)
	double.syr2(ul, n, alpha, u.x, v.x, a, lda)
	double.drop(u, v)
}
