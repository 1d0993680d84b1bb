package simd

import (
	"runtime"

	"gonum.org/v1/gonum/blas"

	"github.com/eckart-go/eckart/internal/pool"
)

//go:generate go -C _asm run . trsm -out ../trsm_amd64.s -stubs ../trsm_stubs_amd64.go -pkg simd

// solveFunc solves S X = B for a packed triangle S of tiles*mr rows and a panel B of as many rows of nr, dense, which X
// replaces: substitution row by row, in the arithmetic of panelFunc between the tiles.
//
// The tile of rows is packed like a panel of A, mr elements a column: for a lower triangle the first tile first, each with
// the columns before its diagonal block and then the block; for an upper one the last tile first, each with the block and
// then the columns after it. Of a block only the triangle is read. k is the number of columns before the first block: 0.
//
// The first full tiles of a lower triangle, or the last of an upper one, are stored in C as well, rows rowC apart.
type solveFunc[T float] func(a, b []T, tiles, k int, c []T, rowC, full int)

// Strsm solves op(A) X = B (side Left) or X op(A) = B (Right) for X, m x n, which replaces B. A is triangular, of order m
// (Left) or n; the other triangle, and with Unit the diagonal, are not read. X is what substitution gives:
// |op(A) X - B| <= gamma |op(A)| |X| with gamma of the order of A plus 1 (Higham 2002, theorem 8.5), whatever the condition of
// A, and Inf or NaN if A is singular. It panics if a matrix does not fit its slice.
func Strsm(s blas.Side, ul blas.Uplo, t blas.Transpose, d blas.Diag, m, n int, a []float32, lda int, b []float32, ldb int) {
	sblas.trsm(s, ul, t, d, m, n, a, lda, b, ldb)
}

// Dtrsm is Strsm in float64.
func Dtrsm(s blas.Side, ul blas.Uplo, t blas.Transpose, d blas.Diag, m, n int, a []float64, lda int, b []float64, ldb int) {
	dblas.trsm(s, ul, t, d, m, n, a, lda, b, ldb)
}

// system is the triangular system S X = B. From the right it is the transposed system.
type system[T float] struct {
	order, width int // of S, and right-hand sides
	a            []T
	lda          int
	trans        bool // S[i, p] is a[p*lda+i]
	lower, unit  bool // of S
	b            []T
	ldb          int
	right        bool // B[i, j] is b[j*ldb+i]
}

// solveCall is a triangular system in progress, recycled like gemmCall.
type solveCall[T float] struct {
	*engine[T]
	system[T]
	strips int // into which the right-hand sides are cut

	lo, hi int // the block of rows being solved
	packed []T // its triangle
	group  int // panels of a task

	stripTask, panelTask func(int)
}

func newSolveCall[T float](e *engine[T]) *solveCall[T] {
	g := &solveCall[T]{engine: e}
	g.stripTask, g.panelTask = g.solveStrip, g.solvePanels
	return g
}

func (e *engine[T]) trsm(s blas.Side, ul blas.Uplo, t blas.Transpose, d blas.Diag, m, n int, a []T, lda int, b []T, ldb int) {
	order, width := m, n
	if s == blas.Right {
		order, width = n, m
	}
	checkMatrix("A", blas.NoTrans, order, order, len(a), lda)
	checkMatrix("B", blas.NoTrans, m, n, len(b), ldb)
	if m == 0 || n == 0 {
		return
	}
	g := e.solves.Get().(*solveCall[T])
	g.order, g.width = order, width
	g.right = s == blas.Right
	g.a, g.lda, g.trans = a, lda, (t != blas.NoTrans) != g.right
	g.lower, g.unit = (ul == blas.Lower) != g.trans, d == blas.Unit
	g.b, g.ldb = b, ldb
	g.strips = max(1, min(runtime.GOMAXPROCS(0), width/narrowStrip))
	if g.strips == 1 {
		g.run()
	} else {
		pool.Run(g.strips, g.stripTask)
	}
	g.a, g.b = nil, nil
	e.solves.Put(g)
}

