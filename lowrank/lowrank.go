// Package lowrank finds the best matrix B A of rank k for a given W, in the Frobenius norm or weighted by what the matrix is
// applied to, and proves how good it is.
//
// A weight W (m x n) is out x in: it maps an input x to W x. All objectives are ||(W - B A) T||_F for some T:
//
//	SVD         T = I
//	Scaled      T = diag(scale), one positive number for each input (ASVD, arXiv 2312.05821)
//	Whitened    T Tᵀ = G, the second moment of the inputs: the error of the outputs (SVD-LLM, arXiv 2403.07378)
//	Affine      T Tᵀ = G - x̄ x̄ᵀ and a bias, the error of the outputs about their mean (LoRD, arXiv 2309.14021)
//
// and have one closed solution each (Eckart, Young 1936): the singular value decomposition of W T, cut at k. A Spectrum is
// that decomposition before the cut: computed once, cut at any rank. A Whitener is what all matrices with the same inputs
// share.
//
// # Operators
//
// A matrix that is known by its products (linop.Operator: sparse, larger than memory, never formed) or whose leading part is all
// that is wanted: OperatorSVD (block Krylov, subspace iteration, to a tolerance), SymEigen, Nystrom and PivotedCholesky for
// positive semidefinite ones, Sketchy and FrequentDirections for rows that pass by once, InterpolativeColumns and CUR in terms
// of the matrix's own columns and rows. All say what their errors rest on and count passes and products.
//
// # Accuracy
//
// A method for an explicit matrix either works on the matrix itself (Exact: singular values to c n eps sigma_1) or on the Gram
// matrix of its smaller side, which is several times faster, but whose singular values below sqrt(eps) sigma_1 are noise. Auto
// takes the Gram matrix where its error is provably a negligible part of the error of the cut, and Exact elsewhere. Whitened
// and Affine are given a Gram matrix as data: forming W G Wᵀ amounts to a change of G by n eps ||G||, no more than the rounding
// it was accumulated with, so they work on it.
package lowrank

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/linop"
)

// Method chooses how singular values and vectors of an explicit matrix are computed.
type Method int

const (
	// Auto uses Gram where its error bound is below 1e-8 of the energy that the cut discards, and Exact elsewhere.
	Auto Method = iota
	// Exact computes singular values to c n eps sigma_1, by QR and a dense singular value decomposition.
	Exact
	// Gram uses the eigendecomposition of the Gram matrix of the smaller side: singular values to c n eps sigma_1^2 / sigma_i.
	Gram
	// Krylov finds the leading part only, by a randomized block Krylov iteration (Musco, Musco 2015) that stops when it is within
	// a given accuracy of the optimum: the certificate has the achieved error and a lower bound of the optimum.
	Krylov
	// Randomized finds the leading part by subspace iteration (Halko, Martinsson, Tropp 2011) of a fixed number of passes.
	Randomized
	// TwoPass finds the leading part in two passes over a matrix that is larger than memory (linop.Stream), nearly as good as
	// Randomized with one power iteration.
	TwoPass
)

// Form chooses how Whitened factors are computed. All give the same product in exact arithmetic.
type Form int

const (
	// AutoForm uses InverseFree for m <= n; else Cholesky if the Gram matrix is safely positive definite, else Eigen.
	AutoForm Form = iota
	// InverseFree takes the eigenvectors U of W G Wᵀ (m x m): B A = U_k U_kᵀ W.
	InverseFree
	// Cholesky whitens with G = L Lᵀ; it fails if G is singular to working precision.
	Cholesky
	// Eigen whitens with G = V diag(l) Vᵀ, from which eigenvalues up to n eps l_max are dropped.
	Eigen
)

// Split chooses which factor the singular values go to.
type Split int

const (
	// Even puts the square roots of the singular values into both factors.
	Even Split = iota
	// IntoB leaves the rows of A T orthonormal.
	IntoB
	// IntoA leaves the columns of B orthonormal.
	IntoA
)

