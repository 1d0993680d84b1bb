package structure

import (
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/blas/blas32"

	"github.com/eckart-go/eckart/backend"
	"github.com/eckart-go/eckart/quant"
)

// Quantised is a matrix in the blocks of a GGUF file. Products with few vectors may round the inputs to int8, a block at a
// time, as quant.MulTo says.
type Quantised struct {
	rows, cols int
	stored     quant.Type
	blocks     []byte    // rows x RowBytes(cols)
	bias       []float32 // rows, or nil
}

// NewQuantised returns the m x n matrix whose rows are stored one after the other in data as blocks of type t, with bias (m
// values, or nil). The slices are kept, not copied; data may be a read-only memory map. A size that does not fit is an
// error, because such data comes from files.
func NewQuantised(t quant.Type, m, n int, data []byte, bias []float32) (*Quantised, error) {
	if m < 1 || n < 1 {
		return nil, fmt.Errorf("structure: a quantised matrix of %d x %d: expected positive dimensions", m, n)
	}
	row, err := t.RowBytes(n)
	if err != nil {
		return nil, fmt.Errorf("structure: a quantised matrix of %d x %d: %w", m, n, err)
	}
	if len(data)/row != m || len(data)%row != 0 {
		return nil, fmt.Errorf("structure: a matrix of %d x %d as %v: expected %d bytes for each row, found %d in all", m, n, t, row, len(data))
	}
	if bias != nil && len(bias) != m {
		return nil, fmt.Errorf("structure: bias of %d values for %d outputs", len(bias), m)
	}
	return &Quantised{rows: m, cols: n, stored: t, blocks: data, bias: bias}, nil
}

// Dims returns m and n.
func (q *Quantised) Dims() (m, n int) { return q.rows, q.cols }

// Kind returns "quantised".
func (q *Quantised) Kind() string { return "quantised" }

// Type returns the blocks' type.
func (q *Quantised) Type() quant.Type { return q.stored }

// Bias returns the bias, or nil.
func (q *Quantised) Bias() []float32 { return q.bias }

// Cost counts m*n parameters and multiply-adds; the bits are those of the blocks, scales included.
func (q *Quantised) Cost() Cost { return costOf(q.Parts(), int64(q.rows)*int64(q.cols)) }

// Parts returns "weight" (m x n, in blocks) and, if there is one, "bias" (m).
func (q *Quantised) Parts() []Part {
	return biasPart([]Part{{Name: "weight", Type: q.stored, Shape: []int{q.rows, q.cols}, Blocks: q.blocks}}, q.bias)
}

// MulTo computes dst = X Wᵀ + 1 bᵀ from the blocks.
func (q *Quantised) MulTo(dst, x blas32.General) {
	checkProduct(dst, x, q.rows, q.cols)
	err := quant.MulTo(q.stored, dst.Data, dst.Stride, q.blocks, q.rows, q.cols, x.Data, x.Stride, x.Rows, nil)
	if err != nil { // the shapes were checked when q was made, so only the caller's slices can be wrong
		panic(fmt.Sprintf("structure: %v", err))
	}
	addBias(dst, q.bias)
}

// DenseTo overwrites dst with the dequantised values.
func (q *Quantised) DenseTo(dst blas32.General) {
	checkDense(dst, q.rows, q.cols)
	row := len(q.blocks) / q.rows
	for i := range q.rows {
		if err := quant.Dequantise(q.stored, dst.Data[i*dst.Stride:i*dst.Stride+q.cols], q.blocks[i*row:(i+1)*row]); err != nil {
			panic(fmt.Sprintf("structure: %v", err))
		}
	}
}

// Apply returns x Wᵀ + b through the backend's fused product with blocks. A backend that lacks the block type makes the
// graph function panic, which GoMLX returns as an error.
func (q *Quantised) Apply(x *graph.Node, parts []*graph.Node) *graph.Node {
	var bias *graph.Node
	if len(parts) > 1 {
		bias = parts[1]
	}
	blocks := &graph.Quantization{Scheme: compute.QuantGGML, GGMLType: backend.GGML(q.stored)}
	return graph.BackendFusedQuantizedDense(x, parts[0], bias, blocks, compute.ActivationNone)
}
