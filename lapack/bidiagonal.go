package lapack

import (
	"gonum.org/v1/gonum/blas"

	"github.com/eckart-go/eckart/internal/pool"
)

const (
	bidiagonalPanel  = 24        // reflectors from either side between two updates of the whole trailing matrix
	bidiagonalGroups = 8         // most parallel groups of rows of a pass, each with its own sum
	bidiagonalGrain  = 32 * 1024 // elements that are worth a group,
	bidiagonalTile   = 12 * 1024 // and that stay in a core's second-level cache between two products
)

// bidiagonal holds an m x n matrix, m >= n, reduced to upper bidiagonal form: A = Q B Pᵀ with Q = H_0 ... H_n-1 and P = G_0 ...
// G_n-2.
type bidiagonal[T Float] struct {
	m, n     int
	a        []T       // m x n, row stride lda: the matrix, destroyed
	d, e     []float64 // diagonal (n) and superdiagonal (n; the last is zero) of B
	lda      int
	left     []T // n x m, row stride ldl: row j holds reflector H_j from column j on, its leading 1 stored, zeros before
	right    []T // n x n, row stride ldr: row j holds reflector G_j from column j+1 on
	ldl, ldr int
	tauLeft  []T
	tauRight []T
	work     []T
	p, q     []T // a panel's pending update is A - Pᵀ Q; P = (v0, x0, v1, x1, ...) and Q = (y0, u0, y1, u1, ...) as rows
	columns  []T // 2 x m
	sums     []T // bidiagonalGroups x n
	small    []T // 8 * bidiagonalPanel
}

// resize makes room for m x n, keeping buffers that are large enough.
func (b *bidiagonal[T]) resize(m, n int) {
	b.m, b.n, b.lda, b.ldl, b.ldr = m, n, stride(n), stride(m), stride(n)
	b.a = grown(b.a, m*b.lda)
	b.left = grown(b.left, n*b.ldl)
	b.right = grown(b.right, n*b.ldr)
	b.d, b.e = grown(b.d, n), grown(b.e, n)
	b.tauLeft, b.tauRight = grown(b.tauLeft, n), grown(b.tauRight, n)
	b.work = grown(b.work, 2*bidiagonalPanel*(b.ldl+b.ldr)+2*m+bidiagonalGroups*n+8*bidiagonalPanel)
	var rest []T
	b.p, rest = cut(b.work, 2*bidiagonalPanel*b.ldl)
	b.q, rest = cut(rest, 2*bidiagonalPanel*b.ldr)
	b.columns, rest = cut(rest, 2*m)
	b.sums, b.small = cut(rest, bidiagonalGroups*n)
}

// reduce overwrites b.a and fills the reflectors, d and e (Dongarra, Hammarling, Sorensen 1989, dlabrd): half of the work is in
// products of the trailing matrix with vectors, half in its updates. Of the two products of a step, A u from one side and
// Aᵀ v from the other, LAPACK reads the matrix for each. Here the product A u of one step and Aᵀ v of the next share a pass
// (the idea of Howell et al. 2008): v is made of the column that A u changes, up to its first element and a factor that are
// known when the column is complete, and both are linear.
func (b *bidiagonal[T]) reduce() {
	m, n, lda := b.m, b.n, b.lda
	for s := 0; s < n; s += bidiagonalPanel {
		width := min(bidiagonalPanel, n-s)
		column := b.left[s*b.ldl+s : s*b.ldl+m]
		for r := range column {
			column[r] = b.a[(s+r)*lda+s]
		}
		for j := range width {
			b.step(s, j, j == width-1)
		}
		if rest := s + width; rest < n {
			gemm(blas.Trans, blas.NoTrans, m-rest, n-rest, 2*width, -1, b.p[rest:], b.ldl, b.q[rest:], b.ldr, 1, b.a[rest*(lda+1):], lda)
		}
	}
	for j := range n {
		clear(b.left[j*b.ldl : j*b.ldl+j])
		clear(b.right[j*b.ldr : j*b.ldr+j+1])
	}
}

