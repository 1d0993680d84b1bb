package simd

import (
	"sync"
	"unsafe"

	"github.com/eckart-go/eckart/internal/pool"
)

// engine computes products with one kernel. Its block sizes are those of Goto and van de Geijn (2008) and BLIS (Van Zee and
// van de Geijn 2015).
type engine[T float] struct {
	kernel  blasKernel[T]
	mc, kc  int // a block of A: rows and depth
	blockB  int // elements of a block of B
	buffers pool.Buffers[T]
	gemms   sync.Pool
	gemvs   sync.Pool
	batches sync.Pool
	solves  sync.Pool
}

var (
	sblas = newEngine(pickKernel(kernels(skernels())), caches)
	dblas = newEngine(pickKernel(kernels(dkernels())), caches)
)

// newEngine sizes the blocks: a panel of B fills half the first-level cache, a block of A half the second, a block of B a
// quarter of the third.
func newEngine[T float](k blasKernel[T], c cacheSizes) *engine[T] {
	size := int(unsafe.Sizeof(T(0)))
	e := &engine[T]{kernel: k}
	e.kc = min(max(c.l1/2/(k.nr*size)&^7, 64), 512)
	e.mc = max(c.l2/2/(e.kc*size)/k.mr, 4) * k.mr
	e.blockB = min(max(c.l3/4, c.l2), 16<<20) / size
	e.gemms.New = func() any { return newGemmCall(e) }
	e.gemvs.New = func() any { return newGemvCall(e) }
	e.batches.New = func() any { return newBatchCall(e) }
	e.solves.New = func() any { return newSolveCall(e) }
	return e
}

// buffer takes n elements; what they hold is left over. The pointer goes back with buffers.Put.
func (e *engine[T]) buffer(n int) (*[]T, []T) {
	b := e.buffers.Get(max(n, leastBuffer))
	return b, (*b)[:n]
}

// leastBuffer is large enough for a buffer to begin on a page.
const leastBuffer = 8192
