package lapack

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas"

	"github.com/eckart-go/eckart/internal/pool"
)

// Sizes of the LU factorisation.
const (
	luPanel = 32 // columns that are copied aside, transposed, and factorised there
	luLeaf  = 16 // columns of a panel that are eliminated one at a time
)

// Singular is the error of solves with a matrix that has no inverse.
type Singular struct {
	Pivot int // index of the first diagonal element of the triangular factor that is zero
}

func (e *Singular) Error() string {
	return fmt.Sprintf("lapack: matrix is singular: diagonal element %d of its triangular factor is zero", e.Pivot)
}

// LU overwrites a (m x n) with the factors of P A = L U: U on and above the diagonal, L below it, with its unit diagonal not
// stored. Row i was exchanged with row pivots[i] (len min(m, n)), in the order of i. If a diagonal element of U is zero the
// factorisation is complete, and the error is a *Singular: only solves fail. NaN and infinities pass into the factors.
//
// Method: the columns are halved recursively (Toledo 1997), partial pivoting in the panels. L U is within n eps |L||U| of P A,
// element by element (Higham 2002, theorem 9.3).
func LU[T Float](m, n int, a []T, lda int, pivots []int) error {
	checkMatrix("the matrix", m, n, a, lda)
	if len(pivots) != min(m, n) {
		panic(fmt.Sprintf("lapack: %d pivots for a matrix of %d x %d", len(pivots), m, n))
	}
	factorLU(m, n, a, lda, pivots)
	if i := zeroDiagonal(min(m, n), a, lda); i >= 0 {
		return &Singular{Pivot: i}
	}
	return nil
}

// LUSolve overwrites b (n x k) with the solution of op(A) X = B, for the factors and pivots that LU left of A (n x n).
func LUSolve[T Float](t blas.Transpose, n, k int, a []T, lda int, pivots []int, b []T, ldb int) {
	checkMatrix("the factors", n, n, a, lda)
	checkMatrix("the right-hand side", n, k, b, ldb)
	if t == blas.NoTrans {
		exchangeRows(k, b, ldb, pivots[:n], ascending)
		trsm(blas.Left, blas.Lower, blas.NoTrans, blas.Unit, n, k, 1, a, lda, b, ldb)
		trsm(blas.Left, blas.Upper, blas.NoTrans, blas.NonUnit, n, k, 1, a, lda, b, ldb)
		return
	}
	trsm(blas.Left, blas.Upper, blas.Trans, blas.NonUnit, n, k, 1, a, lda, b, ldb)
	trsm(blas.Left, blas.Lower, blas.Trans, blas.Unit, n, k, 1, a, lda, b, ldb)
	exchangeRows(k, b, ldb, pivots[:n], descending)
}

// LUInverse overwrites the factors that LU left in a (n x n) with the inverse. It fails with a *Singular, and then leaves a as
// it is.
func LUInverse[T Float](n int, a []T, lda int, pivots []int) error {
	if err := InvertTriangular(blas.Upper, blas.NonUnit, n, a, lda); err != nil {
		return err
	}
	// X L = U⁻¹, the columns from the last to the first, a block at a time (Higham 2002, method B of section 14.3).
	const size = 64
	p, block := borrow[T](size * n)
	defer giveBack(p)
	for s := (n - 1) / size * size; n > 0 && s >= 0; s -= size {
		w := min(size, n-s)
		for i := s + 1; i < n; i++ {
			row := a[i*lda+s : i*lda+s+min(w, i-s)]
			copy(block[i*size:], row)
			clear(row)
		}
		right := s + w
		gemm(blas.NoTrans, blas.NoTrans, n, w, n-right, -1, a[min(right, n-1):], lda, block[min(right, n-1)*size:], size, 1, a[s:], lda)
		trsm(blas.Right, blas.Lower, blas.NoTrans, blas.Unit, n, w, 1, block[s*size:], size, a[s:], lda)
	}
	pool.Ranges(n, 64, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			row := a[i*lda : i*lda+n]
			for j := n - 1; j >= 0; j-- {
				row[j], row[pivots[j]] = row[pivots[j]], row[j]
			}
		}
	})
	return nil
}

// zeroDiagonal returns the index of the first diagonal element that is zero, or -1.
func zeroDiagonal[T Float](n int, a []T, lda int) int {
	for i := range n {
		if a[i*(lda+1)] == 0 {
			return i
		}
	}
	return -1
}

