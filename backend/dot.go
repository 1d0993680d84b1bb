package backend

import (
	"slices"
	"unsafe"

	"gonum.org/v1/gonum/blas"

	"github.com/gomlx/compute/dtypes"

	"github.com/eckart-go/eckart/internal/simd"
)

// operand is one side of a matrix product: batch x rows x cols, read in place.
type operand struct {
	view
	batch  []int // strides of the batch axes, over the product's batch dims
	trans  blas.Transpose
	ld     int // row stride of the stored matrix
	rowsUp int // strides of the logical rows and columns, for element types without a matrix kernel
	colsUp int
}

// product is a planned DotGeneral: for each batch, C (m x n) = A (m x k) B (k x n).
type dotProduct struct {
	a, b       operand
	out        view
	batchDims  []int // outer batch axes, visited one by one
	batch      int   // inner batch, evenly spaced in both operands
	strideA    int
	strideB    int
	m, n, k    int
	outer      int
	batchOuter [2][]int // strides of the outer batch axes
}

func (l *lowering) dot(n *node) {
	attr := n.attr.(dotAttr)
	lhs, rhs := n.in[0], n.in[1]
	p := &dotProduct{}
	var batchDims []int
	for _, axis := range attr.lhsBatch {
		batchDims = append(batchDims, lhs.shape.Dimensions[axis])
	}
	// The order of the contracted axes is free: take the one in which the left operand stores them.
	order := make([]int, len(attr.lhsContract))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return attr.lhsContract[i] - attr.lhsContract[j] })
	lhsContract, rhsContract := make([]int, len(order)), make([]int, len(order))
	for i, j := range order {
		lhsContract[i], rhsContract[i] = attr.lhsContract[j], attr.rhsContract[j]
	}
	lhsFree := freeAxes(lhs.shape.Rank(), attr.lhsBatch, lhsContract)
	rhsFree := freeAxes(rhs.shape.Rank(), attr.rhsBatch, rhsContract)
	p.a = l.operand(lhs, attr.lhsBatch, lhsFree, lhsContract)
	p.b = l.operand(rhs, attr.rhsBatch, rhsContract, rhsFree)
	p.m, p.n, p.k = sizeOf(lhs, lhsFree), sizeOf(rhs, rhsFree), sizeOf(lhs, lhsContract)
	p.out = l.alloc(n)
	p.batches(batchDims)
	st := &step{name: "DotGeneral", reads: []*storage{p.a.mem, p.b.mem}, writes: []*storage{p.out.mem}}
	switch n.shape.DType {
	case dtypes.Float32:
		st.run = p.run32
	case dtypes.Float64:
		st.run = p.run64
	default:
		st.pieces = p.outer * p.batch
		st.piece = integerDots[n.shape.DType](p)
	}
	l.emit(st)
}

func freeAxes(rank int, batch, contract []int) (free []int) {
	for axis := range rank {
		if !slices.Contains(batch, axis) && !slices.Contains(contract, axis) {
			free = append(free, axis)
		}
	}
	return free
}

func sizeOf(n *node, axes []int) int {
	size := 1
	for _, axis := range axes {
		size *= n.shape.Dimensions[axis]
	}
	return size
}

// operand finds how to read n as a batch of matrices with the given row and column axes: in place when its rows and columns
// are evenly spaced and one of them is contiguous, else through a copy in that axis order.
func (l *lowering) operand(n *node, batch, rows, cols []int) operand {
	v := l.view(n)
	if o, ok := asMatrix(v, batch, rows, cols); ok {
		return o
	}
	permutation := slices.Concat(batch, rows, cols)
	out := l.copyOf(v.transpose(permutation))
	inverse := make([]int, len(permutation))
	for i, axis := range permutation {
		inverse[axis] = i
	}
	o, ok := asMatrix(out.transpose(inverse), batch, rows, cols)
	if !ok {
		panic("backend: a contiguous operand is not a matrix") // cannot happen
	}
	return o
}

func asMatrix(v view, batch, rows, cols []int) (operand, bool) {
	o := operand{view: v}
	for _, axis := range batch {
		if v.strides[axis] < 0 {
			return o, false
		}
		o.batch = append(o.batch, v.strides[axis])
	}
	down, ok := spacing(v, rows)
	across, ok2 := spacing(v, cols)
	if !ok || !ok2 {
		return o, false
	}
	nr, nc := 1, 1
	for _, axis := range rows {
		nr *= v.dims[axis]
	}
	for _, axis := range cols {
		nc *= v.dims[axis]
	}
	if nr == 1 {
		down = 1 // a single row may be read as a column, whose elements may be spread out
		if across == 1 {
			down = nc
		}
	}
	o.rowsUp, o.colsUp = down, across
	switch {
	case across == 1 && down >= max(1, nc), nc == 1 && down >= 1:
		o.trans, o.ld = blas.NoTrans, max(1, down)
	case down == 1 && across >= max(1, nr):
		o.trans, o.ld = blas.Trans, max(1, across)
	default:
		return o, false
	}
	return o, true
}

