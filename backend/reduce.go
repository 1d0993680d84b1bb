package backend

import (
	"math"
	"slices"
	"unsafe"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"

	"github.com/eckart-go/eckart/internal/simd"
)

// reducer is a reduction's arithmetic on one element type.
type reducer struct {
	init func(dst unsafe.Pointer, n int)    // the neutral element
	row  func(acc, x unsafe.Pointer, n int) // *acc = *acc op x[0] op ... op x[n-1]
	fold func(dst, x unsafe.Pointer, n int) // dst[i] = dst[i] op x[i]
	size int
}

type reducerKey struct {
	op compute.OpType
	t  dtypes.DType
}

var negInf32 = float32(math.Inf(-1))

var reducers = makeReducers()

func makeReducers() map[reducerKey]*reducer {
	r := map[reducerKey]*reducer{}
	reduceInteger(r, dtypes.Int8, int8(-1<<7), 1<<7-1)
	reduceInteger(r, dtypes.Int16, int16(-1<<15), 1<<15-1)
	reduceInteger(r, dtypes.Int32, int32(-1<<31), 1<<31-1)
	reduceInteger(r, dtypes.Int64, int64(-1<<63), 1<<63-1)
	reduceInteger(r, dtypes.Uint8, uint8(0), 1<<8-1)
	reduceInteger(r, dtypes.Uint16, uint16(0), 1<<16-1)
	reduceInteger(r, dtypes.Uint32, uint32(0), 1<<32-1)
	reduceInteger(r, dtypes.Uint64, uint64(0), 1<<64-1)
	reduceNumber(r, dtypes.Float32, negInf32, -negInf32)
	reduceNumber(r, dtypes.Float64, float64(negInf32), float64(-negInf32))
	// Sums of float32 are accumulated in float64 within a row and by the vector kernels.
	sum := *r[reducerKey{compute.OpTypeReduceSum, dtypes.Float32}]
	sum.row = func(acc, x unsafe.Pointer, n int) {
		p := (*float32)(acc)
		*p = float32(float64(*p) + simd.Sum(at[float32](x, n)))
	}
	sum.fold = func(dst, x unsafe.Pointer, n int) { d := at[float32](dst, n); simd.Add(d, d, at[float32](x, n)) }
	r[reducerKey{compute.OpTypeReduceSum, dtypes.Float32}] = &sum
	top := *r[reducerKey{compute.OpTypeReduceMax, dtypes.Float32}]
	top.row = func(acc, x unsafe.Pointer, n int) {
		p := (*float32)(acc)
		*p = max(*p, simd.MaxOf(at[float32](x, n)))
	}
	top.fold = func(dst, x unsafe.Pointer, n int) { d := at[float32](dst, n); simd.Max(d, d, at[float32](x, n)) }
	r[reducerKey{compute.OpTypeReduceMax, dtypes.Float32}] = &top
	// Booleans are the bytes 0 and 1.
	r[reducerKey{compute.OpTypeReduceLogicalAnd, dtypes.Bool}] = newReducer(uint8(1), func(x, y uint8) uint8 { return x & y })
	r[reducerKey{compute.OpTypeReduceLogicalOr, dtypes.Bool}] = newReducer(uint8(0), func(x, y uint8) uint8 { return x | y })
	r[reducerKey{compute.OpTypeReduceLogicalXor, dtypes.Bool}] = newReducer(uint8(0), func(x, y uint8) uint8 { return x ^ y })
	return r
}

func reduceNumber[T number](r map[reducerKey]*reducer, t dtypes.DType, lowest, highest T) {
	r[reducerKey{compute.OpTypeReduceSum, t}] = newReducer(0, func(x, y T) T { return x + y })
	r[reducerKey{compute.OpTypeReduceProduct, t}] = newReducer(1, func(x, y T) T { return x * y })
	r[reducerKey{compute.OpTypeReduceMax, t}] = newReducer(lowest, func(x, y T) T { return max(x, y) })
	r[reducerKey{compute.OpTypeReduceMin, t}] = newReducer(highest, func(x, y T) T { return min(x, y) })
}

