package blas

import "gonum.org/v1/gonum/blas"

// Sgemv computes y = alpha op(A) x + beta y, where A is m x n.
func (i Implementation) Sgemv(tA blas.Transpose, m, n int, alpha float32, a []float32, lda int, x []float32, incX int, beta float32, y []float32, incY int) {
	lenX, lenY := n, m
	if tA != blas.NoTrans {
		lenX, lenY = m, n
	}
	if alpha == 0 || !isTranspose(tA) || !isMatrix(m, n, a, lda) || !isVector(lenX, x, incX) || !isVector(lenY, y, incY) {
		i.Implementation.Sgemv(tA, m, n, alpha, a, lda, x, incX, beta, y, incY)
		return
	}
	u, v := single.gather(lenX, x, incX), single.gather(lenY, y, incY)
	single.gemv(realTranspose(tA), m, n, alpha, a, lda, u.x, 1, beta, v.x, 1)
	v.scatter(y, incY)
	single.drop(u, v)
}

// Sger adds alpha x yᵀ to the m x n matrix A.
func (i Implementation) Sger(m, n int, alpha float32, x []float32, incX int, y []float32, incY int, a []float32, lda int) {
	if alpha == 0 || !isMatrix(m, n, a, lda) || !isVector(m, x, incX) || !isVector(n, y, incY) {
		i.Implementation.Sger(m, n, alpha, x, incX, y, incY, a, lda)
		return
	}
	u, v := single.gather(m, x, incX), single.gather(n, y, incY)
	single.ger(n, alpha, u.x, v.x, a, lda)
	single.drop(u, v)
}

// Ssymv computes y = alpha A x + beta y, where A is symmetric of order n and stored in its triangle ul.
func (i Implementation) Ssymv(ul blas.Uplo, n int, alpha float32, a []float32, lda int, x []float32, incX int, beta float32, y []float32, incY int) {
	if alpha == 0 || !isUplo(ul) || !isMatrix(n, n, a, lda) || !isVector(n, x, incX) || !isVector(n, y, incY) {
		i.Implementation.Ssymv(ul, n, alpha, a, lda, x, incX, beta, y, incY)
		return
	}
	u, v := single.gather(n, x, incX), single.gather(n, y, incY)
	single.symv(ul, n, alpha, a, lda, u.x, beta, v.x)
	v.scatter(y, incY)
	single.drop(u, v)
}

// Strmv replaces x by op(A) x, where A is triangular of order n.
func (i Implementation) Strmv(ul blas.Uplo, tA blas.Transpose, d blas.Diag, n int, a []float32, lda int, x []float32, incX int) {
	if !isUplo(ul) || !isTranspose(tA) || !isDiag(d) || !isMatrix(n, n, a, lda) || !isVector(n, x, incX) {
		i.Implementation.Strmv(ul, tA, d, n, a, lda, x, incX)
		return
	}
	u := single.gather(n, x, incX)
	single.trmv(newTriangle(ul, tA, d, n, a, lda), u.x)
	u.scatter(x, incX)
	single.drop(u)
}

// Strsv solves op(A) x = b, where A is triangular of order n. At entry x holds b. Like gonum's it does not check that A
// is invertible.
func (i Implementation) Strsv(ul blas.Uplo, tA blas.Transpose, d blas.Diag, n int, a []float32, lda int, x []float32, incX int) {
	if !isUplo(ul) || !isTranspose(tA) || !isDiag(d) || !isMatrix(n, n, a, lda) || !isVector(n, x, incX) {
		i.Implementation.Strsv(ul, tA, d, n, a, lda, x, incX)
		return
	}
	u := single.gather(n, x, incX)
	single.trsv(newTriangle(ul, tA, d, n, a, lda), u.x)
	u.scatter(x, incX)
	single.drop(u)
}

// Ssyr adds alpha x xᵀ to the triangle ul of A, symmetric of order n.
func (i Implementation) Ssyr(ul blas.Uplo, n int, alpha float32, x []float32, incX int, a []float32, lda int) {
	if alpha == 0 || !isUplo(ul) || !isMatrix(n, n, a, lda) || !isVector(n, x, incX) {
		i.Implementation.Ssyr(ul, n, alpha, x, incX, a, lda)
		return
	}
	u := single.gather(n, x, incX)
	single.syr(ul, n, alpha, u.x, a, lda)
	single.drop(u)
}

// Ssyr2 adds alpha (x yᵀ + y xᵀ) to the triangle ul of A, symmetric of order n.
func (i Implementation) Ssyr2(ul blas.Uplo, n int, alpha float32, x []float32, incX int, y []float32, incY int, a []float32, lda int) {
	if alpha == 0 || !isUplo(ul) || !isMatrix(n, n, a, lda) || !isVector(n, x, incX) || !isVector(n, y, incY) {
		i.Implementation.Ssyr2(ul, n, alpha, x, incX, y, incY, a, lda)
		return
	}
	u, v := single.gather(n, x, incX), single.gather(n, y, incY)
	single.syr2(ul, n, alpha, u.x, v.x, a, lda)
	single.drop(u, v)
}
