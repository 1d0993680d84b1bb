package lowrank

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/internal/pool"
	"github.com/eckart-go/eckart/internal/simd"
	"github.com/eckart-go/eckart/lapack"
)

// acceptable is the part of the discarded energy that the error of a Gram matrix may be for Auto to use it.
const acceptable = 1e-8

// spectrumOf decomposes w diag(scale), or w if scale is nil, with vectors for ranks up to k.
func spectrumOf(w mat.Matrix, scale []float64, k int, opts Options) (*Spectrum, error) {
	c, err := finite("the matrix", w)
	if err != nil {
		return nil, err
	}
	m, n := c.Dims()
	if err := checkRank(k, m, n); err != nil {
		return nil, err
	}
	if opts.Method == Krylov {
		return nil, fmt.Errorf("lowrank: Krylov finds factors of one rank, not a spectrum: use SVD")
	}
	if scale != nil {
		if err := checkScale(scale, n); err != nil {
			return nil, err
		}
	}
	s := &Spectrum{w: c, split: opts.Split, known: k, p: n, plain: scale == nil}
	s.norm = func(e *mat.Dense) float64 { return frobenius(timesDiagonal(e, scale)) }
	s.unscale = func(k int) *mat.Dense { return overDiagonal(k, n, s.right, scale) }
	x := timesDiagonal(c, scale)
	s.template = Certificate{WeightedNorm: frobenius(x), FrobeniusNorm: frobenius(c)}
	s.decompose(x.RawMatrix().Data, opts.Method)
	return s, nil
}

func checkScale(scale []float64, n int) error {
	if len(scale) != n {
		return fmt.Errorf("lowrank: %d scales for %d inputs", len(scale), n)
	}
	for j, v := range scale {
		if !(v >= 0) || math.IsInf(v, 1) {
			return fmt.Errorf("lowrank: scale %d is %v: expected a finite number >= 0", j, v)
		}
	}
	return nil
}

// timesDiagonal returns e diag(scale), or e itself if scale is nil.
func timesDiagonal(e *mat.Dense, scale []float64) *mat.Dense {
	if scale == nil {
		return e
	}
	m, n := e.Dims()
	c := mat.NewDense(m, n, nil)
	for i := range m {
		row := c.RawRowView(i)
		for j, v := range e.RawRowView(i) {
			row[j] = v * scale[j]
		}
	}
	return c
}

// overDiagonal returns the first k rows of v (n columns) diag(scale)^-1; inputs of scale zero get zeros.
func overDiagonal(k, n int, v, scale []float64) *mat.Dense {
	a := mat.NewDense(k, n, slices.Clone(v[:k*n]))
	if scale != nil {
		for i := range k {
			for j, row := 0, a.RawRowView(i); j < n; j++ {
				if scale[j] == 0 {
					row[j] = 0
				} else {
					row[j] /= scale[j]
				}
			}
		}
	}
	return a
}

// decompose finds the singular values of x (m x p, contiguous) and the vectors of its smaller side. x is kept.
func (s *Spectrum) decompose(x []float64, method Method) {
	m, _ := s.w.Dims()
	if method != Exact {
		s.gram(m, s.p, x)
		s.template.Method = "gram"
		if method == Gram || s.gramError(m)*s.template.WeightedNorm*s.template.WeightedNorm <= acceptable*square(s.Tail(s.known)) {
			return
		}
	}
	s.exact(m, s.p, x)
	s.template.Method = "exact"
}

// gramError bounds by how much the energy that a cut discards can be wrong, relative to ||x||^2, when the Gram matrix C of
// the smaller side was used. Forming it errs by at most (inner dimension) eps ||x||^2 in norm, its decomposition by about
// (order) eps ||x||^2, and the sum of k eigenvalues by sqrt(k) times that: once for the sum, once for the vectors.
func (s *Spectrum) gramError(m int) float64 {
	order := min(m, s.p)
	return 2 * math.Sqrt(float64(order)) * float64(m+s.p) * 0x1p-53
}

