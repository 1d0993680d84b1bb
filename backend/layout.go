package backend

import (
	"slices"
	"unsafe"

	"github.com/eckart-go/eckart/quant"
)

// storage is one piece of memory of a compiled program: a parameter, a constant, a result or a part of the arena. Several
// values may share it as views; planning may place several storages on each other when their lifetimes allow.
type storage struct {
	size  int // bytes
	kind  storageKind
	index int // parameter, constant or output number

	// Filled by planning.
	first, last int      // steps that write and read it first and last; last is len(steps) for results
	host        *storage // the storage whose memory this one takes over in place
	space       int32    // index into frame.base
	offset      int      // bytes from that base
}

type storageKind uint8

const (
	inArena storageKind = iota
	isParameter
	isConstant
	isOutput
)

// root follows host to the storage that owns the memory.
func (s *storage) root() *storage {
	for s.host != nil {
		s = s.host
	}
	return s
}

// view is a tensor in a storage: element (i, j, ...) lies off + (i*strides[0] + j*strides[1] + ...)*esize bytes from its
// start. A stride may be zero (broadcast) or negative (reversed).
type view struct {
	mem     *storage
	off     int // bytes
	esize   int // bytes of an element
	dims    []int
	strides []int // in elements
}

func (v view) count() int { return product(v.dims) }

func product(dims []int) int {
	n := 1
	for _, d := range dims {
		n *= d
	}
	return n
}

// rowMajor returns the strides of a contiguous tensor.
func rowMajor(dims []int) []int {
	strides := make([]int, len(dims))
	s := 1
	for i := len(dims) - 1; i >= 0; i-- {
		strides[i] = s
		s *= dims[i]
	}
	return strides
}

// contiguous reports whether the elements lie in row-major order without gaps.
func (v view) contiguous() bool {
	s := 1
	for i := len(v.dims) - 1; i >= 0; i-- {
		if v.dims[i] == 0 {
			return true
		}
		if v.dims[i] != 1 && v.strides[i] != s {
			return false
		}
		s *= v.dims[i]
	}
	return true
}

// whole reports whether the view is all of its storage, in order.
func (v view) whole() bool { return v.off == 0 && v.contiguous() && v.count()*v.esize == v.mem.size }

func (v view) transpose(permutation []int) view {
	dims, strides := make([]int, len(v.dims)), make([]int, len(v.dims))
	for i, axis := range permutation {
		dims[i], strides[i] = v.dims[axis], v.strides[axis]
	}
	v.dims, v.strides = dims, strides
	return v
}

// broadcast maps axis i to axis axes[i] of dims; all other axes repeat.
func (v view) broadcast(dims, axes []int) view {
	strides := make([]int, len(dims))
	for i, axis := range axes {
		if v.dims[i] != 1 {
			strides[axis] = v.strides[i]
		}
	}
	v.dims, v.strides = dims, strides
	return v
}

// stretch applies the implicit broadcasting of element-wise operations: scalars and axes of size 1.
func (v view) stretch(dims []int) view {
	if len(v.dims) != len(dims) { // a scalar
		return v.broadcast(dims, nil)
	}
	axes := make([]int, len(dims))
	for i := range axes {
		axes[i] = i
	}
	return v.broadcast(dims, axes)
}

func (v view) slice(starts, steps, dims []int) view {
	strides := make([]int, len(dims))
	empty := product(dims) == 0
	for i := range dims {
		if !empty {
			v.off += starts[i] * v.strides[i] * v.esize
		}
		strides[i] = v.strides[i] * steps[i]
	}
	v.dims, v.strides = dims, strides
	return v
}

func (v view) reverse(axes []int) view {
	v.strides = slices.Clone(v.strides)
	if v.count() == 0 {
		return v
	}
	for _, axis := range axes {
		v.off += (v.dims[axis] - 1) * v.strides[axis] * v.esize
		v.strides[axis] = -v.strides[axis]
	}
	return v
}

// reshape returns the same elements under other dimensions, and whether that needs no copy: it works when the axes that are
// merged or split are spaced evenly.
func (v view) reshape(dims []int) (view, bool) {
	if v.contiguous() {
		v.dims, v.strides = dims, rowMajor(dims)
		return v, true
	}
	src, srcStrides := squeeze(v.dims, v.strides)
	strides := make([]int, len(dims))
	i, j := len(src)-1, len(dims)-1
	for j >= 0 {
		if dims[j] == 1 {
			j--
			continue
		}
		if i < 0 {
			return v, false
		}
		// Axes src[i0..i] must hold exactly the axes dims[j0..j].
		have, want := src[i], dims[j]
		i0, j0 := i, j
		for have != want {
			if have < want {
				i0--
				if i0 < 0 || srcStrides[i0] != srcStrides[i0+1]*src[i0+1] {
					return v, false
				}
				have *= src[i0]
			} else {
				j0--
				if j0 < 0 {
					return v, false
				}
				want *= dims[j0]
			}
		}
		s := srcStrides[i]
		for axis := j; axis >= j0; axis-- {
			strides[axis] = s
			s *= dims[axis]
		}
		i, j = i0-1, j0-1
	}
	v.dims, v.strides = dims, strides
	return v, true
}

// squeeze drops axes of size 1.
func squeeze(dims, strides []int) (d, s []int) {
	for i, n := range dims {
		if n != 1 {
			d, s = append(d, n), append(s, strides[i])
		}
	}
	return d, s
}

// collapse merges neighbouring axes of a common index space wherever every operand's strides allow, and drops axes of size 1.
// strides[k] are operand k's; the results always have at least one axis.
func collapse(dims []int, strides ...[]int) ([]int, [][]int) {
	var outDims []int
	out := make([][]int, len(strides))
	for i, n := range dims {
		if n == 1 {
			continue
		}
		last := len(outDims) - 1
		merge := last >= 0
		for k, s := range strides {
			merge = merge && out[k][last] == s[i]*n
		}
		if merge {
			outDims[last] *= n
			for k, s := range strides {
				out[k][last] = s[i]
			}
			continue
		}
		outDims = append(outDims, n)
		for k, s := range strides {
			out[k] = append(out[k], s[i])
		}
	}
	if len(outDims) == 0 {
		outDims = []int{1}
		for k := range out {
			out[k] = []int{1}
		}
	}
	return outDims, out
}

// frame is what one execution of a program needs: where its storages are.
type frame struct {
	base   []unsafe.Pointer // by storage.space: the arena, constants, parameters, results
	pieces []func(i int)    // by step: its parallel body bound to this frame
	arena  *block
	blocks quant.Workspace
	err    error
}

// at returns the address of a storage's byte.
func (f *frame) at(s *storage, off int) unsafe.Pointer {
	return unsafe.Add(f.base[s.space], s.offset+off)
}

func (f *frame) ptr(v *view) unsafe.Pointer { return f.at(v.mem, v.off) }