func reduceInteger[T integer](r map[reducerKey]*reducer, t dtypes.DType, lowest, highest T) {
	reduceNumber(r, t, lowest, highest)
	r[reducerKey{compute.OpTypeReduceBitwiseAnd, t}] = newReducer(^T(0), func(x, y T) T { return x & y })
	r[reducerKey{compute.OpTypeReduceBitwiseOr, t}] = newReducer(0, func(x, y T) T { return x | y })
	r[reducerKey{compute.OpTypeReduceBitwiseXor, t}] = newReducer(0, func(x, y T) T { return x ^ y })
}

func newReducer[T any](neutral T, op func(x, y T) T) *reducer {
	return &reducer{
		size: int(unsafe.Sizeof(neutral)),
		init: func(dst unsafe.Pointer, n int) {
			d := at[T](dst, n)
			for i := range d {
				d[i] = neutral
			}
		},
		row: func(acc, x unsafe.Pointer, n int) {
			s := *(*T)(acc)
			for _, v := range at[T](x, n) {
				s = op(s, v)
			}
			*(*T)(acc) = s
		},
		fold: func(dst, x unsafe.Pointer, n int) {
			d, v := at[T](dst, n), at[T](x, n)
			for i := range d {
				d[i] = op(d[i], v[i])
			}
		},
	}
}

// reduction is a planned reduction: the kept axes outside, the reduced axes inside.
type reduction struct {
	*reducer
	src, out     view
	kept         []int // collapsed dims and the source's strides
	keptStrides  []int
	over         []int
	overStrides  []int
	outputs, row int  // number of results, elements that each reduces
	vector       bool // the last kept axis is contiguous in memory: fold whole rows of results
	grain        int
}

func (l *lowering) reduce(n *node) {
	src := l.view(n.in[0])
	axes := n.attr.([]int)
	out := l.alloc(n)
	r := &reduction{reducer: reducers[reducerKey{n.op, n.in[0].shape.DType}], src: src, out: out}
	var kept, over view
	for axis, dim := range src.dims {
		part := &kept
		if slices.Contains(axes, axis) {
			part = &over
		}
		part.dims, part.strides = append(part.dims, dim), append(part.strides, src.strides[axis])
	}
	var strides [][]int
	r.kept, strides = collapse(kept.dims, kept.strides)
	r.keptStrides = strides[0]
	r.over, strides = collapse(over.dims, over.strides)
	r.overStrides = strides[0]
	r.outputs, r.row = product(r.kept), product(r.over)
	last, lastOver := len(r.kept)-1, len(r.over)-1
	r.vector = r.keptStrides[last] == 1 && r.kept[last] > 1 && (r.overStrides[lastOver] != 1 || r.row == 1)
	per := max(1, 1<<16/max(1, r.row))
	st := &step{name: n.op.String(), reads: []*storage{src.mem}, writes: []*storage{out.mem}}
	if r.vector {
		width := r.kept[last]
		r.grain = min(width, max(64, per))
		chunks := (width + r.grain - 1) / r.grain
		st.pieces = r.outputs / width * chunks
		st.piece = func(f *frame, i int) {
			lo := i % chunks * r.grain
			r.columns(f, i/chunks, lo, min(width, lo+r.grain))
		}
	} else {
		r.grain = per
		st.pieces = (r.outputs + per - 1) / per
		st.piece = func(f *frame, i int) {
			for o := i * per; o < min(r.outputs, (i+1)*per); o++ {
				r.single(f, o)
			}
		}
	}
	l.emit(st)
}

// offset returns the source offset in elements of index i of the axes dims.
func offset(dims, strides []int, i int) int {
	off := 0
	for axis := len(dims) - 1; axis >= 0; axis-- {
		off += i % dims[axis] * strides[axis]
		i /= dims[axis]
	}
	return off
}

// columns reduces the results lo..hi of the given row of results.
func (r *reduction) columns(f *frame, row, lo, hi int) {
	last := len(r.kept) - 1
	dst := unsafe.Add(f.ptr(&r.out), (row*r.kept[last]+lo)*r.size)
	src := unsafe.Add(f.ptr(&r.src), (offset(r.kept[:last], r.keptStrides[:last], row)+lo)*r.size)
	r.init(dst, hi-lo)
	for i := range r.row {
		r.fold(dst, unsafe.Add(src, offset(r.over, r.overStrides, i)*r.size), hi-lo)
	}
}