// Options tunes a factorisation; its zero value is the recommended setting.
type Options struct {
	Method Method // for SVD and Scaled
	Form   Form   // for Whitened and Affine
	Split  Split
	// Tol, if not 0, asks for the least rank whose error is at most Tol times the norm, in place of a rank: for SVD and
	// OperatorSVD, whose k is then the most it may be, or 0.
	Tol        float64
	Krylov     KrylovOptions
	Randomized RandomizedOptions
}

// Factors is W ~ B A, with the proof of how near it is.
type Factors struct {
	B *mat.Dense // m x k
	A *mat.Dense // k x n
	// S holds the k largest singular values of W T, descending: the energy that each column of B and row of A carries.
	S []float64
	// Shift is to be added to the layer's bias: (W - B A) x̄ for inputs of mean x̄ (LoRD). It is nil for the other objectives.
	Shift []float64
	Cert  Certificate

	u, v *mat.Dense // singular vectors, if the method found them as such
}

// Certificate is what is known about B A. All norms are Frobenius norms; multiplied by T they measure the objective.
type Certificate struct {
	Rank          int     `json:"rank"`
	Weighted      float64 `json:"weighted"`                // ||(W - B A) T||, measured
	Optimum       float64 `json:"optimum"`                 // the least that any matrix of this rank reaches (or a lower bound), 0 if not known
	WeightedNorm  float64 `json:"weighted_norm"`           // ||W T||
	Frobenius     float64 `json:"frobenius"`               // ||W - B A||, measured
	FrobeniusNorm float64 `json:"frobenius_norm"`          // ||W||
	PlainOptimum  float64 `json:"plain_optimum,omitempty"` // least ||W - C|| for C of this rank, 0 if not known
	Params        int64   `json:"params"`                  // numbers in B, A and Shift
	MulAdds       int64   `json:"mul_adds"`                // for one input vector
	Condition     float64 `json:"condition,omitempty"`     // of G on its range: an estimate in the 1-norm, or l_max / l_min; 0 without G
	GramRank      int     `json:"gram_rank,omitempty"`     // number of directions that the inputs have, to working precision
	Method        string  `json:"method,omitempty"`        // what was computed: "exact", "gram", "krylov", "inverse-free", "cholesky", "eigen"
	LowerBound    bool    `json:"lower_bound,omitempty"`   // Optimum is a lower bound only

	// Of methods that see the matrix through its products only.
	Why      string  `json:"why,omitempty"`      // the reason for the method
	Estimate string  `json:"estimate,omitempty"` // what Weighted rests on: "norms" (||A||^2 less what is kept), "probes" (random vectors); "": measured
	Low      float64 `json:"low,omitempty"`      // 95 % interval of an error by probes
	High     float64 `json:"high,omitempty"`
	Excess   float64 `json:"excess,omitempty"`   // estimate of Weighted / best - 1 by the convergence of a Krylov method
	Missed   bool    `json:"missed,omitempty"`   // Tol was not reached within the ranks allowed
	Passes   int     `json:"passes,omitempty"`   // over the matrix
	Products int     `json:"products,omitempty"` // of the matrix or its transpose with a vector
}

// Relative returns the weighted error as a fraction of the norm, 0 for a zero matrix.
func (c Certificate) Relative() float64 {
	if c.WeightedNorm == 0 {
		return 0
	}
	return c.Weighted / c.WeightedNorm
}

// Bias returns b plus Shift: the bias of a layer that had the bias b (m values, or nil for none) and now has the factors. It
// is nil if there is neither.
func (f *Factors) Bias(b []float64) []float64 {
	if b == nil && f.Shift == nil {
		return nil
	}
	sum := make([]float64, max(len(b), len(f.Shift)))
	copy(sum, b)
	for i, v := range f.Shift {
		sum[i] += v
	}
	return sum
}

// KeepRank returns the largest rank whose factors have at most keep*m*n numbers: floor(keep m n / (m+n)), at least 1.
func KeepRank(m, n int, keep float64) int {
	return max(1, int(math.Floor(keep*float64(m)*float64(n)/float64(m+n)+1e-9)))
}