func square(x float64) float64 { return x * x }

// gram uses the eigendecomposition of the Gram matrix of the smaller side.
func (s *Spectrum) gram(m, p int, x []float64) {
	if m <= p {
		s.left, s.right, s.m = s.ofRows(m, p, x), nil, nil
	} else {
		s.left, s.right, s.m = nil, s.ofColumns(m, p, x), x
	}
}

// ofRows returns the left singular vectors of x (m x p, contiguous), from x xᵀ, and sets the values.
func (s *Spectrum) ofRows(m, p int, x []float64) []float64 {
	scale, scaled := safelyScaled(x)
	c := scratch.Get(m * m)
	defer scratch.Put(c)
	simd.Dsyrk(blas.Upper, blas.NoTrans, m, p, 1, scaled, p, 0, *c, m)
	return s.squares(m, *c, scale)
}

// ofColumns returns the right singular vectors of x, from xᵀ x, and sets the values.
func (s *Spectrum) ofColumns(m, p int, x []float64) []float64 {
	scale, scaled := safelyScaled(x)
	c := scratch.Get(p * p)
	defer scratch.Put(c)
	simd.Dsyrk(blas.Upper, blas.Trans, p, m, 1, scaled, p, 0, *c, p)
	return s.squares(p, *c, scale)
}

// scratch recycles what only one step of a decomposition needs.
var scratch pool.Buffers[float64]

// squares decomposes the Gram matrix c (upper triangle, order x order) of scaled rows: it sets the values to the square roots
// of its eigenvalues times scale, and returns the leading vectors as rows, descending.
func (s *Spectrum) squares(order int, c []float64, scale float64) []float64 {
	e := eigens.Get()
	defer eigens.Put(e)
	known := min(s.known, order)
	if err := e.FactorizeTop(blas.Upper, order, c, order, known); err != nil {
		panic(err) // the elements are finite: scaled before squaring
	}
	m, n := s.w.Dims()
	s.values = make([]float64, min(m, n))
	for i, v := range e.Values() {
		if at := order - 1 - i; at < len(s.values) {
			s.values[at] = math.Sqrt(max(0, v)) * scale
		}
	}
	vectors := make([]float64, s.known*order)
	all := e.Vectors()
	for i := range known {
		copy(vectors[i*order:(i+1)*order], all.Data[(known-1-i)*all.Stride:])
	}
	return vectors
}

// scaledCopy returns x divided by a power of two near its largest element, and that power: squares are then safe.
func scaledCopy(x []float64) (scale float64, scaled []float64) {
	scale, scaled = 1, slices.Clone(x)
	if largest := largestMagnitude(x); largest > 0 {
		scale = powerOfTwo(largest)
		simd.Dscal(1/scale, scaled)
	}
	return scale, scaled
}

// safelyScaled is scaledCopy that returns x itself, and 1, where squares of its numbers are safe as they are.
func safelyScaled(x []float64) (scale float64, scaled []float64) {
	if sum := simd.Dsumsq(x); sum > 0x1p-600 && sum < 0x1p600 {
		return 1, x
	}
	return scaledCopy(x)
}

// largestMagnitude returns the largest |x_i|.
func largestMagnitude(x []float64) float64 {
	var largest float64
	for _, v := range x {
		largest = max(largest, math.Abs(v))
	}
	return largest
}

// exact uses the singular value decomposition of x itself.
func (s *Spectrum) exact(m, p int, x []float64) {
	known := lapack.Vectors(min(s.known, m, p))
	left, right := known, lapack.NoVectors
	if m > p {
		left, right = right, left
	}
	svd := svds.Get()
	defer svds.Put(svd)
	if err := svd.Factorize(left, right, m, p, x, p); err != nil {
		panic(err) // the elements are finite
	}
	m0, n0 := s.w.Dims()
	s.values = make([]float64, min(m0, n0))
	copy(s.values, svd.Values())
	if m <= p {
		s.left, s.right, s.m = packed(svd.U(), s.known), nil, nil
	} else {
		s.left, s.right, s.m = nil, packed(svd.V(), s.known), x
	}
}

