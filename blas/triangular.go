package blas

import (
	"gonum.org/v1/gonum/blas"

	"github.com/eckart-go/eckart/internal/pool"
)

// Sizes of the unblocked parts. A triangle of leaf rows and a panel of leaf x panel numbers of B fit a 32 KiB first level
// cache together in float64; below leaf, products are too small to gain from another split.
const (
	leaf  = 16
	panel = 96
)

// triangle is op(A) for a triangular A of order n: the factor as it acts, after transposition.
type triangle[T scalar] struct {
	a     []T
	lda   int
	n     int
	trans bool // element (i, j) of op(A) is a[j*lda+i]
	lower bool // op(A), not A, is lower triangular
	unit  bool // the diagonal is one and not read
}

func newTriangle[T scalar](ul blas.Uplo, t blas.Transpose, d blas.Diag, n int, a []T, lda int) triangle[T] {
	trans := t != blas.NoTrans
	return triangle[T]{a: a, lda: lda, n: n, trans: trans, lower: (ul == blas.Lower) != trans, unit: d == blas.Unit}
}

// diagonal returns rows and columns lo..hi of op(A), a triangle again.
func (t triangle[T]) diagonal(lo, hi int) triangle[T] {
	t.a, t.n = t.a[lo*t.lda+lo:], hi-lo
	return t
}

// corner returns the square that a split at h leaves beside the two diagonal blocks: (n-h) x h below them, or h x (n-h)
// above. The slice and the transposition are those that gemm needs.
func (t triangle[T]) corner(h int) (a []T, op blas.Transpose) {
	op = blas.NoTrans
	if t.trans {
		op = blas.Trans
	}
	if t.lower == t.trans { // stored above the diagonal
		return t.a[h:], op
	}
	return t.a[h*t.lda:], op
}

// copyTo writes op(A) (or its transpose, for a factor on the right) into the n x n matrix dst, its triangle only, and
// reports whether what it wrote is lower triangular. A unit diagonal is written out.
func (t triangle[T]) copyTo(dst []T, transposed bool) (lower bool) {
	lower = t.lower != transposed
	byColumn := t.trans != transposed // element (i, j) of what is written is a[j*lda+i]
	for i := range t.n {
		lo, hi := i, t.n
		if lower {
			lo, hi = 0, i+1
		}
		row := dst[i*t.n : i*t.n+t.n]
		if byColumn {
			for j := lo; j < hi; j++ {
				row[j] = t.a[j*t.lda+i]
			}
		} else {
			copy(row[lo:hi], t.a[i*t.lda+lo:i*t.lda+hi])
		}
		if t.unit {
			row[i] = 1
		}
	}
	return lower
}

// split is where a triangle of order n is cut: a multiple of leaf near the middle.
func split(n int) int { return (n/leaf + 1) / 2 * leaf }

// strip is how many columns (rows, for a factor on the right) of B one worker takes through the whole recursion. Strips are
// independent, which parallelises better than the many small products of the recursion; narrower ones would pack the
// triangle too often. Shorter sides are halved as long as both halves are a panel.
const strip = 256

// inStrips calls f for strips of B, the m x n matrix that a triangle of either side works on.
func inStrips[T scalar](s blas.Side, m, n int, b []T, ldb int, f func(m, n int, b []T)) {
	length, step := n, 1
	if s == blas.Right {
		length, step = m, ldb
	}
	count := max(1, min(2, length/panel), (length+strip/2)/strip)
	pool.Ranges(length, (length+count-1)/count, func(lo, hi int) {
		if s == blas.Left {
			f(m, hi-lo, b[lo*step:])
		} else {
			f(hi-lo, n, b[lo*step:])
		}
	})
}

// multiply is trmm in strips.
func (k *kernels[T]) multiply(s blas.Side, t triangle[T], m, n int, b []T, ldb int) {
	inStrips(s, m, n, b, ldb, func(m, n int, b []T) { k.trmm(s, t, m, n, b, ldb) })
}

