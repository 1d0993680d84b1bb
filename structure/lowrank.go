package structure

import (
	"fmt"
	"sync"

	"github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/internal/simd"
	"github.com/eckart-go/eckart/lowrank"
	"github.com/eckart-go/eckart/quant"
)

// LowRank is the product B A of two thin matrices: r(m+n) numbers and multiply-adds instead of m*n, a saving for
// r < mn/(m+n) only.
type LowRank struct {
	rows, cols, rank int
	b                []float32 // m x r
	a                []float32 // r x n
	bias             []float32 // m, or nil
	stored           quant.Type
}

// NewLowRank returns B A for B m x r and A r x n, rounded to float32, with bias (m values, or nil). It panics if the
// dimensions do not fit.
func NewLowRank(b, a mat.Matrix, bias []float64) *LowRank {
	m, r := b.Dims()
	ra, n := a.Dims()
	if r != ra {
		panic(fmt.Sprintf("structure: low-rank factors of %d x %d and %d x %d", m, r, ra, n))
	}
	var b32 []float32
	if bias != nil {
		b32 = make([]float32, len(bias))
		for i, v := range bias {
			b32[i] = float32(v)
		}
	}
	return LowRankOf(m, n, r, rounded(b), rounded(a), b32)
}

// FromFactors returns the factors that package lowrank found, for a layer that had the given bias (m values, or nil).
func FromFactors(f *lowrank.Factors, bias []float64) *LowRank {
	return NewLowRank(f.B, f.A, f.Bias(bias))
}

// LowRankOf returns B A from values in row-major order: b is m x r, a is r x n, bias has m values or is nil. The slices are
// kept, not copied. It panics if a length does not fit.
func LowRankOf(m, n, r int, b, a, bias []float32) *LowRank {
	if m < 1 || n < 1 || r < 1 || len(b) != m*r || len(a) != r*n {
		panic(fmt.Sprintf("structure: %d and %d values for low-rank factors of %d x %d and %d x %d", len(b), len(a), m, r, r, n))
	}
	checkBias(m, bias)
	return &LowRank{rows: m, cols: n, rank: r, b: b, a: a, bias: bias}
}

// StoredAs returns the same matrix (sharing its values) that is counted and saved with elements of type t; see
// Dense.StoredAs.
func (l *LowRank) StoredAs(t quant.Type) *LowRank {
	c := *l
	c.stored = t
	c.Cost() // panics here and not later
	return &c
}

// Dims returns m and n.
func (l *LowRank) Dims() (m, n int) { return l.rows, l.cols }

// Rank returns r, the width of the factors.
func (l *LowRank) Rank() int { return l.rank }

// Kind returns "lowrank".
func (l *LowRank) Kind() string { return "lowrank" }

// Bias returns the bias, or nil.
func (l *LowRank) Bias() []float32 { return l.bias }

// B returns the left factor (m x r), sharing its values.
func (l *LowRank) B() blas32.General {
	return blas32.General{Rows: l.rows, Cols: l.rank, Stride: l.rank, Data: l.b}
}

// A returns the right factor (r x n), sharing its values.
func (l *LowRank) A() blas32.General {
	return blas32.General{Rows: l.rank, Cols: l.cols, Stride: l.cols, Data: l.a}
}

// Cost counts r(m+n) parameters and multiply-adds, and m parameters more for a bias.
func (l *LowRank) Cost() Cost {
	return costOf(l.Parts(), int64(l.rank)*(int64(l.rows)+int64(l.cols)))
}

// Parts returns "B" (m x r), "A" (r x n) and, if there is one, "bias" (m).
func (l *LowRank) Parts() []Part {
	return biasPart([]Part{
		{Name: "B", Type: l.stored, Shape: []int{l.rows, l.rank}, Float32: l.b},
		{Name: "A", Type: l.stored, Shape: []int{l.rank, l.cols}, Float32: l.a},
	}, l.bias)
}

// scratch keeps the t x r matrices between the two products of MulTo.
var scratch = sync.Pool{New: func() any { return new([]float32) }}

// MulTo computes dst = (X Aᵀ) Bᵀ + 1 bᵀ.
func (l *LowRank) MulTo(dst, x blas32.General) {
	checkProduct(dst, x, l.rows, l.cols)
	work := scratch.Get().(*[]float32)
	defer scratch.Put(work)
	if cap(*work) < x.Rows*l.rank {
		*work = make([]float32, x.Rows*l.rank)
	}
	h := (*work)[:x.Rows*l.rank]
	simd.Sgemm(blas.NoTrans, blas.Trans, x.Rows, l.rank, l.cols, 1, x.Data, x.Stride, l.a, l.cols, 0, h, l.rank)
	simd.Sgemm(blas.NoTrans, blas.Trans, x.Rows, l.rows, l.rank, 1, h, l.rank, l.b, l.rank, 0, dst.Data, dst.Stride)
	addBias(dst, l.bias)
}

// DenseTo overwrites dst with B A.
func (l *LowRank) DenseTo(dst blas32.General) {
	checkDense(dst, l.rows, l.cols)
	simd.Sgemm(blas.NoTrans, blas.NoTrans, l.rows, l.cols, l.rank, 1, l.b, l.rank, l.a, l.cols, 0, dst.Data, dst.Stride)
}

// Apply returns (x Aᵀ) Bᵀ + b: r(m+n) multiply-adds a token.
func (l *LowRank) Apply(x *graph.Node, parts []*graph.Node) *graph.Node {
	return plusBias(product(product(x, parts[1]), parts[0]), parts[2:])
}
