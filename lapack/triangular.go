package lapack

import "gonum.org/v1/gonum/blas"

// triangularLeaf is the order at which the algorithms on triangles stop splitting.
const triangularLeaf = 32

// SolveTriangular overwrites b (n x k) with the solution of op(A) X = B for the triangle uplo of a (n x n). It fails with a
// *Singular if a diagonal element is zero, and then leaves b as it is. The solution is the exact one, column by column, of a
// triangle within n eps |A| of A, element by element (Higham 2002, theorem 8.5).
func SolveTriangular[T Float](uplo blas.Uplo, t blas.Transpose, d blas.Diag, n, k int, a []T, lda int, b []T, ldb int) error {
	checkMatrix("the triangle", n, n, a, lda)
	checkMatrix("the right-hand side", n, k, b, ldb)
	if d == blas.NonUnit {
		if i := zeroDiagonal(n, a, lda); i >= 0 {
			return &Singular{Pivot: i}
		}
	}
	trsm(blas.Left, uplo, t, d, n, k, 1, a, lda, b, ldb)
	return nil
}

// InvertTriangular overwrites the triangle uplo of a (n x n) with its inverse. It fails with a *Singular if a diagonal element
// is zero, and then leaves a as it is.
func InvertTriangular[T Float](uplo blas.Uplo, d blas.Diag, n int, a []T, lda int) error {
	checkMatrix("the triangle", n, n, a, lda)
	if d == blas.NonUnit {
		if i := zeroDiagonal(n, a, lda); i >= 0 {
			return &Singular{Pivot: i}
		}
	}
	invertTriangle(uplo, d, n, a, lda)
	return nil
}

// invertTriangle halves the triangle: the block beside the diagonal ones becomes -A11⁻¹ A12 A22⁻¹, or -A22⁻¹ A21 A11⁻¹.
func invertTriangle[T Float](uplo blas.Uplo, d blas.Diag, n int, a []T, lda int) {
	if n <= triangularLeaf {
		if uplo == blas.Upper {
			invertUpper(d, n, a, lda)
		} else {
			invertLower(d, n, a, lda)
		}
		return
	}
	h := n / 2
	corner := a[h*(lda+1):]
	if uplo == blas.Upper {
		trsm(blas.Left, uplo, blas.NoTrans, d, h, n-h, -1, a, lda, a[h:], lda)
		trsm(blas.Right, uplo, blas.NoTrans, d, h, n-h, 1, corner, lda, a[h:], lda)
	} else {
		trsm(blas.Left, uplo, blas.NoTrans, d, n-h, h, -1, corner, lda, a[h*lda:], lda)
		trsm(blas.Right, uplo, blas.NoTrans, d, n-h, h, 1, a, lda, a[h*lda:], lda)
	}
	invertTriangle(uplo, d, h, a, lda)
	invertTriangle(uplo, d, n-h, corner, lda)
}

// invertUpper works from the last row up: row i of the inverse is -a_ii⁻¹ a_i X, X the inverse below.
func invertUpper[T Float](d blas.Diag, n int, a []T, lda int) {
	var old [triangularLeaf]T
	for i := n - 1; i >= 0; i-- {
		row, scale := a[i*lda:i*lda+n], T(1)
		if d == blas.NonUnit {
			row[i] = 1 / row[i]
			scale = row[i]
		}
		copy(old[:], row[i+1:])
		clear(row[i+1:])
		for p := i + 1; p < n; p++ {
			xrow := a[p*lda+p : p*lda+n]
			f := -scale * old[p-i-1]
			if d == blas.NonUnit {
				axpy(f, xrow, row[p:])
			} else {
				row[p] += f
				axpy(f, xrow[1:], row[p+1:])
			}
		}
	}
}

// invertLower works from the first row down: row i of the inverse is -a_ii⁻¹ a_i X, X the inverse above.
func invertLower[T Float](d blas.Diag, n int, a []T, lda int) {
	var old [triangularLeaf]T
	for i := range n {
		row, scale := a[i*lda:i*lda+i+1], T(1)
		if d == blas.NonUnit {
			row[i] = 1 / row[i]
			scale = row[i]
		}
		copy(old[:], row[:i])
		clear(row[:i])
		for p := range i {
			f := -scale * old[p]
			if d == blas.NonUnit {
				axpy(f, a[p*lda:p*lda+p+1], row)
			} else {
				row[p] += f
				axpy(f, a[p*lda:p*lda+p], row)
			}
		}
	}
}

// multiplyByTranspose overwrites the triangle uplo of a (n x n) with that of U Uᵀ (Upper) or Lᵀ L (Lower), by halves.
func multiplyByTranspose[T Float](uplo blas.Uplo, n int, a []T, lda int) {
	if n <= triangularLeaf {
		multiplyRowsByTranspose(uplo, n, a, lda)
		return
	}
	h := n / 2
	corner := a[h*(lda+1):]
	multiplyByTranspose(uplo, h, a, lda)
	if uplo == blas.Upper {
		syrk(uplo, blas.NoTrans, h, n-h, 1, a[h:], lda, 1, a, lda)
		trmm(blas.Right, uplo, blas.Trans, blas.NonUnit, h, n-h, 1, corner, lda, a[h:], lda)
	} else {
		syrk(uplo, blas.Trans, h, n-h, 1, a[h*lda:], lda, 1, a, lda)
		trmm(blas.Left, uplo, blas.Trans, blas.NonUnit, n-h, h, 1, corner, lda, a[h*lda:], lda)
	}
	multiplyByTranspose(uplo, n-h, corner, lda)
}

// multiplyRowsByTranspose is multiplyByTranspose for a leaf.
func multiplyRowsByTranspose[T Float](uplo blas.Uplo, n int, a []T, lda int) {
	if uplo == blas.Upper { // element (i, j) is the product of rows i and j from j on: those of rows above do not need row j
		for i := range n {
			for j := i; j < n; j++ {
				a[i*lda+j] = dot(a[i*lda+j:i*lda+n], a[j*lda+j:j*lda+n])
			}
		}
		return
	}
	for i := range n { // row i of L is added, times its elements, to the rows above and replaced by its own product
		row := a[i*lda : i*lda+i+1]
		for j := range i {
			axpy(row[j], row[:j+1], a[j*lda:])
		}
		scal(row[i], row)
	}
}