// SVD returns the best approximation of a (m x n) of rank k in the Frobenius norm: the truncated singular value
// decomposition. Where Auto's decomposition of everything would be much more work than that of a small leading part (see
// OperatorSVD), it takes Krylov, whose error is within Krylov.Accuracy of the best. The certificate says what was done, and its
// error is measured. SVD fails if a has NaN or infinite elements or k is not between 1 and min(m, n).
func SVD(a mat.Matrix, k int, opts Options) (*Factors, error) {
	m, n := a.Dims()
	method, _ := opts.choose(m, n, k)
	if opts.Tol == 0 && method != Krylov && method != Randomized && method != TwoPass {
		s, err := spectrumOf(a, nil, k, opts)
		if err != nil {
			return nil, err
		}
		return s.Cut(k)
	}
	c, err := finite("the matrix", a)
	if err != nil {
		return nil, err
	}
	f, err := OperatorSVD(linop.Dense(c.RawMatrix()), k, opts)
	if err != nil || f.Cert.Estimate == "" {
		return f, err
	}
	cert := f.Cert
	norm := frobenius(c)
	cert.WeightedNorm, cert.FrobeniusNorm, cert.Estimate, cert.Low, cert.High = norm, norm, "", 0, 0
	f.certify(c, frobenius, cert)
	return f, nil
}

// Scaled returns the best approximation of w (m x n) of rank k in the norm ||. diag(scale)||: for scale_j = (mean |x_j|)^1/2
// this is ASVD. A scale of zero means that the input does not matter. It fails like SVD, and for negative scales.
func Scaled(w mat.Matrix, scale []float64, k int, opts Options) (*Factors, error) {
	s, err := spectrumOf(w, scale, k, opts)
	if err != nil {
		return nil, err
	}
	return s.Cut(k)
}

// Whitened returns the best approximation of w (m x n) of rank k in the norm ||. G^(1/2)||, where G (n x n) is the second
// moment XᵀX of the inputs, normalised or not: the Euclidean error of the outputs. G may be singular. For several matrices
// with the same inputs make one Whitener. It fails if k is not between 1 and min(m, n), if numbers are not finite, and if G
// has a negative eigenvalue that rounding cannot explain.
func Whitened(w mat.Matrix, gram mat.Symmetric, k int, opts Options) (*Factors, error) {
	h, err := NewWhitener(gram)
	if err != nil {
		return nil, err
	}
	s, err := h.spectrum(w, k, opts)
	if err != nil {
		return nil, err
	}
	return s.Cut(k)
}

// Affine returns the best approximation of the outputs of w (m x n) by an affine map of rank k, from the second moment
// E[x xᵀ] (normalised!) and the mean of the inputs: PCA of the outputs, whose mean goes into the bias (Factors.Shift). Its
// error is never above that of Whitened. It fails like Whitened.
func Affine(w mat.Matrix, moment mat.Symmetric, mean []float64, k int, opts Options) (*Factors, error) {
	h, err := NewCentredWhitener(moment, mean)
	if err != nil {
		return nil, err
	}
	s, err := h.spectrum(w, k, opts)
	if err != nil {
		return nil, err
	}
	return s.Cut(k)
}

// checkRank returns an error unless k is a rank that an m x n matrix can have, above zero.
func checkRank(k, m, n int) error {
	if k < 1 || k > min(m, n) {
		return fmt.Errorf("lowrank: rank %d for a matrix of %d x %d: expected 1 to %d", k, m, n, min(m, n))
	}
	return nil
}

// finite returns a as a contiguous matrix: a itself if it is one, else a copy. The error names the first element that is NaN
// or infinite.
func finite(name string, a mat.Matrix) (*mat.Dense, error) {
	m, n := a.Dims()
	if m == 0 || n == 0 {
		return nil, fmt.Errorf("lowrank: %s is %d x %d: expected at least one row and column", name, m, n)
	}
	c, ok := a.(*mat.Dense)
	if !ok || c.RawMatrix().Stride != n {
		c = mat.DenseCopyOf(a)
	}
	if norm := frobenius(c); norm-norm == 0 {
		return c, nil
	}
	for i, v := range c.RawMatrix().Data[:m*n] {
		if v-v != 0 {
			return nil, fmt.Errorf("lowrank: %s: element (%d, %d) is %v", name, i/n, i%n, v)
		}
	}
	return c, nil
}
