package simd

import (
	"fmt"

	"gonum.org/v1/gonum/blas"

	"github.com/eckart-go/eckart/internal/pool"
)

// Sgemv computes y = alpha op(A) x + beta y, where A is m x n, row-major with row stride lda. x and y advance by incX and
// incY, not zero; a negative increment walks backwards from the far end, as in BLAS. With beta = 0 the old y is not read. y
// must not overlap A or x. It panics if a matrix or vector does not fit its slice.
func Sgemv(t blas.Transpose, m, n int, alpha float32, a []float32, lda int, x []float32, incX int, beta float32, y []float32, incY int) {
	checkGemv(t, m, n, len(a), lda, len(x), incX, len(y), incY)
	sblas.gemv(t, m, n, alpha, a, lda, x, incX, beta, y, incY)
}

// Dgemv is Sgemv in float64.
func Dgemv(t blas.Transpose, m, n int, alpha float64, a []float64, lda int, x []float64, incX int, beta float64, y []float64, incY int) {
	checkGemv(t, m, n, len(a), lda, len(x), incX, len(y), incY)
	dblas.gemv(t, m, n, alpha, a, lda, x, incX, beta, y, incY)
}

func checkGemv(t blas.Transpose, m, n, lenA, lda, lenX, incX, lenY, incY int) {
	checkMatrix("A", blas.NoTrans, m, n, lenA, lda)
	if t != blas.NoTrans {
		m, n = n, m
	}
	checkVector("x", n, lenX, incX)
	checkVector("y", m, lenY, incY)
}

func checkVector(name string, n, length, inc int) {
	switch {
	case inc == 0:
		panic(fmt.Sprintf("simd: %s has increment 0", name))
	case n > 0 && length < (n-1)*max(inc, -inc)+1:
		panic(fmt.Sprintf("simd: %s has %d elements with increment %d, but %d values", name, n, inc, length))
	}
}

// gemvCall is a matrix-vector product in progress, recycled like gemmCall. x and y are contiguous.
type gemvCall[T float] struct {
	*engine[T]
	m, n    int
	a       []T
	lda     int
	x, y    []T
	rows    int // of a task
	partial []T // sums of each task's rows

	rowTask, columnTask, partTask func(int)
}

func newGemvCall[T float](e *engine[T]) *gemvCall[T] {
	g := &gemvCall[T]{engine: e}
	g.rowTask, g.columnTask, g.partTask = g.dotRows, g.addColumns, g.addPart
	return g
}

const (
	// gemvTask is about how many elements of A a task reads: some microseconds.
	gemvTask = 1 << 15
	// gemvWide is from how many columns on Aᵀ x is cut into strips of columns: a part's sums would not stay in the
	// second-level cache.
	gemvWide = 32768
	// gemvStrip is how many columns a strip has.
	gemvStrip = 4096
	// gemvParts bounds into how many parts the rows of a narrow Aᵀ x are cut.
	gemvParts = 32
)

// gemv computes into contiguous vectors: x and y themselves if they can be.
func (e *engine[T]) gemv(t blas.Transpose, m, n int, alpha T, a []T, lda int, x []T, incX int, beta T, y []T, incY int) {
	lenX, lenY := n, m
	if t != blas.NoTrans {
		lenX, lenY = m, n
	}
	if lenY == 0 {
		return
	}
	if lenX == 0 {
		alpha = 0
	}
	direct := incY == 1 && alpha == 1 && beta == 0
	adds := incY == 1 && beta == 1 && alpha != 0 && t != blas.NoTrans // rows times alpha x_i are added to y as they are read
	buffer, space := e.buffer(lenX + lenY)
	g := e.gemvs.Get().(*gemvCall[T])
	g.m, g.n, g.a, g.lda = m, n, a, lda
	g.x, g.y = x, space[lenX:]
	if incX != 1 || adds && alpha != 1 {
		g.x = space[:lenX]
		gather(g.x, x, incX)
	}
	g.x = g.x[:lenX]
	if adds && alpha != 1 {
		e.kernel.scal(alpha, g.x)
	}
	if direct || adds {
		g.y = y[:lenY]
	}
	switch {
	case alpha == 0:
		clear(g.y)
	case t == blas.NoTrans:
		g.runRows()
	default:
		if !adds {
			clear(g.y)
		}
		g.runTransposed()
	}
	switch {
	case direct || adds:
	case incY == 1 && beta == 1:
		e.kernel.axpy(alpha, g.y, y[:lenY])
	default:
		scatter(y, incY, alpha, g.y, beta)
	}
	g.a, g.x, g.y = nil, nil, nil
	e.gemvs.Put(g)
	e.buffers.Put(buffer)
}

// start is the index of the first of n elements.
func start(n, inc int) int { return max(0, (1-n)*inc) }

// gather copies the elements of x, inc apart, to dst.
func gather[T float](dst, x []T, inc int) {
	at := start(len(dst), inc)
	for i := range dst {
		dst[i] = x[at]
		at += inc
	}
}

// scatter computes y = alpha x + beta y for y whose elements are inc apart.
func scatter[T float](y []T, inc int, alpha T, x []T, beta T) {
	at := start(len(x), inc)
	for _, v := range x {
		if beta == 0 {
			y[at] = alpha * v
		} else {
			y[at] = alpha*v + beta*y[at]
		}
		at += inc
	}
}

// runRows computes y = A x: tasks are rows.
func (g *gemvCall[T]) runRows() {
	g.rows = max(gemvTask/max(g.n, 1)/4, 1) * 4
	pool.Run((g.m+g.rows-1)/g.rows, g.rowTask)
}

func (g *gemvCall[T]) dotRows(task int) {
	lo := task * g.rows
	g.kernel.dots(g.y[lo:], 0, g.x, 0, g.a[lo*g.lda:], g.lda, 1, min(g.rows, g.m-lo), g.n)
}

// runTransposed computes y += Aᵀ x. Tasks are columns if there are enough, or else rows, whose sums are added up in order.
func (g *gemvCall[T]) runTransposed() {
	if g.n >= gemvWide || g.n >= 2*gemvStrip && g.m < 256 {
		pool.Run((g.n+gemvStrip-1)/gemvStrip, g.columnTask)
		return
	}
	parts := min(gemvParts, (g.m*g.n+gemvTask-1)/gemvTask, max(1, g.m/64))
	if parts <= 1 {
		g.kernel.addRows(g.y, g.x, g.a, g.lda)
		return
	}
	g.rows = (g.m + parts - 1) / parts
	parts = (g.m + g.rows - 1) / g.rows
	buffer, partial := g.buffer(parts * g.n)
	g.partial = partial
	pool.Run(parts, g.partTask)
	for part := range parts {
		g.kernel.axpy(1, partial[part*g.n:][:g.n], g.y)
	}
	g.partial = nil
	g.buffers.Put(buffer)
}

func (g *gemvCall[T]) addColumns(task int) {
	lo := task * gemvStrip
	g.kernel.addRows(g.y[lo:min(g.n, lo+gemvStrip)], g.x, g.a[lo:], g.lda)
}

func (g *gemvCall[T]) addPart(part int) {
	lo, hi := part*g.rows, min(g.m, (part+1)*g.rows)
	sum := g.partial[part*g.n:][:g.n]
	clear(sum)
	g.kernel.addRows(sum, g.x[lo:hi], g.a[lo*g.lda:], g.lda)
}
