package lowrank

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"

	"github.com/eckart-go/eckart/internal/simd"
	"github.com/eckart-go/eckart/lapack"
	"github.com/eckart-go/eckart/linop"
	"github.com/eckart-go/eckart/sketch"
)

// SketchyOptions tunes a Sketchy; the zero value is the recommended setting.
type SketchyOptions struct {
	Range  int // columns of the sketches of range and corange; 0 means 4 rank + 1
	Core   int // rows and columns of the core sketch; 0 means 2 Range + 1
	Errors int // rows of the sketch that errors are estimated from; 0 means 10
	Seed   uint64
}

// Sketchy keeps of a matrix A (m x n) that passes by once, in rows or as a sum of matrices, what a truncated singular value
// decomposition can be made of (SketchySVD: Tropp, Yurtsever, Udell, Cevher 2019, arXiv 1902.08651): X = ΥA, Y = AΩᵀ and
// Z = ΦAΨᵀ for random Υ, Ω, Φ, Ψ, and an independent sketch for estimates of the error. It takes Range (m+n) + Core^2 numbers.
type Sketchy struct {
	m, n, rank           int
	upsilon, omega       sketch.Operator // Range x m, Range x n
	phi, psi             sketch.Operator // Core x m, Core x n
	theta                sketch.Operator // Errors x m
	x, y, z, errors      blas64.General
	squares              float64 // sum of squares of all rows so far, if only AddRows was used
	sums                 bool    // Add was used
	omegaDense, psiDense blas64.General
	rowsSeen             int
}

// NewSketchy returns the sketch of a zero matrix, good for approximations of ranks up to about rank.
func NewSketchy(m, n, rank int, opts SketchyOptions) (*Sketchy, error) {
	if err := checkRank(rank, m, n); err != nil {
		return nil, err
	}
	k, s, q := opts.Range, opts.Core, opts.Errors
	if k == 0 {
		k = 4*rank + 1
	}
	k = min(k, m, n)
	if s == 0 {
		s = 2*k + 1
	}
	if q == 0 {
		q = 10
	}
	if k < rank || s < k || q < 1 {
		return nil, fmt.Errorf("lowrank: sketches of %d columns and a core of %d for rank %d: expected rank <= columns <= core", k, s, rank)
	}
	seed := func(i uint64) uint64 { return opts.Seed*8 + i }
	t := &Sketchy{
		m: m, n: n, rank: rank,
		upsilon: sketch.NewGaussian(k, m, seed(0)), omega: sketch.NewGaussian(k, n, seed(1)),
		phi: sketch.NewGaussian(s, m, seed(2)), psi: sketch.NewGaussian(s, n, seed(3)), theta: sketch.NewGaussian(q, m, seed(4)),
		x: general(k, n), y: general(m, k), z: general(s, s), errors: general(q, n),
		omegaDense: general(k, n), psiDense: general(s, n),
	}
	t.omega.BlockTo(t.omegaDense, 0, 0)
	t.psi.BlockTo(t.psiDense, 0, 0)
	return t, nil
}

// AddRows adds a block of rows, the first of which is row first of A. Rows may come in any order and several times: they add up.
// It fails, and nothing changes, if an element is NaN or infinite.
func (t *Sketchy) AddRows(first int, block blas64.General) error {
	if first < 0 || first+block.Rows > t.m || block.Cols != t.n {
		return fmt.Errorf("lowrank: rows of %d numbers from row %d on, %d of them, for a matrix of %d x %d", block.Cols, first, block.Rows, t.m, t.n)
	}
	if err := linop.Dense(block).CheckFinite(); err != nil {
		return fmt.Errorf("lowrank: rows from %d on: %w", first, err)
	}
	k, s := t.y.Cols, t.z.Rows
	part := general(block.Rows, s)
	yRows := blas64.General{Rows: block.Rows, Cols: k, Stride: t.y.Stride, Data: t.y.Data[first*t.y.Stride:]}
	multiply(blas.NoTrans, blas.Trans, 1, block, t.omegaDense, 1, yRows)
	multiply(blas.NoTrans, blas.Trans, 1, block, t.psiDense, 0, part)
	for _, left := range []struct {
		of       sketch.Operator
		rows     int
		dst, mul blas64.General
	}{{t.upsilon, k, t.x, block}, {t.theta, t.errors.Rows, t.errors, block}, {t.phi, s, t.z, part}} {
		columns := general(left.rows, block.Rows)
		left.of.BlockTo(columns, 0, first)
		multiply(blas.NoTrans, blas.NoTrans, 1, columns, left.mul, 1, left.dst)
	}
	t.rowsSeen += block.Rows
	t.squares += sumsq(block)
	return nil
}

// Add replaces A by theta A + eta H, by products with H.
func (t *Sketchy) Add(theta, eta float64, h linop.Operator) error {
	if m, n := h.Dims(); m != t.m || n != t.n {
		return fmt.Errorf("lowrank: an update of %d x %d for a matrix of %d x %d", m, n, t.m, t.n)
	}
	k, s := t.y.Cols, t.z.Rows
	x, y, z, e := general(k, t.n), general(t.m, k), general(s, s), general(t.errors.Rows, t.n)
	right := general(t.m, s)
	if err := sketch.Left(x, t.upsilon, h); err != nil {
		return err
	}
	if err := sketch.Left(e, t.theta, h); err != nil {
		return err
	}
	if err := sketch.Right(y, h, t.omega); err != nil {
		return err
	}
	if err := sketch.Right(right, h, t.psi); err != nil {
		return err
	}
	if err := t.phi.MulTo(z, right); err != nil {
		return err
	}
	if err := finiteBlock(y); err != nil {
		return err
	}
	t.sums = true
	for _, pair := range [][2]blas64.General{{t.x, x}, {t.y, y}, {t.z, z}, {t.errors, e}} {
		simd.Dscal(theta, pair[0].Data)
		simd.Daxpy(eta, pair[1].Data, pair[0].Data)
	}
	return nil
}

