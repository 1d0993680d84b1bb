package lapack

import (
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/lapack"

	eblas "github.com/eckart-go/eckart/blas"
)

// Condition numbers, which gonum's mat estimates after each factorisation. Gonum's estimator (Higham 1988) asks for some solves;
// gonum's own scale every one of them against overflow, which takes longer than the factorisation of a matrix of 500 x 500.
// Here they are plain, and only when one overflows is gonum asked to do it all again.

// inverseNorm estimates the 1-norm (MaxColumnSum) or infinity norm of A⁻¹; solve overwrites x with op(A)⁻¹ x. It reports whether
// nothing overflowed. work has 2*n elements.
func (impl Implementation) inverseNorm(norm lapack.MatrixNorm, n int, work []float64, iwork []int, solve func(op blas.Transpose, x []float64)) (estimate float64, ok bool) {
	var kase int
	var state [3]int
	x := work[:n]
	for {
		estimate, kase = impl.Dlacn2(n, work[n:2*n], x, iwork, estimate, kase, &state)
		if kase == 0 {
			return estimate, estimate > 0 && finite(estimate)
		}
		op := blas.NoTrans
		if (kase == 1) != (norm == lapack.MaxColumnSum) {
			op = blas.Trans
		}
		solve(op, x)
		if !finite(asum(x)) {
			return 0, false
		}
	}
}

func isNorm(norm lapack.MatrixNorm) bool {
	return norm == lapack.MaxColumnSum || norm == lapack.MaxRowSum
}

// Dgecon estimates the reciprocal of the condition number of a general matrix of order n, from the factors that Dgetrf left in a and
// the norm of the matrix.
func (impl Implementation) Dgecon(norm lapack.MatrixNorm, n int, a []float64, lda int, anorm float64, work []float64, iwork []int) float64 {
	if isNorm(norm) && fits(n, n, a, lda) && anorm > 0 && finite(anorm) && len(work) >= 4*n && len(iwork) >= n {
		var kernel eblas.Implementation
		inverse, ok := impl.inverseNorm(norm, n, work, iwork, func(op blas.Transpose, x []float64) {
			if op == blas.NoTrans {
				kernel.Dtrsv(blas.Lower, op, blas.Unit, n, a, lda, x, 1)
			}
			kernel.Dtrsv(blas.Upper, op, blas.NonUnit, n, a, lda, x, 1)
			if op == blas.Trans {
				kernel.Dtrsv(blas.Lower, op, blas.Unit, n, a, lda, x, 1)
			}
		})
		if ok {
			return 1 / inverse / anorm
		}
	}
	return impl.Implementation.Dgecon(norm, n, a, lda, anorm, work, iwork)
}

// Dpocon estimates the reciprocal of the condition number of a positive definite matrix of order n, from the factor that Dpotrf
// left in a and the 1-norm of the matrix.
func (impl Implementation) Dpocon(uplo blas.Uplo, n int, a []float64, lda int, anorm float64, work []float64, iwork []int) float64 {
	if isUplo(uplo) && fits(n, n, a, lda) && anorm > 0 && finite(anorm) && len(work) >= 3*n && len(iwork) >= n {
		var kernel eblas.Implementation
		first, second := blas.NoTrans, blas.Trans
		if uplo == blas.Upper {
			first, second = second, first
		}
		inverse, ok := impl.inverseNorm(lapack.MaxColumnSum, n, work, iwork, func(_ blas.Transpose, x []float64) {
			kernel.Dtrsv(uplo, first, blas.NonUnit, n, a, lda, x, 1)
			kernel.Dtrsv(uplo, second, blas.NonUnit, n, a, lda, x, 1)
		})
		if ok {
			return 1 / inverse / anorm
		}
	}
	return impl.Implementation.Dpocon(uplo, n, a, lda, anorm, work, iwork)
}

// Dtrcon estimates the reciprocal of the condition number of the triangle uplo of a, of order n.
func (impl Implementation) Dtrcon(norm lapack.MatrixNorm, uplo blas.Uplo, diag blas.Diag, n int, a []float64, lda int, work []float64, iwork []int) float64 {
	if isNorm(norm) && isUplo(uplo) && isDiag(diag) && fits(n, n, a, lda) && len(work) >= 3*n && len(iwork) >= n {
		if anorm := impl.Dlantr(norm, uplo, diag, n, n, a, lda, work); anorm > 0 && finite(anorm) {
			var kernel eblas.Implementation
			inverse, ok := impl.inverseNorm(norm, n, work, iwork, func(op blas.Transpose, x []float64) {
				kernel.Dtrsv(uplo, op, diag, n, a, lda, x, 1)
			})
			if ok {
				return 1 / inverse / anorm
			}
		}
	}
	return impl.Implementation.Dtrcon(norm, uplo, diag, n, a, lda, work, iwork)
}
