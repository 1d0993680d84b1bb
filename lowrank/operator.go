package lowrank

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/internal/pool"
	"github.com/eckart-go/eckart/internal/simd"
	"github.com/eckart-go/eckart/lapack"
	"github.com/eckart-go/eckart/linop"
	"github.com/eckart-go/eckart/sketch"
)

// errSpaceFull says that a Krylov space would be nearly everything: the exact decomposition is less work.
var errSpaceFull = errors.New("lowrank: the Krylov space is full")

// approximation is U diag(s) Vᵀ before it is certified.
type approximation struct {
	u, v   blas64.General // m x k and n x k, orthonormal columns
	s      []float64
	rest   float64 // norm of what C had beyond the rank: no rank-k matrix is nearer to A than that (interlacing)
	excess float64 // estimate of error / best error - 1; infinite if it is not known
	cost   sketch.Cost
}

// compress cuts U C Vᵀ, U and V orthonormal, at rank k.
func compress(u, c, v blas64.General, k int) *approximation {
	k = min(k, c.Rows, c.Cols)
	svd := svds.Get()
	defer svds.Put(svd)
	if err := svd.FactorizeTop(c.Rows, c.Cols, c.Data, c.Stride, k); err != nil {
		panic(err) // products have been checked for numbers that are not finite
	}
	f := &approximation{u: general(u.Rows, k), v: general(v.Rows, k), s: slices.Clone(svd.Values()[:k]), rest: length(svd.Values()[k:])}
	x, y := blas64.General(svd.U()), blas64.General(svd.V())
	multiply(blas.NoTrans, blas.Trans, 1, u, x, 0, f.u)
	multiply(blas.NoTrans, blas.Trans, 1, v, y, 0, f.v)
	return f
}

// svds recycles decompositions with their buffers.
var svds pool.Shelf[lapack.SVD[float64]]

// OperatorSVD returns the best approximation of rank k of a matrix that is known by its products, or nearly: a truncated singular
// value decomposition, whose vectors Triplets returns. opts.Method chooses how:
//
//	Auto        Exact where A is small or k is a good part of it, else Krylov
//	Krylov      a block Krylov iteration that stops when the error is within Krylov.Accuracy of the best: the fewest products
//	Randomized  subspace iteration with scikit-learn's parameters
//	TwoPass     two passes over a linop.Stream, and no more
//	Exact, Gram all elements of A are collected, by one product with the identity
//
// The certificate has the error, what it rests on (Estimate), a lower bound of the best error, the passes over A and the products
// with it, and why the method was chosen. With opts.Tol, k is the most columns there may be, 0 for any number, and the rank is
// the least for which ||A - B A||_F <= Tol ||A||_F can be shown: see sketch.QB for what guarantees it.
//
// It fails if A has numbers that are not finite, if a product fails (linop.WithContext makes products fail when a context ends),
// or if k is not between 1 and min(m, n).
func OperatorSVD(a linop.Operator, k int, opts Options) (*Factors, error) {
	m, n := a.Dims()
	if m == 0 || n == 0 {
		return nil, fmt.Errorf("lowrank: the operator is %d x %d: expected at least one row and column", m, n)
	}
	if opts.Tol != 0 {
		return toTolerance(a, k, opts)
	}
	if err := checkRank(k, m, n); err != nil {
		return nil, err
	}
	method, why := opts.choose(m, n, k)
	var f *approximation
	var err error
	switch method {
	case Krylov:
		f, err = krylovFactors(a, k, opts)
		if errors.Is(err, errSpaceFull) {
			method, why = Exact, why+"; its space grew to the size of A, which was decomposed instead"
		}
	case Randomized:
		f, err = randomizedFactors(a, k, opts)
	case TwoPass:
		f, err = twoPassFactors(a, k, opts)
	}
	if method == Exact || method == Gram {
		return collected(a, k, method, why, opts)
	}
	if err != nil {
		return nil, err
	}
	return f.certified(a, method, why, opts)
}

// Methods by name, as certificates have them.
var methodNames = map[Method]string{Exact: "exact", Gram: "gram", Krylov: "krylov", Randomized: "randomized", TwoPass: "two-pass"}

// smallSide is the smaller side up to which a whole decomposition is about as fast as anything else.
const smallSide = 256

