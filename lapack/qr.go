package lapack

import (
	"gonum.org/v1/gonum/blas"
)

// qrBlock is the number of reflectors that are applied together.
const qrBlock = 48

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
		q.factorBlock(b)
	}
}

// block returns block b: its first reflector, their number, and their rows from the first column that is not zero on.
func (q *QR[T]) block(b int) (s, width int, v, t []T) {
	s = b * qrBlock
	width = min(qrBlock, len(q.tau)-s)
	return s, width, q.v[s*q.m+s:], q.t[b*qrBlock*qrBlock:]
}

// factorBlock finds the reflectors of one block of columns, which it transposes so that they are contiguous, and applies them
// to the columns on its right.
func (q *QR[T]) factorBlock(b int) {
	s, width, v, t := q.block(b)
	m, n := q.m, q.n
	rows := m - s
	for j := range width {
		row := q.v[(s+j)*m : (s+j+1)*m]
		clear(row[:s])
		for i := s; i < m; i++ {
			row[i] = q.r[i*n+s+j]
		}
	}
	for j := range width {
		row := v[j*m+j : j*m+rows]
		beta, tau := reflect(row)
		q.tau[s+j] = tau
		for p := j + 1; p < width; p++ {
			other := v[p*m+j : p*m+rows]
			axpy(-tau*dot(row, other), row, other)
		}
		for p := range width { // column s+j of R within the block
			if p < j {
				q.r[(s+p)*n+s+j] = v[j*m+p]
				v[j*m+p] = 0
			}
		}
		q.r[(s+j)*n+s+j] = beta
	}
	gram, work := cut(q.work, qrBlock*qrBlock)
	triangularFactor(width, rows, v, m, q.tau[s:], t, qrBlock, gram)
	if rest := n - s - width; rest > 0 {
		q.applyBlock(b, blas.Trans, rest, q.r[s*n+s+width:], n, work)
	}
}

// applyBlock overwrites c, the rows from the block's first on, k columns, with (I - Vᵀ op(T) V) C: the block's part of Q for
// NoTrans, of Qᵀ for Trans. work has room for 2*qrBlock*k.
func (q *QR[T]) applyBlock(b int, op blas.Transpose, k int, c []T, ldc int, work []T) {
	s, width, v, t := q.block(b)
	rows := q.m - s
	vc, work := cut(work, width*k)
	tvc, _ := cut(work, width*k)
	gemm(blas.NoTrans, blas.NoTrans, width, k, rows, 1, v, q.m, c, ldc, 0, vc, k)
	gemm(op, blas.NoTrans, width, k, width, 1, t, qrBlock, vc, k, 0, tvc, k)
	gemm(blas.Trans, blas.NoTrans, rows, k, width, -1, v, q.m, tvc, k, 1, c, ldc)
}

// Apply overwrites c (m x k) with Q C (NoTrans) or Qᵀ C (Trans).
func (q *QR[T]) Apply(op blas.Transpose, k int, c []T, ldc int) {
	checkMatrix("the matrix", q.m, k, c, ldc)
	if k == 0 {
		return
	}
	q.work = grown(q.work, qrBlock*(qrBlock+2*k))
	for i := range q.blocks {
		b := i
		if op == blas.NoTrans {
			b = q.blocks - 1 - i
		}
		q.applyBlock(b, op, k, c[b*qrBlock*ldc:], ldc, q.work)
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
	for i := range q.m {
		row := dst[i*ldd : i*ldd+k]
		clear(row)
		if i < k {
			row[i] = 1
		}
	}
	q.Apply(blas.NoTrans, k, dst, ldd)
}
