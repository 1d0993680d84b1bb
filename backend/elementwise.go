package backend

import (
	"sync"
	"unsafe"

	"github.com/gomlx/compute"
)

// An element-wise program computes a tree of element-wise operations in one pass over memory: a tile of about a thousand
// elements at a time goes through all instructions while it sits in the first-level cache. Operands are loaded through
// views, so broadcasts, slices and transpositions cost no memory of their own.

const (
	tileElements = 1024 // target tile length
	maxPeriod    = 2048 // longest repeating operand that decides the tile length
	maxOperands  = 24   // loads of a program
	maxHeld      = 8    // intermediate results alive at once
	maxInsts     = 20
	maxRegisters = maxOperands + 4*maxHeld // tiles of scratch memory; results of 1, 2, 4 and 8 bytes do not share
	maxTileBytes = maxPeriod * 8
)

// tiles is the scratch memory of a running piece.
type tiles [maxRegisters * maxTileBytes]byte

var tilePool = sync.Pool{New: func() any { return new(tiles) }}

// loadMode is how an operand's tile comes about.
type loadMode uint8

const (
	loadDirect  loadMode = iota // elements lie in order: a pointer into memory
	loadOnce                    // the same tile every time: a scalar, or a row that repeats with a period dividing the tile
	loadStrided                 // gathered for every tile
)

type load struct {
	view    view
	mode    loadMode
	strides []int // over the program's collapsed dims
	reg     int   // scratch register unless direct
}

// inst is kernel(dst, a, b, c). Operands: i >= 0 is load i, ^r is scratch register r; the last instruction's dst is the output.
type inst struct {
	f       kernel
	dst     int
	a, b, c int
}

const noOperand = 1 << 30

// elementwiseProgram is the compiled tree.
type elementwiseProgram struct {
	loads  []load
	insts  []inst
	dims   []int // collapsed index space of the strided loads
	out    view
	count  int // elements
	tile   int
	grain  int // elements of a piece of parallel work, a multiple of tile
	cost   int
	stride int // bytes between scratch registers; 0 when none are needed
}

// builder state while a tree is turned into instructions.
type treeBuilder struct {
	low  *lowering
	prog *elementwiseProgram
	dims []int
	free []int // scratch registers
	size []int // element size of each scratch register in use
	held int
}

// isElementwise reports whether the operation is in the kernel table.
func isElementwise(n *node) bool { return elementwiseKernel(n) != nil }

func elementwiseKernel(n *node) kernel {
	if len(n.in) == 0 {
		return nil
	}
	key := kernelKey{op: n.op, from: n.in[len(n.in)-1].shape.DType}
	if n.op == compute.OpTypeConvertDType {
		key.to = n.shape.DType
	}
	return kernels[key]
}

// elementwise emits the program of n and of the deferred nodes below it.
func (l *lowering) elementwise(n *node) {
	dims := n.shape.Dimensions
	out := l.alloc(n)
	if out.count() == 0 {
		return
	}
	b := &treeBuilder{low: l, prog: &elementwiseProgram{out: out, count: out.count()}, dims: dims}
	b.emit(n, 0)
	p := b.prog
	p.plan(dims, len(b.size))
	st := &step{name: nameOf(n.op), writes: []*storage{out.mem}}
	for i := range p.loads {
		st.reads = append(st.reads, p.loads[i].view.mem)
	}
	st.inplace = p.inplace()
	st.pieces = (p.count + p.grain - 1) / p.grain
	st.piece = p.piece
	l.emit(st)
}

