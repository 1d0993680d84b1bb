package lapack

import "gonum.org/v1/gonum/blas"

// Sizes of blocks of reflectors.
const (
	panelLeaf   = 8  // columns that factorPanel takes one at a time
	qrBlock     = 48 // reflectors that are applied together to a matrix,
	narrowBlock = 16 // and to one of fewer than narrowSide columns, where the triangular factor would cost more than it saves
	narrowSide  = 32
)

// blockReflector is H = H_0 H_1 ... H_w-1 = I - Vᵀ T V of order n (compact WY: Schreiber, Van Loan 1989).
type blockReflector[T Float] struct {
	w, n     int
	v, t     []T // w x n: the reflectors as rows, upper trapezoidal; w x w, upper triangular; zeros and units stored
	ldv, ldt int
}

// applyLeft overwrites C (n x cols) with H C (NoTrans) or Hᵀ C (Trans). work has room for 2*w*cols.
func (h blockReflector[T]) applyLeft(op blas.Transpose, cols int, c []T, ldc int, work []T) {
	if cols == 0 {
		return
	}
	vc, work := cut(work, h.w*cols)
	tvc, _ := cut(work, h.w*cols)
	gemm(blas.NoTrans, blas.NoTrans, h.w, cols, h.n, 1, h.v, h.ldv, c, ldc, 0, vc, cols)
	gemm(op, blas.NoTrans, h.w, cols, h.w, 1, h.t, h.ldt, vc, cols, 0, tvc, cols)
	gemm(blas.Trans, blas.NoTrans, h.n, cols, h.w, -1, h.v, h.ldv, tvc, cols, 1, c, ldc)
}

// applyRight overwrites C (rows x n) with C H (NoTrans) or C Hᵀ (Trans). work has room for 2*w*rows.
func (h blockReflector[T]) applyRight(op blas.Transpose, rows int, c []T, ldc int, work []T) {
	if rows == 0 {
		return
	}
	cv, work := cut(work, h.w*rows)
	cvt, _ := cut(work, h.w*rows)
	gemm(blas.NoTrans, blas.Trans, rows, h.w, h.n, 1, c, ldc, h.v, h.ldv, 0, cv, h.w)
	gemm(blas.NoTrans, op, rows, h.w, h.w, 1, cv, h.w, h.t, h.ldt, 0, cvt, h.w)
	gemm(blas.NoTrans, blas.NoTrans, rows, h.n, h.w, -1, cvt, h.w, h.v, h.ldv, 1, c, ldc)
}

// generateColumns overwrites C (n x cols) with H times (I, 0; 0, C22), where I has order w and C22 is what C holds there; its
// other parts need not be set. work has room for w*(w+2*cols).
func (h blockReflector[T]) generateColumns(cols int, c []T, ldc int, work []T) {
	rest, below, tail := cols-h.w, h.n-h.w, h.v[h.w:]
	if rest > 0 {
		vc, work := cut(work, h.w*rest)
		tvc, _ := cut(work, h.w*rest)
		gemm(blas.NoTrans, blas.NoTrans, h.w, rest, below, 1, tail, h.ldv, c[h.w*(ldc+1):], ldc, 0, vc, rest)
		gemm(blas.NoTrans, blas.NoTrans, h.w, rest, h.w, 1, h.t, h.ldt, vc, rest, 0, tvc, rest)
		gemm(blas.Trans, blas.NoTrans, h.w, rest, h.w, -1, h.v, h.ldv, tvc, rest, 0, c[h.w:], ldc)
		gemm(blas.Trans, blas.NoTrans, below, rest, h.w, -1, tail, h.ldv, tvc, rest, 1, c[h.w*(ldc+1):], ldc)
	}
	gemm(blas.NoTrans, blas.NoTrans, h.w, h.w, h.w, 1, h.t, h.ldt, h.v, h.ldv, 0, work, h.w)
	gemm(blas.Trans, blas.NoTrans, h.n, h.w, h.w, -1, h.v, h.ldv, work, h.w, 0, c, ldc)
	for i := range h.w {
		c[i*(ldc+1)]++
	}
}

// generateRows overwrites C (rows x n) with (I, 0; 0, C22) times Hᵀ, as generateColumns does for columns.
func (h blockReflector[T]) generateRows(rows int, c []T, ldc int, work []T) {
	rest, right := rows-h.w, h.n-h.w
	if rest > 0 {
		tail := h.v[h.w:]
		cv, work := cut(work, h.w*rest)
		cvt, _ := cut(work, h.w*rest)
		gemm(blas.NoTrans, blas.Trans, rest, h.w, right, 1, c[h.w*(ldc+1):], ldc, tail, h.ldv, 0, cv, h.w)
		gemm(blas.NoTrans, blas.Trans, rest, h.w, h.w, 1, cv, h.w, h.t, h.ldt, 0, cvt, h.w)
		gemm(blas.NoTrans, blas.NoTrans, rest, h.w, h.w, -1, cvt, h.w, h.v, h.ldv, 0, c[h.w*ldc:], ldc)
		gemm(blas.NoTrans, blas.NoTrans, rest, right, h.w, -1, cvt, h.w, tail, h.ldv, 1, c[h.w*(ldc+1):], ldc)
	}
	gemm(blas.Trans, blas.Trans, h.w, h.w, h.w, 1, h.v, h.ldv, h.t, h.ldt, 0, work, h.w)
	gemm(blas.NoTrans, blas.NoTrans, h.w, h.n, h.w, -1, work, h.w, h.v, h.ldv, 0, c, ldc)
	for i := range h.w {
		c[i*(ldc+1)]++
	}
}

