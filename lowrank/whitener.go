package lowrank

import (
	"fmt"
	"math"
	"slices"
	"sync"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"

	eblas "github.com/eckart-go/eckart/blas"
	"github.com/eckart-go/eckart/internal/pool"
	"github.com/eckart-go/eckart/internal/simd"
	"github.com/eckart-go/eckart/lapack"
)

// Whitener is a second moment G of inputs, prepared for all matrices that are applied to them (q, k and v; gate and up): what
// is factorised is factorised once. It may be used by several goroutines.
type Whitener struct {
	n         int
	g         []float64 // n x n, both triangles, divided by scale; nil if u is there
	scale     float64   // a power of four: its square root is exact
	floor     float64   // eigenvalues of the scaled G up to here are rounding errors of what it was computed from
	mean      []float64 // of the inputs if G is about it, else nil
	u         []float64 // Cholesky factor of the unscaled G = UᵀU, zeros below the diagonal; nil if G is not safely positive definite
	rank      int
	condition float64

	once32 sync.Once
	u32    []float32 // u rounded, once asked for and if it fits

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
	upper := upperOf(gram)
	largest, err := largestOf(upper)
	if err != nil {
		return nil, err
	}
	n := upper.N
	h := &Whitener{n: n, scale: 1}
	if largest <= floor {
		h.g = make([]float64, n*n)
		return h, nil
	}
	_, exp := math.Frexp(largest)
	h.scale = math.Ldexp(1, min(max(exp/2*2, -1000), 1000))
	h.floor = floor / h.scale
	if h.factorise(upper) {
		return h, nil
	}
	h.g = make([]float64, n*n)
	for i := range n {
		row := h.g[i*n : (i+1)*n]
		copy(row[i:], upper.Data[i*upper.Stride+i:i*upper.Stride+n])
		simd.Dscal(1/h.scale, row[i:])
	}
	mirror(n, h.g)
	if err := h.eigen(); err != nil {
		return nil, err
	}
	return h, nil
}

// upperOf returns the upper triangle of gram, shared with gram where that has one.
func upperOf(gram mat.Symmetric) blas64.Symmetric {
	if r, ok := gram.(mat.RawSymmetricer); ok {
		if raw := r.RawSymmetric(); raw.Uplo == blas.Upper {
			return raw
		}
	}
	n := gram.SymmetricDim()
	if n == 0 {
		return blas64.Symmetric{Stride: 1, Uplo: blas.Upper}
	}
	c := mat.NewSymDense(n, nil)
	c.CopySym(gram)
	return c.RawSymmetric()
}

// largestOf returns the largest magnitude of a Gram matrix's elements, or an error that names one that is not finite.
func largestOf(upper blas64.Symmetric) (float64, error) {
	var largest float64
	for i := range upper.N {
		for j, v := range upper.Data[i*upper.Stride+i : i*upper.Stride+upper.N] {
			if v-v != 0 {
				return 0, fmt.Errorf("lowrank: the Gram matrix: element (%d, %d) is %v", i, i+j, v)
			}
			largest = max(largest, math.Abs(v))
		}
	}
	return largest, nil
}

