package simd

import (
	"gonum.org/v1/gonum/blas"

	"github.com/eckart-go/eckart/internal/pool"
)

// depthOfFew is how many rows of B the product of few rows walks along together.
const depthOfFew = 32

// runFewRows multiplies up to fewRows rows by B, where B lies: the case of decoding some tokens. Tasks are columns.
func (g *gemmCall[T]) runFewRows() {
	nr := g.kernel.nr
	g.cut(g.n, nr, max(4*nr, taskWork/8/g.k), g.n)
	g.each(g.fewRowsTask)
}

func (g *gemmCall[T]) multiplyFewRows(task int) {
	lo, hi := g.task(task)
	g.multiplyUnpacked(lo, hi, depthOfFew)
}

// multiplyUnpacked computes columns lo to hi with A and B where they lie, so many rows of B at a time, which are read from
// beginning to end.
func (g *gemmCall[T]) multiplyUnpacked(lo, hi, deep int) {
	nr := g.kernel.nr
	whole := lo + (hi-lo)/nr*nr
	buffer, panel := g.buffer(deep*nr + packSlack)
	for p0 := 0; p0 < g.k; p0 += deep {
		depth := min(deep, g.k-p0)
		a := g.whereItLies(0, p0)
		for j := lo; j < whole; j += nr {
			g.multiplyPanel(a, 0, g.m, g.b[p0*g.ldb+j:], g.ldb, j, nr, p0, depth)
		}
		if whole < hi { // less than a panel: the kernel reads whole vectors
			g.packPanel(panel, whole, hi-whole, p0, depth)
			g.multiplyPanel(a, 0, g.m, panel, nr, whole, hi-whole, p0, depth)
		}
	}
	g.buffers.Put(buffer)
}

// dotRows is how many rows of B are kept in the cache for all rows of A; a multiple of the kernel's three and four.
const dotRows = 12

// runDots multiplies up to fewDots rows by Bᵀ as inner products: y = x Wᵀ when decoding. Tasks are rows of B.
func (g *gemmCall[T]) runDots() {
	if g.tA != blas.NoTrans { // rows of op(A) must be contiguous
		buffer, a := g.buffer(g.m*g.k + packSlack)
		g.kernel.transpose(a, g.k, g.a, g.lda, g.m, g.k)
		g.tA, g.a, g.lda = blas.NoTrans, a, g.k
		defer g.buffers.Put(buffer)
	}
	g.cut(g.n, dotRows, max(dotRows, taskWork/8/g.k), g.n)
	g.each(g.dotTask)
}

// multiplyDots computes one task's columns of C.
func (g *gemmCall[T]) multiplyDots(task int) {
	lo, hi := g.task(task)
	step := (g.m + (g.m+3)/4 - 1) / ((g.m + 3) / 4) // rows of A at a time: at most 4, all about equal
	direct := g.alpha == 1 && g.beta == 0
	var buffer *[]T
	var sums []T
	if !direct {
		buffer, sums = g.buffer(4 * dotRows)
		defer g.buffers.Put(buffer)
	}
	for j := lo; j < hi; j += dotRows {
		n := min(dotRows, hi-j)
		for i := 0; i < g.m; i += step {
			m := min(step, g.m-i)
			if direct {
				g.kernel.dots(g.c[i*g.ldc+j:], g.ldc, g.a[i*g.lda:], g.lda, g.b[j*g.ldb:], g.ldb, m, n, g.k)
				continue
			}
			g.kernel.dots(sums, dotRows, g.a[i*g.lda:], g.lda, g.b[j*g.ldb:], g.ldb, m, n, g.k)
			for ii := range m {
				scatter(g.c[(i+ii)*g.ldc+j:], 1, g.alpha, sums[ii*dotRows:][:n], g.beta)
			}
		}
	}
}

const (
	// partDepth is the least depth of a part, in blocks of kc.
	partDepth = 4
	// mostParts bounds the memory for partial products.
	mostParts = 32
	// narrow is up to which row stride a part of AᵀB is computed where A and B lie: as many rows as fill half the first-level
	// cache are still many.
	narrow = 128
	// partSize is up to how many elements of C a product is cut along its depth.
	partSize = 128 * 128
)

// countParts returns into how many parts the depth is cut: more than one if C is too small to share out.
func (g *gemmCall[T]) countParts() int {
	if g.m*g.n > partSize {
		return 1
	}
	return max(1, min(mostParts, g.k/(g.kc*partDepth)))
}

// runParts computes the products of all parts of the depth, side by side, and adds them up in their order.
func (g *gemmCall[T]) runParts() {
	g.parts = g.countParts()
	buffer, partial := g.buffer(g.parts * g.m * g.n)
	g.partial = partial
	pool.Run(g.parts, g.partTask)
	pool.Run((g.m+sumRows-1)/sumRows, g.sumTask)
	g.partial = nil
	g.buffers.Put(buffer)
}

// multiplyPart computes one part's product.
func (g *gemmCall[T]) multiplyPart(part int) {
	p0, p1 := part*g.k/g.parts, (part+1)*g.k/g.parts
	q := g.product
	q.a, q.b = g.whereItLies(0, p0).data, g.b[p0:]
	if g.tB == blas.NoTrans {
		q.b = g.b[p0*g.ldb:]
	}
	q.k, q.beta = p1-p0, 0
	q.c, q.ldc = g.partial[part*g.m*g.n:], g.n
	e := g.gemms.Get().(*gemmCall[T])
	e.product, e.aside = q, true
	if q.tA != blas.NoTrans && q.tB == blas.NoTrans && max(q.lda, q.ldb) <= narrow {
		e.multiplyUnpacked(0, q.n, max(8, g.kc*g.kernel.nr/max(q.lda, q.ldb)&^7))
	} else {
		e.runRows()
	}
	e.aside = false
	e.product = product[T]{}
	g.gemms.Put(e)
}

// sumRows is how many rows of C a task sums.
const sumRows = 16

// sumParts adds the parts' rows to C.
func (g *gemmCall[T]) sumParts(task int) {
	for i := task * sumRows; i < min(g.m, (task+1)*sumRows); i++ {
		lo, hi := g.inTriangle(i, 0, g.n)
		row := g.c[i*g.ldc:][lo:hi]
		scatter(row, 1, 1, g.partial[i*g.n:][lo:hi], g.beta)
		for part := 1; part < g.parts; part++ {
			g.kernel.axpy(1, g.partial[(part*g.m+i)*g.n:][lo:hi], row)
		}
	}
}
