package simd

import (
	"sync"

	"gonum.org/v1/gonum/blas"
)

//go:generate go -C _asm run . gram -out ../gram_amd64.s -stubs ../gram_stubs_amd64.go -pkg simd

// GramDepth is how many products DsyrkS sums in float32 before it goes on in float64.
const GramDepth = 128

// DsyrkS computes one triangle of C = alpha Aᵀ A + beta C (t = Trans, A is k x n) or C = alpha A Aᵀ + beta C (NoTrans, A is
// n x k) for A in float32 and C in float64, at about Ssyrk's speed: the moments of streamed float32 data. The suffix is that
// of the mixed-precision BLAS (Li et al., ACM TOMS 28, 2002: dsyrk_s). The other triangle of C is neither read nor written;
// with beta = 0 nor is this one read. It panics if a matrix does not fit its slice or uplo is neither Upper nor Lower.
//
// Depths are cut into chunks of d = GramDepth from the first on. A chunk's sum is formed in float32 and added to C in
// float64, chunk after chunk. In float32 a sum of d products errs by at most gamma_d = d u / (1 - d u) times the sum of their
// absolute values, u = 2^-24 (Higham 2002, (3.5)), so that, in terms of that sum over all k depths,
//
//	|error of C_ij| <= |alpha| (gamma_d + K 2^-53) sum_p |a_pi a_pj| + K 2^-53 |beta C_ij|,    K = 2 ceil(k/d) + 1
//
// to first order: 7.7e-6 of the sum however great k is. For C_ii that is a relative error; where products cancel it is one
// relative to (C_ii C_jj)^(1/2). In practice errors grow like the root of d within a chunk and average out over chunks of
// data that vary: 2^-24 d / sqrt(k) of the sum is more than is seen. All this as long as nothing overflows in float32, which
// squares do if a chunk's sum reaches 3.4e38 (C becomes infinite), and but for underflow, which adds up to |alpha| k 2^-150.
//
// The result does not depend on the number of threads, nor on how a stream of rows is cut into calls (Trans, beta = 1) as
// long as every call but the last brings a multiple of GramDepth rows: to the bit.
func DsyrkS(uplo blas.Uplo, t blas.Transpose, n, k int, alpha float64, a []float32, lda int, beta float64, c []float64, ldc int) {
	sgrams.syrk(uplo, t, n, k, alpha, a, lda, beta, c, ldc)
}

// gramKernels take tiles from float32 to float64.
type gramKernels struct {
	// add computes D = C + alpha T for m x n tiles, of which D may be C.
	add func(m, n int, alpha float64, t []float32, rowT int, c []float64, rowC int, d []float64, rowD int)
	// fetch brings C into the cache.
	fetch func(m, n int, c []float64, rowC int)
}

var (
	gramSets = append(gramAsm(), kernelSet[gramKernels]{isaGeneric, gramKernels{addTileGeneric, func(int, int, []float64, int) {}}})
	sgrams   = newGramEngine(pickKernel(kernels(skernels())), pick(gramSets), caches)
)

func addTileGeneric(m, n int, alpha float64, t []float32, rowT int, c []float64, rowC int, d []float64, rowD int) {
	for i := range m {
		from, to := c[i*rowC:][:n], d[i*rowD:][:n]
		for j, v := range t[i*rowT:][:n] {
			to[j] = from[j] + alpha*float64(v)
		}
	}
}

// gramEngine is the engine of float32 products, with blocks of depth GramDepth, and what takes their tiles to float64.
type gramEngine struct {
	*engine[float32]
	tile  gramKernels
	grams sync.Pool // of *gramCall
	tiles sync.Pool // of *gramTiles
}

// gramChunks is how many chunks of B are packed at once.
const gramChunks = 4

// newGramEngine sizes the blocks like newEngine, but for the fixed depth.
func newGramEngine(k blasKernel[float32], tile gramKernels, c cacheSizes) *gramEngine {
	e := &gramEngine{engine: newEngine(k, c), tile: tile}
	e.kc = GramDepth
	e.mc = max(c.l2/2/(e.kc*gramChunks*4)/k.mr, 4) * k.mr
	e.grams.New = func() any { return newGramCall(e) }
	size := tileRows * k.mr * k.nr
	e.tiles.New = func() any { return &gramTiles{make([]float32, size), make([]float64, size)} }
	return e
}

// gramCall is a product in progress, recycled like gemmCall. Its C is sums, not that of the float32 product.
type gramCall struct {
	gemmCall[float32]
	grams   *gramEngine
	alpha   float64
	sums    []float64
	ldc     int
	addTask func(int)
}

func newGramCall(e *gramEngine) *gramCall {
	g := &gramCall{grams: e}
	g.engine = e.engine
	g.packTask, g.addTask = g.packB, g.addRows
	return g
}

func (e *gramEngine) syrk(uplo blas.Uplo, t blas.Transpose, n, k int, alpha float64, a []float32, lda int, beta float64, c []float64, ldc int) {
	if uplo != blas.Upper && uplo != blas.Lower {
		panic("simd: syrk needs blas.Upper or blas.Lower")
	}
	checkMatrix("A", t, n, k, len(a), lda)
	checkMatrix("C", blas.NoTrans, n, n, len(c), ldc)
	scaleTriangle(uplo, n, beta, c, ldc)
	if n == 0 || k == 0 || alpha == 0 {
		return
	}
	other := blas.Trans
	if t != blas.NoTrans {
		other = blas.NoTrans
	}
	g := e.grams.Get().(*gramCall)
	g.product = product[float32]{tA: t, tB: other, uplo: uplo, m: n, n: n, k: k, a: a, lda: lda, b: a, ldb: lda}
	g.alpha, g.sums, g.ldc = alpha, c, ldc
	g.accumulate()
	g.product, g.sums = product[float32]{}, nil
	e.grams.Put(g)
}