// choose returns the method for an operator, and why. A Krylov iteration ends with a space of about three blocks of k + 10; it
// pays where that is much less than the smaller side.
func (o Options) choose(m, n, k int) (Method, string) {
	if o.Method != Auto {
		return o.Method, "as asked"
	}
	switch side := min(m, n); {
	case side <= smallSide:
		return Exact, fmt.Sprintf("the smaller side is %d", side)
	case 4*(k+10) > side:
		return Exact, fmt.Sprintf("rank %d is a good part of %d", k, side)
	}
	return Krylov, fmt.Sprintf("rank %d is small beside %d", k, min(m, n))
}

// collected decomposes all elements of a.
func collected(a linop.Operator, k int, method Method, why string, opts Options) (*Factors, error) {
	d, err := elements(a)
	if err != nil {
		return nil, err
	}
	s, err := spectrumOf(d, nil, k, Options{Method: method, Split: opts.Split})
	if err != nil {
		return nil, err
	}
	f, err := s.Cut(k)
	if err != nil {
		return nil, err
	}
	_, n := a.Dims()
	f.Cert.Why, f.Cert.Passes, f.Cert.Products = why, 1, n
	return f, nil
}

// elements returns a as a matrix in memory.
func elements(a linop.Operator) (*mat.Dense, error) {
	switch a := a.(type) {
	case linop.Dense:
		return mat.NewDense(a.Rows, a.Cols, contiguous(blas64.General(a)).Data), nil
	case linop.Rows:
		m, n := a.Dims()
		d := mat.NewDense(m, n, nil)
		return d, a.EachBlock(func(first int, block blas64.General) error {
			for i := range block.Rows {
				d.SetRow(first+i, block.Data[i*block.Stride:i*block.Stride+n])
			}
			return nil
		})
	}
	m, n := a.Dims()
	d := mat.NewDense(m, n, nil)
	identity := general(n, n)
	for i := range n {
		identity.Data[i*n+i] = 1
	}
	return d, a.MulTo(d.RawMatrix(), identity)
}

// validNorms is the relative error above which the difference ||A||^2 - ||UᵀA||^2 has digits left: rounding is some (rank) eps ||A||^2.
const validNorms = 1e-6

// probes is the number of Gaussian vectors that estimate an error which norms cannot tell.
const probes = 10

// certified turns an approximation into factors with their certificate.
func (f *approximation) certified(a linop.Operator, method Method, why string, opts Options) (*Factors, error) {
	norm, known, err := linop.FrobeniusNorm(a)
	if err != nil {
		return nil, err
	}
	out := f.factors(opts.Split)
	c := &out.Cert
	c.Method, c.Why = methodNames[method], why
	c.Optimum, c.LowerBound, c.PlainOptimum = f.rest, true, f.rest
	if !math.IsInf(f.excess, 1) {
		c.Excess = f.excess
	}
	kept := length(f.s)
	if known {
		c.WeightedNorm, c.FrobeniusNorm = norm, norm
		if rest := math.Sqrt(max(0, norm-kept)) * math.Sqrt(norm+kept); rest > validNorms*norm || norm == 0 {
			c.Weighted, c.Estimate = rest, "norms"
		}
	}
	if c.Estimate == "" {
		if err := f.probe(a, c, known, opts.seed(method)); err != nil {
			return nil, err
		}
	}
	c.Frobenius, c.Passes, c.Products = c.Weighted, f.cost.Passes, f.cost.Products
	return out, nil
}

// probe estimates the error, and the norm if it is not known, from one more product.
func (f *approximation) probe(a linop.Operator, c *Certificate, known bool, seed uint64) error {
	counted := &sketch.Counted{Operator: a, Cost: f.cost}
	scaled := general(f.v.Cols, f.v.Rows) // diag(s) Vᵀ
	for i := range f.v.Rows {
		for j, v := range f.v.Data[i*f.v.Stride : i*f.v.Stride+f.v.Cols] {
			scaled.Data[j*scaled.Stride+i] = v * f.s[j]
		}
	}
	e, err := sketch.FrobeniusEstimate(sketch.Residual(counted, f.u, scaled), probes, seed)
	if err != nil {
		return err
	}
	f.cost = counted.Cost
	c.Weighted, c.Estimate, c.Low, c.High = e.Estimate, "probes", e.Low, e.High
	if !known {
		c.WeightedNorm = math.Hypot(length(f.s), e.Estimate)
		c.FrobeniusNorm = c.WeightedNorm
	}
	return nil
}

