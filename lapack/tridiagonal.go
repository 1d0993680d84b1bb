package lapack

import (
	"gonum.org/v1/gonum/blas"

	"github.com/eckart-go/eckart/internal/simd"
)

// Block sizes of the reduction to tridiagonal form.
const (
	reducePanel = 32  // reflectors of a panel: the update after it has inner dimension 2*reducePanel
	updateRows  = 192 // rows of the triangle that one product of the update covers
	applyBlock  = 64  // reflectors applied together to the vectors
)

// reduction holds a symmetric matrix reduced to tridiagonal form, A = Q T Qᵀ with Q = H_0 H_1 ... H_n-2.
type reduction struct {
	n    int
	ld   int       // row stride of a
	a    []float64 // n x n: row i holds reflector i from column i+1 on, its leading 1 stored, zeros before
	d, e []float64 // diagonal (n) and off-diagonal (n-1) of T
	tau  []float64
	work []float64
}

// resize makes room for n x n, keeping buffers that are large enough.
func (r *reduction) resize(n int) {
	r.n, r.ld = n, stride(n)
	r.a = grown(r.a, n*r.ld)
	r.d = grown(r.d, n)
	r.e = grown(r.e, n)
	r.tau = grown(r.tau, n)
	r.work = grown(r.work, max(4*reducePanel*r.ld+symvGroups*n+2*reducePanel, 2*applyBlock*(n+applyBlock)))
}

// reduce overwrites r.a (upper triangle in use) with the reflectors and fills d, e and tau (Dongarra, Hammarling, Sorensen
// 1989): half of the work in products with the trailing matrix, half in its rank-2k updates. A panel keeps its reflectors
// V and the companion vectors W interleaved, P = (v0, w0, v1, w1, ...) and Q = (w0, v0, w1, v1, ...), so that the pending
// update of the trailing matrix is A - Pᵀ Q.
func (r *reduction) reduce() {
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
				simd.Dgemv(blas.Trans, 2*j, n-i, -1, q[i:], ld, p[i:], ld, 1, row, 1)
			}
			r.d[i] = row[0]
			r.e[i], r.tau[i] = reflect(row[1:])
			v, w := row[1:], q[2*j*ld+i+1:2*j*ld+n]
			symv(n-i-1, a[(i+1)*ld+i+1:], ld, v, w, sums)
			if j > 0 {
				simd.Dgemv(blas.NoTrans, 2*j, n-i-1, 1, q[i+1:], ld, v, 1, 0, coefficients, 1)
				simd.Dgemv(blas.Trans, 2*j, n-i-1, -1, p[i+1:], ld, coefficients, 1, 1, w, 1)
			}
			simd.Dscal(r.tau[i], w)
			simd.Daxpy(-r.tau[i]/2*simd.Ddot(w, v), v, w)
			copy(p[2*j*ld+i+1:], v)
			copy(p[(2*j+1)*ld+i+1:], w)
			copy(q[(2*j+1)*ld+i+1:], v)
		}
		for i := s + width; i < n; i += updateRows {
			rows := min(updateRows, n-i)
			simd.Dgemm(blas.Trans, blas.NoTrans, rows, n-i, 2*width, -1, p[i:], ld, q[i:], ld, 1, a[i*ld+i:], ld)
		}
	}
	if n > 0 {
		r.d[n-1] = a[(n-1)*ld+n-1]
	}
	for i := range n {
		clear(a[i*ld : i*ld+i+1])
	}
}

// apply overwrites the rows of z (k x n) with z Qᵀ: eigenvectors of T, as rows, become those of A.
func (r *reduction) apply(k int, z []float64, ldz int, products []float64) {
	n, ld := r.n, r.ld
	u, work := cut(r.work, applyBlock*n)
	t, gram := cut(work, applyBlock*applyBlock)
	last := (max(n-1, 1) - 1) / applyBlock * applyBlock
	for s := last; s >= 0 && n > 1 && k > 0; s -= applyBlock {
		width := min(applyBlock, n-1-s)
		v, cols := r.a[s*ld+s+1:], n-s-1
		triangularFactor(width, cols, v, ld, r.tau[s:], t, width, gram)
		// Z (I - Vᵀ Tᵀ V) = Z - (Z Vᵀ) (Tᵀ V)
		simd.Dgemm(blas.Trans, blas.NoTrans, width, cols, width, 1, t, width, v, ld, 0, u, cols)
		simd.Dgemm(blas.NoTrans, blas.Trans, k, width, cols, 1, z[s+1:], ldz, v, ld, 0, products, width)
		simd.Dgemm(blas.NoTrans, blas.NoTrans, k, cols, width, -1, products, width, u, cols, 1, z[s+1:], ldz)
	}
}
