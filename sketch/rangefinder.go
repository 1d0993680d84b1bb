package sketch

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"

	"github.com/eckart-go/eckart/internal/simd"
	"github.com/eckart-go/eckart/linop"
)

// RangeOptions tunes Range; the zero value is the recommended setting.
type RangeOptions struct {
	// Oversamples is the number of columns beyond the rank; 0 means 10.
	Oversamples int
	// Passes is how often A is multiplied: 1 gives the range of A Omega, 2 that of A Aᵀ Omega, 3 that of A AᵀA Omega (one power
	// iteration), ...; 0 means 3. One pass is for spectra that decay fast only.
	Passes int
	Seed   uint64
	// Sketch is the test matrix Omegaᵀ, (rank + Oversamples) x n, for an odd number of passes; nil means a Gaussian one of Seed.
	Sketch Operator
}

func (o RangeOptions) passes() int {
	if o.Passes == 0 {
		return 3
	}
	return o.Passes
}

// Basis is what Range found.
type Basis struct {
	Q    blas64.General // m x l, orthonormal columns
	Cost Cost
	// Error estimates ||A - Q QᵀA||_F by leaving columns out in turn (LeaveOneOut), for a Gaussian test matrix and one pass; else 0.
	Error float64
	// Orthogonality is ||QᵀQ - I||_F, measured.
	Orthogonality float64
}

// Range returns an orthonormal basis of rank + Oversamples columns (at most min(m, n)) that captures most of A's range:
// randomized subspace iteration (HMT 2011, algorithms 4.1 and 4.4), orthonormalised after every product so that small
// directions survive. With p Oversamples and one pass, E ||A - QQᵀA||_F <= sqrt(1 + rank/(p-1)) times the best rank's error
// (HMT theorem 10.5); every further pair of passes takes the error nearer to the best by the square of the ratio of singular
// values.
//
// Operators that apply AᵀA in one pass (linop.Stream) are asked for that: half the passes counted in Options, at the price
// that directions below sqrt(eps) ||A|| are lost.
func Range(a linop.Operator, rank int, opts RangeOptions) (*Basis, error) {
	m, n := a.Dims()
	if rank < 1 || rank > min(m, n) {
		return nil, fmt.Errorf("sketch: rank %d for a matrix of %d x %d: expected 1 to %d", rank, m, n, min(m, n))
	}
	if opts.Oversamples < 0 || opts.Passes < 0 {
		return nil, fmt.Errorf("sketch: %d Oversamples and %d passes: expected none negative", opts.Oversamples, opts.Passes)
	}
	if opts.Oversamples == 0 {
		opts.Oversamples = 10
	}
	l := min(rank+opts.Oversamples, m, n)
	f := finder{a: &Counted{Operator: a}, m: m, n: n, l: l}
	q, err := f.iterate(opts)
	if err != nil {
		return nil, err
	}
	b := &Basis{Q: q, Cost: f.a.Cost, Orthogonality: orthogonality(q)}
	if opts.passes() == 1 && opts.Sketch == nil && l < min(m, n) {
		b.Error = LeaveOneOut(f.r)
	}
	return b, nil
}

// finder is the state of a subspace iteration.
type finder struct {
	a       *Counted
	m, n, l int
	orth    Orthonormaliser
	r       blas64.General // triangular factor of the last product
}

func (f *finder) iterate(opts RangeOptions) (blas64.General, error) {
	left, right := newBlock(f.m, f.l), newBlock(f.n, f.l)
	f.r = newBlock(f.l, f.l)
	passes := opts.passes()
	if passes%2 == 1 {
		if s := opts.Sketch; s != nil {
			if rows, cols := s.Dims(); rows != f.l || cols != f.n {
				panic(fmt.Sprintf("sketch: a test matrix of %d x %d for %d columns of %d", rows, cols, f.l, f.n))
			}
			f.a.add(1, f.l)
			if err := Right(left, f.a.Operator, s); err != nil {
				return left, err
			}
			passes--
			if err := f.orthonormalise(left); err != nil || passes == 0 {
				return left, err
			}
		} else {
			gaussianTo(right, opts.Seed, streamDense)
		}
	} else {
		gaussianTo(left, opts.Seed, streamDense)
	}
	for ; passes > 0; passes-- {
		from, to, multiply := right, left, f.a.MulTo
		if passes%2 == 0 {
			from, to, multiply = left, right, f.a.MulTransTo
		}
		if passes >= 3 && passes%2 == 1 && f.a.OnePassGram() {
			to, multiply = newBlock(f.n, f.l), func(dst, x blas64.General) error { return f.a.MulGramTo(dst, blas64.General{}, x) }
			passes--
			right = to
		}
		if err := multiply(to, from); err != nil {
			return left, err
		}
		if err := f.orthonormalise(to); err != nil {
			return left, err
		}
	}
	return left, nil
}

// orthonormalise overwrites w by an orthonormal basis; products that are not finite are an error.
func (f *finder) orthonormalise(w blas64.General) error {
	if err := finite(w); err != nil {
		return err
	}
	f.orth.Factorize(w, f.r)
	return nil
}

// finite returns an error if a product has elements that are NaN or infinite.
func finite(w blas64.General) error {
	for i := range w.Rows {
		if sum := simd.Dasum(row(w, i)); math.IsNaN(sum) || math.IsInf(sum, 0) {
			return fmt.Errorf("sketch: row %d of a product is not finite: NaN, infinite or huge elements in the matrix", i)
		}
	}
	return nil
}

// gaussianTo fills dst with standard normal numbers of a stream.
func gaussianTo(dst blas64.General, seed uint64, stream uint32) {
	newDense(dst.Rows, dst.Cols, seed, stream, normals).fill(dst, 0, 0, 1)
}

// GaussianTo fills dst with standard normal numbers: block number i of a seed, independent of other blocks and of the sketches
// of the same seed. It is what adaptive and Krylov methods start from.
func GaussianTo(dst blas64.General, seed uint64, i int) {
	gaussianTo(dst, seed, streamBlock+uint32(i))
}

// project subtracts Q(QᵀW) from W and adds the coefficients to h, if it is not empty.
func project(q, w, h blas64.General) {
	if q.Cols == 0 {
		return
	}
	c := newBlock(q.Cols, w.Cols)
	gemm(blas.Trans, blas.NoTrans, 1, q, w, 0, c)
	gemm(blas.NoTrans, blas.NoTrans, -1, q, c, 1, w)
	if h.Rows > 0 {
		for i := range h.Rows {
			simd.Daxpy(1, row(c, i), row(h, i))
		}
	}
}
