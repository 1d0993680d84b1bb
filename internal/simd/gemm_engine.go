package simd

import (
	"runtime"
	"sync"

	"gonum.org/v1/gonum/blas"

	"github.com/eckart-go/eckart/internal/pool"
)

// gemmEngine computes products with one kernel, blocked as by Goto and van de Geijn (2008) and BLIS (Van Zee and van de
// Geijn 2015): a kc x nc block of B is packed into panels of nr columns that all threads share; tasks take blocks of
// rows of A, pack them into their own cache, and multiply them by each panel in turn. When all rows fit one block, tasks
// take columns instead and pack each panel of B just before they use it. Blocks and tasks depend on the shapes alone.
type gemmEngine[T float] struct {
	kernel  gemmKernel[T]
	mc, kc  int // a block of A: rows and depth
	blockB  int // elements of a block of B
	calls   sync.Pool
	buffers sync.Pool
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
	e.blockB = min(max(c.l3/4, c.l2), 16<<20) / size
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

	p0, p1  int   // the depths of the current block of B
	j0, j1  int   // its columns
	packedB []T   // the block, packed
	cuts    []int // where the rows are cut into tasks
	tasks   int   // tasks that the columns are cut into

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
	case g.m <= g.mc/4:
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

// taskWork is the least work that is worth handing to another core, in multiply-adds: some 5 µs.
const taskWork = 1 << 18

// runColumns is for products whose rows all fit one block.
func (g *gemmCall[T]) runColumns() {
	panels := (g.n + g.nr() - 1) / g.nr()
	g.tasks = min(panels, max(1, g.m*g.n*g.k/taskWork), 8)
	pool.Run(g.tasks, g.colTask)
}

func (g *gemmCall[T]) nr() int { return g.kernel.nr }

// multiplyColumns computes one task's columns of C.
func (g *gemmCall[T]) multiplyColumns(task int) {
	lo, hi := share(task, g.tasks, g.n, g.nr())
	buffer := g.buffers.Get().(*[]T)
	for block := range g.blocks(g.k) {
		p0, depth := g.block(block, 0, g.k)
		sizeA := g.sizeA(g.m, depth)
		grow(buffer, sizeA+depth*g.nr())
		a := g.packA((*buffer)[:sizeA], 0, g.m, p0, depth)
		panel := (*buffer)[sizeA:]
		for j := lo; j < hi; j += g.nr() {
			width := min(g.nr(), hi-j)
			g.packPanel(panel, j, width, p0, depth)
			g.multiplyPanel(a, 0, g.m, panel, g.nr(), j, width, p0, depth)
		}
	}
	g.buffers.Put(buffer)
}

// share returns the lo <= i < hi that are task's part of n, cut at multiples of unit.
func share(task, tasks, n, unit int) (lo, hi int) {
	units := (n + unit - 1) / unit
	return min(n, task*units/tasks*unit), min(n, (task+1)*units/tasks*unit)
}

// blocks returns into how many blocks of at most kc a depth is cut, and block the start and the depth of one of them.
func (g *gemmCall[T]) blocks(k int) int { return (k + g.kc - 1) / g.kc }

func (g *gemmCall[T]) block(i, p0, p1 int) (start, depth int) {
	n := g.blocks(p1 - p0)
	lo, hi := i*(p1-p0)/n, (i+1)*(p1-p0)/n
	return p0 + lo, hi - lo
}

// runRows is the general case.
func (g *gemmCall[T]) runRows() {
	buffer := g.buffers.Get().(*[]T)
	nr := g.nr()
	deep := g.kc * blocksDeep
	g.cutRows()
	for g.p0 = 0; g.p0 < g.k; g.p0 += deep {
		g.p1 = min(g.k, g.p0+deep)
		nc := max(g.blockB/(g.p1-g.p0)/nr, 8) * nr
		for g.j0 = 0; g.j0 < g.n; g.j0 += nc {
			g.j1 = min(g.n, g.j0+nc)
			panels := (g.j1 - g.j0 + nr - 1) / nr
			grow(buffer, panels*nr*(g.p1-g.p0))
			g.packedB = *buffer
			pool.Run((panels+packedPanels-1)/packedPanels, g.packTask)
			pool.Run(len(g.cuts)-1, g.rowTask)
		}
	}
	g.packedB = nil
	g.buffers.Put(buffer)
}

// cutRows cuts the rows into tasks: blocks of mc, and towards the end less, so that all threads finish at about the same
// time. Every cut is at a multiple of mr, so the tiles, and with them the results, are the same wherever the cuts are.
func (g *gemmCall[T]) cutRows() {
	mr := g.kernel.mr
	threads := runtime.GOMAXPROCS(0)
	least := max(4*mr, taskWork/(g.n*min(g.k, g.kc*blocksDeep))/mr*mr)
	g.cuts = append(g.cuts[:0], 0)
	for i := 0; i < g.m; {
		rows := g.mc
		if threads > 1 {
			rows = min(rows, max(least, (g.m-i)/(2*threads)/mr*mr))
		}
		if i+rows+least/2 > g.m {
			rows = g.m - i
		}
		i += rows
		g.cuts = append(g.cuts, i)
	}
}

// blocksDeep is how many blocks of kc are packed at once.
const blocksDeep = 8

// packedPanels is how many panels one packing task packs.
const packedPanels = 4

// packB packs some panels of the current block of B.
func (g *gemmCall[T]) packB(task int) {
	nr := g.nr()
	j0 := g.j0 + task*packedPanels*nr
	j1 := min(g.j1, j0+packedPanels*nr)
	for block := range g.blocks(g.p1 - g.p0) {
		p0, depth := g.block(block, g.p0, g.p1)
		step := depth
		if g.tB == blas.NoTrans {
			step = rowsAtOnce
		}
		for p := 0; p < depth; p += step {
			for j := j0; j < j1; j += nr {
				g.packPanel(g.panelOf(p0, depth, j)[p*nr:], j, min(nr, j1-j), p0+p, min(step, depth-p))
			}
		}
	}
}

// panelOf is where the panel of packed B is that begins at column j of the block of depths p0 to p0+depth.
func (g *gemmCall[T]) panelOf(p0, depth, j int) []T {
	nr := g.nr()
	width := (g.j1 - g.j0 + nr - 1) / nr * nr
	return g.packedB[(p0-g.p0)*width+(j-g.j0)*depth:]
}

// rowsAtOnce is how many rows of a matrix packing walks along together: few enough for their pages to stay in the
// first-level TLB, and for their lines in the cache, until the next panel reads on.
const rowsAtOnce = 32

// multiplyRows multiplies one task's rows of A by the current block of B.
func (g *gemmCall[T]) multiplyRows(task int) {
	nr := g.nr()
	i0, i1 := g.cuts[task], g.cuts[task+1]
	buffer := g.buffers.Get().(*[]T)
	for block := range g.blocks(g.p1 - g.p0) {
		p0, depth := g.block(block, g.p0, g.p1)
		grow(buffer, g.sizeA(i1-i0, depth))
		a := g.packA(*buffer, i0, i1, p0, depth)
		for j := g.j0; j < g.j1; j += nr {
			g.multiplyPanel(a, i0, i1, g.panelOf(p0, depth, j), nr, j, min(nr, g.j1-j), p0, depth)
		}
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

// packA packs rows i0 to i1 of op(A) into panels of mr rows.
func (g *gemmCall[T]) packA(dst []T, i0, i1, p0, depth int) rowsOfA[T] {
	mr := g.kernel.mr
	if g.tA == blas.NoTrans {
		for i := i0; i < i1; i += mr {
			g.kernel.transpose(dst[(i-i0)*depth:], mr, g.a[i*g.lda+p0:], g.lda, depth, min(mr, i1-i))
		}
		return rowsOfA[T]{dst, 1, mr, mr * depth}
	}
	for p := 0; p < depth; p += rowsAtOnce {
		for i := i0; i < i1; i += mr {
			g.kernel.interlace(dst[(i-i0)*depth+p*mr:], mr, g.a[(p0+p)*g.lda+i:], g.lda, min(rowsAtOnce, depth-p), min(mr, i1-i))
		}
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