// mirror copies the upper triangle of a (n x n) to the lower one, in squares that stay in cache.
func mirror(n int, a []float64) {
	const square = 32
	for i0 := 0; i0 < n; i0 += square {
		for j0 := i0; j0 < n; j0 += square {
			for i := i0; i < min(i0+square, n); i++ {
				for j := max(j0, i+1); j < min(j0+square, n); j++ {
					a[j*n+i] = a[i*n+j]
				}
			}
		}
	}
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

// factorise sets u if G is safely positive definite, and reports whether it is.
func (h *Whitener) factorise(upper blas64.Symmetric) bool {
	n := h.n
	u, sums := make([]float64, n*n), make([]float64, n)
	inverse := 1 / h.scale
	for i := range n {
		row := u[i*n+i : (i+1)*n]
		var own float64
		for j, v := range upper.Data[i*upper.Stride+i : i*upper.Stride+n] {
			v *= inverse
			row[j] = v
			v = math.Abs(v)
			own += v
			sums[i+j] += v
		}
		sums[i] += own - math.Abs(row[0]) // the diagonal counts once
	}
	norm := slices.Max(sums)
	if lapack.Cholesky(blas.Upper, n, u, n) != nil {
		return false
	}
	c := lapack.CholeskyCondition(blas.Upper, n, u, n, norm)
	if !(norm/c > max(h.floor, float64(n)*0x1p-52*norm)) {
		return false
	}
	simd.Dscal(math.Sqrt(h.scale), u)
	h.u, h.rank, h.condition = u, n, c
	return true
}

// second returns G divided by scale, both triangles.
func (h *Whitener) second() []float64 {
	if h.g != nil {
		return h.g
	}
	g := make([]float64, h.n*h.n)
	simd.Dsyrk(blas.Upper, blas.Trans, h.n, h.n, 1/h.scale, h.u, h.n, 0, g, h.n)
	mirror(h.n, g)
	return g
}

// eigen computes root and invert, once. If there is no Cholesky factor it also decides rank and condition.
func (h *Whitener) eigen() error {
	h.once.Do(func() {
		n := h.n
		s := eigens.Get()
		defer eigens.Put(s)
		if err := s.Factorize(blas.Upper, n, h.second(), n); err != nil {
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
		if h.u == nil {
			h.rank, h.condition = rank, largest/values[drop]
		}
	})
	return h.failed
}

// eigens recycles eigensolvers with their buffers.
var eigens pool.Shelf[lapack.SymEigen[float64]]

// form decides how factors of an m x n matrix are computed.
func (h *Whitener) form(m int, f Form) (Form, error) {
	switch {
	case f == Cholesky && h.u == nil:
		return f, fmt.Errorf("lowrank: the Gram matrix of %d x %d has rank %d: no Cholesky factor; use AutoForm or Eigen", h.n, h.n, h.rank)
	case f != AutoForm:
		return f, nil
	case m <= h.n:
		return InverseFree, nil
	case h.u != nil:
		return Cholesky, nil
	}
	return Eigen, nil
}

// times returns M = W T (m x p) and p, for the T of the form.
func (h *Whitener) times(w *mat.Dense, f Form) (data []float64, p int) {
	m, n := w.Dims()
	r := w.RawMatrix()
	if f == Cholesky { // T = Uᵀ
		data = make([]float64, m*n)
		timesUpper(simd.Dgemm, m, n, r.Data, r.Stride, h.u, data)
		return data, n
	}
	p = len(h.root) / n
	data = make([]float64, m*p)
	simd.Dgemm(blas.NoTrans, blas.Trans, m, p, n, 1, r.Data, r.Stride, h.root, n, 0, data, p)
	return data, p
}

// trianglePanel is how many columns of a product with a triangle are computed at a time. The zeros in the triangle's diagonal
// blocks cost trianglePanel/n more flops, which is less than narrower products would lose.
const trianglePanel = 96

// timesUpper computes M = W Uᵀ (m x n, contiguous) for an upper triangular U (n x n) with zeros below its diagonal.
func timesUpper[T float32 | float64](gemm func(tA, tB blas.Transpose, m, n, k int, alpha T, a []T, lda int, b []T, ldb int, beta T, c []T, ldc int), m, n int, w []T, ldw int, u, dst []T) {
	for j := 0; j < n; j += trianglePanel {
		gemm(blas.NoTrans, blas.Trans, m, min(trianglePanel, n-j), n-j, 1, w[j:], ldw, u[j*n+j:], n, 0, dst[j:], n)
	}
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
		kernel.Dtrsm(blas.Right, blas.Upper, blas.Trans, blas.NonUnit, k, n, 1, h.u, n, data, n)
		return a
	}
	p := len(h.invert) / n
	simd.Dgemm(blas.NoTrans, blas.NoTrans, k, n, p, 1, v, ldv, h.invert, n, 0, data, n)
	return a
}

// norm returns ||E T|| for E m x n: from E Uᵀ, half the work, if G has a safe Cholesky factor; else from E G, as a sum of
// E_i G E_iᵀ over rows, which rounding may make slightly negative where it is zero.
func (h *Whitener) norm(e *mat.Dense) float64 {
	m, n := e.Dims()
	r := e.RawMatrix()
	b := scratch.Get(m * n)
	defer scratch.Put(b)
	if h.u != nil {
		timesUpper(simd.Dgemm, m, n, r.Data, r.Stride, h.u, *b)
		return math.Sqrt(simd.Dsumsq(*b))
	}
	simd.Dgemm(blas.NoTrans, blas.NoTrans, m, n, n, 1, r.Data, r.Stride, h.g, n, 0, *b, n)
	var sum float64
	for i := range m {
		sum += simd.Ddot((*b)[i*n:(i+1)*n], r.Data[i*r.Stride:i*r.Stride+n])
	}
	return math.Sqrt(max(0, sum)) * math.Sqrt(h.scale)
}
