package blas

import "gonum.org/v1/gonum/blas"

// symmetricLeaf is the order at which symm and syr2k stop splitting and use a dense square of that size.
const symmetricLeaf = 96

// symm computes C = alpha A B + beta C (left) or C = alpha B A + beta C (right) for a symmetric A of which the triangle
// ul is stored. Its off-diagonal halves are ordinary products; only the leaves on the diagonal are expanded.
func (k *kernels[T]) symm(s blas.Side, ul blas.Uplo, m, n int, alpha T, a []T, lda int, b []T, ldb int, beta T, c []T, ldc int) {
	order := order(s, m, n)
	if order <= symmetricLeaf {
		full := k.borrow(order * order)
		expand(*full, ul, order, a, lda)
		if s == blas.Left {
			k.gemm(blas.NoTrans, blas.NoTrans, m, n, m, alpha, *full, order, b, ldb, beta, c, ldc)
		} else {
			k.gemm(blas.NoTrans, blas.NoTrans, m, n, n, alpha, b, ldb, *full, order, beta, c, ldc)
		}
		k.giveBack(full)
		return
	}
	h := split(order)
	// A21 is the block below the diagonal: stored, or the transpose of the one above.
	below, opBelow, opAbove := a[h*lda:], blas.NoTrans, blas.Trans
	if ul == blas.Upper {
		below, opBelow, opAbove = a[h:], blas.Trans, blas.NoTrans
	}
	corner := a[h*lda+h:]
	if s == blas.Left {
		k.symm(s, ul, h, n, alpha, a, lda, b, ldb, beta, c, ldc)
		k.gemm(opAbove, blas.NoTrans, h, n, m-h, alpha, below, lda, b[h*ldb:], ldb, 1, c, ldc)
		k.symm(s, ul, m-h, n, alpha, corner, lda, b[h*ldb:], ldb, beta, c[h*ldc:], ldc)
		k.gemm(opBelow, blas.NoTrans, m-h, n, h, alpha, below, lda, b, ldb, 1, c[h*ldc:], ldc)
		return
	}
	k.symm(s, ul, m, h, alpha, a, lda, b, ldb, beta, c, ldc)
	k.gemm(blas.NoTrans, opBelow, m, h, n-h, alpha, b[h:], ldb, below, lda, 1, c, ldc)
	k.symm(s, ul, m, n-h, alpha, corner, lda, b[h:], ldb, beta, c[h:], ldc)
	k.gemm(blas.NoTrans, opAbove, m, n-h, h, alpha, b, ldb, below, lda, 1, c[h:], ldc)
}

// expand writes the symmetric matrix of order n whose triangle ul is stored in a into the dense dst.
func expand[T scalar](dst []T, ul blas.Uplo, n int, a []T, lda int) {
	for i := range n {
		if ul == blas.Upper {
			for j := i; j < n; j++ {
				v := a[i*lda+j]
				dst[i*n+j], dst[j*n+i] = v, v
			}
		} else {
			for j := range i + 1 {
				v := a[i*lda+j]
				dst[i*n+j], dst[j*n+i] = v, v
			}
		}
	}
}

// syr2k adds alpha (op(A) op(B)ᵀ + op(B) op(A)ᵀ) to beta C, of order n, in the triangle ul. op(A) and op(B) are n x k.
func (k *kernels[T]) syr2k(ul blas.Uplo, t blas.Transpose, n, depth int, alpha T, a []T, lda int, b []T, ldb int, beta T, c []T, ldc int) {
	other := blas.Trans
	if t != blas.NoTrans {
		other = blas.NoTrans
	}
	if n <= symmetricLeaf {
		full := k.borrow(n * n)
		k.gemm(t, other, n, n, depth, alpha, a, lda, b, ldb, 0, *full, n)
		addWithTranspose(ul, n, *full, beta, c, ldc)
		k.giveBack(full)
		return
	}
	h := split(n)
	a2, b2 := a[h:], b[h:] // the second part of op(A) and op(B): columns of the stored matrices, or rows
	if t == blas.NoTrans {
		a2, b2 = a[h*lda:], b[h*ldb:]
	}
	k.syr2k(ul, t, h, depth, alpha, a, lda, b, ldb, beta, c, ldc)
	if ul == blas.Upper {
		k.gemm(t, other, h, n-h, depth, alpha, a, lda, b2, ldb, beta, c[h:], ldc)
		k.gemm(t, other, h, n-h, depth, alpha, b, ldb, a2, lda, 1, c[h:], ldc)
	} else {
		k.gemm(t, other, n-h, h, depth, alpha, a2, lda, b, ldb, beta, c[h*ldc:], ldc)
		k.gemm(t, other, n-h, h, depth, alpha, b2, ldb, a, lda, 1, c[h*ldc:], ldc)
	}
	k.syr2k(ul, t, n-h, depth, alpha, a2, lda, b2, ldb, beta, c[h*ldc+h:], ldc)
}

// addWithTranspose computes C = P + Pᵀ + beta C in the triangle ul, for a dense P of order n.
func addWithTranspose[T scalar](ul blas.Uplo, n int, p []T, beta T, c []T, ldc int) {
	for i := range n {
		lo, hi := 0, i+1
		if ul == blas.Upper {
			lo, hi = i, n
		}
		for j := lo; j < hi; j++ {
			v := p[i*n+j] + p[j*n+i]
			if beta != 0 {
				v += beta * c[i*ldc+j]
			}
			c[i*ldc+j] = v
		}
	}
}
