package simd

import (
	"sync"

	"gonum.org/v1/gonum/blas"

	"github.com/eckart-go/eckart/internal/pool"
)

// gemmEngine computes products with one kernel, blocked as by Goto and van de Geijn (2008) and BLIS (Van Zee and van de
// Geijn 2015): a kc x nc block of B is packed into panels of nr columns that all threads share; tasks take blocks of
// rows of A, pack them into their own cache, and multiply them by each panel in turn. When all rows fit one block, tasks
// take columns instead and pack each panel of B just before they use it. Blocks and tasks depend on the shapes alone.
type gemmEngine[T float] struct {
	kernel     gemmKernel[T]
	mc, kc, nc int // block sizes: rows of A, depth, columns of B
	calls      sync.Pool
	buffers    sync.Pool
}

var (
	sgemmEngine = newGemmEngine(pickGemm(gemmKernels(sgemmKernels())), caches)
	dgemmEngine = newGemmEngine(pickGemm(gemmKernels(dgemmKernels())), caches)
)

// newGemmEngine sizes the blocks: a panel of B fills half the first-level cache, a block of A half the second, a block of
// B a quarter of the third.
func newGemmEngine[T float](k gemmKernel[T], c cacheSizes) *gemmEngine[T] {
	var zero T
	size := sizeOf(zero)
	e := &gemmEngine[T]{kernel: k}
	e.kc = min(max(c.l1/2/(k.nr*size)&^7, 64), 512)
	e.mc = max(c.l2/2/(e.kc*size)/k.mr, 4) * k.mr
	e.nc = min(max(c.l3/4/(e.kc*size)/k.nr, 16), 4096/k.nr) * k.nr
	e.calls.New = func() any { return newGemmCall(e) }
	e.buffers.New = func() any { return new([]T) }
	return e
}

func sizeOf[T float](T) int {
	var x T
	if _, ok := any(x).(float32); ok {
		return 4
	}
	return 8
}

// gemmCall is one product in progress. It is recycled, with its task functions bound once, so that a call allocates
// nothing.
type gemmCall[T float] struct {
	*gemmEngine[T]
	tA, tB        blas.Transpose
	uplo          blas.Uplo // the triangle of C to compute, 0 for all of it
	m, n, k       int
	alpha, beta   T
	a, b, c       []T
	lda, ldb, ldc int

	p0, p1   int // the depths of the current block
	j0, j1   int // its columns
	rows     int // rows of a task
	panels   int // panels of a task
	bands    int // tasks side by side, along the rows of C
	blockB   []T // the packed block of B
	packTask func(int)
	rowTask  func(int)
	colTask  func(int)
}

func newGemmCall[T float](e *gemmEngine[T]) *gemmCall[T] {
	g := &gemmCall[T]{gemmEngine: e}
	g.packTask, g.rowTask, g.colTask = g.packB, g.multiplyRows, g.multiplyColumns
	return g
}

// run computes the product that g describes, and recycles g.
func (g *gemmCall[T]) run() {
	switch {
	case g.m == 0 || g.n == 0:
	case g.alpha == 0 || g.k == 0:
		g.scaleC()
	case g.m <= g.mc:
		g.runColumns()
	default:
		g.runRows()
	}
	g.a, g.b, g.c = nil, nil, nil
	g.uplo = 0
	g.calls.Put(g)
}

// scaleC is what remains of the product when alpha or k is zero.
func (g *gemmCall[T]) scaleC() {
	for i := range g.m {
		lo, hi := 0, g.n
		switch g.uplo {
		case blas.Upper:
			lo = i
		case blas.Lower:
			hi = i + 1
		}
		row := g.c[i*g.ldc:][lo:hi]
		if g.beta == 0 {
			clear(row)
			continue
		}
		for j := range row {
			row[j] *= g.beta
		}
	}
}

// columnTask is the least work that is worth handing to another core, in multiply-adds: some 20 µs.
const columnTask = 1 << 18

// runColumns is for products whose rows all fit one block.
func (g *gemmCall[T]) runColumns() {
	panels := (g.n + g.nr() - 1) / g.nr()
	tasks := min(max(1, g.m*g.n*g.k/columnTask), 4)
	g.panels = (panels + tasks - 1) / tasks
	pool.Run((panels+g.panels-1)/g.panels, g.colTask)
}

func (g *gemmCall[T]) nr() int { return g.kernel.nr }

// multiplyColumns computes one task's columns of C.
func (g *gemmCall[T]) multiplyColumns(task int) {
	j0 := task * g.panels * g.nr()
	j1 := min(g.n, j0+g.panels*g.nr())
	buffer := g.buffers.Get().(*[]T)
	blocks := (g.k + g.kc - 1) / g.kc
	for i := range blocks {
		p0, p1 := i*g.k/blocks, (i+1)*g.k/blocks
		depth := p1 - p0
		sizeA := g.sizeA(g.m, depth)
		grow(buffer, sizeA+depth*g.nr())
		a := g.packA((*buffer)[:sizeA], 0, g.m, p0, depth)
		panel := (*buffer)[sizeA:]
		for j := j0; j < j1; j += g.nr() {
			width := min(g.nr(), g.n-j)
			g.packPanel(panel, j, width, p0, depth)
			g.multiplyPanel(a, 0, g.m, panel, g.nr(), j, width, p0, depth)
		}
	}
	g.buffers.Put(buffer)
}