// packed returns the rows of v without gaps, and zeros up to k rows.
func packed(v lapack.General[float64], k int) []float64 {
	p := make([]float64, k*v.Cols)
	for i := range v.Rows {
		copy(p[i*v.Cols:], v.Data[i*v.Stride:][:v.Cols])
	}
	return p
}

// spectrum decomposes W T with vectors for ranks up to k.
func (h *Whitener) spectrum(w mat.Matrix, k int, opts Options) (*Spectrum, error) {
	c, err := finite("the matrix", w)
	if err != nil {
		return nil, err
	}
	m, n := c.Dims()
	if n != h.n {
		return nil, fmt.Errorf("lowrank: a matrix of %d x %d and a Gram matrix of %d x %d", m, n, h.n, h.n)
	}
	if err := checkRank(k, m, n); err != nil {
		return nil, err
	}
	s := &Spectrum{w: c, split: opts.Split, known: k, mean: h.mean, norm: h.norm, whitener: h}
	if h.rank == 0 { // nothing is known of the inputs
		if s, err = spectrumOf(w, nil, k, Options{Split: opts.Split}); err != nil {
			return nil, err
		}
		s.mean, s.norm, s.plain = h.mean, h.norm, false
		s.template = Certificate{FrobeniusNorm: s.template.FrobeniusNorm, Method: s.template.Method}
		clear(s.values)
		return s, nil
	}
	form, err := h.form(m, opts.Form)
	if err != nil {
		return nil, err
	}
	if form == Eigen {
		if err := h.eigen(); err != nil {
			return nil, err
		}
	}
	s.template = Certificate{FrobeniusNorm: frobenius(c), Condition: h.condition, GramRank: h.rank, Method: formNames[form]}
	if form == InverseFree {
		h.inverseFree(s)
		return s, nil
	}
	x, p := h.times(c, form)
	s.p = p
	s.template.WeightedNorm = frobenius(mat.NewDense(m, p, x))
	s.unscale = func(k int) *mat.Dense { return h.unwhiten(form, k, s.right, p) }
	s.right, s.m = s.ofColumns(m, p, x), x
	return s, nil
}

var formNames = map[Form]string{InverseFree: "inverse-free", Cholesky: "cholesky", Eigen: "eigen"}

// inverseFree sets the left vectors: the eigenvectors of W G Wᵀ.
func (h *Whitener) inverseFree(s *Spectrum) {
	m, n := s.w.Dims()
	if h.u != nil {
		x := scratch.Get(m * n)
		defer scratch.Put(x)
		timesUpper(simd.Dgemm, m, n, s.w.RawMatrix().Data, n, h.u, *x)
		s.template.WeightedNorm = frobenius(mat.NewDense(m, n, *x))
		s.left = s.ofRows(m, n, *x)
		return
	}
	scale, scaled := safelyScaled(s.w.RawMatrix().Data)
	wg, c := scratch.Get(m*n), scratch.Get(m*m)
	defer scratch.Put(wg)
	defer scratch.Put(c)
	simd.Dgemm(blas.NoTrans, blas.NoTrans, m, n, n, 1, scaled, n, h.g, n, 0, *wg, n)
	const rows = 192 // of the upper triangle of c that one product covers
	for i := 0; i < m; i += rows {
		simd.Dgemm(blas.NoTrans, blas.Trans, min(rows, m-i), m-i, n, 1, (*wg)[i*n:], n, scaled[i*n:], n, 0, (*c)[i*m+i:], m)
	}
	scale *= math.Sqrt(h.scale)
	var trace float64
	for i := range m {
		trace += (*c)[i*m+i]
	}
	s.template.WeightedNorm = math.Sqrt(max(0, trace)) * scale
	s.left = s.squares(m, *c, scale)
}
