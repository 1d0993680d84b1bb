package sketch

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"

	"github.com/eckart-go/eckart/linop"
)

// QBOptions tunes QB; the zero value is the recommended setting.
type QBOptions struct {
	MaxRank int // most columns of Q; 0 means min(m, n)
	Block   int // columns that are added at a time; 0 means 32
	// PowerIterations improves every block by so many products with (A - QB)(A - QB)ᵀ, two passes each: fewer columns where
	// singular values decay slowly. 0 means one, NoPower none.
	PowerIterations int
	Seed            uint64
}

// NoPower is the number of power iterations that means none.
const NoPower = -1

// EstimateKind says where an error estimate comes from.
type EstimateKind string

const (
	// FromNorms is ||A||_F^2 - ||B||_F^2, exact but for rounding: used while it is above sqrt(eps) of ||A||_F^2.
	FromNorms EstimateKind = "norms"
	// FromProbes is the root mean square of ||(A - QB) w|| over Gaussian w that QB's basis does not depend on: it has no such limit.
	FromProbes EstimateKind = "probes"
)

// QBFactors is A ~ Q B.
type QBFactors struct {
	Q, B blas64.General // m x l with orthonormal columns, l x n: B = QᵀA
	// Norm is ||A||_F: exact if the operator knows it, else estimated from the probes (NormKnown is false).
	Norm      float64
	NormKnown bool
	// Error estimates ||A - QB||_F, which is a lower bound of what the same Q does at best: kind and 95 % interval beside it (for
	// FromNorms the interval is the estimate).
	Error   Interval
	Kind    EstimateKind
	Reached bool // Error.Estimate <= tol Norm
	Cost    Cost
	// Orthogonality is ||QᵀQ - I||_F, measured.
	Orthogonality float64
}

// qbProbes is the number of probes that are carried along: 95 % of estimates are within 40 % for a residual of rank one, and
// within 100/sqrt(2 qbProbes r) % for one of r equal singular values.
const qbProbes = 10

// floor is the least tolerance: rounding in products with A leaves about that much.
const floor = 100 * 0x1p-52

// QB returns Q and B = QᵀA with ||A - QB||_F <= tol ||A||_F by blocks of a randomized range finder (Yu, Gu, Li 2018; HMT 2011,
// section 4.4), none of which forms A - QB. The guarantee: by Pythagoras ||A - QB||_F^2 = ||A||_F^2 - ||B||_F^2 for exact
// QᵀQ = I and B = QᵀA, which holds to eps here, so above 1e-6 ||A||_F the error is known to c eps ||A||^2/error^2 relative, if A
// knows its norm. Below, or if it does not, ten independent Gaussian probes estimate it without bias, within the interval that
// is stated. tol below 100 eps counts as that. Reached is false if MaxRank columns were not enough.
//
// It takes, for every block, one product with A, one with Aᵀ, two more for every power iteration, and one for the probes.
func QB(a linop.Operator, tol float64, opts QBOptions) (*QBFactors, error) {
	m, n := a.Dims()
	switch {
	case m == 0 || n == 0:
		return nil, fmt.Errorf("sketch: a matrix of %d x %d: expected at least one row and column", m, n)
	case !(tol >= 0 && tol < 1):
		return nil, fmt.Errorf("sketch: tolerance %v: expected 0 <= tol < 1", tol)
	case opts.MaxRank < 0 || opts.MaxRank > min(m, n) || opts.Block < 0:
		return nil, fmt.Errorf("sketch: rank %d and blocks of %d for a matrix of %d x %d", opts.MaxRank, opts.Block, m, n)
	}
	if opts.MaxRank == 0 {
		opts.MaxRank = min(m, n)
	}
	if opts.Block == 0 {
		opts.Block = 32
	}
	switch opts.PowerIterations {
	case 0:
		opts.PowerIterations = 1
	case NoPower:
		opts.PowerIterations = 0
	}
	g := &qbGrowth{a: &Counted{Operator: a}, m: m, n: n, tol: max(tol, floor), opts: opts}
	if err := g.start(); err != nil {
		return nil, err
	}
	for !g.done() {
		if err := g.grow(); err != nil {
			return nil, err
		}
	}
	return g.result(), nil
}

// qbGrowth is a QB that grows.
type qbGrowth struct {
	a        *Counted
	m, n     int
	tol      float64
	opts     QBOptions
	q, b     blas64.General // of opts.MaxRank columns and rows; rank of them are there
	rank     int
	blocks   int
	orth     Orthonormaliser
	probes   blas64.General // W
	residual blas64.General // (A - QB) W
	norm     float64
	known    bool
	kept     float64 // ||B||_F^2 / ||A||_F^2
	error    Interval
	kind     EstimateKind
	stalled  bool
}

