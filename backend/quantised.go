package backend

import (
	"slices"
	"unsafe"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/pkg/errors"

	"github.com/eckart-go/eckart/quant"
)

// ggmlOffset separates our own values of compute.GGMLQuantType from compute's.
const ggmlOffset = 1 << 16

var ggmlTypes = map[quant.Type]compute.GGMLQuantType{
	quant.Q4_0: compute.GGMLQ4_0, quant.Q8_0: compute.GGMLQ8_0, quant.Q2_K: compute.GGMLQ2_K, quant.Q3_K: compute.GGMLQ3_K,
	quant.Q4_K: compute.GGMLQ4_K, quant.Q5_K: compute.GGMLQ5_K, quant.Q6_K: compute.GGMLQ6_K,
}

// GGML returns the value that names a block format in compute.Quantization. Formats that compute does not list (Q4_1, Q5_0,
// Q5_1, F16, ...) get values of our own, which only this backend understands; the graph layer passes them through.
func GGML(t quant.Type) compute.GGMLQuantType {
	if g, ok := ggmlTypes[t]; ok {
		return g
	}
	return ggmlOffset + compute.GGMLQuantType(t)
}

// blockType is the inverse of GGML.
func blockType(g compute.GGMLQuantType) (quant.Type, error) {
	for t, v := range ggmlTypes {
		if v == g {
			return t, nil
		}
	}
	if t := quant.Type(g - ggmlOffset); g >= ggmlOffset && t.Known() {
		return t, nil
	}
	return 0, errors.Wrapf(compute.ErrNotImplemented, "backend: GGML block type %d (%s)", g, g)
}

// blocksOf checks a matrix of GGML blocks and returns its type and the number of values in a row.
func blocksOf(op string, w shapes.Shape, q *compute.Quantization) (t quant.Type, cols int, err error) {
	if q == nil || q.Scheme != compute.QuantGGML {
		return 0, 0, errors.Wrapf(compute.ErrNotImplemented, "backend: %s with a scheme other than GGML", op)
	}
	if t, err = blockType(q.GGMLType); err != nil {
		return 0, 0, err
	}
	if w.DType != dtypes.Uint8 || w.Rank() != 2 || w.Dimensions[1]%t.BlockBytes() != 0 {
		return 0, 0, errors.Errorf("backend: %s: %s is not a matrix of %s blocks: want Uint8 rows of a multiple of %d bytes", op, w, t, t.BlockBytes())
	}
	return t, w.Dimensions[1] / t.BlockBytes() * t.BlockSize(), nil
}

// FusedQuantizedDense computes activation(x Wᵀ + bias) with W, of shape [outputs, bytes of a row], in GGML blocks of any type
// that package quant knows (see GGML). Other schemes are not implemented.
func (f *Function) FusedQuantizedDense(x, weights, bias compute.Value, q *compute.Quantization, activation compute.ActivationType) (compute.Value, error) {
	const op = "FusedQuantizedDense"
	in, err := f.check(op, x, weights)
	if err != nil {
		return nil, err
	}
	t, cols, err := blocksOf(op, in[1].shape, q)
	if err != nil {
		return nil, err
	}
	rank := in[0].shape.Rank()
	if in[0].shape.DType != dtypes.Float32 || rank < 1 || in[0].shape.Dimensions[rank-1] != cols {
		return nil, errors.Errorf("backend: %s: x %s does not fit weights of %d columns: want Float32 [..., %d]", op, in[0].shape, cols, cols)
	}
	outputs := in[1].shape.Dimensions[0]
	dims := append(slices.Clone(in[0].shape.Dimensions[:rank-1]), outputs)
	y := f.add(opQuantizedMatMul, shapes.Make(dtypes.Float32, dims...), t, in...)
	return f.finish(op, y, []int{outputs}, bias, activation)
}

// QuantizedEmbeddingLookup expands the rows of a matrix of GGML blocks that indices, of shape [..., 1], name; indices are
// clamped to the matrix as Gather's are.
func (f *Function) QuantizedEmbeddingLookup(data, indices compute.Value, q *compute.Quantization) (compute.Value, error) {
	const op = "QuantizedEmbeddingLookup"
	in, err := f.check(op, data, indices)
	if err != nil {
		return nil, err
	}
	t, cols, err := blocksOf(op, in[0].shape, q)
	if err != nil {
		return nil, err
	}
	rank := in[1].shape.Rank()
	if !in[1].shape.DType.IsInt() || rank < 1 || in[1].shape.Dimensions[rank-1] != 1 {
		return nil, errors.Errorf("backend: %s: indices %s are not integers of shape [..., 1]", op, in[1].shape)
	}
	dims := append(slices.Clone(in[1].shape.Dimensions[:rank-1]), cols)
	if product(dims) > 0 && in[0].shape.Dimensions[0] == 0 {
		return nil, errors.Errorf("backend: %s: the matrix %s has no rows", op, in[0].shape)
	}
	return f.add(compute.OpTypeQuantizedEmbeddingLookup, shapes.Make(dtypes.Float32, dims...), t, in...), nil
}

func (l *lowering) quantizedMatMul(n *node) {
	t := n.attr.(quant.Type)
	x, w := l.contiguous(n.in[0]), l.contiguous(n.in[1])
	out := l.alloc(n)
	rows := w.dims[0]
	tokens := out.count() / rows
	cols := x.count() / max(1, tokens)
	l.emit(&step{name: "QuantizedMatMul " + t.String(), reads: []*storage{x.mem, w.mem}, writes: []*storage{out.mem},
		run: func(f *frame) {
			f.err = quant.MulTo(t, at[float32](f.ptr(&out), out.count()), rows, at[byte](f.ptr(&w), w.count()), rows, cols,
				at[float32](f.ptr(&x), x.count()), cols, tokens, &f.blocks)
		}})
}

func (l *lowering) quantizedLookup(n *node) {
	t := n.attr.(quant.Type)
	w, indices := l.contiguous(n.in[0]), l.contiguous(n.in[1])
	out := l.alloc(n)
	cols := out.dims[len(out.dims)-1]
	rowBytes := w.dims[1]
	read := indexReader(n.in[1].shape.DType)
	l.emit(&step{name: "QuantizedEmbeddingLookup " + t.String(), reads: []*storage{w.mem, indices.mem}, writes: []*storage{out.mem},
		run: func(f *frame) {
			table, index := f.ptr(&w), f.ptr(&indices)
			dst := at[float32](f.ptr(&out), out.count())
			for i := 0; i < len(dst); i += cols {
				row := min(max(read(unsafe.Add(index, i/cols*indices.esize)), 0), w.dims[0]-1)
				src := at[byte](unsafe.Add(table, row*rowBytes), rowBytes)
				if f.err = quant.Dequantise(t, dst[i:i+cols], src); f.err != nil {
					return
				}
			}
		}})
}
