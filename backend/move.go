package backend

import (
	"slices"
	"unsafe"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
)

// moveGrain is the number of bytes that a piece of a parallel copy moves.
const moveGrain = 256 << 10

// mover copies a strided box to a strided box.
type mover struct {
	dst, src   view // their dims are equal
	dims       []int
	to, from   []int // strides over dims
	rows       int   // product of dims but the last
	rowsPiece  int
	rowElement int
	transposed bool // both ends are spread out along different axes: work in square blocks
}

// newMover plans a copy; dst and src have equal dims.
func newMover(dst, src view) *mover {
	m := &mover{dst: dst, src: src}
	dims, strides := collapse(dst.dims, dst.strides, src.strides)
	m.dims, m.to, m.from = dims, strides[0], strides[1]
	m.rowElement = dims[len(dims)-1]
	m.rows = product(dims) / max(1, m.rowElement)
	if m.rows == 1 && m.to[0] == 1 && m.from[0] == 1 && m.rowElement*dst.esize > moveGrain {
		n := m.rowElement // one long run: cut it into equal rows
		for rows := n * dst.esize / moveGrain; rows > 1; rows-- {
			if n%rows == 0 {
				m.rows, m.rowElement = rows, n/rows
				m.dims, m.to, m.from = []int{rows, n / rows}, []int{n / rows, 1}, []int{n / rows, 1}
				break
			}
		}
	}
	last := len(m.dims) - 1
	m.transposed = last > 0 && m.from[last] != 1 && m.from[last] != 0 && slices.Contains(m.from[:last], 1) && m.to[last] == 1
	if m.transposed { // bring the source's fastest axis next to the last
		axis := slices.Index(m.from[:last], 1)
		for _, s := range [][]int{m.dims, m.to, m.from} {
			v := s[axis]
			copy(s[axis:last-1], s[axis+1:last])
			s[last-1] = v
		}
		m.rows /= m.dims[last-1]
		m.rowElement *= m.dims[last-1]
	}
	m.rowsPiece = max(1, moveGrain/max(1, m.rowElement*dst.esize))
	return m
}

func (m *mover) pieces() int { return (m.rows + m.rowsPiece - 1) / m.rowsPiece }

// move emits a copy of src to dst, which have equal dims, and returns its step, nil if there is nothing to copy.
func (l *lowering) move(name string, dst, src view) *step {
	if dst.count() == 0 {
		return nil
	}
	m := newMover(dst, src)
	st := &step{name: name, reads: []*storage{src.mem}, writes: []*storage{dst.mem}, pieces: m.pieces()}
	st.piece = func(f *frame, i int) { m.do(f.ptr(&m.dst), f.ptr(&m.src), i) }
	l.emit(st)
	return st
}

// do moves the i-th piece between two addresses.
func (m *mover) do(dst, src unsafe.Pointer, piece int) {
	if dst == src && slices.Equal(m.to, m.from) {
		return // in place
	}
	lo := piece * m.rowsPiece
	hi := min(m.rows, lo+m.rowsPiece)
	outer := len(m.dims) - 2
	if m.transposed {
		outer--
	}
	var index [maxRank]int
	at, from := 0, 0
	for axis, rest := outer, lo; axis >= 0; axis-- {
		index[axis] = rest % m.dims[axis]
		rest /= m.dims[axis]
		at += index[axis] * m.to[axis]
		from += index[axis] * m.from[axis]
	}
	esize := m.dst.esize
	for row := lo; row < hi; row++ {
		m.row(unsafe.Add(dst, at*esize), unsafe.Add(src, from*esize))
		for axis := outer; axis >= 0; axis-- {
			index[axis]++
			at += m.to[axis]
			from += m.from[axis]
			if index[axis] < m.dims[axis] {
				break
			}
			at -= m.dims[axis] * m.to[axis]
			from -= m.dims[axis] * m.from[axis]
			index[axis] = 0
		}
	}
}

func (m *mover) row(dst, src unsafe.Pointer) {
	last := len(m.dims) - 1
	esize := m.dst.esize
	if m.transposed {
		switch esize {
		case 1:
			transposeBlocks[uint8](dst, src, m.dims[last-1], m.dims[last], m.to[last-1], m.from[last])
		case 2:
			transposeBlocks[uint16](dst, src, m.dims[last-1], m.dims[last], m.to[last-1], m.from[last])
		case 4:
			transposeBlocks[uint32](dst, src, m.dims[last-1], m.dims[last], m.to[last-1], m.from[last])
		default:
			transposeBlocks[uint64](dst, src, m.dims[last-1], m.dims[last], m.to[last-1], m.from[last])
		}
		return
	}
	if m.to[last] == 1 || m.dims[last] == 1 {
		copyRun(dst, src, m.dims[last], m.from[last], esize)
		return
	}
	for i := range m.dims[last] {
		copyRun(unsafe.Add(dst, i*m.to[last]*esize), unsafe.Add(src, i*m.from[last]*esize), 1, 1, esize)
	}
}

