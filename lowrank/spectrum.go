package lowrank

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/internal/simd"
)

// Spectrum is the singular value decomposition of W T (see the package's documentation), from which factors of any rank are
// cut. It may be used by several goroutines.
type Spectrum struct {
	w      *mat.Dense // m x n, contiguous, perhaps the caller's
	values []float64  // all min(m, n) singular values, descending
	known  int        // how many singular vectors are there
	left   []float64  // known x m: left vectors as rows; then B A = U_k U_kᵀ W
	right  []float64  // known x p: right vectors as rows; then B A = (M V_k) (V_kᵀ T^-1)
	m      []float64  // M = W T, m x p, if right is used
	p      int
	// unscale returns V T^-1 (k x n) for the first k rows of right.
	unscale func(k int) *mat.Dense
	norm    func(e *mat.Dense) float64 // ||E T||

	whitener *Whitener // what T comes from, or nil
	plain    bool      // T = I
	mean     []float64
	split    Split
	template Certificate // what does not depend on the rank
}

// NewSpectrum returns the spectrum of w itself, to be cut at ranks up to maxRank; 0 means any. With Auto, the smaller
// maxRank is, the sooner the fast method is accurate enough. A contiguous *mat.Dense is not copied: it must not be modified
// as long as the spectrum is in use.
func NewSpectrum(w mat.Matrix, maxRank int, opts Options) (*Spectrum, error) {
	return spectrumOf(w, nil, orAll(maxRank, w), opts)
}

// NewScaledSpectrum returns the spectrum of w diag(scale), like NewSpectrum.
func NewScaledSpectrum(w mat.Matrix, scale []float64, maxRank int, opts Options) (*Spectrum, error) {
	return spectrumOf(w, scale, orAll(maxRank, w), opts)
}

// Spectrum returns the spectrum of W T, like NewSpectrum, T being the square root of the Whitener's second moment.
func (h *Whitener) Spectrum(w mat.Matrix, maxRank int, opts Options) (*Spectrum, error) {
	return h.spectrum(w, orAll(maxRank, w), opts)
}

func orAll(rank int, w mat.Matrix) int {
	if rank == 0 {
		return min(w.Dims())
	}
	return rank
}

// Values returns the singular values of W T, descending, min(m, n) of them. They are shared: not to be modified.
func (s *Spectrum) Values() []float64 { return s.values }

// MaxRank returns the largest rank at which the spectrum can be cut.
func (s *Spectrum) MaxRank() int { return s.known }

// Tail returns the least weighted error that a matrix of rank k has: the root of the sum of squares of all values but the
// first k.
func (s *Spectrum) Tail(k int) float64 {
	var sum float64
	for _, v := range slices.Backward(s.values[min(k, len(s.values)):]) {
		sum += v * v
	}
	return math.Sqrt(sum)
}

// Norm returns ||W T||.
func (s *Spectrum) Norm() float64 { return s.template.WeightedNorm }

// Cut returns the best factors of rank k, measured.
func (s *Spectrum) Cut(k int) (*Factors, error) {
	f, err := s.Factors(k)
	if err != nil {
		return nil, err
	}
	f.certify(s.w, s.norm, s.template)
	s.optimum(&f.Cert)
	return f, nil
}

// Certify measures factors b (m x k) and a (k x n), such as rounded ones, in the spectrum's norm beside the optimum of their
// rank.
func (s *Spectrum) Certify(b, a mat.Matrix) (Certificate, error) {
	c, err := certifyFor(s.w, b, a, s.norm, s.template)
	if err != nil {
		return c, err
	}
	proof := s.measured(c.Rank)
	proof.Weighted, proof.Frobenius = c.Weighted, c.Frobenius
	return proof, nil
}

// measured returns the certificate of rank k without what has to be measured.
func (s *Spectrum) measured(k int) Certificate {
	m, n := s.w.Dims()
	c := s.template
	c.Rank = k
	c.MulAdds = int64(k) * int64(m+n)
	c.Params = c.MulAdds
	if s.mean != nil {
		c.Params += int64(m)
	}
	s.optimum(&c)
	return c
}

// optimum fills in what no matrix of the certificate's rank can do better.
func (s *Spectrum) optimum(c *Certificate) {
	c.Optimum = s.Tail(c.Rank)
	if s.plain {
		c.PlainOptimum = c.Optimum
	}
}

// powerOfB returns which power of the singular values is in B.
func (s Split) powerOfB() float64 {
	switch s {
	case IntoB:
		return 1
	case IntoA:
		return 0
	}
	return 0.5
}

// certify measures the factors against w.
func (f *Factors) certify(w *mat.Dense, norm func(e *mat.Dense) float64, template Certificate) {
	m, n := w.Dims()
	_, k := f.B.Dims()
	e := residual(w, f.B, f.A)
	f.Cert = template
	f.Cert.Rank = k
	f.Cert.Frobenius = frobenius(e)
	f.Cert.Weighted = norm(e)
	f.Cert.MulAdds = int64(k) * int64(m+n)
	f.Cert.Params = f.Cert.MulAdds
	if f.Shift != nil {
		f.Cert.Params += int64(m)
	}
}

// residual returns W - B A.
func residual(w, b, a *mat.Dense) *mat.Dense {
	m, n := w.Dims()
	_, k := b.Dims()
	e := mat.DenseCopyOf(w)
	re, rb, ra := e.RawMatrix(), b.RawMatrix(), a.RawMatrix()
	simd.Dgemm(blas.NoTrans, blas.NoTrans, m, n, k, -1, rb.Data, rb.Stride, ra.Data, ra.Stride, 1, re.Data, re.Stride)
	return e
}

// frobenius returns ||a||_F without overflow.
func frobenius(a *mat.Dense) float64 {
	r := a.RawMatrix()
	var sum float64
	for i := range r.Rows {
		sum += simd.Dsumsq(r.Data[i*r.Stride : i*r.Stride+r.Cols])
	}
	if sum > 0x1p-900 && sum < 0x1p900 {
		return math.Sqrt(sum)
	}
	var largest float64
	for i := range r.Rows {
		largest = max(largest, largestMagnitude(r.Data[i*r.Stride:i*r.Stride+r.Cols]))
	}
	if largest == 0 {
		return 0
	}
	sum = 0
	scale := powerOfTwo(largest)
	for i := range r.Rows {
		for _, v := range r.Data[i*r.Stride : i*r.Stride+r.Cols] {
			sum += (v / scale) * (v / scale)
		}
	}
	return math.Sqrt(sum) * scale
}

// powerOfTwo returns a power of two near x > 0, such that it and its inverse are normal numbers.
func powerOfTwo(x float64) float64 {
	_, exp := math.Frexp(x)
	return math.Ldexp(1, min(max(exp, -1000), 1000))
}