// runRows is the general case.
func (g *gemmCall[T]) runRows() {
	blocks := (g.k + g.kc - 1) / g.kc
	buffer := g.buffers.Get().(*[]T)
	g.rows = g.mc
	for g.rows > 4*g.kernel.mr && g.m < 8*g.rows {
		g.rows = (g.rows/g.kernel.mr + 1) / 2 * g.kernel.mr
	}
	for g.j0 = 0; g.j0 < g.n; g.j0 += g.nc {
		g.j1 = min(g.n, g.j0+g.nc)
		for i := range blocks {
			g.p0, g.p1 = i*g.k/blocks, (i+1)*g.k/blocks
			panels := (g.j1 - g.j0 + g.nr() - 1) / g.nr()
			grow(buffer, panels*g.nr()*(g.p1-g.p0))
			g.blockB = *buffer
			pool.Run((panels+packedPanels-1)/packedPanels, g.packTask)
			pool.Run((g.m+g.rows-1)/g.rows, g.rowTask)
		}
	}
	g.blockB = nil
	g.buffers.Put(buffer)
}

// packedPanels is how many panels one packing task packs.
const packedPanels = 8

// packB packs some panels of the current block of B.
func (g *gemmCall[T]) packB(task int) {
	depth := g.p1 - g.p0
	for q := task * packedPanels; q < (task+1)*packedPanels; q++ {
		j := g.j0 + q*g.nr()
		if j >= g.j1 {
			return
		}
		g.packPanel(g.blockB[q*depth*g.nr():], j, min(g.nr(), g.j1-j), g.p0, depth)
	}
}

// multiplyRows multiplies one task's rows of A by the current block of B.
func (g *gemmCall[T]) multiplyRows(task int) {
	i0 := task * g.rows
	i1 := min(g.m, i0+g.rows)
	depth := g.p1 - g.p0
	buffer := g.buffers.Get().(*[]T)
	grow(buffer, g.sizeA(i1-i0, depth))
	a := g.packA(*buffer, i0, i1, g.p0, depth)
	for j := g.j0; j < g.j1; j += g.nr() {
		panel := g.blockB[(j-g.j0)*depth:]
		g.multiplyPanel(a, i0, i1, panel, g.nr(), j, min(g.nr(), g.j1-j), g.p0, depth)
	}
	g.buffers.Put(buffer)
}

// rowsOfA is a block of A as panelFunc takes it.
type rowsOfA[T float] struct {
	data           []T
	row, col, step int
}

// from is the block without its first i rows, a multiple of mr.
func (a rowsOfA[T]) from(i, mr int) []T { return a.data[i/mr*a.step:] }

// sizeA is the space that packA needs.
func (g *gemmCall[T]) sizeA(rows, depth int) int {
	mr := g.kernel.mr
	return (rows + mr - 1) / mr * mr * (depth + 16)
}

// packA packs rows i0 to i1 of op(A): row by row where a row of op(A) is a row of A, in panels of mr rows otherwise. Rows
// are 64 bytes longer than needed to spread them over the cache's sets.
func (g *gemmCall[T]) packA(dst []T, i0, i1, p0, depth int) rowsOfA[T] {
	mr := g.kernel.mr
	if g.tA == blas.NoTrans {
		ld := depth + 16
		for i := i0; i < i1; i++ {
			copy(dst[(i-i0)*ld:][:depth], g.a[i*g.lda+p0:])
		}
		return rowsOfA[T]{dst, ld, 1, mr * ld}
	}
	for i := i0; i < i1; i += mr {
		g.kernel.interlace(dst[(i-i0)*depth:], mr, g.a[p0*g.lda+i:], g.lda, depth, min(mr, i1-i))
	}
	return rowsOfA[T]{dst, 1, mr, mr * depth}
}

// packPanel packs width columns of op(B) from column j.
func (g *gemmCall[T]) packPanel(dst []T, j, width, p0, depth int) {
	if g.tB == blas.NoTrans {
		g.kernel.interlace(dst, g.nr(), g.b[p0*g.ldb+j:], g.ldb, depth, width)
	} else {
		g.kernel.transpose(dst, g.nr(), g.b[j*g.ldb+p0:], g.ldb, depth, width)
	}
}

// multiplyPanel multiplies rows i0 to i1 of A by one panel of B, columns j to j+width, or as much of that as lies in the
// triangle. The first block of depths scales C by beta; the others add to it.
func (g *gemmCall[T]) multiplyPanel(a rowsOfA[T], i0, i1 int, panel []T, rowB, j, width, p0, depth int) {
	beta := g.beta
	if p0 > 0 {
		beta = 1
	}
	g.kernel.panel(a.data, a.row, a.col, a.step, panel, rowB, g.c[i0*g.ldc+j:], g.ldc, i1-i0, width, depth, g.alpha, beta)
}

// grow makes the buffer at least n long. What it held is lost.
func grow[T float](buffer *[]T, n int) {
	if cap(*buffer) < n {
		*buffer = make([]T, n+n/4)
	}
	*buffer = (*buffer)[:cap(*buffer)]
}