// part is the block of reflectors lo to hi, from their first coordinate on.
func (h blockReflector[T]) part(lo, hi int) blockReflector[T] {
	return blockReflector[T]{w: hi - lo, n: h.n - lo, v: h.v[lo*h.ldv+lo:], ldv: h.ldv, t: h.t[lo*h.ldt+lo:], ldt: h.ldt}
}

// entries is where the upper triangular R of a panel goes: R[i, j] is a[i*row+j*col].
type entries[T Float] struct {
	a        []T
	row, col int
}

// factorPanel finds the reflectors that take the matrix whose columns are the rows of h.v (w x n, w <= n) to upper triangular
// form. It overwrites these rows with the reflectors, fills tau and h.t, and writes R to r. It halves the panel until
// panelLeaf columns are left (Elmroth, Gustavson 2000), so that most of the work is in products. work has room for w*w.
func (h blockReflector[T]) factorPanel(tau []T, r entries[T], work []T) {
	if h.w <= panelLeaf {
		h.factorLeaf(tau, r)
		return
	}
	half := (h.w/2 + panelLeaf - 1) / panelLeaf * panelLeaf
	rest := h.w - half
	first, second := h.part(0, half), h.part(half, h.w)
	first.factorPanel(tau[:half], r, work)
	others := h.v[half*h.ldv:]
	first.applyRight(blas.NoTrans, rest, others, h.ldv, work)
	for j := range rest {
		row := others[j*h.ldv : j*h.ldv+half]
		for i, v := range row {
			r.a[i*r.row+(half+j)*r.col] = v
		}
		clear(row)
	}
	second.factorPanel(tau[half:], entries[T]{r.a[half*(r.row+r.col):], r.row, r.col}, work)
	// T12 = -T1 (V1 V2ᵀ) T2
	product, work := cut(work, half*rest)
	gemm(blas.NoTrans, blas.Trans, half, rest, second.n, 1, h.v[half:], h.ldv, second.v, h.ldv, 0, product, rest)
	gemm(blas.NoTrans, blas.NoTrans, half, rest, rest, 1, product, rest, second.t, h.ldt, 0, work, rest)
	gemm(blas.NoTrans, blas.NoTrans, half, rest, half, -1, first.t, h.ldt, work, rest, 0, h.t[half:], h.ldt)
	for i := half; i < h.w; i++ {
		clear(h.t[i*h.ldt : i*h.ldt+half])
	}
}

// factorLeaf is factorPanel with one reflector at a time.
func (h blockReflector[T]) factorLeaf(tau []T, r entries[T]) {
	k := kernelsOf[T]()
	for j := range h.w {
		row := h.v[j*h.ldv : j*h.ldv+h.n]
		for i := range j {
			r.a[i*r.row+j*r.col] = row[i]
			row[i] = 0
		}
		row = row[j:]
		r.a[j*(r.row+r.col)], tau[j] = reflect(row)
		for p := j + 1; p < h.w; p++ {
			other := h.v[p*h.ldv+j : p*h.ldv+h.n]
			k.axpy(-tau[j]*k.dot(row, other), row, other)
		}
		var products [panelLeaf]T
		for i := range j {
			products[i] = k.dot(row, h.v[i*h.ldv+j:i*h.ldv+h.n])
		}
		extendTriangular(tau[j], products[:j], h.t, h.ldt)
	}
}

// extendTriangular writes column j = len(products) of the triangular factor t, -tau T[:j, :j] V[:j] v_j from the products V[:j]
// v_j, and the zeros of row j.
func extendTriangular[T Float](tau T, products, t []T, ldt int) {
	j := len(products)
	for i := range j {
		var sum T
		for p := i; p < j; p++ {
			sum += t[i*ldt+p] * products[p]
		}
		t[i*ldt+j] = -tau * sum
	}
	clear(t[j*ldt : j*ldt+j])
	t[j*ldt+j] = tau
}

// triangularFactor overwrites t (k x k, stride ldt) with the upper triangular T of H_0 H_1 ... H_k-1 = I - Vᵀ T V, for the
// reflectors in the rows of v (k x n, unit and zeros stored). Below the diagonal t is set to zero. gram has room for k*k.
func triangularFactor[T Float](k, n int, v []T, ldv int, tau, t []T, ldt int, gram []T) {
	syrk(blas.Upper, blas.NoTrans, k, n, 1, v, ldv, 0, gram, k)
	triangularFromGram(k, gram, k, tau, t, ldt)
}

// triangularFromGram is triangularFactor for the upper triangle of V Vᵀ; it overwrites what is below.
func triangularFromGram[T Float](k int, gram []T, ldg int, tau, t []T, ldt int) {
	if k <= panelLeaf {
		for j := range k {
			var products [panelLeaf]T
			for i := range j {
				products[i] = gram[i*ldg+j]
			}
			extendTriangular(tau[j], products[:j], t, ldt)
		}
		return
	}
	half := k / 2
	rest := k - half
	corner := t[half*ldt+half:]
	triangularFromGram(half, gram, ldg, tau, t, ldt)
	triangularFromGram(rest, gram[half*ldg+half:], ldg, tau[half:], corner, ldt)
	product := gram[half*ldg:] // (V1 V2ᵀ T2)ᵀ
	gemm(blas.Trans, blas.Trans, rest, half, rest, 1, corner, ldt, gram[half:], ldg, 0, product, ldg)
	gemm(blas.NoTrans, blas.Trans, half, rest, half, -1, t, ldt, product, ldg, 0, t[half:], ldt)
	for i := half; i < k; i++ {
		clear(t[i*ldt : i*ldt+half])
	}
}