// single reduces one result's row.
func (r *reduction) single(f *frame, o int) {
	dst := unsafe.Add(f.ptr(&r.out), o*r.size)
	src := unsafe.Add(f.ptr(&r.src), offset(r.kept, r.keptStrides, o)*r.size)
	r.init(dst, 1)
	last := len(r.over) - 1
	inner := r.over[last]
	if inner == 0 || r.row == 0 {
		return
	}
	var gathered [64]uint64
	for i := range r.row / inner {
		x := unsafe.Add(src, offset(r.over[:last], r.overStrides[:last], i)*r.size)
		if r.overStrides[last] == 1 {
			r.reducer.row(dst, x, inner)
			continue
		}
		per := len(gathered) * 8 / r.size
		for lo := 0; lo < inner; lo += per {
			n := min(per, inner-lo)
			copyRun(unsafe.Pointer(&gathered), unsafe.Add(x, lo*r.overStrides[last]*r.size), n, r.overStrides[last], r.size)
			r.reducer.row(dst, unsafe.Pointer(&gathered), n)
		}
	}
}

func (l *lowering) argMinMax(n *node) {
	a := n.attr.(argMinMaxAttr)
	src := l.view(n.in[0])
	out := l.alloc(n)
	rest := view{}
	for axis, dim := range src.dims {
		if axis != a.axis {
			rest.dims, rest.strides = append(rest.dims, dim), append(rest.strides, src.strides[axis])
		}
	}
	find := finders[n.in[0].shape.DType]
	length, stride := src.dims[a.axis], src.strides[a.axis]
	store := indexWriter(n.shape.DType)
	count := out.count()
	per := max(1, 1<<15/length)
	l.emit(&step{name: "ArgMinMax", reads: []*storage{src.mem}, writes: []*storage{out.mem}, pieces: (count + per - 1) / per,
		piece: func(f *frame, i int) {
			for o := i * per; o < min(count, (i+1)*per); o++ {
				x := unsafe.Add(f.ptr(&src), offset(rest.dims, rest.strides, o)*src.esize)
				store(unsafe.Add(f.ptr(&out), o*out.esize), find(x, length, stride, a.min))
			}
		}})
}

// finders return the position of the extreme element.
var finders = map[dtypes.DType]func(x unsafe.Pointer, n, stride int, smallest bool) int{
	dtypes.Int8: extreme[int8], dtypes.Int16: extreme[int16], dtypes.Int32: extreme[int32], dtypes.Int64: extreme[int64],
	dtypes.Uint8: extreme[uint8], dtypes.Uint16: extreme[uint16], dtypes.Uint32: extreme[uint32], dtypes.Uint64: extreme[uint64],
	dtypes.Float32: extreme[float32], dtypes.Float64: extreme[float64],
}

func extreme[T number](x unsafe.Pointer, n, stride int, smallest bool) int {
	best, at := *(*T)(x), 0
	step := stride * int(unsafe.Sizeof(best))
	for i := range n {
		v := *(*T)(unsafe.Add(x, i*step))
		if v != v { // NaN
			return i
		}
		if smallest && v < best || !smallest && v > best {
			best, at = v, i
		}
	}
	return at
}

func indexWriter(t dtypes.DType) func(p unsafe.Pointer, i int) {
	switch t {
	case dtypes.Int8, dtypes.Uint8:
		return func(p unsafe.Pointer, i int) { *(*uint8)(p) = uint8(i) }
	case dtypes.Int16, dtypes.Uint16:
		return func(p unsafe.Pointer, i int) { *(*uint16)(p) = uint16(i) }
	case dtypes.Int32, dtypes.Uint32:
		return func(p unsafe.Pointer, i int) { *(*uint32)(p) = uint32(i) }
	default:
		return func(p unsafe.Pointer, i int) { *(*uint64)(p) = uint64(i) }
	}
}