// spacing returns the common stride of axes that are walked in order.
func spacing(v view, axes []int) (stride int, ok bool) {
	stride = 1
	seen := false
	size := 1
	for i := len(axes) - 1; i >= 0; i-- {
		d, s := v.dims[axes[i]], v.strides[axes[i]]
		if d == 1 {
			continue
		}
		switch {
		case !seen:
			stride, seen = s, true
		case s != stride*size:
			return 0, false
		}
		size *= d
	}
	return stride, true
}

// batches splits the batch axes into an inner run that is evenly spaced on both sides and outer ones.
func (p *dotProduct) batches(dims []int) {
	d, s := collapse(dims, p.a.batch, p.b.batch)
	last := len(d) - 1
	p.batch, p.strideA, p.strideB = d[last], s[0][last], s[1][last]
	p.batchDims, p.batchOuter = d[:last], [2][]int{s[0][:last], s[1][:last]}
	p.outer = product(p.batchDims)
	if p.batch == 1 {
		p.strideA, p.strideB = 0, 0
	}
}

// positions returns the element offsets of the operands of outer batch i.
func (p *dotProduct) positions(i int) (a, b int) {
	return offset(p.batchDims, p.batchOuter[0], i), offset(p.batchDims, p.batchOuter[1], i)
}

// extent returns how many elements a batch of stored matrices spans.
func (o *operand) extent(rows, cols, batch, stride int) int {
	if o.trans != blas.NoTrans {
		rows, cols = cols, rows
	}
	if rows == 0 || cols == 0 {
		return 0
	}
	return (batch-1)*stride + (rows-1)*o.ld + cols
}

func (p *dotProduct) run32(f *frame) {
	for i := range p.outer {
		offA, offB := p.positions(i)
		a := at[float32](unsafe.Add(f.ptr(&p.a.view), offA*4), p.a.extent(p.m, p.k, p.batch, p.strideA))
		b := at[float32](unsafe.Add(f.ptr(&p.b.view), offB*4), p.b.extent(p.k, p.n, p.batch, p.strideB))
		c := at[float32](unsafe.Add(f.ptr(&p.out), i*p.batch*p.m*p.n*4), p.batch*p.m*p.n)
		if p.k == 0 {
			clear(c)
			continue
		}
		if p.batch == 1 {
			simd.Sgemm(p.a.trans, p.b.trans, p.m, p.n, p.k, 1, a, p.a.ld, b, p.b.ld, 0, c, p.n)
			continue
		}
		simd.SgemmBatch(p.a.trans, p.b.trans, p.batch, p.m, p.n, p.k, 1, a, p.a.ld, p.strideA, b, p.b.ld, p.strideB, 0, c, p.n, p.m*p.n)
	}
}

func (p *dotProduct) run64(f *frame) {
	for i := range p.outer {
		offA, offB := p.positions(i)
		a := at[float64](unsafe.Add(f.ptr(&p.a.view), offA*8), p.a.extent(p.m, p.k, p.batch, p.strideA))
		b := at[float64](unsafe.Add(f.ptr(&p.b.view), offB*8), p.b.extent(p.k, p.n, p.batch, p.strideB))
		c := at[float64](unsafe.Add(f.ptr(&p.out), i*p.batch*p.m*p.n*8), p.batch*p.m*p.n)
		if p.k == 0 {
			clear(c)
			continue
		}
		simd.DgemmBatch(p.a.trans, p.b.trans, p.batch, p.m, p.n, p.k, 1, a, p.a.ld, p.strideA, b, p.b.ld, p.strideB, 0, c, p.n, p.m*p.n)
	}
}

// integerDots are the products of integer types, which wrap around; they are rare and small.
var integerDots = map[dtypes.DType]func(p *dotProduct) func(f *frame, i int){
	dtypes.Int8: integerDot[int8], dtypes.Int16: integerDot[int16], dtypes.Int32: integerDot[int32], dtypes.Int64: integerDot[int64],
	dtypes.Uint8: integerDot[uint8], dtypes.Uint16: integerDot[uint16], dtypes.Uint32: integerDot[uint32], dtypes.Uint64: integerDot[uint64],
}

func integerDot[T integer](p *dotProduct) func(f *frame, i int) {
	var v T
	size := int(unsafe.Sizeof(v))
	return func(f *frame, i int) {
		offA, offB := p.positions(i / p.batch)
		offA += i % p.batch * p.strideA
		offB += i % p.batch * p.strideB
		a, b := unsafe.Add(f.ptr(&p.a.view), offA*size), unsafe.Add(f.ptr(&p.b.view), offB*size)
		c := at[T](unsafe.Add(f.ptr(&p.out), i*p.m*p.n*size), p.m*p.n)
		clear(c)
		for row := range p.m {
			for k := range p.k {
				x := *(*T)(unsafe.Add(a, (row*p.a.rowsUp+k*p.a.colsUp)*size))
				y := unsafe.Add(b, k*p.b.rowsUp*size)
				for col := range p.n {
					c[row*p.n+col] += x * *(*T)(unsafe.Add(y, col*p.b.colsUp*size))
				}
			}
		}
	}
}
