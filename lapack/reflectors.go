package lapack

import "gonum.org/v1/gonum/blas"

// Reflectors stored as LAPACK does, in the matrix that they reduced: those of a QR factorisation below the diagonal of columns,
// those of an LQ factorisation right of the diagonal of rows. The functions here are the ones on which the methods Dgeqrf,
// Dgelqf, Dorgqr, Dorglq, Dormqr and Dormlq of Implementation stand, for both element types.

// layout says how reflectors are stored.
type layout int

const (
	byColumn layout = iota // reflector j is 1 at [j, j] and a[i, j] for i > j
	byRow                  // reflector i is 1 at [i, i] and a[i, j] for j > i
)

// reflectors are k reflectors of order n, Q = H_0 H_1 ... H_k-1.
type reflectors[T Float] struct {
	layout layout
	n, k   int
	a      []T
	lda    int
	tau    []T
}

// blockSize returns how many reflectors to apply together to a matrix with so many columns (or rows, from the right).
func blockSize(cols int) int {
	if cols < narrowSide {
		return narrowBlock
	}
	return qrBlock
}

// blockSpace is the room that load needs for a block.
func (r reflectors[T]) blockSpace(size int) int { return size * (r.n + 2*size) }

// load reads the block of w reflectors from s on into space.
func (r reflectors[T]) load(s, w int, space []T) blockReflector[T] {
	h, gram := emptyBlock(w, r.n-s, space)
	n, v := h.n, h.v
	corner := r.a[s*(r.lda+1):]
	if r.layout == byColumn {
		transpose(n, w, corner, r.lda, v, n)
	}
	for j := range w {
		row := v[j*n : (j+1)*n]
		if r.layout == byRow {
			copy(row[j:], corner[j*(r.lda+1):][:n-j])
		}
		clear(row[:j])
		row[j] = 1
	}
	triangularFactor(w, n, v, n, r.tau[s:s+w], h.t, w, gram)
	return h
}

// emptyBlock makes a block of w reflectors of order n in space, and returns what is left of that.
func emptyBlock[T Float](w, n int, space []T) (h blockReflector[T], rest []T) {
	h = blockReflector[T]{w: w, n: n, ldv: n, ldt: w}
	h.v, rest = cut(space, w*n)
	h.t, rest = cut(rest, w*w)
	return h, rest
}

// factorQR overwrites a (m x n) with R and, below the diagonal, the reflectors of Q in A = Q R; tau has min(m, n) elements.
func factorQR[T Float](m, n int, a []T, lda int, tau []T) {
	const size = qrBlock
	k := min(m, n)
	p, space := borrow[T](size * (m + 2*size + 2*n))
	defer giveBack(p)
	for s := 0; s < k; s += size {
		h, rest := emptyBlock(min(size, k-s), m-s, space)
		corner := a[s*(lda+1):]
		h.factorColumns(n-s, corner, lda, tau[s:s+h.w], rest)
		for i := 1; i < h.n; i++ { // back below R
			row := corner[i*lda : i*lda+min(i, h.w)]
			for j := range row {
				row[j] = h.v[j*h.ldv+i]
			}
		}
	}
}

// factorLQ overwrites a (m x n) with L and, right of the diagonal, the reflectors of Q in A = L Qᵀ; tau has min(m, n)
// elements.
func factorLQ[T Float](m, n int, a []T, lda int, tau []T) {
	const size = qrBlock
	k := min(m, n)
	p, space := borrow[T](size * (n + 2*size + 2*m))
	defer giveBack(p)
	for s := 0; s < k; s += size {
		h, rest := emptyBlock(min(size, k-s), n-s, space)
		corner := a[s*(lda+1):]
		for j := range h.w {
			copy(h.v[j*h.ldv:(j+1)*h.ldv], corner[j*lda:])
		}
		h.factorPanel(tau[s:s+h.w], entries[T]{corner, 1, lda}, rest)
		for j := range h.w {
			copy(corner[j*(lda+1)+1:][:h.n-j-1], h.v[j*(h.ldv+1)+1:])
		}
		if below := m - s - h.w; below > 0 {
			h.applyRight(blas.NoTrans, below, corner[h.w*lda:], lda, rest)
		}
	}
}

// generate overwrites the matrix that holds the reflectors with orthonormal columns, the first cols of Q (n x cols, byColumn),
// or with as many rows of Qᵀ (byRow). k <= cols <= n.
func (r reflectors[T]) generate(cols int) {
	if cols == 0 {
		return
	}
	lda := r.lda
	at := func(i, j int) int { // of element (i, j) of the columns of Q
		if r.layout == byRow {
			return j*lda + i
		}
		return i*lda + j
	}
	for j := r.k; j < cols; j++ { // columns of the identity
		for i := r.k; i < r.n; i++ {
			r.a[at(i, j)] = 0
		}
		r.a[at(j, j)] = 1
	}
	if r.k == 0 {
		return
	}
	p, space := borrow[T](r.blockSpace(qrBlock) + qrBlock*(qrBlock+2*cols))
	defer giveBack(p)
	block, work := cut(space, r.blockSpace(qrBlock))
	for s := (r.k - 1) / qrBlock * qrBlock; s >= 0; s -= qrBlock {
		h := r.load(s, min(qrBlock, r.k-s), block)
		if r.layout == byColumn {
			h.generateColumns(cols-s, r.a[s*(lda+1):], lda, work)
		} else {
			h.generateRows(cols-s, r.a[s*(lda+1):], lda, work)
		}
	}
}

// apply overwrites C with op(Q) C (Left: C is n x other) or C op(Q) (Right: C is other x n).
func (r reflectors[T]) apply(side blas.Side, op blas.Transpose, other int, c []T, ldc int) {
	if other == 0 || r.k == 0 {
		return
	}
	size := blockSize(other)
	p, space := borrow[T](r.blockSpace(size) + 2*size*other)
	defer giveBack(p)
	block, work := cut(space, r.blockSpace(size))
	blocks := (r.k + size - 1) / size
	for i := range blocks {
		if (side == blas.Left) == (op == blas.NoTrans) { // the last acts first
			i = blocks - 1 - i
		}
		s := i * size
		h := r.load(s, min(size, r.k-s), block)
		if side == blas.Left {
			h.applyLeft(op, other, c[s*ldc:], ldc, work)
		} else {
			h.applyRight(op, other, c[s:], ldc, work)
		}
	}
}
