package lapack

import (
	"math"

	"gonum.org/v1/gonum/blas"

	eblas "github.com/eckart-go/eckart/blas"
	"github.com/eckart-go/eckart/internal/simd"
)

// choleskyBlock is the order at which Cholesky stops splitting.
const choleskyBlock = 48

// Cholesky overwrites the triangle uplo of the symmetric matrix a (n x n) with its factor: A = L Lᵀ (Lower) or A = Uᵀ U
// (Upper). The other triangle is neither read nor written. If a is not positive definite the error is a
// *NotPositiveDefinite that names the pivot, and the triangle is partly overwritten. The factor is the exact one of a matrix
// within (n+1) eps |L||Lᵀ| of a, element by element (Higham 2002, theorem 10.3).
func Cholesky(uplo blas.Uplo, n int, a []float64, lda int) error {
	checkMatrix("the symmetric matrix", n, n, a, lda)
	if pivot, value := cholesky(uplo, n, a, lda); pivot >= 0 {
		return &NotPositiveDefinite{Pivot: pivot, Value: value}
	}
	return nil
}

// CholeskySolve overwrites b (n x k) with the solution X of A X = B, for the factor that Cholesky left in a.
func CholeskySolve(uplo blas.Uplo, n, k int, a []float64, lda int, b []float64, ldb int) {
	checkMatrix("the factor", n, n, a, lda)
	checkMatrix("the right-hand side", n, k, b, ldb)
	forward, back := blas.NoTrans, blas.Trans
	if uplo == blas.Upper {
		forward, back = back, forward
	}
	var kernel eblas.Implementation
	kernel.Dtrsm(blas.Left, uplo, forward, blas.NonUnit, n, k, 1, a, lda, b, ldb)
	kernel.Dtrsm(blas.Left, uplo, back, blas.NonUnit, n, k, 1, a, lda, b, ldb)
}

// cholesky splits in halves (Gustavson 1997), so that nearly all work is in triangular solves and Gram products. It returns the
// failing pivot, or -1.
func cholesky(uplo blas.Uplo, n int, a []float64, lda int) (pivot int, value float64) {
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
	var kernel eblas.Implementation
	corner := a[h*lda+h:]
	if uplo == blas.Lower {
		below := a[h*lda:] // L21 = A21 L11^-T
		kernel.Dtrsm(blas.Right, blas.Lower, blas.Trans, blas.NonUnit, n-h, h, 1, a, lda, below, lda)
		simd.Dsyrk(blas.Lower, blas.NoTrans, n-h, h, -1, below, lda, 1, corner, lda)
	} else {
		right := a[h:] // U12 = U11^-T A12
		kernel.Dtrsm(blas.Left, blas.Upper, blas.Trans, blas.NonUnit, h, n-h, 1, a, lda, right, lda)
		simd.Dsyrk(blas.Upper, blas.Trans, n-h, h, -1, right, lda, 1, corner, lda)
	}
	if pivot, value = cholesky(uplo, n-h, corner, lda); pivot >= 0 {
		return h + pivot, value
	}
	return -1, 0
}

// choleskyLower works row by row on dot products of rows.
func choleskyLower(n int, a []float64, lda int) (pivot int, value float64) {
	for i := range n {
		row := a[i*lda : i*lda+i+1]
		for j := range i {
			row[j] = (row[j] - simd.Ddot(row[:j], a[j*lda:j*lda+j])) / a[j*lda+j]
		}
		d := row[i] - simd.Dsumsq(row[:i])
		if !(d > 0) || math.IsInf(d, 1) {
			return i, d
		}
		row[i] = math.Sqrt(d)
	}
	return -1, 0
}

// choleskyUpper works row by row and subtracts each from the rows below.
func choleskyUpper(n int, a []float64, lda int) (pivot int, value float64) {
	for i := range n {
		row := a[i*lda+i : i*lda+n]
		if !(row[0] > 0) || math.IsInf(row[0], 1) {
			return i, row[0]
		}
		row[0] = math.Sqrt(row[0])
		simd.Dscal(1/row[0], row[1:])
		for j := i + 1; j < n; j++ {
			simd.Daxpy(-row[j-i], row[j-i:], a[j*lda+j:j*lda+n])
		}
	}
	return -1, 0
}

// CholeskyCondition returns an estimate of the condition number ||A|| ||A^-1|| in the 1-norm, for the factor that Cholesky
// left in a and the 1-norm of A: a lower bound, seldom more than 3 times too small, for some solves instead of an inverse
// (Higham 2002, algorithm 15.1).
func CholeskyCondition(uplo blas.Uplo, n int, a []float64, lda int, norm float64) float64 {
	if n == 0 {
		return 1
	}
	x := make([]float64, n)
	for i := range x {
		x[i] = 1 / float64(n)
	}
	y := make([]float64, n)
	var estimate float64
	for range 5 {
		copy(y, x)
		CholeskySolve(uplo, n, 1, a, lda, y, 1)
		if sum := simd.Dasum(y); sum > estimate {
			estimate = sum
		} else {
			break
		}
		for i, v := range y {
			y[i] = math.Copysign(1, v)
		}
		CholeskySolve(uplo, n, 1, a, lda, y, 1)
		largest, product := 0, simd.Ddot(x, y)
		for i, v := range y {
			if math.Abs(v) > math.Abs(y[largest]) {
				largest = i
			}
		}
		if math.Abs(y[largest]) <= product {
			break
		}
		clear(x)
		x[largest] = 1
	}
	return estimate * norm
}