// factors makes B and A of the singular vectors.
func (f *approximation) factors(split Split) *Factors {
	m, n, k := f.u.Rows, f.v.Rows, len(f.s)
	out := &Factors{B: mat.NewDense(m, k, nil), A: mat.NewDense(k, n, nil), S: f.s}
	f.u, f.v = contiguous(f.u), contiguous(f.v)
	fixSigns(k, f.u.Data, f.v.Data)
	b, a := out.B.RawMatrix().Data, out.A.RawMatrix().Data
	copy(b, f.u.Data)
	for i := range n {
		for j, v := range f.v.Data[i*k : (i+1)*k] {
			a[j*n+i] = v * f.s[j]
		}
	}
	out.balance(IntoA, split)
	out.u, out.v = mat.NewDense(m, k, f.u.Data), mat.NewDense(n, k, f.v.Data)
	out.Cert = Certificate{Rank: k, MulAdds: int64(k) * int64(m+n), Params: int64(k) * int64(m+n)}
	return out
}

// fixSigns makes the element of largest magnitude of each of the k columns of u (the first of several) positive; the columns of
// v change with them. Both are without gaps.
func fixSigns(k int, u, v []float64) {
	largest := make([]float64, k)
	for at := 0; at < len(u); at += k {
		for j, x := range u[at : at+k] {
			if math.Abs(x) > math.Abs(largest[j]) {
				largest[j] = x
			}
		}
	}
	for _, w := range [][]float64{u, v} {
		for at := 0; at < len(w); at += k {
			for j, x := range w[at : at+k] {
				w[at+j] = x * math.Copysign(1, largest[j])
			}
		}
	}
}

// seed returns the seed of a method.
func (o Options) seed(method Method) uint64 {
	if method == Randomized {
		return o.Randomized.Seed
	}
	return o.Krylov.Seed
}

// general returns a zero matrix.
func general(rows, cols int) blas64.General {
	return blas64.General{Rows: rows, Cols: cols, Stride: max(1, cols), Data: make([]float64, rows*cols)}
}

// contiguous returns b, or a copy without gaps between its rows.
func contiguous(b blas64.General) blas64.General {
	if b.Stride == b.Cols {
		return b
	}
	c := general(b.Rows, b.Cols)
	for i := range b.Rows {
		copy(c.Data[i*c.Stride:], b.Data[i*b.Stride:i*b.Stride+b.Cols])
	}
	return c
}

// multiply computes c = alpha op(a) op(b) + beta c.
func multiply(ta, tb blas.Transpose, alpha float64, a, b blas64.General, beta float64, c blas64.General) {
	k := a.Cols
	if ta != blas.NoTrans {
		k = a.Rows
	}
	if c.Rows == 0 || c.Cols == 0 || k == 0 && beta == 1 {
		return
	}
	simd.Dgemm(ta, tb, c.Rows, c.Cols, k, alpha, a.Data, a.Stride, b.Data, b.Stride, beta, c.Data, c.Stride)
}

// product returns a b.
func product(a, b blas64.General) blas64.General {
	c := general(a.Rows, b.Cols)
	multiply(blas.NoTrans, blas.NoTrans, 1, a, b, 0, c)
	return c
}

// sumsq returns ||b||_F^2.
func sumsq(b blas64.General) float64 {
	var sum float64
	for i := range b.Rows {
		sum += simd.Dsumsq(b.Data[i*b.Stride : i*b.Stride+b.Cols])
	}
	return sum
}

func norm(b blas64.General) float64 { return math.Sqrt(sumsq(b)) }

// length returns the norm of x without overflow.
func length(x []float64) float64 {
	var sum float64
	for _, v := range x {
		sum = math.Hypot(sum, v)
	}
	return sum
}

// finiteBlock returns an error if a product is not finite.
func finiteBlock(w blas64.General) error {
	for i := range w.Rows {
		if sum := simd.Dasum(w.Data[i*w.Stride : i*w.Stride+w.Cols]); math.IsNaN(sum) || math.IsInf(sum, 0) {
			return fmt.Errorf("lowrank: row %d of a product with the operator is not finite: NaN, infinite or huge elements", i)
		}
	}
	return nil
}
