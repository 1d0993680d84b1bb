// Package lapack holds Eckart's factorisations in float64 and float32: Cholesky, LU, QR and LQ, with and without pivoting, least
// squares, the symmetric eigenproblem (SymEigen) and the singular value decomposition (SVD), blocked so that their work is
// done by the matrix products of internal/simd. Implementation offers them as gonum's lapack.Float64.
//
// Matrices are row-major slices with the row stride (leading dimension) in elements, as in gonum's lapack interface, which
// can be laid over these functions. A shape that does not fit its slice is a programmer's error and panics; numbers that do
// not allow a factorisation (a pivot that is not positive, NaN, infinity) come back as errors.
//
// Results are bit-identical for any GOMAXPROCS.
package lapack

import (
	"errors"
	"fmt"
)

// ErrNotFinite reports NaN or infinity in a matrix.
var ErrNotFinite = errors.New("lapack: the matrix has NaN or infinite elements")

// NotPositiveDefinite is the error of Cholesky.
type NotPositiveDefinite struct {
	Pivot int     // index of the first pivot that is not positive; the leading Pivot x Pivot block is positive definite
	Value float64 // its value
}

func (e *NotPositiveDefinite) Error() string {
	return fmt.Sprintf("lapack: matrix is not positive definite: pivot %d is %.3g", e.Pivot, e.Value)
}

// checkMatrix panics unless a holds m x n with row stride lda.
func checkMatrix[T Float](name string, m, n int, a []T, lda int) {
	if m < 0 || n < 0 || lda < max(1, n) {
		panic(fmt.Sprintf("lapack: %s is %d x %d with row stride %d", name, m, n, lda))
	}
	if m > 0 && n > 0 && len(a) < (m-1)*lda+n {
		panic(fmt.Sprintf("lapack: %s is %d x %d with row stride %d in %d elements", name, m, n, lda, len(a)))
	}
}
