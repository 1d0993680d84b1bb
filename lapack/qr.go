package lapack

import (
	"gonum.org/v1/gonum/blas"
)

// QR is the factorisation A = Q R of an m x n matrix, with Q orthogonal and R upper trapezoidal. The zero value is ready; a
// value that is used again keeps its buffers. Q R is the exact factorisation of a matrix within c n eps ||a_j|| of A in each
// column j (Higham 2002, theorem 19.4): columns of any scale keep their relative accuracy, which a Gram matrix would lose.
type QR[T Float] struct {
	m, n   int
	r      []T // m x n: R in the upper triangle; what is below it is left over
	v      []T // min(m, n) x m: the reflectors as rows, unit and zeros stored
	t      []T // the triangular factors of all blocks, qrBlock*qrBlock each
	tau    []T
	work   []T
	blocks int
}

// Factorize computes the factorisation of a (m x n, row stride lda), which is not modified.
func (q *QR[T]) Factorize(m, n int, a []T, lda int) {
	checkMatrix("the matrix", m, n, a, lda)
	k := min(m, n)
	q.m, q.n, q.blocks = m, n, (k+qrBlock-1)/qrBlock
	q.r = grown(q.r, m*n)
	q.v = grown(q.v, k*m)
	q.tau = grown(q.tau, k)
	q.t = grown(q.t, q.blocks*qrBlock*qrBlock)
	q.work = grown(q.work, qrBlock*(qrBlock+2*max(n, 1)))
	for i := range m {
		copy(q.r[i*n:(i+1)*n], a[i*lda:i*lda+n])
	}
	for b := range q.blocks {
		s, h := q.block(b)
		clearHead(s, h.w, q.v[s*m:], m)
		h.factorColumns(n-s, q.r[s*n+s:], n, q.tau[s:s+h.w], q.work)
	}
}

// clearHead clears the first s elements of w rows.
func clearHead[T Float](s, w int, v []T, ldv int) {
	for j := range w {
		clear(v[j*ldv : j*ldv+s])
	}
}

// block returns the first reflector of block b, and the block.
func (q *QR[T]) block(b int) (s int, h blockReflector[T]) {
	s = b * qrBlock
	w := min(qrBlock, len(q.tau)-s)
	return s, blockReflector[T]{w: w, n: q.m - s, v: q.v[s*q.m+s:], ldv: q.m, t: q.t[b*qrBlock*qrBlock:], ldt: qrBlock}
}

// factorColumns finds the reflectors of the first w columns of c (h.n x cols), which it leaves in h, writes R over these
// columns, and applies the block to the columns on their right. What is below R is left over. work has room for
// w*(w+2*cols).
func (h blockReflector[T]) factorColumns(cols int, c []T, ldc int, tau, work []T) {
	transpose(h.n, h.w, c, ldc, h.v, h.ldv)
	h.factorPanel(tau, entries[T]{c, ldc, 1}, work)
	h.applyLeft(blas.Trans, cols-h.w, c[h.w:], ldc, work)
}

// Apply overwrites c (m x k) with Q C (NoTrans) or Qᵀ C (Trans).
func (q *QR[T]) Apply(op blas.Transpose, k int, c []T, ldc int) {
	checkMatrix("the matrix", q.m, k, c, ldc)
	q.work = grown(q.work, 2*qrBlock*k)
	for i := range q.blocks {
		b := i
		if op == blas.NoTrans {
			b = q.blocks - 1 - i
		}
		s, h := q.block(b)
		h.applyLeft(op, k, c[s*ldc:], ldc, q.work)
	}
}

// RTo overwrites dst (min(m, n) x n) with R, zeros included.
func (q *QR[T]) RTo(dst []T, ldd int) {
	k := min(q.m, q.n)
	checkMatrix("R", k, q.n, dst, ldd)
	for i := range k {
		row := dst[i*ldd : i*ldd+q.n]
		clear(row[:i])
		copy(row[i:], q.r[i*q.n+i:(i+1)*q.n])
	}
}

// QTo overwrites dst (m x k, k <= m) with the first k columns of Q.
func (q *QR[T]) QTo(k int, dst []T, ldd int) {
	checkMatrix("Q", q.m, k, dst, ldd)
	q.work = grown(q.work, qrBlock*(qrBlock+2*k))
	for i := range q.m {
		row := dst[i*ldd : i*ldd+k]
		clear(row)
		if i >= len(q.tau) && i < k {
			row[i] = 1
		}
	}
	for b := q.blocks - 1; b >= 0; b-- {
		s, h := q.block(b)
		if s < k {
			h.w = min(h.w, k-s) // the first reflectors of a block have the leading part of T
			h.generateColumns(k-s, dst[s*ldd+s:], ldd, q.work)
		}
	}
}
