// Package structure holds Eckart's one idea of a matrix that is cheaper than m*n numbers: something that knows its
// dimensions, counts what it stores and what a product costs, multiplies, can be made dense, is saved in a checkpoint and
// stands as a linear layer in a GoMLX graph.
//
// A linear layer is y = A x + b with A m x n. Vectors are rows of a matrix X (t x n), so a layer computes X Aᵀ + 1 bᵀ
// (t x m). Most layers have no bias; those that have one carry it in the structure, because some methods (LoRD) choose the
// factors and the bias together.
//
// Package structuretest has the test that every implementation passes.
package structure

import (
	"fmt"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/quant"
)

// Matrix is a linear map A from n inputs to m outputs, with an optional bias, stored in its own way.
type Matrix interface {
	// Dims returns the number of outputs m and of inputs n.
	Dims() (m, n int)
	// Cost returns what is stored and what a product costs: counted, not estimated.
	Cost() Cost
	// MulTo computes dst = X Aᵀ + 1 bᵀ for X t x n and dst t x m. The previous contents of dst do not matter, NaN included;
	// dst must not overlap x. It panics if the shapes do not fit.
	MulTo(dst, x blas32.General)
	// DenseTo overwrites dst (m x n) with A; the bias is left out.
	DenseTo(dst blas32.General)
	// Bias returns b (m numbers, not to be modified), or nil.
	Bias() []float32
	// Parts returns what is stored, always in the same order. The data is shared, not copied.
	Parts() []Part
	// Kind names the structure in a file: "dense", "lowrank", "quantised".
	Kind() string
}

// Layer is a Matrix that can stand in a GoMLX graph.
type Layer interface {
	Matrix
	// Apply returns the node of x Aᵀ + b, of shape [..., m], for x of shape [..., n] and parts, the nodes of Parts in the
	// same order and with the shapes of Part.Tensor. It reads nothing of the receiver but dimensions and types, so one
	// compiled graph serves all layers of equal shapes. Like all graph functions it panics on a wrong shape.
	Apply(x *graph.Node, parts []*graph.Node) *graph.Node
}

// Cost counts a structure.
type Cost struct {
	Params  int64 // numbers stored, bias included
	Bits    int64 // bits that those take as stored in a file, scales of quantised blocks included
	MulAdds int64 // multiply-adds for one input vector
}

// Plus returns the cost of both together.
func (c Cost) Plus(d Cost) Cost {
	return Cost{c.Params + d.Params, c.Bits + d.Bits, c.MulAdds + d.MulAdds}
}

// Part is one stored tensor of a structure. Float32 holds the values of a part that is kept as float32 in memory, whatever
// its Type in a file; Blocks holds the bytes of one that stays in its stored form. Exactly one of them is in use.
type Part struct {
	Name    string     // last component of the tensor's name: "weight", "A", "B", "bias"
	Type    quant.Type // element type in a file
	Shape   []int      // rows first; in values, also for blocks
	Float32 []float32
	Blocks  []byte
}

// Tensor returns a copy of the part as a GoMLX tensor: float32 of Shape, or, for blocks, uint8 of [rows, bytes a row].
func (p Part) Tensor() *tensors.Tensor {
	if p.Blocks != nil {
		return tensors.FromFlatDataAndDimensions(p.Blocks, p.Shape[0], len(p.Blocks)/p.Shape[0])
	}
	return tensors.FromFlatDataAndDimensions(p.Float32, p.Shape...)
}

// bits returns the size of the part in a file. Types and shapes were checked when the structure was made.
func (p Part) bits() int64 {
	row, err := p.Type.RowBytes(p.Shape[len(p.Shape)-1])
	if err != nil {
		panic(fmt.Sprintf("structure: part %s: %v", p.Name, err))
	}
	bits := 8 * int64(row)
	for _, d := range p.Shape[:len(p.Shape)-1] {
		bits *= int64(d)
	}
	return bits
}

