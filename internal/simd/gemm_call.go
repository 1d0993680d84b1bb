package simd

import (
	"runtime"

	"gonum.org/v1/gonum/blas"

	"github.com/eckart-go/eckart/internal/pool"
)

// gemmCall is one product in progress. It is recycled, with its task functions bound once, so that a call allocates
// nothing.
//
// In general a block of B is packed into panels of nr columns that all threads share, and each task packs some rows of A
// into its own cache and multiplies them by every panel. Few rows, few columns and great depth are treated apart. All
// choices, and the cuts along the depth, depend on the shape alone; how rows and columns are cut into tasks may depend on
// the number of threads, but only at multiples of the tile, where it does not change a bit.
type gemmCall[T float] struct {
	*engine[T]
	product[T]

	p0, p1  int   // the depths of the current block of B
	j0, j1  int   // its columns
	packedB []T   // the block, packed
	cuts    []int // where rows or columns are cut into tasks
	parts   int   // pieces of the depth
	partial []T   // their products
	aside   bool  // C is one of those: what is outside the triangle may be written

	packTask, rowTask, colTask, fewRowsTask, dotTask, partTask, sumTask func(int)
}

// product is C = alpha op(A) op(B) + beta C, or one triangle of it.
type product[T float] struct {
	tA, tB  blas.Transpose
	uplo    blas.Uplo // the triangle of C to compute, 0 for all of it
	m, n, k int
	alpha   T
	a       []T
	lda     int
	b       []T
	ldb     int
	beta    T
	c       []T
	ldc     int
}

func newGemmCall[T float](e *engine[T]) *gemmCall[T] {
	g := &gemmCall[T]{engine: e}
	g.packTask, g.rowTask, g.colTask = g.packB, g.multiplyRows, g.multiplyColumns
	g.fewRowsTask, g.dotTask = g.multiplyFewRows, g.multiplyDots
	g.partTask, g.sumTask = g.multiplyPart, g.sumParts
	return g
}

// multiply computes a product.
func (e *engine[T]) multiply(p product[T]) {
	g := e.gemms.Get().(*gemmCall[T])
	g.product = p
	g.run()
	g.product = product[T]{}
	e.gemms.Put(g)
}

const (
	// taskWork is the least work that is worth handing to another core, in multiply-adds: some 5 µs.
	taskWork = 1 << 18
	// fewRows is up to how many rows packing B costs more than it gains.
	fewRows = 16
	// fewDots is up to how many rows inner products are faster than packing Bᵀ.
	fewDots = 8
)

func (g *gemmCall[T]) run() {
	whole := g.uplo == 0
	switch {
	case g.m == 0 || g.n == 0:
	case g.alpha == 0 || g.k == 0:
		g.scaleC()
	case whole && g.n == 1:
		g.runColumn()
	case whole && g.m == 1:
		g.runRow()
	case whole && g.m <= fewDots && g.tB != blas.NoTrans:
		g.runDots()
	case whole && g.m <= fewRows && g.tB == blas.NoTrans:
		g.runFewRows()
	case g.countParts() > 1:
		g.runParts()
	case g.m <= g.mc/4:
		g.runColumns()
	default:
		g.runRows()
	}
}

// scaleC is what remains of the product when alpha or k is zero.
func (g *gemmCall[T]) scaleC() {
	for i := range g.m {
		lo, hi := g.inTriangle(i, 0, g.n)
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

// inTriangle clips the columns j0 to j1 of row i to the part of C that is computed.
func (g *gemmCall[T]) inTriangle(i, j0, j1 int) (lo, hi int) {
	switch g.uplo {
	case blas.Upper:
		return min(max(i, j0), j1), j1
	case blas.Lower:
		return j0, max(min(i+1, j1), j0)
	}
	return j0, j1
}

// runColumn is a matrix times the one column of op(B).
func (g *gemmCall[T]) runColumn() {
	m, n, incB := g.m, g.k, g.ldb
	if g.tA != blas.NoTrans {
		m, n = n, m
	}
	if g.tB != blas.NoTrans {
		incB = 1
	}
	g.gemv(g.tA, m, n, g.alpha, g.a, g.lda, g.b, incB, g.beta, g.c, g.ldc)
}

// runRow is the one row of op(A) times a matrix.
func (g *gemmCall[T]) runRow() {
	t, m, n, incA := blas.Trans, g.k, g.n, 1
	if g.tB != blas.NoTrans {
		t, m, n = blas.NoTrans, n, m
	}
	if g.tA != blas.NoTrans {
		incA = g.lda
	}
	g.gemv(t, m, n, g.alpha, g.b, g.ldb, g.a, incA, g.beta, g.c, 1)
}

// cut cuts n into tasks of at least the given size, rounded to multiples of unit, and smaller ones towards the end so that
// all threads finish at about the same time; none is larger than most.
func (g *gemmCall[T]) cut(n, unit, least, most int) {
	threads := runtime.GOMAXPROCS(0)
	least = max((least+unit-1)/unit, 1) * unit
	most = max(most/unit*unit, least)
	g.cuts = append(g.cuts[:0], 0)
	for i := 0; i < n; {
		size := most
		if threads > 1 {
			size = min(most, max(least, (n-i)/(2*threads)/unit*unit))
		}
		if i+size+least/2 >= n {
			size = n - i
		}
		i += size
		g.cuts = append(g.cuts, i)
	}
}

// task returns the range of a task, the last first for a lower triangle, whose rows grow longer.
func (g *gemmCall[T]) task(i int) (lo, hi int) {
	if g.uplo == blas.Lower {
		i = len(g.cuts) - 2 - i
	}
	return g.cuts[i], g.cuts[i+1]
}

// each runs f for the tasks that cut made.
func (g *gemmCall[T]) each(f func(int)) { pool.Run(len(g.cuts)-1, f) }
