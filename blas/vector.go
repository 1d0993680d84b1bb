package blas

import (
	"gonum.org/v1/gonum/blas"

	"github.com/eckart-go/eckart/internal/pool"
)

// Level 2 on contiguous vectors. Matrices are far larger than vectors, so a vector with another increment is copied first.

// rowWork is the number of matrix elements that one worker takes at a time: about 100 microseconds from memory.
const rowWork = 1 << 17

// contiguous is a vector with increment 1: the caller's own, or a copy that has to be dropped.
type contiguous[T scalar] struct {
	x    []T
	copy *[]T
}

// gather returns the n elements of x with increment inc as a contiguous vector.
func (k *kernels[T]) gather(n int, x []T, inc int) contiguous[T] {
	if inc == 1 {
		return contiguous[T]{x: x[:n]}
	}
	p := k.borrow(n)
	at := first(n, inc)
	for i := range *p {
		(*p)[i] = x[at]
		at += inc
	}
	return contiguous[T]{x: *p, copy: p}
}

// scatter writes the vector back to where gather found it.
func (c contiguous[T]) scatter(x []T, inc int) {
	if c.copy == nil {
		return
	}
	at := first(len(c.x), inc)
	for _, v := range c.x {
		x[at] = v
		at += inc
	}
}

func (k *kernels[T]) drop(cs ...contiguous[T]) {
	for _, c := range cs {
		if c.copy != nil {
			k.giveBack(c.copy)
		}
	}
}

// first is the index of element 0 of a vector of n elements, which with a negative increment is its last in memory.
func first(n, inc int) int {
	if inc < 0 {
		return (1 - n) * inc
	}
	return 0
}

// grain is how many rows of n elements make a piece of work.
func grain(n int) int { return max(1, rowWork/n) }

// ger adds alpha x yᵀ to A, whose rows have n elements.
func (k *kernels[T]) ger(n int, alpha T, x, y, a []T, lda int) {
	rows := grain(n)
	if len(x) <= rows { // no closure on the heap for a small matrix
		k.gerRows(0, len(x), n, alpha, x, y, a, lda)
		return
	}
	pool.Ranges(len(x), rows, func(lo, hi int) { k.gerRows(lo, hi, n, alpha, x, y, a, lda) })
}

func (k *kernels[T]) gerRows(from, to, n int, alpha T, x, y, a []T, lda int) {
	for i := from; i < to; i++ {
		k.axpy(alpha*x[i], y, a[i*lda:i*lda+n])
	}
}

// triangleRow is the range of columns of row i in a triangle of order n, diagonal included.
func triangleRow(ul blas.Uplo, i, n int) (lo, hi int) {
	if ul == blas.Upper {
		return i, n
	}
	return 0, i + 1
}

// syr adds alpha x xᵀ to the triangle ul of A, of order n.
func (k *kernels[T]) syr(ul blas.Uplo, n int, alpha T, x, a []T, lda int) {
	rows := grain(n)
	if n <= rows {
		k.syrRows(ul, 0, n, n, alpha, x, a, lda)
		return
	}
	pool.Ranges(n, rows, func(lo, hi int) { k.syrRows(ul, lo, hi, n, alpha, x, a, lda) })
}

func (k *kernels[T]) syrRows(ul blas.Uplo, from, to, n int, alpha T, x, a []T, lda int) {
	for i := from; i < to; i++ {
		if s := alpha * x[i]; s != 0 {
			lo, hi := triangleRow(ul, i, n)
			k.axpy(s, x[lo:hi], a[i*lda+lo:i*lda+hi])
		}
	}
}

// syr2 adds alpha (x yᵀ + y xᵀ) to the triangle ul of A, of order n.
func (k *kernels[T]) syr2(ul blas.Uplo, n int, alpha T, x, y, a []T, lda int) {
	rows := grain(n)
	if n <= rows {
		k.syr2Rows(ul, 0, n, n, alpha, x, y, a, lda)
		return
	}
	pool.Ranges(n, rows, func(lo, hi int) { k.syr2Rows(ul, lo, hi, n, alpha, x, y, a, lda) })
}

func (k *kernels[T]) syr2Rows(ul blas.Uplo, from, to, n int, alpha T, x, y, a []T, lda int) {
	for i := from; i < to; i++ {
		lo, hi := triangleRow(ul, i, n)
		row := a[i*lda+lo : i*lda+hi]
		k.axpy(alpha*x[i], y[lo:hi], row)
		k.axpy(alpha*y[i], x[lo:hi], row)
	}
}

// symv computes y = alpha A x + beta y. Each stored row is read once, for its own element of y (dot) and for its
// transpose's share of the others (axpy). Pieces of rows collect that share in vectors of their own, added in order.
func (k *kernels[T]) symv(ul blas.Uplo, n int, alpha T, a []T, lda int, x []T, beta T, y []T) {
	rows := grain(n)
	pieces := (n + rows - 1) / rows
	sums := k.borrow(pieces * n)
	pool.Run(pieces, func(p int) {
		sum := (*sums)[p*n : p*n+n]
		clear(sum)
		for i := p * rows; i < min(n, (p+1)*rows); i++ {
			row, lo, hi := a[i*lda:], i+1, n
			if ul == blas.Lower {
				lo, hi = 0, i
			}
			sum[i] += row[i]*x[i] + k.dot(row[lo:hi], x[lo:hi])
			k.axpy(x[i], row[lo:hi], sum[lo:hi])
		}
	})
	k.scale(1, n, beta, y, n)
	for p := range pieces {
		k.axpy(alpha, (*sums)[p*n:p*n+n], y)
	}
	k.giveBack(sums)
}

// trmv replaces x by op(A) x.
func (k *kernels[T]) trmv(t triangle[T], x []T) {
	for step := range t.n {
		i := step
		if t.lower { // from the last row up, so that what is read is still the old x
			i = t.n - 1 - step
		}
		row := t.a[i*t.lda:]
		lo, hi := t.offDiagonal(i)
		d := x[i]
		if !t.unit {
			d *= row[i]
		}
		if t.trans {
			k.axpy(x[i], row[lo:hi], x[lo:hi])
			x[i] = d
		} else {
			x[i] = d + k.dot(row[lo:hi], x[lo:hi])
		}
	}
}

// trsv replaces x by op(A)⁻¹ x.
func (k *kernels[T]) trsv(t triangle[T], x []T) {
	for step := range t.n {
		i := step
		if !t.lower {
			i = t.n - 1 - step
		}
		row := t.a[i*t.lda:]
		lo, hi := t.offDiagonal(i)
		if !t.trans {
			x[i] -= k.dot(row[lo:hi], x[lo:hi])
		}
		if !t.unit {
			x[i] /= row[i]
		}
		if t.trans {
			k.axpy(-x[i], row[lo:hi], x[lo:hi])
		}
	}
}

// offDiagonal is the range of columns of stored row i beside the diagonal element.
func (t triangle[T]) offDiagonal(i int) (lo, hi int) {
	if t.lower != t.trans { // A itself is lower triangular
		return 0, i
	}
	return i + 1, t.n
}