// scaleTriangle multiplies one triangle by beta; zero clears it.
func scaleTriangle(uplo blas.Uplo, n int, beta float64, c []float64, ldc int) {
	if beta == 1 {
		return
	}
	for i := range n {
		lo, hi := 0, i+1
		if uplo == blas.Upper {
			lo, hi = i, n
		}
		if row := c[i*ldc:][lo:hi]; beta == 0 {
			clear(row)
		} else {
			Dscal(beta, row)
		}
	}
}

// accumulate is runRows with whole blocks of the depth, and what is left over by itself: a block must not depend on k.
func (g *gramCall) accumulate() {
	deep := g.kc * gramChunks
	g.cut(g.m, g.kernel.mr, max(2*g.kernel.mr, taskWork/(g.n*min(g.k, deep))), g.mc)
	for g.p0 = 0; g.p0 < g.k; g.p0 = g.p1 {
		g.p1 = min(g.p0+deep, g.k/g.kc*g.kc)
		if g.p1 <= g.p0 {
			g.p1 = g.k
		}
		g.overColumns(g.addTask)
	}
}

// tileRows is how many of the kernel's tiles are computed before they go to float64: so few that they stay in the
// first-level cache, and enough for the calls not to count.
const tileRows = 8

// addRows adds one task's rows of A times the current block of B to C. Between the chunks, sums are in a dense tile: rows of
// C are often a multiple of a page apart, all in the same few sets of the cache.
func (g *gramCall) addRows(task int) {
	mr, nr := g.kernel.mr, g.kernel.nr
	i0, i1 := g.task(task)
	buffer, a := g.buffer(g.sizeA(i1-i0, g.p1-g.p0))
	for chunk := range g.blocks(g.p1 - g.p0) {
		p0, depth := g.block(chunk, g.p0, g.p1)
		g.packA(a[g.offsetA(i1-i0, p0):], i0, i1, p0, depth)
	}
	tiles := g.grams.tiles.Get().(*gramTiles)
	for j := g.j0; j < g.j1; j += nr {
		lo, hi := i0, i1
		if g.uplo == blas.Upper {
			hi = min(i1, j+nr)
		} else {
			lo = i0 + max(j-i0, 0)/mr*mr
		}
		for i := lo; i < hi; i += tileRows * mr {
			g.addTiles(a, i0, i1, i, min(tileRows*mr, hi-i), j, min(nr, g.j1-j), tiles)
		}
	}
	g.grams.tiles.Put(tiles)
	g.buffers.Put(buffer)
}

// offsetA is where depths from p0 on of a task's packed rows of A begin.
func (g *gramCall) offsetA(rows, p0 int) int { return g.sizeA(rows, p0-g.p0) - packSlack }

// gramTiles are a chunk's sum and the sum of chunks.
type gramTiles struct {
	chunk []float32
	sum   []float64
}

// addTiles adds all chunks of rows from i and columns from j.
func (g *gramCall) addTiles(a []float32, i0, i1, i, rows, j, width int, tiles *gramTiles) {
	mr, nr := g.kernel.mr, g.kernel.nr
	c := tile64{g.sums[i*g.ldc+j:], g.ldc}
	sum := tile64{tiles.sum, nr}
	g.grams.tile.fetch(rows, width, c.data, c.ld)
	chunks := g.blocks(g.p1 - g.p0)
	for chunk := range chunks {
		p0, depth := g.block(chunk, g.p0, g.p1)
		g.kernel.panel(a[g.offsetA(i1-i0, p0)+(i-i0)*depth:], 1, mr, mr*depth, g.panelOf(p0, depth, j), nr, tiles.chunk, nr, rows, width, depth, 1, 0)
		from, to := sum, sum
		if chunk == 0 {
			from = c
		}
		if chunk == chunks-1 {
			to = c
		}
		g.addInside(i, rows, j, width, tiles.chunk, from, to)
	}
}

// tile64 is a tile with its row stride.
type tile64 struct {
	data []float64
	ld   int
}

// addInside sets to = from + alpha chunk where a tile, rows from i and columns from j, lies in the triangle: whole rows at
// once, and those that the diagonal crosses one by one.
func (g *gramCall) addInside(i, rows, j, width int, chunk []float32, from, to tile64) {
	nr := g.kernel.nr
	lo, hi := 0, min(max(j+1-i, 0), rows) // whole rows
	if g.uplo == blas.Lower {
		lo, hi = min(max(j+width-1-i, 0), rows), rows
	}
	if lo < hi {
		g.grams.tile.add(hi-lo, width, g.alpha, chunk[lo*nr:], nr, from.data[lo*from.ld:], from.ld, to.data[lo*to.ld:], to.ld)
	}
	for ii := range rows {
		if ii >= lo && ii < hi {
			continue
		}
		if left, right := g.inTriangle(i+ii, j, j+width); left < right {
			at := left - j
			g.grams.tile.add(1, right-left, g.alpha, chunk[ii*nr+at:], nr, from.data[ii*from.ld+at:], from.ld, to.data[ii*to.ld+at:], to.ld)
		}
	}
}
