package lapack

import (
	"math"

	"gonum.org/v1/gonum/blas"
)

// choleskyBlock is the order at which Cholesky stops splitting.
const choleskyBlock = 48

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

// cholesky splits in halves (Gustavson 1997), so that nearly all work is in triangular solves and Gram products. It returns the
// failing pivot, or -1.
func cholesky[T Float](uplo blas.Uplo, n int, a []T, lda int) (pivot int, value T) {
	if n <= choleskyBlock {
		if uplo == blas.Lower {
			return choleskyLower(n, a, lda)
		}
		return choleskyUpper(n, a, lda)
	}
	h := n / 2
	if pivot, value = cholesky(uplo, h, a, lda); pivot >= 0 {
		return pivot, value
	}
	corner := a[h*lda+h:]
	if uplo == blas.Lower {
		below := a[h*lda:] // L21 = A21 L11^-T
		trsm(blas.Right, blas.Lower, blas.Trans, blas.NonUnit, n-h, h, 1, a, lda, below, lda)
		syrk(blas.Lower, blas.NoTrans, n-h, h, -1, below, lda, 1, corner, lda)
	} else {
		right := a[h:] // U12 = U11^-T A12
		trsm(blas.Left, blas.Upper, blas.Trans, blas.NonUnit, h, n-h, 1, a, lda, right, lda)
		syrk(blas.Upper, blas.Trans, n-h, h, -1, right, lda, 1, corner, lda)
	}
	if pivot, value = cholesky(uplo, n-h, corner, lda); pivot >= 0 {
		return h + pivot, value
	}
	return -1, 0
}

// choleskyLower works row by row on dot products of rows.
func choleskyLower[T Float](n int, a []T, lda int) (pivot int, value T) {
	for i := range n {
		row := a[i*lda : i*lda+i+1]
		for j := range i {
			row[j] = (row[j] - dot(row[:j], a[j*lda:j*lda+j])) / a[j*lda+j]
		}
		d := row[i] - T(sumsq(row[:i]))
		if !(d > 0) || math.IsInf(float64(d), 1) {
			return i, d
		}
		row[i] = sqrt(d)
	}
	return -1, 0
}

// choleskyUpper works row by row and subtracts each from the rows below.
func choleskyUpper[T Float](n int, a []T, lda int) (pivot int, value T) {
	for i := range n {
		row := a[i*lda+i : i*lda+n]
		if !(row[0] > 0) || math.IsInf(float64(row[0]), 1) {
			return i, row[0]
		}
		row[0] = sqrt(row[0])
		scal(1/row[0], row[1:])
		for j := i + 1; j < n; j++ {
			axpy(-row[j-i], row[j-i:], a[j*lda+j:j*lda+n])
		}
	}
	return -1, 0
}

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
