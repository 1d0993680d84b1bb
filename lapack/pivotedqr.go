package lapack

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas"
)

// pivotBlock is how many columns pivotedQR reduces before it updates the rest of the matrix.
const pivotBlock = 32

// PivotedQR overwrites a (m x n) with R, whose diagonal does not grow, and, below the diagonal, the reflectors of Q in A P = Q R
// with column pivoting; tau has min(m, n) elements. Column j of A P is column columns[j] of A; columns (n) is overwritten.
//
// Method: of the remaining columns the one of largest norm comes next (Businger, Golub 1965), half of the work in products
// (Quintana-Ortí, Sun, Bischof 1998), with norms that are updated as long as that is accurate and computed anew where it is not
// (Drmač, Bujanović 2008).
func PivotedQR[T Float](m, n int, a []T, lda int, columns []int, tau []T) {
	checkMatrix("the matrix", m, n, a, lda)
	if len(columns) != n || len(tau) != min(m, n) {
		panic(fmt.Sprintf("lapack: %d column numbers and %d factors for a matrix of %d x %d", len(columns), len(tau), m, n))
	}
	for j := range columns {
		columns[j] = j
	}
	pivotedQR(m, n, 0, a, lda, columns, tau)
}

// pivotedQR leaves the first fixed columns where they are. It works on the transpose, where columns are contiguous.
func pivotedQR[T Float](m, n, fixed int, a []T, lda int, columns []int, tau []T) {
	if m == 0 || n == 0 {
		return
	}
	ld := stride(m)
	p, space := borrow[T](n*ld + n*pivotBlock + 3*n + 3*pivotBlock)
	defer giveBack(p)
	q := &pivoting[T]{m: m, n: n, ld: ld, columns: columns, tau: tau}
	q.a, space = cut(space, n*ld)
	q.f, space = cut(space, n*pivotBlock)
	q.norms, space = cut(space, n)
	q.exact, space = cut(space, n)
	q.product, q.small = cut(space, n)
	transpose(m, n, a, lda, q.a, ld)
	fixed = min(fixed, m)
	if fixed > 0 {
		factorLQ(fixed, m, q.a, ld, tau[:fixed])
		first := reflectors[T]{layout: byRow, n: m, k: fixed, a: q.a, lda: ld, tau: tau[:fixed]}
		first.apply(blas.Right, blas.NoTrans, n-fixed, q.a[fixed*ld:], ld)
	}
	for j := fixed; j < n; j++ {
		q.norms[j] = norm2(q.column(j)[fixed:])
		q.exact[j] = q.norms[j]
	}
	for s := fixed; s < min(m, n); {
		s += q.panel(s, min(pivotBlock, min(m, n)-s))
	}
	transpose(n, m, q.a, ld, a, lda)
}

// pivoting is a factorisation in progress.
type pivoting[T Float] struct {
	m, n, ld int
	a        []T // n x m: the columns of the matrix as rows
	f        []T // (n-s) x pivotBlock: the update that columns s on still lack is A - Vᵀ Fᵀ
	norms    []T // of the parts of columns below the finished rows, updated
	exact    []T // when they were computed last
	product  []T // n
	small    []T // 3*pivotBlock
	columns  []int
	tau      []T
	stale    []int // columns whose norm has to be computed anew
}

func (q *pivoting[T]) column(j int) []T { return q.a[j*q.ld : j*q.ld+q.m] }

// panel finds up to width reflectors, from column s on, stopping early when a norm becomes inaccurate, and updates the columns
// on the right. It returns their number.
func (q *pivoting[T]) panel(s, width int) int {
	diagonal, space := cut(q.small, pivotBlock)
	done := 0
	for done < width && len(q.stale) == 0 {
		diagonal[done] = q.step(s, done, space)
		done++
	}
	for j, d := range diagonal[:done] {
		q.a[(s+j)*q.ld+s+j] = d
	}
	next := s + done
	if next < min(q.m, q.n) {
		gemm(blas.NoTrans, blas.NoTrans, q.n-next, q.m-next, done, -1, q.f[done*pivotBlock:], pivotBlock,
			q.a[s*q.ld+next:], q.ld, 1, q.a[next*(q.ld+1):], q.ld)
	}
	for _, j := range q.stale {
		q.norms[j] = norm2(q.column(j)[min(next, q.m):])
		q.exact[j] = q.norms[j]
	}
	q.stale = q.stale[:0]
	return done
}

// step brings the column of largest norm to place s+k, finds its reflector, whose leading one it stores, and row s+k of R
// on its right; it returns the diagonal element.
func (q *pivoting[T]) step(s, k int, space []T) (diagonal T) {
	at, ld := s+k, q.ld
	coefficients, row := cut(space, pivotBlock)
	q.exchange(s, k, at+indexOfLargest(q.norms[at:q.n]))
	v := q.column(at)[at:]
	if k > 0 {
		gemv(blas.Trans, k, len(v), -1, q.a[s*ld+at:], ld, q.f[k*pivotBlock:], 1, 1, v, 1)
	}
	diagonal, q.tau[at] = reflect(v)
	right := q.n - at - 1
	if right == 0 {
		return diagonal
	}
	below, product := q.f[(k+1)*pivotBlock:], q.product[:right]
	gemv(blas.NoTrans, right, len(v), q.tau[at], q.a[(at+1)*ld+at:], ld, v, 1, 0, product, 1)
	if k > 0 {
		gemv(blas.NoTrans, k, len(v), -q.tau[at], q.a[s*ld+at:], ld, v, 1, 0, coefficients, 1)
		gemv(blas.NoTrans, right, k, 1, below, pivotBlock, coefficients, 1, 1, product, 1)
	}
	for i, x := range product {
		below[i*pivotBlock+k] = x
	}
	for j := range k + 1 {
		row[j] = q.a[(s+j)*ld+at]
	}
	gemv(blas.NoTrans, right, k+1, -1, below, pivotBlock, row, 1, 1, q.a[(at+1)*ld+at:], ld)
	if at+1 < q.m {
		q.downdate(at)
	}
	return diagonal
}

// exchange exchanges column p with column s+k.
func (q *pivoting[T]) exchange(s, k, p int) {
	at := s + k
	if p == at {
		return
	}
	x, y := q.column(at), q.column(p)
	for i, v := range x {
		x[i], y[i] = y[i], v
	}
	f, g := q.f[k*pivotBlock:k*pivotBlock+k], q.f[(p-s)*pivotBlock:]
	for i, v := range f {
		f[i], g[i] = g[i], v
	}
	q.columns[at], q.columns[p] = q.columns[p], q.columns[at]
	q.norms[p], q.exact[p] = q.norms[at], q.exact[at]
}

// downdate takes row at out of the norms of the columns on its right.
func (q *pivoting[T]) downdate(at int) {
	limit := sqrt(epsilon[T]())
	for j := at + 1; j < q.n; j++ {
		if q.norms[j] == 0 {
			continue
		}
		ratio := abs(q.a[j*q.ld+at]) / q.norms[j]
		left := max(0, (1+ratio)*(1-ratio))
		drop := q.norms[j] / q.exact[j]
		if left*drop*drop <= limit || math.IsNaN(float64(left)) {
			q.stale = append(q.stale, j)
		} else {
			q.norms[j] *= sqrt(left)
		}
	}
}
