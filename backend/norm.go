package backend

import (
	"math"
	"slices"
	"unsafe"

	"github.com/gomlx/compute/dtypes"

	"github.com/eckart-go/eckart/internal/simd"
)

// rowGrain is the number of elements in a piece of row-wise work.
const rowGrain = 1 << 14

// rows is a view whose rows of width elements are contiguous; the rows themselves may lie anywhere.
type rows struct {
	view
	width        int
	dims, spread []int // of the rows
}

// asRows splits the trailing axes, width elements in all, off a view; false when they are not contiguous.
func asRows(v view, width int) (rows, bool) {
	axis, size := len(v.dims), 1
	for axis > 0 && size < width {
		axis--
		if v.dims[axis] != 1 && v.strides[axis] != size {
			return rows{}, false
		}
		size *= v.dims[axis]
	}
	if size != width {
		return rows{}, false
	}
	dims, spread := collapse(v.dims[:axis], v.strides[:axis])
	return rows{view: v, width: width, dims: dims, spread: spread[0]}, true
}

// rowsOf returns n's value as rows, through a copy if they are not contiguous.
func (l *lowering) rowsOf(n *node, width int) rows {
	r, ok := asRows(l.view(n), width)
	if !ok {
		r, _ = asRows(l.contiguous(n), width)
	}
	return r
}

// inplace lists the rows' storage if the result may take it over: all of it is read in order, and not through other operands.
func (r *rows) inplace(others ...*storage) []*storage {
	if !r.whole() || slices.Contains(others, r.mem) {
		return nil
	}
	return []*storage{r.mem}
}

func (r *rows) row(f *frame, i int) unsafe.Pointer {
	return unsafe.Add(f.ptr(&r.view), offset(r.dims, r.spread, i)*r.esize)
}

// byRow emits a step that calls do for each row of the source and result.
func (l *lowering) byRow(name string, src rows, out view, reads []*storage, do func(f *frame, dst, x unsafe.Pointer)) {
	count := out.count() / src.width
	per := max(1, rowGrain/src.width)
	st := &step{name: name, reads: append([]*storage{src.mem}, reads...), writes: []*storage{out.mem}, pieces: (count + per - 1) / per}
	st.inplace = src.inplace(reads...)
	st.piece = func(f *frame, i int) {
		dst := f.ptr(&out)
		for j := i * per; j < min(count, (i+1)*per); j++ {
			do(f, unsafe.Add(dst, j*src.width*out.esize), src.row(f, j))
		}
	}
	l.emit(st)
}

// softmax works along the last axis.
func (l *lowering) softmax(n *node) {
	width := n.shape.Dimensions[n.shape.Rank()-1]
	src := l.rowsOf(n.in[0], width)
	out := l.alloc(n)
	if n.shape.DType == dtypes.Float32 {
		l.byRow("FusedSoftmax", src, out, nil, func(_ *frame, dst, x unsafe.Pointer) {
			simd.Softmax(at[float32](dst, width), at[float32](x, width))
		})
		return
	}
	l.byRow("FusedSoftmax", src, out, nil, func(_ *frame, dst, x unsafe.Pointer) {
		softmax64(at[float64](dst, width), at[float64](x, width))
	})
}

func softmax64(dst, x []float64) {
	top, sum := slices.Max(x), 0.0
	for i, v := range x {
		dst[i] = math.Exp(v - top)
		sum += dst[i]
	}
	for i := range dst {
		dst[i] /= sum
	}
}

// vector returns an operand of a norm as n contiguous float32.
func (l *lowering) vector(n *node) view { return l.contiguous(n) }

func (l *lowering) layerNorm(n *node) {
	a := n.attr.(normAttr)
	src, gamma, beta := l.rowsOf(n.in[0], a.width), l.vector(n.in[1]), l.vector(n.in[2])
	out := l.alloc(n)
	l.byRow("FusedLayerNorm", src, out, []*storage{gamma.mem, beta.mem}, func(f *frame, dst, x unsafe.Pointer) {
		simd.LayerNorm(at[float32](dst, a.width), at[float32](x, a.width), at[float32](f.ptr(&gamma), a.width),
			at[float32](f.ptr(&beta), a.width), float32(a.epsilon))
	})
}

func (l *lowering) rmsNorm(n *node) {
	a := n.attr.(normAttr)
	src, weight := l.rowsOf(n.in[0], a.width), l.vector(n.in[1])
	out := l.alloc(n)
	l.byRow("RMSNorm", src, out, []*storage{weight.mem}, func(f *frame, dst, x unsafe.Pointer) {
		simd.RMSNorm(at[float32](dst, a.width), at[float32](x, a.width), at[float32](f.ptr(&weight), a.width), float32(a.epsilon))
	})
}
