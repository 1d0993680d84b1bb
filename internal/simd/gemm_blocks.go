package simd

import (
	"gonum.org/v1/gonum/blas"

	"github.com/eckart-go/eckart/internal/pool"
)

const (
	// blocksDeep is how many blocks of depth kc of B are packed at once.
	blocksDeep = 8
	// packedPanels is how many panels one packing task packs.
	packedPanels = 8
	// rowsAtOnce is how many rows of a matrix packing walks along together: few enough for their pages to stay in the
	// first-level TLB, and for their lines in the cache even if all fall into one set, until the next panel reads on.
	rowsAtOnce = 16
)

// blocks returns into how many blocks of at most kc, all about equal, a depth is cut, and block where one starts and how
// deep it is.
func (g *gemmCall[T]) blocks(depth int) int { return (depth + g.kc - 1) / g.kc }

func (g *gemmCall[T]) block(i, p0, p1 int) (start, depth int) {
	n := g.blocks(p1 - p0)
	lo, hi := i*(p1-p0)/n, (i+1)*(p1-p0)/n
	return p0 + lo, hi - lo
}

// runRows is the general case: tasks are rows of C.
func (g *gemmCall[T]) runRows() {
	mr := g.kernel.mr
	deep := g.kc * blocksDeep
	g.cut(g.m, mr, max(2*mr, taskWork/(g.n*min(g.k, deep))), g.mc)
	for g.p0 = 0; g.p0 < g.k; g.p0 += deep {
		g.p1 = min(g.k, g.p0+deep)
		g.overColumns(g.rowTask)
	}
}

// overColumns packs the rows p0 to p1 of B, as many columns at a time as a block holds, and runs the row tasks for each block.
func (g *gemmCall[T]) overColumns(rowTask func(int)) {
	nr := g.kernel.nr
	columns := max(g.blockB/(g.p1-g.p0)/nr, 8) * nr
	for g.j0 = 0; g.j0 < g.n; g.j0 += columns {
		g.j1 = min(g.n, g.j0+columns)
		panels := (g.j1 - g.j0 + nr - 1) / nr
		buffer, packed := g.buffer(panels*nr*(g.p1-g.p0) + packSlack)
		g.packedB = packed
		pool.Run((panels+packedPanels-1)/packedPanels, g.packTask)
		g.each(rowTask)
		g.packedB = nil
		g.buffers.Put(buffer)
	}
}

