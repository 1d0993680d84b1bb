package lowrank

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sort"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"

	eblas "github.com/eckart-go/eckart/blas"
	"github.com/eckart-go/eckart/internal/philox"
	"github.com/eckart-go/eckart/lapack"
	"github.com/eckart-go/eckart/sketch"
)

var blas64Implementation eblas.Implementation

// Kernel is a positive semidefinite matrix whose columns can be computed one by one, such as that of a kernel function.
type Kernel interface {
	Order() int
	DiagonalTo(dst []float64)
	// BlockTo sets dst to the elements in the given rows and columns; rows nil means all rows.
	BlockTo(dst blas64.General, rows, cols []int) error
}

// KernelOf returns a symmetric matrix as a Kernel.
func KernelOf(a mat.Symmetric) Kernel { return symmetricKernel{a} }

type symmetricKernel struct{ a mat.Symmetric }

func (k symmetricKernel) Order() int { return k.a.SymmetricDim() }
func (k symmetricKernel) DiagonalTo(dst []float64) {
	for i := range dst {
		dst[i] = k.a.At(i, i)
	}
}
func (k symmetricKernel) BlockTo(dst blas64.General, rows, cols []int) error {
	for r := range dst.Rows {
		i := r
		if rows != nil {
			i = rows[r]
		}
		for c, j := range cols {
			dst.Data[r*dst.Stride+c] = k.a.At(i, j)
		}
	}
	return nil
}

// Pivoting says how PivotedCholesky chooses columns.
type Pivoting int

const (
	// RandomPivots draws each in proportion to the diagonal of what is left (RPCholesky: Chen, Epperly, Tropp, Webber 2022,
	// arXiv 2207.06503): error near the best, for any matrix.
	RandomPivots Pivoting = iota
	// GreedyPivots takes the largest diagonal element: misled by outliers.
	GreedyPivots
	// UniformPivots draws all alike: misses small clusters.
	UniformPivots
)

// PivotedOptions tunes PivotedCholesky; the zero value is the recommended setting.
type PivotedOptions struct {
	Pivoting Pivoting
	// Block is the number of columns that RandomPivots proposes at a time, of which some are rejected so that the law of the
	// pivots is that of one at a time (accelerated RPCholesky: Epperly, Tropp, Webber 2024, arXiv 2410.03969); 0 means a tenth
	// of the rank, between 1 and 128.
	Block int
	Tol   float64 // stop when the trace of A - F Fᵀ is at most Tol times that of A; 0: only at the rank or when nothing is left
	Seed  uint64
}

// Pivoted is A ~ F Fᵀ, A(:, Pivots) A(Pivots, Pivots)^-1 A(Pivots, :) in exact arithmetic: never above A, and exact in the rows and
// columns of the pivots.
type Pivoted struct {
	F          *mat.Dense // n x k
	Pivots     []int      // in the order they were chosen
	Diagonal   []float64  // of A - F Fᵀ, which bounds its elements
	Trace      float64    // of A
	TraceError float64    // of A - F Fᵀ, its nuclear norm: the sum of Diagonal
}

// PivotedCholesky approximates a positive semidefinite matrix by k of its columns, which with the diagonal are all it computes. It
// fails if numbers are not finite or the diagonal is negative. Fewer than k columns are used if nothing is left before.
func PivotedCholesky(a Kernel, k int, opts PivotedOptions) (*Pivoted, error) {
	n := a.Order()
	if err := checkRank(k, n, n); err != nil {
		return nil, err
	}
	c := &pivotedCholesky{a: a, n: n, k: k, f: general(n, k), d: make([]float64, n), rng: rand.New(philox.NewSource(opts.Seed, 0)), opts: opts}
	a.DiagonalTo(c.d)
	for i, v := range c.d {
		if !(v >= 0) || math.IsInf(v, 1) {
			return nil, fmt.Errorf("lowrank: diagonal element %d is %v: expected a positive semidefinite matrix", i, v)
		}
		c.trace += v
	}
	block := opts.Block
	if block == 0 {
		block = min(max(1, k/10), 128)
	}
	if opts.Pivoting != RandomPivots {
		block = 1
	}
	for len(c.pivots) < k {
		left := sum(c.d)
		if left <= max(opts.Tol, float64(n)*0x1p-52)*c.trace {
			break
		}
		if err := c.add(c.accepted(c.propose(block, left))); err != nil {
			return nil, err
		}
	}
	r := len(c.pivots)
	f := mat.NewDense(n, max(1, r), nil)
	for i := range n {
		copy(f.RawRowView(i), c.f.Data[i*k:i*k+r])
	}
	return &Pivoted{F: f, Pivots: c.pivots, Diagonal: c.d, Trace: c.trace, TraceError: sum(c.d)}, nil
}

// pivotedCholesky is a factorisation in progress.
type pivotedCholesky struct {
	a      Kernel
	n, k   int
	f      blas64.General // n x k, len(pivots) columns done
	d      []float64      // diagonal of A - F Fᵀ
	trace  float64
	pivots []int
	rng    *rand.Rand
	opts   PivotedOptions
	err    error
}

func sum(x []float64) float64 {
	var s float64
	for _, v := range x {
		s += v
	}
	return s
}

