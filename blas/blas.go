package blas

import (
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
)

// Implementation implements blas.Float32, blas.Float64, blas.Complex64 and blas.Complex128. Its zero value is ready to
// use, and it may be used by any number of goroutines at once. Routines that Eckart does not accelerate are those of the
// embedded gonum implementation.
type Implementation struct{ gonum.Implementation }

var (
	_ blas.Float32    = Implementation{}
	_ blas.Float64    = Implementation{}
	_ blas.Complex64  = Implementation{}
	_ blas.Complex128 = Implementation{}
)

// The predicates below decide which calls our kernels take. A call they turn away goes to gonum's routine, which panics
// with gonum's message, returns early, or does the (degenerate) work.

// isMatrix reports whether a holds a rows x cols matrix, neither of them zero, with row stride lda.
func isMatrix[T scalar](rows, cols int, a []T, lda int) bool {
	return rows > 0 && cols > 0 && lda >= cols && len(a) >= lda*(rows-1)+cols
}

// isVector reports whether x holds n > 0 elements inc apart, in either direction.
func isVector[T scalar](n int, x []T, inc int) bool {
	return n > 0 && inc != 0 && len(x) > (n-1)*max(inc, -inc)
}

// isDense reports whether x holds n > 0 elements side by side.
func isDense[T scalar](n int, x []T, inc int) bool { return inc == 1 && n > 0 && len(x) >= n }

func isSide(s blas.Side) bool { return s == blas.Left || s == blas.Right }
func isUplo(u blas.Uplo) bool { return u == blas.Upper || u == blas.Lower }
func isDiag(d blas.Diag) bool { return d == blas.Unit || d == blas.NonUnit }

func isTranspose(t blas.Transpose) bool {
	return t == blas.NoTrans || t == blas.Trans || t == blas.ConjTrans
}

// isOperand reports whether a holds a matrix A such that op(A) is rows x cols.
func isOperand[T scalar](t blas.Transpose, rows, cols int, a []T, lda int) bool {
	if t == blas.NoTrans {
		return isMatrix(rows, cols, a, lda)
	}
	return isTranspose(t) && isMatrix(cols, rows, a, lda)
}

// isTriangular reports whether the flags describe a product with a triangular matrix.
func isTriangular(s blas.Side, ul blas.Uplo, t blas.Transpose, d blas.Diag) bool {
	return isSide(s) && isUplo(ul) && isTranspose(t) && isDiag(d)
}

// order is the order of the square factor A in a product with an m x n matrix: m on its left, n on its right.
func order(s blas.Side, m, n int) int {
	if s == blas.Left {
		return m
	}
	return n
}

// realTranspose maps ConjTrans, the same as Trans for real numbers, to the value the kernels know.
func realTranspose(t blas.Transpose) blas.Transpose {
	if t == blas.ConjTrans {
		return blas.Trans
	}
	return t
}
