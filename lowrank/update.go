package lowrank

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/internal/simd"
	"github.com/eckart-go/eckart/lapack"
)

// updateRidge is the ridge of UpdateB as a fraction of the mean diagonal of A G Aᵀ, SVD-LLM's value.
const updateRidge = 1e-6

// UpdateB returns factors with the same A and the B that is best for inputs of second moment gram (SVD-LLM's local update,
// "W+U"): the least squares solution of ||(W - B A) G^(1/2)||, where the inputs, and so gram, are those that reach the layer
// through compressed layers before it, while the target is the original W.
//
// The ridge that makes the equations safe pulls B towards the present one, not towards zero:
// B + (W - B A) G Aᵀ (A G Aᵀ + ridge I)^-1, so the error for gram never rises. The certificate is for gram; its Optimum is
// not computed. Shift is dropped.
func UpdateB(w mat.Matrix, f *Factors, gram mat.Symmetric) (*Factors, error) {
	h, err := newMoment(gram)
	if err != nil {
		return nil, err
	}
	c, err := finite("the matrix", w)
	if err != nil {
		return nil, err
	}
	m, n := c.Dims()
	mb, k := f.B.Dims()
	ka, na := f.A.Dims()
	if mb != m || na != n || ka != k || h.n != n {
		return nil, fmt.Errorf("lowrank: factors of %d x %d and %d x %d and a Gram matrix of %d x %d for a matrix of %d x %d", mb, k, ka, na, h.n, h.n, m, n)
	}
	a := f.A.RawMatrix()
	ga, normal := make([]float64, n*k), make([]float64, k*k) // G Aᵀ and A G Aᵀ
	simd.Dgemm(blas.NoTrans, blas.Trans, n, k, n, 1, h.g, n, a.Data, a.Stride, 0, ga, k)
	simd.Dgemm(blas.NoTrans, blas.NoTrans, k, k, n, 1, a.Data, a.Stride, ga, k, 0, normal, k)
	var trace float64
	for i := range k {
		trace += normal[i*k+i]
	}
	e := residual(c, f.B, f.A)
	right := make([]float64, k*m) // ((W - B A) G Aᵀ)ᵀ
	simd.Dgemm(blas.Trans, blas.Trans, k, m, n, 1, ga, k, e.RawMatrix().Data, n, 0, right, m)
	updated := &Factors{B: mat.DenseCopyOf(f.B), A: mat.DenseCopyOf(f.A), S: append([]float64(nil), f.S...)}
	if trace > 0 { // else no input reaches the factors and any B is as good
		if err := solveRidge(k, m, normal, right, updateRidge*trace/float64(k)); err != nil {
			return nil, err
		}
		b := updated.B.RawMatrix()
		for i := range m {
			for j := range k {
				b.Data[i*b.Stride+j] += right[j*m+i]
			}
		}
	}
	updated.certify(c, h.norm, Certificate{WeightedNorm: h.norm(c), FrobeniusNorm: frobenius(c), Method: "update"})
	return updated, nil
}

// solveRidge overwrites right (k x m) with (normal + ridge I)^-1 right.
func solveRidge(k, m int, normal, right []float64, ridge float64) error {
	for i := range k {
		normal[i*k+i] += ridge
	}
	if err := lapack.Cholesky(blas.Lower, k, normal, k); err != nil {
		return fmt.Errorf("lowrank: the normal equations of the update: %w", err)
	}
	lapack.CholeskySolve(blas.Lower, k, m, normal, k, right, m)
	return nil
}

// newMoment returns a Whitener that only knows G: enough to multiply by it.
func newMoment(gram mat.Symmetric) (*Whitener, error) {
	n := gram.SymmetricDim()
	h := &Whitener{n: n, g: make([]float64, n*n), scale: 1}
	for i := range n {
		for j := i; j < n; j++ {
			v := gram.At(i, j)
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return nil, fmt.Errorf("lowrank: the Gram matrix: element (%d, %d) is %v", i, j, v)
			}
			h.g[i*n+j], h.g[j*n+i] = v, v
		}
	}
	if n == 0 {
		return nil, errors.New("lowrank: an empty Gram matrix")
	}
	return h, nil
}
