package lapack

import (
	"math"

	"gonum.org/v1/gonum/blas"
)

// Sizes of the Cholesky factorisation.
const (
	choleskyPanel = 32 // columns that are copied aside, contiguous, and factorised there
	choleskyLeaf  = 8  // columns of a panel that are eliminated one at a time
)

// Cholesky overwrites the triangle uplo of the symmetric matrix a (n x n) with its factor: A = L Lᵀ (Lower) or A = Uᵀ U
// (Upper). The other triangle is neither read nor written. If a is not positive definite the error is a
// *NotPositiveDefinite that names the pivot, and the triangle is partly overwritten. The factor is the exact one of a matrix
// within (n+1) eps |L||Lᵀ| of a, element by element (Higham 2002, theorem 10.3).
func Cholesky[T Float](uplo blas.Uplo, n int, a []T, lda int) error {
	checkMatrix("the symmetric matrix", n, n, a, lda)
	if pivot, value := cholesky(uplo, n, a, lda); pivot >= 0 {
		return &NotPositiveDefinite{Pivot: pivot, Value: float64(value)}
	}
	return nil
}

// CholeskySolve overwrites b (n x k) with the solution X of A X = B, for the factor that Cholesky left in a.
func CholeskySolve[T Float](uplo blas.Uplo, n, k int, a []T, lda int, b []T, ldb int) {
	checkMatrix("the factor", n, n, a, lda)
	checkMatrix("the right-hand side", n, k, b, ldb)
	forward, back := blas.NoTrans, blas.Trans
	if uplo == blas.Upper {
		forward, back = back, forward
	}
	trsm(blas.Left, uplo, forward, blas.NonUnit, n, k, 1, a, lda, b, ldb)
	trsm(blas.Left, uplo, back, blas.NonUnit, n, k, 1, a, lda, b, ldb)
}

// CholeskyInverse overwrites the factor that Cholesky left in the triangle uplo of a (n x n) with that triangle of A⁻¹. It fails
// with a *Singular if the factor has a zero on its diagonal.
func CholeskyInverse[T Float](uplo blas.Uplo, n int, a []T, lda int) error {
	if err := InvertTriangular(uplo, blas.NonUnit, n, a, lda); err != nil {
		return err
	}
	multiplyByTranspose(uplo, n, a, lda)
	return nil
}

// cholesky returns the failing pivot, or -1.
func cholesky[T Float](uplo blas.Uplo, n int, a []T, lda int) (pivot int, value T) {
	if n == 0 {
		return -1, 0
	}
	p, panel := borrow[T](choleskyPanel * stride(n))
	defer giveBack(p)
	if uplo == blas.Lower {
		return choleskyColumns(n, n, a, lda, panel)
	}
	return choleskyRows(n, n, a, lda, panel)
}

// choleskyColumns factorises the first n columns of a symmetric matrix of order m >= n: L11 (n x n) and L21 below it. It halves
// the columns until they are a panel (Gustavson 1997), so that nearly all work is in products, deep ones first.
func choleskyColumns[T Float](m, n int, a []T, lda int, panel []T) (pivot int, value T) {
	if n <= choleskyPanel {
		ld := stride(m)
		transposeTrapezoid(m, n, a, lda, panel, ld)
		pivot, value = choleskyEliminate(n, m, panel, ld)
		for s := 0; s < n; s += choleskyLeaf { // back
			w := min(choleskyLeaf, n-s)
			copyTriangle(w, panel[s*(ld+1):], 1, ld, a[s*(lda+1):], lda, 1)
			if s+w < m {
				transpose(w, m-s-w, panel[s*(ld+1)+w:], ld, a[(s+w)*lda+s:], lda)
			}
		}
		return pivot, value
	}
	h := halfOf(n, choleskyPanel)
	if pivot, value = choleskyColumns(m, h, a, lda, panel); pivot >= 0 {
		return pivot, value
	}
	top, corner := a[h*lda:], a[h*(lda+1):]
	syrk(blas.Lower, blas.NoTrans, n-h, h, -1, top, lda, 1, corner, lda)
	if m > n {
		below := a[n*lda:]
		gemm(blas.NoTrans, blas.Trans, m-n, n-h, h, -1, below, lda, top, lda, 1, below[h:], lda)
	}
	if pivot, value = choleskyColumns(m-h, n-h, corner, lda, panel); pivot >= 0 {
		return h + pivot, value
	}
	return -1, 0
}

// transposeTrapezoid writes the transpose of the lower trapezoid of a (m x n, m >= n) to dst; what is above the diagonal is not
// read.
func transposeTrapezoid[T Float](m, n int, a []T, lda int, dst []T, ldd int) {
	for s := 0; s < n; s += choleskyLeaf {
		w := min(choleskyLeaf, n-s)
		copyTriangle(w, a[s*(lda+1):], lda, 1, dst[s*(ldd+1):], 1, ldd)
		if s+w < m {
			transpose(m-s-w, w, a[(s+w)*lda+s:], lda, dst[s*(ldd+1)+w:], ldd)
		}
	}
}

