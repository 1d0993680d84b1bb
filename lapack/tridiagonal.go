package lapack

import (
	"gonum.org/v1/gonum/blas"
)

// Block sizes of the reduction to tridiagonal form.
const (
	reducePanel = 32  // reflectors of a panel: the update after it has inner dimension 2*reducePanel
	updateRows  = 192 // rows of the triangle that one product of the update covers
)

// reduction holds a symmetric matrix reduced to tridiagonal form, A = Q T Qᵀ with Q = H_0 H_1 ... H_n-2.
type reduction[T Float] struct {
	n    int
	ld   int       // row stride of a
	a    []T       // n x n: row i holds reflector i from column i+1 on, its leading 1 stored, zeros before
	d, e []float64 // diagonal (n) and off-diagonal (n-1) of T
	tau  []T
	work []T
}

// resize makes room for n x n, keeping buffers that are large enough.
func (r *reduction[T]) resize(n int) {
	r.n, r.ld = n, stride(n)
	r.a = grown(r.a, n*r.ld)
	r.d = grown(r.d, n)
	r.e = grown(r.e, n)
	r.tau = grown(r.tau, n)
	r.work = grown(r.work, 4*reducePanel*r.ld+symvGroups*n+2*reducePanel)
}

// reduce overwrites r.a (upper triangle in use) with the reflectors and fills d, e and tau (Dongarra, Hammarling, Sorensen
// 1989): half of the work in products with the trailing matrix, half in its rank-2k updates. A panel keeps its reflectors
// V and the companion vectors W interleaved, P = (v0, w0, v1, w1, ...) and Q = (w0, v0, w1, v1, ...), so that the pending
// update of the trailing matrix is A - Pᵀ Q.
func (r *reduction[T]) reduce() {
	n, ld, a := r.n, r.ld, r.a
	p, work := cut(r.work, 2*reducePanel*ld)
	q, work := cut(work, 2*reducePanel*ld)
	coefficients, sums := cut(work, 2*reducePanel)
	for s := 0; s < n-1; s += reducePanel {
		width := min(reducePanel, n-1-s)
		for j := range width {
			i := s + j
			row := a[i*ld+i : i*ld+n]
			if j > 0 {
				gemv(blas.Trans, 2*j, n-i, -1, q[i:], ld, p[i:], ld, 1, row, 1)
			}
			r.d[i] = float64(row[0])
			e, tau := reflect(row[1:])
			r.e[i], r.tau[i] = float64(e), tau
			v, w := row[1:], q[2*j*ld+i+1:2*j*ld+n]
			symv(n-i-1, a[(i+1)*ld+i+1:], ld, v, w, sums)
			if j > 0 {
				gemv(blas.NoTrans, 2*j, n-i-1, 1, q[i+1:], ld, v, 1, 0, coefficients, 1)
				gemv(blas.Trans, 2*j, n-i-1, -1, p[i+1:], ld, coefficients, 1, 1, w, 1)
			}
			scal(tau, w)
			axpy(-tau/2*dot(w, v), v, w)
			copy(p[2*j*ld+i+1:], v)
			copy(p[(2*j+1)*ld+i+1:], w)
			copy(q[(2*j+1)*ld+i+1:], v)
		}
		for i := s + width; i < n; i += updateRows {
			rows := min(updateRows, n-i)
			gemm(blas.Trans, blas.NoTrans, rows, n-i, 2*width, -1, p[i:], ld, q[i:], ld, 1, a[i*ld+i:], ld)
		}
	}
	if n > 0 {
		r.d[n-1] = float64(a[(n-1)*ld+n-1])
	}
	for i := range n {
		clear(a[i*ld : i*ld+i+1])
	}
}

// apply overwrites the rows of z (k x n) with z Qᵀ: eigenvectors of T, as rows, become those of A.
func (r *reduction[T]) apply(k int, z []T, ldz int) {
	r.work = grown(r.work, backSpace(k))
	transformBack(k, r.n, z, ldz, max(r.n-1, 0), 1, r.a, r.ld, r.tau, r.work)
}
