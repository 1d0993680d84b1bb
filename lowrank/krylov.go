package lowrank

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/internal/simd"
	"github.com/eckart-go/eckart/lapack"
)

// KrylovOptions tunes Method Krylov; the zero value is the recommended setting.
type KrylovOptions struct {
	Oversample int    // columns of the random block beyond the rank; 0 means 10
	Blocks     int    // blocks of the Krylov space, each two products with the matrix; 0 means 4
	Seed       uint64 // of the random block
}

// probes is the number of random vectors that bound the norm of what the Krylov space has missed: the bound fails with
// probability 10^-probes (Halko, Martinsson, Tropp 2011, lemma 4.1 with alpha = 10).
const probes = 10

// krylov projects a on the block Krylov space of A Aᵀ and a random start (Musco, Musco 2015, algorithm 2) and truncates the
// projection. Where the space would be nearly everything, it computes the decomposition of a itself.
func krylov(w mat.Matrix, k int, opts Options) (*Factors, error) {
	a, err := finite("the matrix", w)
	if err != nil {
		return nil, err
	}
	m, n := a.Dims()
	if err := checkRank(k, m, n); err != nil {
		return nil, err
	}
	block, depth := k+opts.Krylov.Oversample, opts.Krylov.Blocks
	if opts.Krylov.Oversample <= 0 {
		block = k + 10
	}
	if depth <= 0 {
		depth = 4
	}
	if block*depth >= min(m, n) {
		s, err := spectrumOf(a, nil, k, Options{Split: opts.Split})
		if err != nil {
			return nil, err
		}
		return s.Cut(k)
	}
	rng := rand.New(rand.NewPCG(opts.Krylov.Seed, 0x6b72796c6f76))
	q := krylovBasis(a, block, depth, rng)
	size := block * depth
	c := mat.NewDense(size, n, nil) // Qᵀ A
	ra, rc := a.RawMatrix(), c.RawMatrix()
	simd.Dgemm(blas.Trans, blas.NoTrans, size, n, m, 1, q, size, ra.Data, ra.Stride, 0, rc.Data, n)
	s, err := spectrumOf(c, nil, k, Options{Split: opts.Split})
	if err != nil {
		return nil, err
	}
	inner, err := s.Cut(k)
	if err != nil {
		return nil, err
	}
	f := &Factors{B: mat.NewDense(m, k, nil), A: inner.A, S: inner.S}
	rb := inner.B.RawMatrix()
	simd.Dgemm(blas.NoTrans, blas.NoTrans, m, k, size, 1, q, size, rb.Data, rb.Stride, 0, f.B.RawMatrix().Data, k)
	f.balance(opts.Split, opts.Split)
	norm := frobenius(a)
	f.certify(a, frobenius, Certificate{WeightedNorm: norm, FrobeniusNorm: norm, Method: "krylov", LowerBound: true})
	f.Cert.Optimum = optimumBound(a, q, c, s, k, rng)
	f.Cert.PlainOptimum = f.Cert.Optimum
	return f, nil
}

// krylovBasis returns an orthonormal basis (m x block*depth) of A W, (A Aᵀ) A W, ..., for a Gaussian W.
func krylovBasis(a *mat.Dense, block, depth int, rng *rand.Rand) []float64 {
	m, n := a.Dims()
	r := a.RawMatrix()
	size := block * depth
	basis, half, part := make([]float64, m*size), make([]float64, n*block), make([]float64, m*block)
	for i := range half {
		half[i] = rng.NormFloat64()
	}
	var qr lapack.QR[float64]
	for d := range depth {
		if d > 0 {
			simd.Dgemm(blas.Trans, blas.NoTrans, n, block, m, 1, r.Data, r.Stride, part, block, 0, half, block)
		}
		simd.Dgemm(blas.NoTrans, blas.NoTrans, m, block, n, 1, r.Data, r.Stride, half, block, 0, part, block)
		qr.Factorize(m, block, part, block) // each block by itself, so that the small directions survive the powers
		qr.QTo(block, part, block)
		for i := range m {
			copy(basis[i*size+d*block:i*size+(d+1)*block], part[i*block:])
		}
	}
	qr.Factorize(m, size, basis, size)
	qr.QTo(size, basis, size)
	return basis
}

// optimumBound returns a lower bound of the error of the best matrix of rank k. AᵀA = CᵀC + EᵀE for C = Qᵀ A and
// E = A - Q C, so the i-th squared singular value of A is at most C's plus ||E||_2^2 (Weyl), which probes bound.
func optimumBound(a *mat.Dense, q []float64, c *mat.Dense, s *Spectrum, k int, rng *rand.Rand) float64 {
	m, n := a.Dims()
	size, _ := c.Dims()
	e := mat.DenseCopyOf(a)
	re, rc := e.RawMatrix(), c.RawMatrix()
	simd.Dgemm(blas.NoTrans, blas.NoTrans, m, n, size, -1, q, size, rc.Data, rc.Stride, 1, re.Data, re.Stride)
	x, y := make([]float64, n), make([]float64, m)
	var missed float64
	for range probes {
		for i := range x {
			x[i] = rng.NormFloat64()
		}
		simd.Dgemv(blas.NoTrans, m, n, 1, re.Data, re.Stride, x, 1, 0, y, 1)
		missed = max(missed, math.Sqrt(simd.Dsumsq(y)))
	}
	missed *= 10 * math.Sqrt(2/math.Pi)
	rest, tail := frobenius(e), s.Tail(k)
	bound := rest*rest + tail*tail - float64(k)*missed*missed
	return math.Sqrt(max(0, bound))
}