// transposeBlocks sets dst[i*ldd+j] = src[j*lds+i] for an m x n result, in blocks that fit the cache.
func transposeBlocks[T any](dst, src unsafe.Pointer, m, n, ldd, lds int) {
	const block = 16
	var v T
	size := int(unsafe.Sizeof(v))
	for i0 := 0; i0 < m; i0 += block {
		i1 := min(m, i0+block)
		for j0 := 0; j0 < n; j0 += block {
			j1 := min(n, j0+block)
			for i := i0; i < i1; i++ {
				d := at[T](unsafe.Add(dst, (i*ldd+j0)*size), j1-j0)
				s := unsafe.Add(src, (j0*lds+i)*size)
				for j := range d {
					d[j] = *(*T)(unsafe.Add(s, j*lds*size))
				}
			}
		}
	}
}

func (l *lowering) concatenate(n *node) {
	axis := n.attr.(int)
	sources := make([]view, len(n.in))
	for i, x := range n.in {
		sources[i] = l.view(x)
	}
	out := l.alloc(n)
	starts, ones := make([]int, len(out.dims)), slices.Repeat([]int{1}, len(out.dims))
	for _, src := range sources {
		l.move("Concatenate", out.slice(starts, ones, src.dims), src)
		starts[axis] += src.dims[axis]
	}
}

// pad fills the result and moves what remains of the operand over it.
func (l *lowering) pad(n *node) {
	src, fill := l.view(n.in[0]), l.view(n.in[1])
	out := l.alloc(n)
	axes := n.attr.([]compute.PadAxis)
	if product(out.dims) != product(src.dims) || slices.ContainsFunc(axes, func(a compute.PadAxis) bool { return a != compute.PadAxis{} }) {
		l.move("Pad", out, fill.stretch(out.dims))
	}
	rank := len(out.dims)
	from, to, steps, dims := make([]int, rank), make([]int, rank), make([]int, rank), make([]int, rank)
	for i, a := range axes {
		steps[i] = a.Interior + 1
		if a.Start < 0 {
			from[i] = (-a.Start + steps[i] - 1) / steps[i] // the first element that is kept
		}
		to[i] = a.Start + from[i]*steps[i]
		dims[i] = max(0, min(src.dims[i]-from[i], (out.dims[i]-to[i]+steps[i]-1)/steps[i]))
	}
	if product(dims) == 0 {
		return
	}
	ones := slices.Repeat([]int{1}, rank)
	l.move("Pad", out.slice(to, steps, dims), src.slice(from, ones, dims))
}

// indexReader returns a function that reads the integer at p.
func indexReader(t dtypes.DType) func(p unsafe.Pointer) int {
	switch t {
	case dtypes.Int8:
		return readInt[int8]
	case dtypes.Int16:
		return readInt[int16]
	case dtypes.Int32:
		return readInt[int32]
	case dtypes.Int64:
		return readInt[int64]
	case dtypes.Uint8:
		return readInt[uint8]
	case dtypes.Uint16:
		return readInt[uint16]
	case dtypes.Uint32:
		return readInt[uint32]
	default:
		return func(p unsafe.Pointer) int { return int(min(*(*uint64)(p), 1<<62)) }
	}
}

func readInt[T integer](p unsafe.Pointer) int { return int(*(*T)(p)) }

// starts reads the start indices of a dynamic slice and returns the offset in bytes of the clamped position.
type starts struct {
	at      []view
	read    []func(p unsafe.Pointer) int
	highest []int // of each start
	strides []int // in bytes
}

func (l *lowering) starts(nodes []*node, box, size []int, strides []int, esize int) *starts {
	s := new(starts)
	for i, n := range nodes {
		s.at = append(s.at, l.view(n))
		s.read = append(s.read, indexReader(n.shape.DType))
		s.highest = append(s.highest, box[i]-size[i])
		s.strides = append(s.strides, strides[i]*esize)
	}
	return s
}

func (s *starts) offset(f *frame) int {
	offset := 0
	for i := range s.at {
		start := min(max(s.read[i](f.ptr(&s.at[i])), 0), s.highest[i])
		offset += start * s.strides[i]
	}
	return offset
}

func (s *starts) reads() (mem []*storage) {
	for i := range s.at {
		mem = append(mem, s.at[i].mem)
	}
	return mem
}