// emit appends the instructions of n and returns its result's operand number. depth counts enclosing instructions.
func (b *treeBuilder) emit(n *node, depth int) int {
	args := [3]int{noOperand, noOperand, noOperand}
	for i, x := range n.in {
		if b.low.deferred[x.id] && b.fits(depth) {
			args[i] = b.emit(x, depth+1)
		} else {
			args[i] = b.load(b.low.view(x).stretch(b.dims))
		}
	}
	for _, a := range args {
		if a < 0 { // its only use
			b.free = append(b.free, ^a)
			b.held--
		}
	}
	dst := noOperand // the output
	if depth > 0 {
		dst = ^b.register(n.shape.DType.Size())
	}
	b.prog.insts = append(b.prog.insts, inst{elementwiseKernel(n), dst, args[0], args[1], args[2]})
	b.prog.cost += max(1, costs[n.op])
	return dst
}

// fits reports whether an operand may be computed inside the program: each enclosing instruction still adds up to two loads.
func (b *treeBuilder) fits(depth int) bool {
	return len(b.prog.insts)+depth < maxInsts && b.held < maxHeld-1 && len(b.prog.loads)+2*depth+5 <= maxOperands
}

// register takes a scratch register for elements of the given size: a kernel may only overwrite an operand of its own size.
func (b *treeBuilder) register(size int) int {
	b.held++
	for i, r := range b.free {
		if b.size[r] == size {
			b.free = append(b.free[:i], b.free[i+1:]...)
			return r
		}
	}
	b.size = append(b.size, size)
	return len(b.size) - 1
}

// load returns the operand number of a view, reusing an equal one.
func (b *treeBuilder) load(v view) int {
	for i := range b.prog.loads {
		if sameView(b.prog.loads[i].view, v) {
			return i
		}
	}
	b.prog.loads = append(b.prog.loads, load{view: v})
	return len(b.prog.loads) - 1
}

func sameView(a, b view) bool {
	if a.mem != b.mem || a.off != b.off || a.esize != b.esize || len(a.strides) != len(b.strides) {
		return false
	}
	for i := range a.strides {
		if a.strides[i] != b.strides[i] {
			return false
		}
	}
	return true
}

// plan decides how operands are loaded and the tile's length.
func (p *elementwiseProgram) plan(dims []int, registers int) {
	all := make([][]int, len(p.loads))
	for i := range p.loads {
		all[i] = p.loads[i].view.strides
	}
	var strides [][]int
	p.dims, strides = collapse(dims, all...)
	p.tile = tileElements
	last := len(p.dims) - 1
	period := p.dims[last]
	for i := range p.loads {
		ld := &p.loads[i]
		ld.strides = strides[i]
		if ld.view.contiguous() {
			continue // direct
		}
		ld.mode = loadStrided
		repeats := true
		for _, s := range ld.strides[:last] {
			repeats = repeats && s == 0
		}
		switch {
		case repeats && ld.strides[last] == 0:
			ld.mode = loadOnce
		case repeats && period <= maxPeriod:
			ld.mode = loadOnce
			p.tile = period * max(1, tileElements/period)
		}
	}
	size := p.out.esize
	for i := range p.loads {
		size = max(size, p.loads[i].view.esize)
		if p.loads[i].mode != loadDirect {
			p.loads[i].reg = registers
			registers++
		}
	}
	if registers > 0 {
		p.stride = (p.tile*size + alignment - 1) &^ (alignment - 1)
	}
	p.cost += len(p.loads)
	p.grain = max(p.tile, 1<<16/p.cost/p.tile*p.tile)
}

// inplace lists the storages that the output may take over: those read only in order, element for element.
func (p *elementwiseProgram) inplace() []*storage {
	var out []*storage
	for i := range p.loads {
		v := &p.loads[i].view
		ok := v.esize == p.out.esize && v.mem.size == p.out.mem.size && v.whole()
		for j := range p.loads {
			ok = ok && (p.loads[j].view.mem != v.mem || p.loads[j].view.whole() && p.loads[j].view.esize == v.esize)
		}
		if ok {
			out = append(out, v.mem)
		}
	}
	return out
}