// count returns the number of values of a shape.
func count(shape []int) int64 {
	n := int64(1)
	for _, d := range shape {
		n *= int64(d)
	}
	return n
}

// costOf adds up the parts; only the number of multiply-adds is the structure's own.
func costOf(parts []Part, mulAdds int64) Cost {
	c := Cost{MulAdds: mulAdds}
	for _, p := range parts {
		c.Params += count(p.Shape)
		c.Bits += p.bits()
	}
	return c
}

// biasPart returns parts with the bias added, if there is one. A bias is always stored as float32.
func biasPart(parts []Part, bias []float32) []Part {
	if bias == nil {
		return parts
	}
	return append(parts, Part{Name: "bias", Type: quant.F32, Shape: []int{len(bias)}, Float32: bias})
}

// checkBias panics unless bias is nil or has m values.
func checkBias(m int, bias []float32) {
	if bias != nil && len(bias) != m {
		panic(fmt.Sprintf("structure: bias of %d values for %d outputs", len(bias), m))
	}
}

// checkProduct panics unless dst and x fit dst = X Aᵀ with A m x n.
func checkProduct(dst, x blas32.General, m, n int) {
	if x.Cols != n || dst.Cols != m || dst.Rows != x.Rows {
		panic(fmt.Sprintf("structure: product of %d x %d inputs with a matrix of %d inputs and %d outputs into %d x %d",
			x.Rows, x.Cols, n, m, dst.Rows, dst.Cols))
	}
}

// checkDense panics unless dst is m x n.
func checkDense(dst blas32.General, m, n int) {
	if dst.Rows != m || dst.Cols != n {
		panic(fmt.Sprintf("structure: a matrix of %d x %d into one of %d x %d", m, n, dst.Rows, dst.Cols))
	}
}

// addBias adds bias, unless nil, to every row of dst.
func addBias(dst blas32.General, bias []float32) {
	if bias == nil {
		return
	}
	for i := range dst.Rows {
		row := dst.Data[i*dst.Stride : i*dst.Stride+dst.Cols]
		for j, b := range bias {
			row[j] += b
		}
	}
}

// product returns the node x wᵀ for x [..., n] and w [m, n].
func product(x, w *graph.Node) *graph.Node {
	return graph.DotGeneral(x, []int{x.Rank() - 1}, nil, w, []int{1}, nil)
}

// plusBias returns the node y + bias, or y if there is none.
func plusBias(y *graph.Node, bias []*graph.Node) *graph.Node {
	if len(bias) == 0 {
		return y
	}
	return graph.Add(y, graph.ExpandLeftToRank(bias[0], y.Rank()))
}

// rounded returns the values of a as float32, contiguous.
func rounded(a mat.Matrix) []float32 {
	m, n := a.Dims()
	dense, ok := a.(*mat.Dense)
	if !ok {
		dense = mat.DenseCopyOf(a)
	}
	data := make([]float32, m*n)
	for i := range m {
		row := data[i*n : (i+1)*n]
		for j, v := range dense.RawRowView(i) {
			row[j] = float32(v)
		}
	}
	return data
}

// Float64 returns A (m x n) in float64, without the bias: for measuring a layer, or fitting another to it.
func Float64(a Matrix) *mat.Dense {
	m, n := a.Dims()
	values := make([]float32, m*n)
	a.DenseTo(blas32.General{Rows: m, Cols: n, Stride: n, Data: values})
	return Widened(blas32.General{Rows: m, Cols: n, Stride: n, Data: values})
}

// Widened returns a copy of g in float64.
func Widened(g blas32.General) *mat.Dense {
	wide := make([]float64, g.Rows*g.Cols)
	for i := range g.Rows {
		for j, v := range g.Data[i*g.Stride : i*g.Stride+g.Cols] {
			wide[i*g.Cols+j] = float64(v)
		}
	}
	return mat.NewDense(g.Rows, g.Cols, wide)
}