// packB packs some panels of the current block of B.
func (g *gemmCall[T]) packB(task int) {
	nr := g.kernel.nr
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

// panelOf is where the panel of packed B is that begins at column j of the block of depths p0 to p0+depth. The panels of one
// block lie one after the other: the kernel prefetches the next.
func (g *gemmCall[T]) panelOf(p0, depth, j int) []T {
	nr := g.kernel.nr
	width := (g.j1 - g.j0 + nr - 1) / nr * nr
	return g.packedB[(p0-g.p0)*width+(j-g.j0)*depth:]
}

// multiplyRows multiplies one task's rows of A by the current block of B.
func (g *gemmCall[T]) multiplyRows(task int) {
	nr := g.kernel.nr
	i0, i1 := g.task(task)
	buffer, packed := g.buffer(g.sizeA(i1-i0, min(g.kc, g.p1-g.p0)))
	for block := range g.blocks(g.p1 - g.p0) {
		p0, depth := g.block(block, g.p0, g.p1)
		a := g.packA(packed, i0, i1, p0, depth)
		for j := g.j0; j < g.j1; j += nr {
			g.multiplyPanel(a, i0, i1, g.panelOf(p0, depth, j), nr, j, min(nr, g.j1-j), p0, depth)
		}
	}
	g.buffers.Put(buffer)
}

// runColumns is for so few rows that they fit a block: tasks are columns of C, and each panel of B is packed just before it
// is used.
func (g *gemmCall[T]) runColumns() {
	g.cut(g.n, g.kernel.nr, max(4*g.kernel.nr, taskWork/(g.m*g.k)), max(g.n, 1))
	g.each(g.colTask)
}

// multiplyColumns computes one task's columns of C.
func (g *gemmCall[T]) multiplyColumns(task int) {
	nr := g.kernel.nr
	lo, hi := g.task(task)
	deepest := min(g.kc, g.k)
	sizeA := g.sizeA(g.m, deepest)
	buffer, space := g.buffer(sizeA + deepest*nr + packSlack)
	for block := range g.blocks(g.k) {
		p0, depth := g.block(block, 0, g.k)
		a := g.packA(space[:sizeA], 0, g.m, p0, depth)
		panel := space[sizeA:]
		for j := lo; j < hi; j += nr {
			width := min(nr, hi-j)
			g.packPanel(panel, j, width, p0, depth)
			g.multiplyPanel(a, 0, g.m, panel, nr, j, width, p0, depth)
		}
	}
	g.buffers.Put(buffer)
}

// rowsOfA is a block of A as panelFunc takes it.
type rowsOfA[T float] struct {
	data           []T
	row, col, step int
}

// sizeA is the space that packA needs.
func (g *gemmCall[T]) sizeA(rows, depth int) int {
	mr := g.kernel.mr
	return (rows+mr-1)/mr*mr*depth + packSlack
}

// packA packs rows i0 to i1 of op(A) into panels of mr rows.
func (g *gemmCall[T]) packA(dst []T, i0, i1, p0, depth int) rowsOfA[T] {
	mr := g.kernel.mr
	packed := rowsOfA[T]{dst, 1, mr, mr * depth}
	if g.tA == blas.NoTrans {
		for i := i0; i < i1; i += mr {
			g.kernel.transpose(dst[(i-i0)*depth:], mr, g.a[i*g.lda+p0:], g.lda, depth, min(mr, i1-i))
		}
		return packed
	}
	for p := 0; p < depth; p += rowsAtOnce {
		for i := i0; i < i1; i += mr {
			g.kernel.interlace(dst[(i-i0)*depth+p*mr:], mr, g.a[(p0+p)*g.lda+i:], g.lda, min(rowsAtOnce, depth-p), min(mr, i1-i))
		}
	}
	return packed
}

// whereItLies is rows i0 of op(A) on, not packed.
func (g *gemmCall[T]) whereItLies(i0, p0 int) rowsOfA[T] {
	mr := g.kernel.mr
	if g.tA == blas.NoTrans {
		return rowsOfA[T]{g.a[i0*g.lda+p0:], g.lda, 1, mr * g.lda}
	}
	return rowsOfA[T]{g.a[p0*g.lda+i0:], 1, g.lda, mr}
}

// packPanel packs width columns of op(B) from column j.
func (g *gemmCall[T]) packPanel(dst []T, j, width, p0, depth int) {
	if g.tB == blas.NoTrans {
		g.kernel.interlace(dst, g.kernel.nr, g.b[p0*g.ldb+j:], g.ldb, depth, width)
	} else {
		g.kernel.transpose(dst, g.kernel.nr, g.b[j*g.ldb+p0:], g.ldb, depth, width)
	}
}

// multiplyPanel multiplies rows i0 to i1 of A by one panel of B, columns j to j+width, or as much of that as lies in the
// triangle. The first block of depths scales C by beta; the others add to it.
func (g *gemmCall[T]) multiplyPanel(a rowsOfA[T], i0, i1 int, panel []T, rowB, j, width, p0, depth int) {
	beta := g.beta
	if p0 > 0 {
		beta = 1
	}
	mr := g.kernel.mr
	lo, hi := i0, i1 // rows to compute in full, and up to and from which the edge of the triangle crosses the panel
	switch g.uplo {
	case blas.Upper:
		end := min(i1, j+width)
		hi = i0 + max(min(i1, j+1)-i0, 0)/mr*mr
		if g.aside {
			hi = max(hi, end)
		}
		g.multiplyDiagonal(a, i0, hi, end, panel, rowB, j, width, depth, beta)
	case blas.Lower:
		first := i0 + max(min(i1, j)-i0, 0)/mr*mr
		lo = min(i1, i0+(max(j+width-1-i0, 0)+mr-1)/mr*mr)
		if g.aside {
			lo = first
		}
		g.multiplyDiagonal(a, i0, first, lo, panel, rowB, j, width, depth, beta)
	}
	if lo < hi {
		g.kernel.panel(a.data[(lo-i0)/mr*a.step:], a.row, a.col, a.step, panel, rowB, g.c[lo*g.ldc+j:], g.ldc, hi-lo, width, depth, g.alpha, beta)
	}
}

// multiplyDiagonal computes rows lo to hi, which the edge of the triangle crosses, aside and copies what is inside.
func (g *gemmCall[T]) multiplyDiagonal(a rowsOfA[T], i0, lo, hi int, panel []T, rowB, j, width, depth int, beta T) {
	if lo >= hi {
		return
	}
	buffer, tile := g.buffer((hi - lo) * width)
	g.kernel.panel(a.data[(lo-i0)/g.kernel.mr*a.step:], a.row, a.col, a.step, panel, rowB, tile, width, hi-lo, width, depth, g.alpha, 0)
	for i := lo; i < hi; i++ {
		from, to := g.inTriangle(i, j, j+width)
		sums := tile[(i-lo)*width+from-j:]
		row := g.c[i*g.ldc:][from:to]
		switch beta {
		case 0:
			copy(row, sums)
		case 1:
			g.kernel.axpy(1, sums[:len(row)], row)
		default:
			scatter(row, 1, 1, sums[:len(row)], beta)
		}
	}
	g.buffers.Put(buffer)
}