func (l *lowering) dynamicSlice(n *node) {
	src := l.view(n.in[0])
	s := l.starts(n.in[1:], src.dims, n.shape.Dimensions, src.strides, src.esize)
	src.dims = n.shape.Dimensions
	out := l.alloc(n)
	m := newMover(out, src)
	l.emit(&step{name: n.op.String(), reads: append(s.reads(), src.mem), writes: []*storage{out.mem}, pieces: m.pieces(),
		piece: func(f *frame, i int) { m.do(f.ptr(&m.dst), unsafe.Add(f.ptr(&m.src), s.offset(f)), i) }})
}

// dynamicUpdateSlice copies the operand, which planning turns into nothing where the result may take over its memory, and
// moves the update over it.
func (l *lowering) dynamicUpdateSlice(n *node) {
	operand, update := l.view(n.in[0]), l.view(n.in[1])
	s := l.starts(n.in[2:], operand.dims, update.dims, rowMajor(operand.dims), operand.esize)
	out := l.alloc(n)
	st := l.move("DynamicUpdateSlice", out, operand)
	if operand.whole() {
		st.inplace = []*storage{operand.mem}
	}
	if update.count() == 0 {
		return
	}
	box := out
	box.dims = update.dims
	m := newMover(box, update)
	l.emit(&step{name: n.op.String(), reads: append(s.reads(), update.mem), writes: []*storage{out.mem}, pieces: m.pieces(),
		piece: func(f *frame, i int) { m.do(unsafe.Add(f.ptr(&m.dst), s.offset(f)), f.ptr(&m.src), i) }})
}

// gather copies one slice for each index vector.
func (l *lowering) gather(n *node) {
	a := n.attr.(gatherAttr)
	src, indices := l.view(n.in[0]), l.view(n.in[1])
	out := l.alloc(n)
	g := &gatherer{src: src, indices: indices, out: out, read: indexReader(n.in[1].shape.DType), vector: len(a.startIndexMap)}
	if a.indexAxis < len(indices.dims) {
		g.vectorStride = indices.strides[a.indexAxis] * indices.esize
	}
	for _, axis := range a.startIndexMap {
		g.highest = append(g.highest, src.dims[axis]-a.sizes[axis])
		g.strides = append(g.strides, src.strides[axis]*src.esize)
	}
	var boxDims, boxTo, boxFrom []int
	for axis, size := range a.sizes {
		if !slices.Contains(a.collapsed, axis) {
			boxDims = append(boxDims, size)
			boxFrom = append(boxFrom, src.strides[axis])
			boxTo = append(boxTo, out.strides[a.offsetAxes[len(boxTo)]])
		}
	}
	for axis, dim := range indices.dims {
		if axis != a.indexAxis {
			g.dims = append(g.dims, dim)
			g.from = append(g.from, indices.strides[axis]*indices.esize)
		}
	}
	for axis := range out.dims {
		if !slices.Contains(a.offsetAxes, axis) {
			g.to = append(g.to, out.strides[axis]*out.esize)
		}
	}
	box := view{mem: out.mem, esize: out.esize, dims: boxDims, strides: boxTo}
	g.move = newMover(box, view{mem: src.mem, off: src.off, esize: src.esize, dims: boxDims, strides: boxFrom})
	g.move.rowsPiece = g.move.rows // a slice is one piece
	count := product(g.dims)
	per := max(1, moveGrain/max(1, product(boxDims)*out.esize))
	l.emit(&step{name: "Gather", reads: []*storage{src.mem, indices.mem}, writes: []*storage{out.mem},
		pieces: (count + per - 1) / per,
		piece: func(f *frame, i int) {
			for j := i * per; j < min(count, (i+1)*per); j++ {
				g.slice(f, j)
			}
		}})
}

type gatherer struct {
	src, indices, out view
	read              func(p unsafe.Pointer) int
	vector            int // length of an index vector
	vectorStride      int // bytes
	highest, strides  []int
	dims, from, to    []int // the index vectors' axes: in the indices and in the result, strides in bytes
	move              *mover
}

// slice copies the i-th slice.
func (g *gatherer) slice(f *frame, i int) {
	index, dst := f.ptr(&g.indices), f.ptr(&g.out)
	for axis := len(g.dims) - 1; axis >= 0; axis-- {
		k := i % g.dims[axis]
		i /= g.dims[axis]
		index = unsafe.Add(index, k*g.from[axis])
		dst = unsafe.Add(dst, k*g.to[axis])
	}
	src := f.ptr(&g.src)
	for k := range g.vector {
		start := min(max(g.read(unsafe.Add(index, k*g.vectorStride)), 0), g.highest[k])
		src = unsafe.Add(src, start*g.strides[k])
	}
	g.move.do(dst, src, 0)
}