// propose draws columns, with replacement.
func (c *pivotedCholesky) propose(count int, left float64) []int {
	switch c.opts.Pivoting {
	case GreedyPivots:
		best := 0
		for i, v := range c.d {
			if v > c.d[best] {
				best = i
			}
		}
		return []int{best}
	case UniformPivots:
		for {
			if i := c.rng.IntN(c.n); c.d[i] > float64(c.n)*0x1p-52*c.trace/float64(c.n) {
				return []int{i}
			}
		}
	}
	sums := make([]float64, c.n)
	var s float64
	for i, v := range c.d {
		s += v
		sums[i] = s
	}
	draws := make([]int, count)
	for e := range draws {
		u := c.rng.Float64() * s
		draws[e] = min(c.n-1, sort.Search(c.n, func(i int) bool { return sums[i] > u }))
	}
	return draws
}

// accepted runs through proposals in order and keeps each with the probability that its diagonal element has left of what it was
// when it was proposed, by a Cholesky factorisation of the proposals' part of A - F Fᵀ.
func (c *pivotedCholesky) accepted(draws []int) []int {
	b := len(draws)
	if b == 1 {
		return draws
	}
	h, err := c.residual(draws)
	if err != nil {
		c.err = err
		return nil
	}
	first := make([]float64, b)
	for i := range b {
		first[i] = h.Data[i*b+i]
	}
	var kept []int
	for i, draw := range draws {
		diagonal := h.Data[i*b+i]
		if !(c.rng.Float64()*first[i] < diagonal) || len(c.pivots)+len(kept) == c.k {
			continue
		}
		kept = append(kept, draw)
		for j := i + 1; j < b; j++ {
			ratio := h.Data[i*b+j] / diagonal
			for e := j; e < b; e++ {
				h.Data[j*b+e] -= ratio * h.Data[i*b+e]
			}
		}
	}
	return kept
}

// residual returns the rows and columns of A - F Fᵀ that index names.
func (c *pivotedCholesky) residual(index []int) (blas64.General, error) {
	b, r := len(index), len(c.pivots)
	h, rows := general(b, b), general(b, max(1, r))
	if err := c.a.BlockTo(h, index, index); err != nil {
		return h, err
	}
	for i, at := range index {
		copy(rows.Data[i*rows.Stride:], c.f.Data[at*c.k:at*c.k+r])
	}
	if r > 0 {
		multiply(blas.NoTrans, blas.Trans, -1, rows, rows, 1, h)
	}
	return h, nil
}

// add makes columns of F of the pivots.
func (c *pivotedCholesky) add(pivots []int) error {
	if c.err != nil {
		return c.err
	}
	b, r := len(pivots), len(c.pivots)
	if b == 0 {
		return nil
	}
	g, rows, h := general(c.n, b), general(b, max(1, r)), general(b, b)
	if err := c.a.BlockTo(g, nil, pivots); err != nil {
		return err
	}
	if err := finiteBlock(g); err != nil {
		return err
	}
	if r > 0 {
		for i, at := range pivots {
			copy(rows.Data[i*rows.Stride:], c.f.Data[at*c.k:at*c.k+r])
		}
		done := blas64.General{Rows: c.n, Cols: r, Stride: c.k, Data: c.f.Data}
		multiply(blas.NoTrans, blas.Trans, -1, done, rows, 1, g)
	}
	for i, at := range pivots {
		copy(h.Data[i*b:(i+1)*b], g.Data[at*b:(at+1)*b])
	}
	if err := lapack.Cholesky(blas.Upper, b, symmetrised(h).Data, b); err != nil {
		if b > 1 { // rounding: one at a time always works
			for _, p := range pivots {
				if c.d[p] > 0 {
					if err := c.add([]int{p}); err != nil {
						return err
					}
				}
			}
			return nil
		}
		c.d[pivots[0]] = 0
		return nil
	}
	blas64Implementation.Dtrsm(blas.Right, blas.Upper, blas.NoTrans, blas.NonUnit, c.n, b, 1, h.Data, b, g.Data, b)
	for i := range c.n {
		for j, v := range g.Data[i*b : (i+1)*b] {
			c.f.Data[i*c.k+r+j] = v
			c.d[i] = max(0, c.d[i]-v*v)
		}
	}
	for _, p := range pivots {
		c.d[p] = 0
	}
	c.pivots = append(c.pivots, pivots...)
	return nil
}

// Eigenpairs returns the eigendecomposition of F Fᵀ; Error is the trace norm of A - F Fᵀ.
func (p *Pivoted) Eigenpairs() *Eigenpairs {
	f := mat.DenseCopyOf(p.F).RawMatrix()
	n, k := f.Rows, f.Cols
	var o sketch.Orthonormaliser
	r := general(k, k)
	o.Factorize(f, r)
	var svd lapack.SVD[float64]
	if err := svd.Factorize(lapack.Thin, lapack.NoVectors, k, k, r.Data, r.Stride); err != nil {
		panic(err) // finite
	}
	u := general(n, k)
	multiply(blas.NoTrans, blas.Trans, 1, f, blas64.General(svd.U()), 0, u)
	e := &Eigenpairs{U: mat.NewDense(n, k, u.Data), Values: make([]float64, k), Error: p.TraceError, Estimate: "trace"}
	for i, s := range svd.Values()[:k] {
		e.Values[i] = s * s
	}
	return e
}