// factorLU halves the columns until they are a panel.
func factorLU[T Float](m, n int, a []T, lda int, pivots []int) {
	k := min(m, n)
	if k == 0 {
		return
	}
	if n > m { // A = (A1 A2) with A1 square
		factorLU(m, m, a, lda, pivots)
		right := a[m:]
		exchangeRows(n-m, right, lda, pivots, ascending)
		solveUnitLower(m, n-m, a, lda, right, lda)
		return
	}
	if n <= luPanel {
		factorPanelLU(m, n, a, lda, pivots)
		return
	}
	h := halfOf(n, luPanel)
	right, corner := a[h:], a[h*lda+h:]
	factorLU(m, h, a, lda, pivots[:h])
	exchangeRows(n-h, right, lda, pivots[:h], ascending)
	solveUnitLower(h, n-h, a, lda, right, lda)
	gemm(blas.NoTrans, blas.NoTrans, m-h, n-h, h, -1, a[h*lda:], lda, right, lda, 1, corner, lda)
	factorLU(m-h, n-h, corner, lda, pivots[h:])
	exchangeRows(h, a[h*lda:], lda, pivots[h:], ascending)
	for i := h; i < n; i++ {
		pivots[i] += h
	}
}

// Sizes of solveUnitLower.
const (
	solveStrip = 256 // columns that one worker takes
	solveLeaf  = 8   // rows that are eliminated one at a time
)

// solveUnitLower overwrites b (n x k) with L⁻¹ B for a unit lower triangular L. Unlike trsm, which can do with any triangle on either
// side, it works on the rows of B where they lie.
func solveUnitLower[T Float](n, k int, l []T, ldl int, b []T, ldb int) {
	pool.Ranges(k, solveStrip, func(lo, hi int) { solveUnitRows(n, hi-lo, l, ldl, b[lo:], ldb) })
}

func solveUnitRows[T Float](n, k int, l []T, ldl int, b []T, ldb int) {
	if n <= solveLeaf {
		for i := 1; i < n; i++ {
			for j := range i {
				axpy(-l[i*ldl+j], b[j*ldb:j*ldb+k], b[i*ldb:])
			}
		}
		return
	}
	h := halfOf(n, solveLeaf)
	solveUnitRows(h, k, l, ldl, b, ldb)
	gemm(blas.NoTrans, blas.NoTrans, n-h, k, h, -1, l[h*ldl:], ldl, b, ldb, 1, b[h*ldb:], ldb)
	solveUnitRows(n-h, k, l[h*(ldl+1):], ldl, b[h*ldb:], ldb)
}

// direction is the order in which exchanges are made.
type direction int

const (
	ascending direction = iota
	descending
)

// exchangeColumns is how many columns of a matrix exchangeRows takes through all exchanges: few enough to stay in the cache.
const exchangeColumns = 128

// exchangeRows exchanges row i of b (n columns) with row pivots[i], for all i.
func exchangeRows[T Float](n int, b []T, ldb int, pivots []int, d direction) {
	pool.Ranges(n, exchangeColumns, func(lo, hi int) {
		var hold [exchangeColumns]T
		for step := range pivots {
			i := step
			if d == descending {
				i = len(pivots) - 1 - step
			}
			if p := pivots[i]; p != i {
				x, y := b[i*ldb+lo:i*ldb+hi], b[p*ldb+lo:p*ldb+hi]
				copy(hold[:], x)
				copy(x, y)
				copy(y, hold[:hi-lo])
			}
		}
	})
}

// factorPanelLU copies the panel (m x n, m >= n) aside, transposed, so that columns are contiguous.
func factorPanelLU[T Float](m, n int, a []T, lda int, pivots []int) {
	ld := stride(m)
	p, columns := borrow[T](n * ld)
	defer giveBack(p)
	transpose(m, n, a, lda, columns, ld)
	eliminate(n, 0, n, m, columns, ld, pivots)
	transpose(n, m, columns, ld, a, lda)
}

