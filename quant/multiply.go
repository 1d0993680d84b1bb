package quant

import (
	"fmt"
	"runtime"
	"sync"

	"github.com/eckart-go/eckart/internal/pool"
	"github.com/eckart-go/eckart/internal/simd"
	"gonum.org/v1/gonum/blas"
)

// fewTokens is the number of input vectors up to which MulTo works on the blocks themselves. Beyond it expanding tiles of
// the matrix and multiplying in float32 is faster.
const fewTokens = 8

// Sizes of pieces of work in stored bytes. A worker reads at most readBytes in one go, long enough for the caches'
// prefetchers to run at full speed; when several vectors share the reading, cacheBytes at a time stay in the first-level
// cache until all have used them.
const (
	readBytes  = 512 << 10
	cacheBytes = 16 << 10
)

// tileValues is how many values are expanded at a time: 256 kB of float32 stay in the second-level cache.
const tileValues = 64 << 10

// Workspace is the memory that MulTo needs; its zero value is ready. Calls that reuse it allocate nothing once it has
// grown to the largest shapes. It must not be used by two calls at once.
type Workspace struct {
	q            []int8 // input vectors in blocks of 32
	scales, sums []float32
	work         product
	decode       func(i int) // the methods below as values, kept so that no call makes a closure
	expand       func(i int)

	tilesLock sync.Mutex
	tiles     [][]float32 // expanded rows, one for each worker, while no worker has them
}

// product is one call of MulTo.
type product struct {
	t                    Type
	dst                  []float32
	ldd                  int
	w                    []byte
	rows, cols, rowBytes int
	x                    []float32
	ldx, tokens          int
	grain                int // rows in a piece
	block                int // rows that fit cacheBytes, a multiple of 8
	dot                  simd.DotKernel
}

// MulTo computes dst = X Wᵀ: W is rows x cols, row by row in blocks of type t (cols a multiple of the block size), X is
// tokens x cols with row stride ldx, dst is tokens x rows with row stride ldd and must not overlap the inputs.
//
// For up to 8 tokens and t one of Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K and Q6_K, every 32 values of X are rounded to 8 bits
// with a scale of their own, and products are summed as integers within a block: over such groups b of a row the error is
// at most sum_b (max |x_b| / 254) |w_b|_1, besides rounding. Otherwise tiles of W are expanded and multiplied in float32.
// Which of the two runs depends on t and tokens alone, and results do not depend on GOMAXPROCS. NaN and infinities in X
// make all of their token's results NaN in the first case, and what float32 arithmetic gives in the second. ws may be nil.
// It is an error when shapes do not fit each other or their slices.
func MulTo(t Type, dst []float32, ldd int, w []byte, rows, cols int, x []float32, ldx, tokens int, ws *Workspace) error {
	rowBytes, err := checkProduct(t, dst, ldd, w, rows, cols, x, ldx, tokens)
	if err != nil {
		return err
	}
	if rows == 0 || tokens == 0 {
		return nil
	}
	if cols == 0 {
		for i := range tokens {
			clear(dst[i*ldd:][:rows])
		}
		return nil
	}
	if ws == nil {
		ws = new(Workspace)
	}
	ws.work = product{
		t: t, dst: dst, ldd: ldd, w: w, rows: rows, cols: cols, rowBytes: rowBytes, x: x, ldx: ldx, tokens: tokens,
		block: max(8, cacheBytes/rowBytes/8*8), dot: dotKernel(t),
	}
	if ws.decode == nil {
		ws.decode, ws.expand = ws.decodePiece, ws.expandPiece
	}
	if ws.work.dot != nil && tokens <= fewTokens {
		ws.quantiseInput()
		ws.work.grain = readGrain(rows, rowBytes)
		pool.Run((rows+ws.work.grain-1)/ws.work.grain, ws.decode)
	} else {
		ws.work.grain = max(16, tileValues/cols/16*16)
		pool.Run((rows+ws.work.grain-1)/ws.work.grain, ws.expand)
	}
	ws.work = product{} // keep no reference to the caller's memory
	return nil
}

// readGrain returns the number of rows of a piece when rows are read once: equal shares for the workers. Unlike elsewhere
// the split may depend on GOMAXPROCS, because each row's result is its own.
func readGrain(rows, rowBytes int) int {
	bytes, workers := rows*rowBytes, runtime.GOMAXPROCS(0)
	if bytes <= cacheBytes {
		return rows
	}
	pieces := (bytes + workers*readBytes - 1) / (workers * readBytes) * workers
	return ((rows+pieces-1)/pieces + 7) / 8 * 8
}

