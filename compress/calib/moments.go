// Package calib collects what compression methods need to know about a layer's inputs: streamed moments, taken in one pass
// over calibration text, a block of the model at a time, and kept on disk so that every method shares them.
package calib

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/internal/pool"
	"github.com/eckart-go/eckart/internal/simd"
)

// Moments are sums over the N tokens that passed a layer's input x (n numbers each). They are accumulated in float64, since
// outlier channels make Gram matrices of condition 1e8 and more: the Gram matrix from float32 products of simd.GramDepth
// tokens at a time, whose rounding is relative to each pair of channels, as that of the float32 activations is.
type Moments struct {
	Tokens int64
	Gram   *mat.SymDense // n x n, the sum of x xᵀ, not centred and not divided by N
	Sum    []float64     // n, the sum of x
	Abs    []float64     // n, the sum of |x|
}

// NewMoments returns empty moments of inputs of width n.
func NewMoments(n int) *Moments {
	return &Moments{Gram: mat.NewSymDense(n, nil), Sum: make([]float64, n), Abs: make([]float64, n)}
}

// Width returns n.
func (m *Moments) Width() int { return len(m.Sum) }

// Add adds the rows of x (tokens x n, contiguous). It panics if x has another size. The result does not depend on the
// number of threads, and on how tokens are divided between calls only through rounding: not at all if every call but the
// last brings a multiple of simd.GramDepth.
func (m *Moments) Add(x []float32, tokens int) {
	n := m.Width()
	if len(x) != tokens*n {
		panic(fmt.Sprintf("calib: %d numbers for %d tokens of width %d", len(x), tokens, n))
	}
	pool.Ranges(n, 192, func(lo, hi int) { m.addColumns(x, tokens, lo, hi) })
	g := m.Gram.RawSymmetric()
	simd.DsyrkS(blas.Upper, blas.Trans, n, tokens, 1, x, n, 1, g.Data, g.Stride)
	m.Tokens += int64(tokens)
}

// addColumns adds columns lo to hi of x to Sum and Abs, four rows at a time.
func (m *Moments) addColumns(x []float32, tokens, lo, hi int) {
	n := m.Width()
	sum, abs := m.Sum[lo:hi], m.Abs[lo:hi]
	row := func(i int) []float32 { return x[i*n+lo : i*n+hi][:len(sum)] }
	i := 0
	for ; i+4 <= tokens; i += 4 {
		a, b, c, d := row(i), row(i+1), row(i+2), row(i+3)
		for j := range sum {
			p, q, r, s := float64(a[j]), float64(b[j]), float64(c[j]), float64(d[j])
			sum[j] += p + q + r + s
			abs[j] += math.Abs(p) + math.Abs(q) + math.Abs(r) + math.Abs(s)
		}
	}
	for ; i < tokens; i++ {
		for j, v := range row(i) {
			sum[j] += float64(v)
			abs[j] += math.Abs(float64(v))
		}
	}
}

// Moment returns the n x n second moment E[x xᵀ], the Gram matrix divided by N.
func (m *Moments) Moment() *mat.SymDense {
	moment := mat.NewSymDense(m.Width(), nil)
	moment.CopySym(m.Gram)
	m.normalise(moment)
	return moment
}

// TakeMoment is Moment without a copy: it gives the Gram matrix away, so that its memory can be freed. Gram is nil then.
func (m *Moments) TakeMoment() *mat.SymDense {
	moment := m.Gram
	m.Gram = nil
	m.normalise(moment)
	return moment
}

// normalise divides gram by N.
func (m *Moments) normalise(gram *mat.SymDense) {
	raw, inv := gram.RawSymmetric(), 1/float64(m.Tokens)
	for i := range raw.N {
		simd.Dscal(inv, raw.Data[i*raw.Stride+i:i*raw.Stride+raw.N])
	}
}

// Mean returns the mean of x.
func (m *Moments) Mean() []float64 { return scaled(m.Sum, m.Tokens) }

// MeanAbs returns the mean of |x|, ASVD's measure of a channel.
func (m *Moments) MeanAbs() []float64 { return scaled(m.Abs, m.Tokens) }

func scaled(sum []float64, tokens int64) []float64 {
	mean := make([]float64, len(sum))
	for i, v := range sum {
		mean[i] = v / float64(tokens)
	}
	return mean
}

// Covariance returns the n x n matrix E[x xᵀ] - E[x] E[x]ᵀ.
func (m *Moments) Covariance() *mat.SymDense {
	cov := m.Moment()
	cov.SymRankOne(cov, -1, mat.NewVecDense(m.Width(), m.Mean()))
	return cov
}

// Check returns an error when the moments cannot be used: no token, or an infinite or undefined sum, which a NaN anywhere
// in the inputs leads to.
func (m *Moments) Check() error {
	if m.Tokens == 0 {
		return fmt.Errorf("calib: no token has passed this layer")
	}
	g := m.Gram.RawSymmetric()
	for i := range m.Width() {
		if d := g.Data[i*g.Stride+i]; math.IsNaN(d) || math.IsInf(d, 0) {
			return fmt.Errorf("calib: the inputs of channel %d are not finite (sum of squares %v): the model or an earlier layer has NaN or Inf", i, d)
		}
	}
	return nil
}