// start makes the probes and the norm.
func (g *qbGrowth) start() error {
	g.probes, g.residual = newBlock(g.n, qbProbes), newBlock(g.m, qbProbes)
	gaussianTo(g.probes, g.opts.Seed, streamProbe)
	if err := g.a.MulTo(g.residual, g.probes); err != nil {
		return err
	}
	if err := finite(g.residual); err != nil {
		return err
	}
	var err error
	if g.norm, g.known, err = g.a.FrobeniusNorm(); err != nil {
		return err
	}
	g.error, g.kind = IntervalOf(columnNorms(g.residual)), FromProbes
	if g.known {
		g.error, g.kind = Interval{g.norm, g.norm, g.norm}, FromNorms
	} else {
		g.norm = g.error.Estimate
	}
	return nil
}

func (g *qbGrowth) done() bool {
	return g.error.Estimate <= g.tol*g.norm || g.rank >= g.opts.MaxRank || g.stalled
}

// grow adds a block.
func (g *qbGrowth) grow() error {
	width := min(g.opts.Block, g.opts.MaxRank-g.rank)
	q, b := g.views(g.rank)
	y, z := newBlock(g.m, width), newBlock(g.n, width)
	GaussianTo(z, g.opts.Seed, g.blocks)
	g.blocks++
	if err := g.deflatedTo(y, z, q, b); err != nil {
		return err
	}
	for range g.opts.PowerIterations {
		if err := g.a.MulTransTo(z, y); err != nil { // (A - QB)ᵀ y = Aᵀ y for y orthogonal to Q
			return err
		}
		g.orth.Basis(z)
		if err := g.deflatedTo(y, z, q, b); err != nil {
			return err
		}
	}
	if err := g.a.MulTransTo(z, y); err != nil {
		return err
	}
	if err := finite(z); err != nil {
		return err
	}
	g.append(y, z)
	g.estimate(y, z)
	return nil
}

// deflatedTo sets y to an orthonormal basis of (A - QB) Z, orthogonal to Q: projected twice, as once leaves eps ||A|| / ||(A - QB)Z||.
func (g *qbGrowth) deflatedTo(y, z, q, b blas64.General) error {
	if err := g.a.MulTo(y, z); err != nil {
		return err
	}
	if err := finite(y); err != nil {
		return err
	}
	project(q, y, blas64.General{})
	g.orth.Basis(y)
	project(q, y, blas64.General{})
	g.orth.Basis(y)
	if g.orth.Householder > 0 { // the block may have directions made up, which no projection has touched
		project(q, y, blas64.General{})
		g.orth.Basis(y)
	}
	return nil
}

// views returns the first columns of Q and rows of B.
func (g *qbGrowth) views(rank int) (q, b blas64.General) {
	return colsOf(g.q, 0, rank), rowsOf(g.b, 0, rank)
}

// append adds a block to Q and its product to B.
func (g *qbGrowth) append(y, z blas64.General) {
	if need := g.rank + y.Cols; need > g.b.Rows {
		room := min(g.opts.MaxRank, max(need, 2*g.rank))
		q, b := newBlock(g.m, room), newBlock(room, g.n)
		oldQ, oldB := g.views(g.rank)
		copyTo(colsOf(q, 0, g.rank), oldQ)
		copyTo(rowsOf(b, 0, g.rank), oldB)
		g.q, g.b = q, b
	}
	copyTo(colsOf(g.q, g.rank, y.Cols), y)
	transposeTo(rowsOf(g.b, g.rank, y.Cols), z)
	g.rank += y.Cols
}

// estimate updates the error after a block y, z = Aᵀ y.
func (g *qbGrowth) estimate(y, z blas64.General) {
	c := newBlock(y.Cols, qbProbes)
	gemm(blas.Trans, blas.NoTrans, 1, z, g.probes, 0, c)
	gemm(blas.NoTrans, blas.NoTrans, -1, y, c, 1, g.residual)
	before := g.error.Estimate
	if g.known && g.norm > 0 {
		for i := range z.Rows {
			for _, v := range row(z, i) {
				g.kept += (v / g.norm) * (v / g.norm)
			}
		}
		// below, the difference has lost too many digits: it errs by some (rank) eps
		if rest := 1 - g.kept; rest > 0x1p-40 {
			e := math.Sqrt(rest) * g.norm
			g.error, g.kind = Interval{e, e, e}, FromNorms
			return
		}
	}
	g.error, g.kind = IntervalOf(columnNorms(g.residual)), FromProbes
	rounding := floor * g.norm
	g.stalled = g.error.Estimate <= rounding && g.error.Estimate >= before
}

func (g *qbGrowth) result() *QBFactors {
	q, b := g.views(g.rank)
	return &QBFactors{
		Q: q, B: b, Norm: g.norm, NormKnown: g.known, Error: g.error, Kind: g.kind,
		Reached: g.error.Estimate <= g.tol*g.norm, Cost: g.a.Cost, Orthogonality: orthogonality(q),
	}
}