// dotKernel returns the kernel that multiplies blocks of type t by 8-bit vectors, nil where there is none.
func dotKernel(t Type) simd.DotKernel {
	switch t {
	case Q4_0:
		return simd.DotQ4_0
	case Q4_1:
		return simd.DotQ4_1
	case Q5_0:
		return simd.DotQ5_0
	case Q5_1:
		return simd.DotQ5_1
	case Q8_0:
		return simd.DotQ8_0
	case Q4_K:
		return simd.DotQ4_K
	case Q6_K:
		return simd.DotQ6_K
	}
	return nil
}

// checkProduct returns the bytes of a row of W.
func checkProduct(t Type, dst []float32, ldd int, w []byte, rows, cols int, x []float32, ldx, tokens int) (int, error) {
	rowBytes, err := t.RowBytes(cols)
	switch {
	case err != nil:
		return 0, err
	case rows < 0 || tokens < 0:
		return 0, fmt.Errorf("quant: multiply: %d rows, %d tokens", rows, tokens)
	case rowBytes > 0 && len(w)/rowBytes < rows:
		return 0, fmt.Errorf("quant: multiply: %d rows of %d values in %v take %d bytes each, got %d bytes",
			rows, cols, t, rowBytes, len(w))
	case ldx < cols || ldd < rows:
		return 0, fmt.Errorf("quant: multiply: row strides %d of the input and %d of the output, expected at least %d and %d",
			ldx, ldd, cols, rows)
	case tokens > 0 && cols > 0 && (len(x) < cols || (len(x)-cols)/ldx < tokens-1):
		return 0, fmt.Errorf("quant: multiply: input of %d values, expected %d rows of %d with stride %d",
			len(x), tokens, cols, ldx)
	case tokens > 0 && rows > 0 && (len(dst) < rows || (len(dst)-rows)/ldd < tokens-1):
		return 0, fmt.Errorf("quant: multiply: output of %d values, expected %d rows of %d with stride %d",
			len(dst), tokens, rows, ldd)
	}
	return rowBytes, nil
}

// quantiseInput rounds all input vectors to 8 bits.
func (ws *Workspace) quantiseInput() {
	p := &ws.work
	blocks := p.cols / 32
	ws.q = grow(ws.q, p.tokens*p.cols)
	ws.scales, ws.sums = grow(ws.scales, p.tokens*blocks), grow(ws.sums, p.tokens*blocks)
	for i := range p.tokens {
		simd.QuantiseVector(ws.q[i*p.cols:], ws.scales[i*blocks:], ws.sums[i*blocks:], p.x[i*p.ldx:][:p.cols])
	}
}

// grow returns s with length n; its contents are lost when it must be larger.
func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// decodePiece multiplies a piece of rows by all input vectors.
func (ws *Workspace) decodePiece(i int) {
	p := &ws.work
	lo, hi := i*p.grain, min(p.rows, (i+1)*p.grain)
	step := hi - lo
	if p.tokens > 1 {
		step = p.block
	}
	blocks := p.cols / 32
	for ; lo < hi; lo += step {
		end := min(hi, lo+step)
		for t := range p.tokens {
			p.dot(p.dst[t*p.ldd+lo:t*p.ldd+end], p.w[lo*p.rowBytes:end*p.rowBytes], p.rowBytes,
				ws.q[t*p.cols:(t+1)*p.cols], ws.scales[t*blocks:(t+1)*blocks], ws.sums[t*blocks:(t+1)*blocks])
		}
	}
}

// expandPiece expands a piece of rows to float32 and multiplies by all input vectors.
func (ws *Workspace) expandPiece(i int) {
	p := &ws.work
	lo, hi := i*p.grain, min(p.rows, (i+1)*p.grain)
	tile := ws.takeTile((hi - lo) * p.cols)
	dequantise(p.t, tile, p.w[lo*p.rowBytes:hi*p.rowBytes])
	simd.Sgemm(blas.NoTrans, blas.Trans, p.tokens, hi-lo, p.cols, 1, p.x, p.ldx, tile, p.cols, 0, p.dst[lo:], p.ldd)
	ws.tilesLock.Lock()
	ws.tiles = append(ws.tiles, tile)
	ws.tilesLock.Unlock()
}

// takeTile returns a tile of n values: the one last given back, likely still in this processor's cache.
func (ws *Workspace) takeTile(n int) []float32 {
	ws.tilesLock.Lock()
	defer ws.tilesLock.Unlock()
	var tile []float32
	if last := len(ws.tiles) - 1; last >= 0 {
		tile, ws.tiles = ws.tiles[last], ws.tiles[:last]
	}
	return grow(tile, n)
}
