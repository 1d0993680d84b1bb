package lowrank

import (
	"fmt"
	"math"
	"sync"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"

	eblas "github.com/eckart-go/eckart/blas"
	"github.com/eckart-go/eckart/internal/simd"
	"github.com/eckart-go/eckart/lapack"
)

// Whitener is a second moment G of inputs, prepared for all matrices that are applied to them (q, k and v; gate and up): what
// is factorised is factorised once. It may be used by several goroutines.
type Whitener struct {
	n         int
	g         []float64 // n x n, both triangles, divided by scale
	scale     float64   // a power of four: its square root is exact
	floor     float64   // eigenvalues of the scaled G up to here are rounding errors of what it was computed from
	mean      []float64 // of the inputs if G is about it, else nil
	l         []float64 // Cholesky factor (lower) of the unscaled G, nil if G is not safely positive definite
	rank      int
	condition float64

	once   sync.Once
	root   []float64 // rank x n: rows sqrt(l_i) v_i, which are Tᵀ
	invert []float64 // rank x n: rows v_i / sqrt(l_i), so that root invertᵀ = I
	failed error
}

// NewWhitener prepares the second moment gram, XᵀX or E[x xᵀ]. It decides G's numerical rank: full if its Cholesky factor
// exists and says that its condition is below 1/(n eps), else the number of eigenvalues above n eps l_max. It fails if gram
// has elements that are not finite or an eigenvalue below -n sqrt(eps) l_max, which no second moment has. If gram is zero,
// its rank is 0, and factors are those of the plain SVD.
func NewWhitener(gram mat.Symmetric) (*Whitener, error) { return newWhitener(gram, 0) }

