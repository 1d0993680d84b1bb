package structure

import (
	"fmt"

	"github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/internal/simd"
	"github.com/eckart-go/eckart/quant"
)

// Dense is a matrix stored as all its m*n numbers.
type Dense struct {
	rows, cols int
	weight     []float32 // m x n, contiguous
	bias       []float32 // m, or nil
	stored     quant.Type
}

// NewDense returns the m x n matrix with the given values in row-major order, and bias (m values, or nil). Both slices are
// kept, not copied. It panics if a length does not fit.
func NewDense(m, n int, weight, bias []float32) *Dense {
	if m < 1 || n < 1 || len(weight) != m*n {
		panic(fmt.Sprintf("structure: %d values for a dense matrix of %d x %d", len(weight), m, n))
	}
	checkBias(m, bias)
	return &Dense{rows: m, cols: n, weight: weight, bias: bias}
}

// DenseOf returns a copy of a, rounded to float32, without bias.
func DenseOf(a mat.Matrix) *Dense {
	m, n := a.Dims()
	return NewDense(m, n, rounded(a), nil)
}

// StoredAs returns the same matrix (sharing its values) that is counted and saved with elements of type t: F32, F16, BF16 or
// a block type whose blocks fit the rows. The values in memory stay as they are. It panics if the blocks do not fit.
func (d *Dense) StoredAs(t quant.Type) *Dense {
	c := *d
	c.stored = t
	c.Cost() // panics here and not later
	return &c
}

// Dims returns m and n.
func (d *Dense) Dims() (m, n int) { return d.rows, d.cols }

// Kind returns "dense".
func (d *Dense) Kind() string { return "dense" }

// Bias returns the bias, or nil.
func (d *Dense) Bias() []float32 { return d.bias }

// Weight returns the matrix, sharing its values.
func (d *Dense) Weight() blas32.General {
	return blas32.General{Rows: d.rows, Cols: d.cols, Stride: d.cols, Data: d.weight}
}

// Cost counts m*n parameters and multiply-adds.
func (d *Dense) Cost() Cost { return costOf(d.Parts(), int64(d.rows)*int64(d.cols)) }

// Parts returns "weight" (m x n) and, if there is one, "bias" (m).
func (d *Dense) Parts() []Part {
	return biasPart([]Part{{Name: "weight", Type: d.stored, Shape: []int{d.rows, d.cols}, Float32: d.weight}}, d.bias)
}

// MulTo computes dst = X Wᵀ + 1 bᵀ.
func (d *Dense) MulTo(dst, x blas32.General) {
	checkProduct(dst, x, d.rows, d.cols)
	simd.Sgemm(blas.NoTrans, blas.Trans, x.Rows, d.rows, d.cols, 1, x.Data, x.Stride, d.weight, d.cols, 0, dst.Data, dst.Stride)
	addBias(dst, d.bias)
}

// DenseTo copies the matrix to dst.
func (d *Dense) DenseTo(dst blas32.General) {
	checkDense(dst, d.rows, d.cols)
	for i := range d.rows {
		copy(dst.Data[i*dst.Stride:i*dst.Stride+d.cols], d.weight[i*d.cols:])
	}
}

// Apply returns x Wᵀ + b: m*n multiply-adds a token.
func (d *Dense) Apply(x *graph.Node, parts []*graph.Node) *graph.Node {
	return plusBias(product(x, parts[0]), parts[1:])
}