// trmm replaces the m x n matrix B by op(A) B (left) or B op(A) (right). The triangle is halved until it is a leaf; all other
// work is one product a split, so the whole runs at the speed of gemm. This is the recursion of Elmroth, Gustavson, Jonsson
// and Kågström (SIAM Review 46, 2004).
func (k *kernels[T]) trmm(s blas.Side, t triangle[T], m, n int, b []T, ldb int) {
	if t.n <= leaf {
		k.onPanels(s, t, m, n, b, ldb, k.multiplyRows)
		return
	}
	h := split(t.n)
	a, op := t.corner(h)
	first, second := t.diagonal(0, h), t.diagonal(h, t.n)
	if s == blas.Left {
		top, bottom := b, b[h*ldb:]
		if t.lower {
			k.trmm(s, second, m-h, n, bottom, ldb)
			k.gemm(op, blas.NoTrans, m-h, n, h, 1, a, t.lda, top, ldb, 1, bottom, ldb)
			k.trmm(s, first, h, n, top, ldb)
		} else {
			k.trmm(s, first, h, n, top, ldb)
			k.gemm(op, blas.NoTrans, h, n, m-h, 1, a, t.lda, bottom, ldb, 1, top, ldb)
			k.trmm(s, second, m-h, n, bottom, ldb)
		}
		return
	}
	left, right := b, b[h:]
	if t.lower { // B1 A11 + B2 A21, then B2 A22
		k.trmm(s, first, m, h, left, ldb)
		k.gemm(blas.NoTrans, op, m, h, n-h, 1, right, ldb, a, t.lda, 1, left, ldb)
		k.trmm(s, second, m, n-h, right, ldb)
	} else {
		k.trmm(s, second, m, n-h, right, ldb)
		k.gemm(blas.NoTrans, op, m, n-h, h, 1, left, ldb, a, t.lda, 1, right, ldb)
		k.trmm(s, first, m, h, left, ldb)
	}
}

// onPanels applies f, an operation of a small triangle on the rows of a matrix, to B from the left, or to Bᵀ with the
// transposed triangle, which is B from the right. It works on copies of narrow panels: they are dense in the cache
// whatever ldb is, and independent, so the pool shares them.
func (k *kernels[T]) onPanels(s blas.Side, t triangle[T], m, n int, b []T, ldb int, f func(tri []T, lower bool, order int, x []T, w int)) {
	tri := k.borrow(t.n * t.n)
	defer k.giveBack(tri)
	lower := t.copyTo(*tri, s == blas.Right)
	if s == blas.Left {
		pool.Ranges(n, panel, func(lo, hi int) {
			w := hi - lo
			x := k.borrow(m * w)
			for i := range m {
				copy((*x)[i*w:i*w+w], b[i*ldb+lo:i*ldb+hi])
			}
			f(*tri, lower, m, *x, w)
			for i := range m {
				copy(b[i*ldb+lo:i*ldb+hi], (*x)[i*w:i*w+w])
			}
			k.giveBack(x)
		})
		return
	}
	pool.Ranges(m, panel, func(lo, hi int) {
		w := hi - lo
		x := k.borrow(n * w)
		for i := lo; i < hi; i++ {
			for j, v := range b[i*ldb : i*ldb+n] {
				(*x)[j*w+i-lo] = v
			}
		}
		f(*tri, lower, n, *x, w)
		for i := lo; i < hi; i++ {
			row := b[i*ldb : i*ldb+n]
			for j := range row {
				row[j] = (*x)[j*w+i-lo]
			}
		}
		k.giveBack(x)
	})
}

// multiplyRows replaces X, order x w, by tri X.
func (k *kernels[T]) multiplyRows(tri []T, lower bool, order int, x []T, w int) {
	for step := range order {
		i, lo, hi := step, step+1, order
		if lower {
			i = order - 1 - step
			lo, hi = 0, i
		}
		row := x[i*w : i*w+w]
		if d := tri[i*order+i]; d != 1 {
			k.scal(d, row)
		}
		for j := lo; j < hi; j++ {
			if a := tri[i*order+j]; a != 0 {
				k.axpy(a, x[j*w:j*w+w], row)
			}
		}
	}
}