// step finds reflectors s+j of both sides. It is given the column of H, updated, in b.left, and for j > 0 in row 2j of Q the
// product of that column with the trailing matrix. It leaves the same for step j+1, unless last.
func (b *bidiagonal[T]) step(s, j int, last bool) {
	m, n, lda, ldl, ldr := b.m, b.n, b.lda, b.ldl, b.ldr
	i := s + j
	v := b.left[i*ldl+i : i*ldl+m]
	y := b.q[2*j*ldr+i+1 : 2*j*ldr+n]
	alpha := v[0]
	beta, tau := reflect(v)
	b.d[i], b.tauLeft[i] = float64(beta), tau
	copy(b.p[2*j*ldl+i:], v)
	b.e[i], b.tauRight[i] = 0, 0
	cols := n - i - 1
	if cols == 0 {
		return
	}
	row := b.a[i*lda+i+1 : i*lda+n]
	// y = tau (Aᵀ v - Qᵀ P v), and beside it the row of G.
	u := b.right[i*ldr+i+1 : i*ldr+n]
	copy(u, row)
	b.finishProduct(j, i, alpha, beta, tau, row, v, y)
	if j > 0 {
		coefficients := b.small[:2*j]
		gemv(blas.NoTrans, 2*j, m-i, 1, b.p[i:], ldl, v, 1, 0, coefficients, 1)
		gemv(blas.Trans, 2*j, cols, -1, b.q[i+1:], ldr, coefficients, 1, 1, y, 1)
	}
	scal(tau, y)
	gemv(blas.Trans, 2*j+1, cols, -1, b.q[i+1:], ldr, b.p[i:], ldl, 1, u, 1)
	right, tau := reflect(u)
	b.e[i], b.tauRight[i] = float64(right), tau
	copy(b.q[(2*j+1)*ldr+i+1:], u)
	b.pass(s, j, last, tau)
}

// finishProduct turns y, the product of the matrix and the column before it became the reflector v, into Aᵀ v.
func (b *bidiagonal[T]) finishProduct(j, i int, alpha, beta, tau T, row, v, y []T) {
	eps := epsilon[T]()
	switch scale := alpha - beta; {
	case tau == 0 && j > 0:
		copy(y, row)
	case j > 0 && abs(scale) > safeMinimum[T]()/(eps*eps):
		axpy(-beta, row, y)
		divideBy(y, float64(scale))
	default: // nothing is prepared, or it has lost digits to underflow
		gemv(blas.Trans, b.m-i, len(y), 1, b.a[i*b.lda+i+1:], b.lda, v, 1, 0, y, 1)
	}
}

// pass computes x = tau (A u - Pᵀ Q u) into row 2j+1 of P and, unless last, the next column and its product with the matrix.
func (b *bidiagonal[T]) pass(s, j int, last bool, tau T) {
	m, n, lda, ldl, ldr := b.m, b.n, b.lda, b.ldl, b.ldr
	i, k := s+j+1, 2*j+1 // the first row and column of the trailing matrix; pending updates but for x
	rows, cols := m-i, n-i
	u := b.q[k*ldr+i : k*ldr+n]
	x := b.p[k*ldl+i : k*ldl+m]
	shift := b.columns[:rows]
	coefficients := b.small[:k]
	gemv(blas.NoTrans, k, cols, 1, b.q[i:], ldr, u, 1, 0, coefficients, 1)
	gemv(blas.Trans, k, rows, 1, b.p[i:], ldl, coefficients, 1, 0, shift, 1)
	if last {
		gemv(blas.NoTrans, rows, cols, 1, b.a[i*lda+i:], lda, u, 1, 0, x, 1)
		axpy(-1, shift, x)
		scal(tau, x)
		return
	}
	column := b.left[i*ldl+i : i*ldl+m]
	for r := range column {
		column[r] = b.a[(i+r)*lda+i]
	}
	gemv(blas.Trans, k, rows, -1, b.p[i:], ldl, b.q[i:], ldr, 1, column, 1)
	y := b.q[(k+1)*ldr+i+1 : (k+1)*ldr+n]
	clear(y)
	groups := max(1, min(bidiagonalGroups, rows*cols/bidiagonalGrain))
	grain := (rows + groups - 1) / groups
	groups = (rows + grain - 1) / grain
	tile := max(4, bidiagonalTile/cols)
	pool.Run(groups, func(g int) {
		sum := y
		if groups > 1 {
			sum = b.sums[g*n:][:len(y)]
			clear(sum)
		}
		end := min(rows, (g+1)*grain)
		for lo := g * grain; lo < end; lo += tile {
			hi := min(end, lo+tile)
			part, c := x[lo:hi], column[lo:hi]
			gemv(blas.NoTrans, hi-lo, cols, 1, b.a[(i+lo)*lda+i:], lda, u, 1, 0, part, 1)
			for r, w := range shift[lo:hi] {
				part[r] = tau * (part[r] - w)
				c[r] -= part[r] // u[0] is 1
			}
			if cols > 1 {
				gemv(blas.Trans, hi-lo, cols-1, 1, b.a[(i+lo)*lda+i+1:], lda, c, 1, 1, sum, 1)
			}
		}
	})
	if groups > 1 {
		for g := range groups {
			axpy(1, b.sums[g*n:][:len(y)], y)
		}
	}
}