// narrowStrip is the least width of a strip: narrower ones would pack the triangle too often, and a product that is very
// narrow may be computed in another order.
const narrowStrip = 192

// solveStrip solves for one strip of right-hand sides. Strips share nothing, so each stays with one core's cache; the other
// cores help with the panels and products of the last.
func (g *solveCall[T]) solveStrip(i int) {
	nr := g.kernel.nr
	edge := func(i int) int { return min(g.width, (g.width*i/g.strips+nr-1)/nr*nr) }
	lo, hi := edge(i), edge(i+1)
	s := g.solves.Get().(*solveCall[T])
	s.system, s.width = g.system, hi-lo
	if g.right {
		s.b = s.b[lo*g.ldb:]
	} else {
		s.b = s.b[lo:]
	}
	s.run()
	s.a, s.b = nil, nil
	g.solves.Put(s)
}

// run solves a block of rows after the other; each is taken out of the rest by a product.
func (g *solveCall[T]) run() {
	mr := g.kernel.mr
	count := (g.order + g.kc + g.kc/4 - 1) / (g.kc + g.kc/4) // a block may be a little deeper than gemm's
	size := ((g.order+count-1)/count + mr - 1) / mr * mr
	for done := 0; done < g.order; done += size {
		if g.lower {
			g.lo, g.hi = done, min(done+size, g.order)
		} else {
			g.lo, g.hi = max(0, g.order-done-size), g.order-done
		}
		g.solveBlock()
		if g.lower {
			g.takeOut(g.hi, g.order)
		} else {
			g.takeOut(0, g.lo)
		}
	}
}

// takeOut subtracts the block's part from rows lo to hi of B.
func (g *solveCall[T]) takeOut(lo, hi int) {
	if lo >= hi {
		return
	}
	p := product[T]{tA: blas.NoTrans, m: hi - lo, n: g.width, k: g.hi - g.lo, alpha: -1, beta: 1}
	p.a, p.lda = g.a[lo*g.lda+g.lo:], g.lda
	if g.trans {
		p.tA, p.a = blas.Trans, g.a[g.lo*g.lda+lo:]
	}
	p.tB, p.ldb, p.ldc = blas.NoTrans, g.ldb, g.ldb
	if !g.right {
		p.b, p.c = g.b[g.lo*g.ldb:], g.b[lo*g.ldb:]
	} else { // the transposed product
		p.b, p.c = p.a, g.b[lo:]
		p.a, p.lda, p.ldb = g.b[g.lo:], g.ldb, p.lda
		p.m, p.n = p.n, p.m
		if p.tA == blas.NoTrans {
			p.tB = blas.Trans
		}
		p.tA = blas.NoTrans
	}
	g.multiply(p)
}

// solveBlock packs the block's triangle and solves for all right-hand sides; tasks are panels of them.
func (g *solveCall[T]) solveBlock() {
	mr, nr := g.kernel.mr, g.kernel.nr
	tiles := (g.hi - g.lo + mr - 1) / mr
	buffer, packed := g.buffer(mr*mr*tiles*(tiles+1)/2 + packSlack)
	g.packed = packed
	g.packTriangle(tiles)
	panels := (g.width + nr - 1) / nr
	work := nr * (g.hi - g.lo) * (g.hi - g.lo) / 2
	g.group = max(1, panels/(4*runtime.GOMAXPROCS(0)), taskWork/work)
	pool.Run((panels+g.group-1)/g.group, g.panelTask)
	g.packed = nil
	g.buffers.Put(buffer)
}