// eliminate factorises columns lo to hi of a panel whose n columns are the rows of c (n x m), exchanging elements of all of
// them.
func eliminate[T Float](n, lo, hi, m int, c []T, ldc int, pivots []int) {
	if hi-lo <= luLeaf {
		for j := lo; j < hi; j++ {
			eliminateColumn(n, j, hi, m, c, ldc, pivots)
		}
		return
	}
	mid := lo + halfOf(hi-lo, luLeaf)
	eliminate(n, lo, mid, m, c, ldc, pivots)
	// U12ᵀ = A12ᵀ L11⁻ᵀ, then A22ᵀ -= U12ᵀ L21ᵀ.
	left, others := c[lo*ldc:], c[mid*ldc:]
	solveUnit(mid-lo, hi-mid, left[lo:], ldc, others[lo:])
	gemm(blas.NoTrans, blas.NoTrans, hi-mid, m-mid, mid-lo, -1, others[lo:], ldc, left[mid:], ldc, 1, others[mid:], ldc)
	eliminate(n, mid, hi, m, c, ldc, pivots)
}

// solveUnit overwrites the rows of b (rows x n) with X such that X U = B, U (n x n) unit upper triangular and of the same row
// stride.
func solveUnit[T Float](n, rows int, u []T, ld int, b []T) {
	k := kernelsOf[T]()
	for r := range rows {
		row := b[r*ld : r*ld+n]
		for j := range n - 1 {
			k.axpy(-row[j], u[j*ld+j+1:j*ld+n], row[j+1:])
		}
	}
}

// eliminateColumn finds the pivot of column j, exchanges rows and subtracts multiples of the column from those on its right
// before hi.
func eliminateColumn[T Float](n, j, hi, m int, c []T, ldc int, pivots []int) {
	k := kernelsOf[T]()
	column := c[j*ldc : j*ldc+m]
	p := j + indexOfLargest(column[j:])
	pivots[j] = p
	pivot := column[p]
	if pivot == 0 {
		return
	}
	if p != j {
		for q := range n {
			c[q*ldc+j], c[q*ldc+p] = c[q*ldc+p], c[q*ldc+j]
		}
	}
	tail := column[j+1:]
	divideBy(tail, float64(pivot))
	for q := j + 1; q < hi; q++ {
		if f := c[q*ldc+j]; f != 0 {
			k.axpy(-f, tail, c[q*ldc+j+1:])
		}
	}
}

// indexOfLargest returns the index of the first element of largest absolute value, or of the first NaN. x is not empty.
func indexOfLargest[T Float](x []T) int {
	if d, ok := any(x).([]float64); ok {
		return indexOfLargest64(d)
	}
	return indexOfLargest32(any(x).([]float32))
}

// indexOfLargest64 compares bit patterns: without the sign they are ordered as absolute values are, NaNs last, and four
// comparisons of integers go side by side.
func indexOfLargest64(x []float64) int {
	const sign = 1 << 63
	var m0, m1, m2, m3 uint64
	i := 0
	for ; i+4 <= len(x); i += 4 {
		y := x[i : i+4 : i+4]
		m0 = max(m0, math.Float64bits(y[0])&^sign)
		m1 = max(m1, math.Float64bits(y[1])&^sign)
		m2 = max(m2, math.Float64bits(y[2])&^sign)
		m3 = max(m3, math.Float64bits(y[3])&^sign)
	}
	for ; i < len(x); i++ {
		m0 = max(m0, math.Float64bits(x[i])&^sign)
	}
	m0 = max(m0, m1, m2, m3)
	for i, v := range x {
		if math.Float64bits(v)&^sign == m0 {
			return i
		}
	}
	return 0
}

// indexOfLargest32 is indexOfLargest64 for float32. A generic function would have to widen each element, which takes three times
// as long.
func indexOfLargest32(x []float32) int {
	const sign = 1 << 31
	var m0, m1, m2, m3 uint32
	i := 0
	for ; i+4 <= len(x); i += 4 {
		y := x[i : i+4 : i+4]
		m0 = max(m0, math.Float32bits(y[0])&^sign)
		m1 = max(m1, math.Float32bits(y[1])&^sign)
		m2 = max(m2, math.Float32bits(y[2])&^sign)
		m3 = max(m3, math.Float32bits(y[3])&^sign)
	}
	for ; i < len(x); i++ {
		m0 = max(m0, math.Float32bits(x[i])&^sign)
	}
	m0 = max(m0, m1, m2, m3)
	for i, v := range x {
		if math.Float32bits(v)&^sign == m0 {
			return i
		}
	}
	return 0
}