// Factors returns an approximation of A of rank k, at most Range: Q [[C]]_k Pᵀ for orthonormal bases Q and P of the ranges of Y and
// Xᵀ and C = (ΦQ)^+ Z ((ΨP)^+)ᵀ. Its error is estimated from the independent sketch: Estimate "sketch", unbiased in the square,
// with the 95 % interval of Errors probes.
func (t *Sketchy) Factors(k int, split Split) (*Factors, error) {
	if err := checkRank(k, t.x.Rows, t.x.Rows); err != nil {
		return nil, err
	}
	q, core, p, err := t.core()
	if err != nil {
		return nil, err
	}
	f := compress(q, core, p, k)
	out := f.factors(split)
	norm := math.Sqrt(sumsq(t.errors))
	if !t.sums && t.rowsSeen == t.m {
		norm = math.Sqrt(t.squares)
	}
	e := t.errorOf(f)
	c := &out.Cert
	c.Method, c.Why, c.Estimate, c.Passes = "sketchy", "the matrix passed by once", "sketch", 1
	c.WeightedNorm, c.FrobeniusNorm = norm, norm
	c.Weighted, c.Frobenius, c.Low, c.High = e.Estimate, e.Estimate, e.Low, e.High
	return out, nil
}

// Scree returns, for r = 0, 1, ..., estimates of the least relative error of rank r: an upper one, (tail of the approximation's
// values + error of the approximation) / ||A||, from which to choose a rank by the bend.
func (t *Sketchy) Scree() ([]float64, error) {
	q, core, p, err := t.core()
	if err != nil {
		return nil, err
	}
	k := core.Rows
	f := compress(q, core, p, k)
	e, norm := t.errorOf(f).Estimate, math.Sqrt(sumsq(t.errors))
	scree := make([]float64, k)
	for r := range scree {
		if norm > 0 {
			scree[r] = (length(f.s[r:]) + e) / norm
		}
	}
	return scree, nil
}

// core returns Q, C and P.
func (t *Sketchy) core() (q, c, p blas64.General, err error) {
	k, s := t.x.Rows, t.z.Rows
	var o sketch.Orthonormaliser
	q, p = general(t.m, k), general(t.n, k)
	copy(q.Data, t.y.Data)
	transposeInto(p, t.x)
	o.Basis(q)
	o.Basis(p)
	phiQ, psiP := general(s, k), general(s, k)
	if err := t.phi.MulTo(phiQ, q); err != nil {
		return q, c, p, err
	}
	multiply(blas.NoTrans, blas.NoTrans, 1, t.psiDense, p, 0, psiP)
	left := general(s, s)
	copy(left.Data, t.z.Data)
	if err := lapack.LeastSquares(blas.NoTrans, s, k, s, phiQ.Data, phiQ.Stride, left.Data, left.Stride); err != nil {
		return q, c, p, fmt.Errorf("lowrank: the core of a sketch: %w", err)
	}
	right := general(s, k) // ((ΦQ)^+ Z)ᵀ
	transposeInto(right, blas64.General{Rows: k, Cols: s, Stride: left.Stride, Data: left.Data})
	if err := lapack.LeastSquares(blas.NoTrans, s, k, k, psiP.Data, psiP.Stride, right.Data, right.Stride); err != nil {
		return q, c, p, fmt.Errorf("lowrank: the core of a sketch: %w", err)
	}
	c = general(k, k)
	transposeInto(c, blas64.General{Rows: k, Cols: k, Stride: right.Stride, Data: right.Data})
	return q, c, p, nil
}

// errorOf estimates ||A - U diag(s) Vᵀ||_F.
func (t *Sketchy) errorOf(f *approximation) sketch.Interval {
	r := len(f.s)
	tu, e := general(t.errors.Rows, r), general(t.errors.Rows, t.n)
	if err := t.theta.MulTo(tu, f.u); err != nil {
		panic(err) // sketches have no errors
	}
	for i := range tu.Rows {
		for j := range r {
			tu.Data[i*r+j] *= f.s[j]
		}
	}
	copy(e.Data, t.errors.Data)
	multiply(blas.NoTrans, blas.Trans, -1, tu, f.v, 1, e)
	norms := make([]float64, e.Rows)
	for i := range norms { // rows of Theta have norm 1/sqrt(Errors) of a standard Gaussian's
		norms[i] = math.Sqrt(simd.Dsumsq(e.Data[i*e.Stride:][:e.Cols]) * float64(e.Rows))
	}
	return sketch.IntervalOf(norms)
}

// transposeInto sets dst to the transpose of src.
func transposeInto(dst, src blas64.General) {
	for i := range src.Rows {
		for j, v := range src.Data[i*src.Stride : i*src.Stride+src.Cols] {
			dst.Data[j*dst.Stride+i] = v
		}
	}
}