// packTriangle packs the tiles as solveFunc takes them. Rows that are missing from a full number of tiles come last in a
// lower triangle and first in an upper one, where no other row depends on them. They get a diagonal of ones, so that nothing
// odd is computed there: arithmetic on what happens to lie in the buffer can be slow.
func (g *solveCall[T]) packTriangle(tiles int) {
	mr := g.kernel.mr
	dst := g.packed
	for t := range tiles {
		deep := (t + 1) * mr
		missing := max(0, g.lo+deep-g.hi)
		if missing > 0 {
			clear(dst[:deep*mr])
		}
		if g.lower {
			i := g.lo + t*mr
			g.packTile(dst, i, mr-missing, g.lo, deep-missing)
			g.setOnes(dst[t*mr*mr:], 0, mr-missing)
		} else {
			i := g.hi - deep + missing
			g.packTile(dst[missing*mr+missing:], i, mr-missing, i, deep-missing)
			g.setOnes(dst, missing, mr)
		}
		dst = dst[deep*mr:]
	}
}

// packTile packs rows of S from row i, columns from p0.
func (g *solveCall[T]) packTile(dst []T, i, rows, p0, depth int) {
	if g.trans {
		g.kernel.interlace(dst, g.kernel.mr, g.a[p0*g.lda+i:], g.lda, depth, rows)
	} else {
		g.kernel.transpose(dst, g.kernel.mr, g.a[i*g.lda+p0:], g.lda, depth, rows)
	}
}

// setOnes sets the diagonal of a block to one outside lo to hi, and inside if it is not stored.
func (g *solveCall[T]) setOnes(block []T, lo, hi int) {
	mr := g.kernel.mr
	for r := range mr {
		if g.unit || r < lo || r >= hi {
			block[r*mr+r] = 1
		}
	}
}

// solvePanels solves one task's panels.
func (g *solveCall[T]) solvePanels(task int) {
	mr, nr := g.kernel.mr, g.kernel.nr
	size := g.hi - g.lo
	tiles := (size + mr - 1) / mr
	buffer, panel := g.buffer(tiles*mr*nr + packSlack)
	clear(panel) // what is beyond the matrix is solved for as well: it must not be slow
	rows := panel
	solve := g.kernel.solveLower
	if !g.lower {
		rows = panel[(tiles*mr-size)*nr:]
		solve = g.kernel.solveUpper
	}
	j0 := task * g.group * nr
	for j := j0; j < min(g.width, j0+g.group*nr); j += nr {
		width := min(nr, g.width-j)
		if g.right {
			g.kernel.transpose(rows, nr, g.b[j*g.ldb+g.lo:], g.ldb, size, width)
		} else {
			g.kernel.interlace(rows, nr, g.b[g.lo*g.ldb+j:], g.ldb, size, width)
		}
		switch {
		case g.right:
			solve(g.packed, panel, tiles, 0, nil, 0, 0)
			g.columnsBack(rows, j, width)
		case width < nr || size < mr:
			solve(g.packed, panel, tiles, 0, nil, 0, 0)
			g.rowsBack(rows, 0, size, j, width)
		default:
			whole := size / mr * mr
			first, from, to := 0, whole, size
			if !g.lower {
				first, from, to = size-whole, 0, size-whole
			}
			solve(g.packed, panel, tiles, 0, g.b[(g.lo+first)*g.ldb+j:], g.ldb, whole/mr)
			g.rowsBack(rows, from, to, j, width)
		}
	}
	g.buffers.Put(buffer)
}

// rowsBack copies rows from to to of a panel to columns j to j+width of B.
func (g *solveCall[T]) rowsBack(panel []T, from, to, j, width int) {
	for i := from; i < to; i++ {
		copy(g.b[(g.lo+i)*g.ldb+j:][:width], panel[i*g.kernel.nr:])
	}
}

// columnsBack copies a panel to rows j to j+width of B, transposed.
func (g *solveCall[T]) columnsBack(panel []T, j, width int) {
	nr := g.kernel.nr
	size := g.hi - g.lo
	whole := size &^ 7 // as transpose writes whole vectors
	dst := g.b[j*g.ldb+g.lo:]
	if whole > 0 {
		g.kernel.transpose(dst, g.ldb, panel, nr, width, whole)
	}
	if whole < size {
		transposeGeneric(dst[whole:], g.ldb, panel[whole*nr:], nr, width, size-whole)
	}
}