// newWhitener takes eigenvalues of gram up to floor for zero.
func newWhitener(gram mat.Symmetric, floor float64) (*Whitener, error) {
	n := gram.SymmetricDim()
	h := &Whitener{n: n, g: make([]float64, n*n), scale: 1}
	var largest float64
	for i := range n {
		for j := i; j < n; j++ {
			v := gram.At(i, j)
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return nil, fmt.Errorf("lowrank: the Gram matrix: element (%d, %d) is %v", i, j, v)
			}
			h.g[i*n+j] = v
			largest = max(largest, math.Abs(v))
		}
	}
	if largest <= floor {
		clear(h.g)
		return h, nil
	}
	h.prepare(largest, floor)
	if h.l == nil {
		if err := h.eigen(); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// NewCentredWhitener prepares the second moment about the mean, moment - mean meanᵀ, for moment = E[x xᵀ] (normalised by
// the number of inputs) and mean = E[x]. Factors made with it carry a Shift. It fails like NewWhitener, and if the lengths
// differ.
func NewCentredWhitener(moment mat.Symmetric, mean []float64) (*Whitener, error) {
	n := moment.SymmetricDim()
	if len(mean) != n {
		return nil, fmt.Errorf("lowrank: a mean of %d values for a Gram matrix of %d x %d", len(mean), n, n)
	}
	centred := mat.NewSymDense(n, nil)
	centred.CopySym(moment)
	centred.SymRankOne(centred, -1, mat.NewVecDense(n, mean))
	// Each element of the difference has an error of about eps |element of moment|.
	h, err := newWhitener(centred, float64(n)*0x1p-52*mat.Trace(moment))
	if err != nil {
		return nil, err
	}
	h.mean = append([]float64(nil), mean...)
	return h, nil
}

// Rank returns the numerical rank of G.
func (h *Whitener) Rank() int { return h.rank }

// Condition returns the condition number of G on its range.
func (h *Whitener) Condition() float64 { return h.condition }

// Dim returns n, the number of inputs.
func (h *Whitener) Dim() int { return h.n }

// prepare scales G, mirrors it and tries the Cholesky factorisation.
func (h *Whitener) prepare(largest, floor float64) {
	n := h.n
	_, exp := math.Frexp(largest)
	exp = min(max(exp/2*2, -1000), 1000)
	h.scale = math.Ldexp(1, exp)
	inverse := 1 / h.scale
	h.floor = floor * inverse
	var norm float64
	l := make([]float64, n*n)
	for i := range n {
		for j := i; j < n; j++ {
			v := h.g[i*n+j] * inverse
			h.g[i*n+j], h.g[j*n+i] = v, v
		}
	}
	for i := range n {
		norm = max(norm, simd.Dasum(h.g[i*n:(i+1)*n]))
		copy(l[i*n:i*n+i+1], h.g[i*n:])
	}
	if lapack.Cholesky(blas.Lower, n, l, n) != nil {
		return
	}
	if c := lapack.CholeskyCondition(blas.Lower, n, l, n, norm); norm/c > max(h.floor, float64(n)*0x1p-52*norm) {
		simd.Dscal(math.Sqrt(h.scale), l)
		h.l, h.rank, h.condition = l, n, c
	}
}

// eigen computes root and invert, once. If there is no Cholesky factor it also decides rank and condition.
func (h *Whitener) eigen() error {
	h.once.Do(func() {
		n := h.n
		s := eigenPool.Get().(*lapack.SymEigen)
		defer eigenPool.Put(s)
		if err := s.Factorize(blas64.Symmetric{N: n, Stride: n, Uplo: blas.Upper, Data: h.g}); err != nil {
			h.failed = fmt.Errorf("lowrank: the Gram matrix: %w", err)
			return
		}
		values, vectors := s.Values(), s.Vectors()
		largest := values[n-1]
		if !(largest > 0) || values[0] < -max(h.floor, float64(n)*0x1p-26*largest) {
			h.failed = fmt.Errorf("lowrank: the Gram matrix has eigenvalues from %.3g to %.3g: not a second moment", values[0]*h.scale, largest*h.scale)
			return
		}
		drop := 0
		for drop < n-1 && values[drop] <= max(h.floor, float64(n)*0x1p-52*largest) {
			drop++
		}
		rank := n - drop
		h.root, h.invert = make([]float64, rank*n), make([]float64, rank*n)
		for i := range rank {
			v, root := vectors.Data[(drop+i)*vectors.Stride:][:n], math.Sqrt(values[drop+i])*math.Sqrt(h.scale)
			for j, x := range v {
				h.root[i*n+j], h.invert[i*n+j] = x*root, x/root
			}
		}
		if h.l == nil {
			h.rank, h.condition = rank, largest/values[drop]
		}
	})
	return h.failed
}

var eigenPool = sync.Pool{New: func() any { return new(lapack.SymEigen) }}

// form decides how factors of an m x n matrix are computed.
func (h *Whitener) form(m int, f Form) (Form, error) {
	switch {
	case f == Cholesky && h.l == nil:
		return f, fmt.Errorf("lowrank: the Gram matrix of %d x %d has rank %d: no Cholesky factor; use AutoForm or Eigen", h.n, h.n, h.rank)
	case f != AutoForm:
		return f, nil
	case m <= h.n:
		return InverseFree, nil
	case h.l != nil:
		return Cholesky, nil
	}
	return Eigen, nil
}

// times returns M = W T (m x p) and p, for the T of the form.
func (h *Whitener) times(w *mat.Dense, f Form) (data []float64, p int) {
	m, n := w.Dims()
	r := w.RawMatrix()
	if f == Cholesky { // T = L
		data = make([]float64, m*n)
		for i := range m {
			copy(data[i*n:(i+1)*n], r.Data[i*r.Stride:i*r.Stride+n])
		}
		var kernel eblas.Implementation
		kernel.Dtrmm(blas.Right, blas.Lower, blas.NoTrans, blas.NonUnit, m, n, 1, h.l, n, data, n)
		return data, n
	}
	p = len(h.root) / n
	data = make([]float64, m*p)
	simd.Dgemm(blas.NoTrans, blas.Trans, m, p, n, 1, r.Data, r.Stride, h.root, n, 0, data, p)
	return data, p
}

// unwhiten returns V T^-1 (k x n) for V k x p, with the pseudo-inverse where G is singular.
func (h *Whitener) unwhiten(f Form, k int, v []float64, ldv int) *mat.Dense {
	n := h.n
	a := mat.NewDense(k, n, nil)
	data := a.RawMatrix().Data
	if f == Cholesky {
		for i := range k {
			copy(data[i*n:(i+1)*n], v[i*ldv:i*ldv+n])
		}
		var kernel eblas.Implementation
		kernel.Dtrsm(blas.Right, blas.Lower, blas.NoTrans, blas.NonUnit, k, n, 1, h.l, n, data, n)
		return a
	}
	p := len(h.invert) / n
	simd.Dgemm(blas.NoTrans, blas.NoTrans, k, n, p, 1, v, ldv, h.invert, n, 0, data, n)
	return a
}

// norm returns ||E T|| for E m x n: from E L, half the work, if G has a safe Cholesky factor; else from E G, as a sum of
// E_i G E_iᵀ over rows, which rounding may make slightly negative where it is zero.
func (h *Whitener) norm(e *mat.Dense) float64 {
	m, n := e.Dims()
	r := e.RawMatrix()
	if h.l != nil {
		el, _ := h.times(e, Cholesky)
		return math.Sqrt(simd.Dsumsq(el))
	}
	eg := make([]float64, m*n)
	simd.Dgemm(blas.NoTrans, blas.NoTrans, m, n, n, 1, r.Data, r.Stride, h.g, n, 0, eg, n)
	var sum float64
	for i := range m {
		sum += simd.Ddot(eg[i*n:(i+1)*n], r.Data[i*r.Stride:i*r.Stride+n])
	}
	return math.Sqrt(max(0, sum)) * math.Sqrt(h.scale)
}