// piece computes the i-th range of grain elements.
func (p *elementwiseProgram) piece(f *frame, i int) {
	var operand [maxOperands]unsafe.Pointer
	var scratch unsafe.Pointer
	lo, hi := i*p.grain, min((i+1)*p.grain, p.count)
	if p.stride > 0 {
		t := tilePool.Get().(*tiles)
		defer tilePool.Put(t)
		scratch = unsafe.Pointer(t)
		for j := range p.loads {
			if ld := &p.loads[j]; ld.mode == loadOnce {
				operand[j] = unsafe.Add(scratch, ld.reg*p.stride)
				ld.fill(operand[j], f.ptr(&ld.view), p.dims, lo, min(p.tile, hi-lo))
			}
		}
	}
	out := f.ptr(&p.out)
	for ; lo < hi; lo += p.tile {
		n := min(p.tile, hi-lo)
		for j := range p.loads {
			ld := &p.loads[j]
			switch ld.mode {
			case loadDirect:
				operand[j] = unsafe.Add(f.ptr(&ld.view), lo*ld.view.esize)
			case loadStrided:
				operand[j] = unsafe.Add(scratch, ld.reg*p.stride)
				ld.fill(operand[j], f.ptr(&ld.view), p.dims, lo, n)
			}
		}
		dst := unsafe.Add(out, lo*p.out.esize)
		for j := range p.insts {
			in := &p.insts[j]
			in.f(p.resolve(&operand, scratch, dst, in.dst), p.resolve(&operand, scratch, dst, in.a),
				p.resolve(&operand, scratch, dst, in.b), p.resolve(&operand, scratch, dst, in.c), n)
		}
	}
}

func (p *elementwiseProgram) resolve(operand *[maxOperands]unsafe.Pointer, scratch, out unsafe.Pointer, o int) unsafe.Pointer {
	switch {
	case o < 0:
		return unsafe.Add(scratch, ^o*p.stride)
	case o < maxOperands:
		return operand[o]
	default:
		return out // the output, or an operand that the kernel ignores
	}
}

// fill gathers n elements from position start of the index space dims.
func (l *load) fill(dst, src unsafe.Pointer, dims []int, start, n int) {
	last := len(dims) - 1
	var index [16]int
	offset := 0
	for axis, rest := last, start; axis >= 0; axis-- {
		index[axis] = rest % dims[axis]
		rest /= dims[axis]
		offset += index[axis] * l.strides[axis]
	}
	esize := l.view.esize
	for n > 0 {
		run := min(n, dims[last]-index[last])
		copyRun(dst, unsafe.Add(src, offset*esize), run, l.strides[last], esize)
		dst = unsafe.Add(dst, run*esize)
		n -= run
		if n == 0 {
			return
		}
		offset -= index[last] * l.strides[last]
		index[last] = 0
		for axis := last - 1; axis >= 0; axis-- {
			index[axis]++
			offset += l.strides[axis]
			if index[axis] < dims[axis] {
				break
			}
			offset -= dims[axis] * l.strides[axis]
			index[axis] = 0
		}
	}
}

// copyRun copies n elements from src, stride elements apart, to consecutive ones at dst.
func copyRun(dst, src unsafe.Pointer, n, stride, esize int) {
	if stride == 1 {
		copy(byteSlice(dst, n*esize), byteSlice(src, n*esize))
		return
	}
	switch esize {
	case 1:
		spread[uint8](dst, src, n, stride)
	case 2:
		spread[uint16](dst, src, n, stride)
	case 4:
		spread[uint32](dst, src, n, stride)
	default:
		spread[uint64](dst, src, n, stride)
	}
}

func spread[T any](dst, src unsafe.Pointer, n, stride int) {
	d := at[T](dst, n)
	if stride == 0 {
		v := *(*T)(src)
		for i := range d {
			d[i] = v
		}
		return
	}
	var v T
	step := stride * int(unsafe.Sizeof(v))
	for i := range d {
		d[i] = *(*T)(unsafe.Add(src, i*step))
	}
}
