package lowrank

import (
	"math"

	"gonum.org/v1/gonum/blas/blas64"

	"github.com/eckart-go/eckart/linop"
	"github.com/eckart-go/eckart/sketch"
)

// RandomizedOptions tunes Method Randomized and Tol, in scikit-learn's words; the zero value is the recommended setting.
type RandomizedOptions struct {
	Oversamples     int // columns beyond the rank: n_oversamples; 0 means 10
	PowerIterations int // n_iter: 0 means 2; NoPower none, for spectra that decay fast only
	Block           int // columns added at a time with Tol; 0 means 32
	Seed            uint64
}

// NoPower is the number of power iterations that means none.
const NoPower = sketch.NoPower

func (o RandomizedOptions) powerIterations() int {
	switch o.PowerIterations {
	case 0:
		return 2
	case NoPower:
		return 0
	}
	return o.PowerIterations
}

// randomizedFactors is HMT's prototype (2011, section 1.6): a basis Q by subspace iteration, then the decomposition of QᵀA.
func randomizedFactors(a linop.Operator, k int, opts Options) (*approximation, error) {
	r := opts.Randomized
	basis, err := sketch.Range(a, k, sketch.RangeOptions{Oversamples: r.Oversamples, Passes: 1 + 2*r.powerIterations(), Seed: r.Seed})
	if err != nil {
		return nil, err
	}
	_, n := a.Dims()
	counted := &sketch.Counted{Operator: a, Cost: basis.Cost}
	z := general(n, basis.Q.Cols)
	if err := counted.MulTransTo(z, basis.Q); err != nil {
		return nil, err
	}
	f := compressRight(basis.Q, z, k)
	f.cost = counted.Cost
	return f, nil
}

// compressRight cuts Q Zᵀ at rank k, for an orthonormal Q and Z = AᵀQ, which it overwrites.
func compressRight(q, z blas64.General, k int) *approximation {
	var o sketch.Orthonormaliser
	t := general(z.Cols, z.Cols)
	o.Factorize(z, t)
	c := general(t.Cols, t.Rows)
	for i := range t.Rows {
		for j := range t.Cols {
			c.Data[j*c.Stride+i] = t.Data[i*t.Stride+j]
		}
	}
	f := compress(q, c, z, k)
	f.excess = math.Inf(1)
	return f
}

// toTolerance finds the least rank for which the error can be shown to be within opts.Tol of the norm.
func toTolerance(a linop.Operator, k int, opts Options) (*Factors, error) {
	r := opts.Randomized
	qb, err := sketch.QB(a, opts.Tol, sketch.QBOptions{MaxRank: k, Block: r.Block, PowerIterations: r.PowerIterations, Seed: r.Seed})
	if err != nil {
		return nil, err
	}
	var f *approximation
	if qb.Q.Cols > 0 {
		z := general(qb.B.Cols, qb.B.Rows)
		for i := range qb.B.Rows {
			for j, v := range qb.B.Data[i*qb.B.Stride : i*qb.B.Stride+qb.B.Cols] {
				z.Data[j*z.Stride+i] = v
			}
		}
		f = compressRight(qb.Q, z, qb.Q.Cols)
	} else { // a zero matrix, or a tolerance that allows zero
		m, n := a.Dims()
		f = compress(columnOfIdentity(m), general(1, 1), columnOfIdentity(n), 1)
	}
	rest := f.trim(opts.Tol*qb.Norm, qb.Error.Estimate)
	f.cost = qb.Cost
	out := f.factors(opts.Split)
	c := &out.Cert
	c.Method, c.Why = "qb", "a tolerance was asked for"
	c.WeightedNorm, c.FrobeniusNorm = qb.Norm, qb.Norm
	c.Weighted, c.Frobenius, c.Estimate = rest, rest, string(qb.Kind)
	if qb.Kind == sketch.FromProbes {
		c.Low, c.High = math.Hypot(f.rest, qb.Error.Low), math.Hypot(f.rest, qb.Error.High)
	}
	c.Optimum, c.PlainOptimum, c.LowerBound = f.rest, f.rest, true
	c.Missed = !qb.Reached
	c.Passes, c.Products = f.cost.Passes, f.cost.Products
	return out, nil
}

// trim drops the smallest values as long as they and the error outside of the basis stay within the bound together, and returns
// that error. One value stays.
func (f *approximation) trim(bound, outside float64) float64 {
	r, tail := len(f.s), 0.0
	for r > 1 && math.Hypot(math.Hypot(tail, f.s[r-1]), outside) <= bound {
		r--
		tail = math.Hypot(tail, f.s[r])
	}
	f.s, f.rest = f.s[:r], tail
	f.u.Cols, f.v.Cols = r, r
	return math.Hypot(tail, outside)
}

func columnOfIdentity(n int) blas64.General {
	e := general(n, 1)
	e.Data[0] = 1
	return e
}
