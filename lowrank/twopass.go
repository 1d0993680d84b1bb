package lowrank

import (
	"math"

	"github.com/eckart-go/eckart/linop"
	"github.com/eckart-go/eckart/sketch"
)

// twoPassFactors reads a twice, if it applies AᵀA in one pass, and three times otherwise. The first pass is half a step more
// than HMT's prototype for Aᵀ: V is an orthonormal basis of AᵀA W for a Gaussian W, so that singular values count with their
// squares; the second is A V = Q T, of which Q T Vᵀ = A V Vᵀ is the best approximation with rows in V. Where V has as many
// columns as A, that is A, and the result is as accurate as that of Exact.
//
// The block is 2k + Oversamples columns wide (10 if 0), so that E ||A - A V Vᵀ||_F is at most sqrt(1 + k/(k+9)) times the best
// error (HMT theorem 10.5) already without the first pass's Aᵀ. The vectors cost memory of its width on both sides, which beside
// a third pass over a disk is little.
func twoPassFactors(a linop.Operator, k int, opts Options) (*approximation, error) {
	m, n := a.Dims()
	extra := opts.Randomized.Oversamples
	if extra == 0 {
		extra = 10
	}
	l := min(2*k+extra, m, n)
	counted := &sketch.Counted{Operator: a}
	start, v := general(n, l), general(n, l)
	sketch.GaussianTo(start, opts.Randomized.Seed, 0)
	if err := counted.MulGramTo(v, general(0, 0), start); err != nil {
		return nil, err
	}
	if err := finiteBlock(v); err != nil {
		return nil, err
	}
	var o sketch.Orthonormaliser
	o.Factorize(v, general(l, l))
	q, t := general(m, l), general(l, l)
	if err := counted.MulTo(q, v); err != nil {
		return nil, err
	}
	if err := finiteBlock(q); err != nil {
		return nil, err
	}
	o.Factorize(q, t)
	f := compress(q, t, v, k)
	f.cost, f.excess = counted.Cost, math.Inf(1)
	return f, nil
}
