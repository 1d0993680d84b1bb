package lapack

import (
	"cmp"
	"math"

	"gonum.org/v1/gonum/blas"
)

// LeastSquares overwrites the leading rows of b (max(m, n) x k) with the solution of op(A) X = B, where op(A) = A or Aᵀ for A m x
// n of full rank: that of least ||op(A) x - b|| in each column if there are more equations than unknowns, and otherwise the
// one of least norm. a is overwritten. In the first case the norm of the residual of a column is that of its rows of b below
// the solution. It fails with a *Singular if the triangular factor has a zero on its diagonal: columns that are dependent but
// for rounding go unnoticed, and PivotedQR or a singular value decomposition should be asked then.
func LeastSquares[T Float](t blas.Transpose, m, n, k int, a []T, lda int, b []T, ldb int) error {
	checkMatrix("the matrix", m, n, a, lda)
	checkMatrix("the right-hand side", max(m, n), k, b, ldb)
	return leastSquares(t, m, n, k, a, lda, b, ldb)
}

// leastSquares brings a and b to safe scales, factorises the one and solves for the other.
func leastSquares[T Float](t blas.Transpose, m, n, k int, a []T, lda int, b []T, ldb int) error {
	equations := m
	if t != blas.NoTrans {
		equations = n
	}
	scaleA := rescale(m, n, a, lda)
	if scaleA == 0 {
		for i := range max(m, n) {
			clear(b[i*ldb : i*ldb+k])
		}
		return nil
	}
	scaleB := rescale(equations, k, b, ldb)
	order := min(m, n)
	p, tau := borrow[T](order)
	defer giveBack(p)
	q := reflectors[T]{n: max(m, n), k: order, a: a, lda: lda, tau: tau}
	uplo := blas.Upper
	if m >= n {
		q.layout = byColumn
		factorQR(m, n, a, lda, tau)
	} else {
		q.layout, uplo = byRow, blas.Lower
		factorLQ(m, n, a, lda, tau)
	}
	// A is Q R or L Qᵀ: the orthogonal factor comes first if there are more equations than unknowns, and last if there are fewer.
	least := (m >= n) == (t == blas.NoTrans)
	if least {
		q.apply(blas.Left, blas.Trans, k, b, ldb)
	}
	if err := SolveTriangular(uplo, t, blas.NonUnit, order, k, a, lda, b, ldb); err != nil {
		return err
	}
	unknowns := order
	if !least {
		for i := order; i < max(m, n); i++ {
			clear(b[i*ldb : i*ldb+k])
		}
		q.apply(blas.Left, blas.NoTrans, k, b, ldb)
		unknowns = max(m, n)
	}
	for i := range max(m, n) {
		row, scale := b[i*ldb:i*ldb+k], cmp.Or(scaleB, 1)
		if i < unknowns {
			scale /= scaleA
		}
		multiply(scale, row)
	}
	return nil
}

// rescale divides a (m x n) by a power of two near its largest element if products of elements might over- or underflow, and
// returns that power, or 1; 0 for a matrix of zeros.
func rescale[T Float](m, n int, a []T, lda int) (scale float64) {
	var largest T
	for i := range m {
		if x := maxAbs(a[i*lda : i*lda+n]); !(x <= largest) {
			largest = x
		}
	}
	size, safe := float64(largest), math.Sqrt(float64(safeMinimum[T]()/epsilon[T]()))
	if size == 0 {
		return 0
	}
	if !finite(largest) || size > safe && size < 1/safe {
		return 1
	}
	scale = powerOfTwo(size)
	for i := range m {
		multiply(1/scale, a[i*lda:i*lda+n])
	}
	return scale
}

// multiply multiplies x by a power of two that need not be a number of type T.
func multiply[T Float](scale float64, x []T) {
	if scale == 1 {
		return
	}
	for i, v := range x {
		x[i] = T(float64(v) * scale)
	}
}