// copyTriangle copies the lower triangle of a matrix whose element (i, j) is src[i*row+j*col].
func copyTriangle[T Float](n int, src []T, row, col int, dst []T, rowD, colD int) {
	for i := range n {
		for j := range i + 1 {
			dst[i*rowD+j*colD] = src[i*row+j*col]
		}
	}
}

// choleskyRows is choleskyColumns for the first n rows of an upper triangle.
func choleskyRows[T Float](m, n int, a []T, lda int, panel []T) (pivot int, value T) {
	if n <= choleskyPanel {
		ld := stride(m)
		for i := range n {
			copy(panel[i*ld+i:i*ld+m], a[i*(lda+1):])
		}
		pivot, value = choleskyEliminate(n, m, panel, ld)
		for i := range n {
			copy(a[i*(lda+1):], panel[i*ld+i:i*ld+m])
		}
		return pivot, value
	}
	h := halfOf(n, choleskyPanel)
	if pivot, value = choleskyRows(m, h, a, lda, panel); pivot >= 0 {
		return pivot, value
	}
	left, corner := a[h:], a[h*(lda+1):]
	syrk(blas.Upper, blas.Trans, n-h, h, -1, left, lda, 1, corner, lda)
	if m > n {
		gemm(blas.Trans, blas.NoTrans, n-h, m-n, h, -1, left, lda, a[n:], lda, 1, corner[n-h:], lda)
	}
	if pivot, value = choleskyRows(m-h, n-h, corner, lda, panel); pivot >= 0 {
		return h + pivot, value
	}
	return -1, 0
}

// choleskyEliminate overwrites the first n rows of an upper triangle of order m, contiguous but for the row stride, with those
// of U. What is below the diagonal is overwritten too.
func choleskyEliminate[T Float](n, m int, a []T, lda int) (pivot int, value T) {
	if n <= choleskyLeaf {
		return choleskyLeafRows(n, m, a, lda)
	}
	h := halfOf(n, choleskyLeaf)
	if pivot, value = choleskyEliminate(h, m, a, lda); pivot >= 0 {
		return pivot, value
	}
	corner := a[h*(lda+1):]
	gemm(blas.Trans, blas.NoTrans, n-h, m-h, h, -1, a[h:], lda, a[h:], lda, 1, corner, lda)
	if pivot, value = choleskyEliminate(n-h, m-h, corner, lda); pivot >= 0 {
		return h + pivot, value
	}
	return -1, 0
}

// choleskyLeafRows is choleskyEliminate a row at a time: each is subtracted from those below.
func choleskyLeafRows[T Float](n, m int, a []T, lda int) (pivot int, value T) {
	k := kernelsOf[T]()
	for i := range n {
		row := a[i*(lda+1) : i*lda+m]
		if !(row[0] > 0) || math.IsInf(float64(row[0]), 1) {
			return i, row[0]
		}
		row[0] = sqrt(row[0])
		divideBy(row[1:], float64(row[0]))
		for j := i + 1; j < n; j++ {
			k.axpy(-row[j-i], row[j-i:], a[j*(lda+1):j*lda+m])
		}
	}
	return -1, 0
}

// halfOf returns about half of n > leaf, a multiple of leaf if there is one between the ends.
func halfOf(n, leaf int) int { return max(1, (n/leaf+1)/2) * leaf }

// CholeskyCondition returns an estimate of the condition number ||A|| ||A^-1|| in the 1-norm, for the factor that Cholesky
// left in a and the 1-norm of A: a lower bound, seldom more than 3 times too small, for some solves instead of an inverse
// (Higham 2002, algorithm 15.1).
func CholeskyCondition[T Float](uplo blas.Uplo, n int, a []T, lda int, norm T) T {
	if n == 0 {
		return 1
	}
	x := make([]T, n)
	for i := range x {
		x[i] = 1 / T(n)
	}
	y := make([]T, n)
	var estimate T
	for range 5 {
		copy(y, x)
		CholeskySolve(uplo, n, 1, a, lda, y, 1)
		if sum := asum(y); sum > estimate {
			estimate = sum
		} else {
			break
		}
		for i, v := range y {
			y[i] = T(math.Copysign(1, float64(v)))
		}
		CholeskySolve(uplo, n, 1, a, lda, y, 1)
		largest, product := 0, dot(x, y)
		for i, v := range y {
			if abs(v) > abs(y[largest]) {
				largest = i
			}
		}
		if abs(y[largest]) <= product {
			break
		}
		clear(x)
		x[largest] = 1
	}
	return estimate * norm
}
