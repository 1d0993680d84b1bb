package sketch

import (
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"

	eblas "github.com/eckart-go/eckart/blas"
	"github.com/eckart-go/eckart/internal/simd"
	"github.com/eckart-go/eckart/lapack"
)

// Orthonormaliser replaces tall blocks of columns by orthonormal bases of their ranges, W = Q R. The zero value is ready; it
// keeps its workspaces, and Householder counts the blocks that were too ill-conditioned for the fast way.
//
// The fast way is CholeskyQR2 (Yamamoto, Nakatsukasa, Yanagisawa, Fukaya 2015): all level-3 kernels, orthogonal to c n eps
// while cond(W) is below 1/sqrt(eps). It is taken only if the factor's condition says so; beyond, a Householder
// factorisation, and a decision on the rank.
type Orthonormaliser struct {
	Householder int
	gram, r     []float64
	qr          lapack.QR[float64]
}

// safeCondition bounds the condition of R for which CholeskyQR's second step repairs what the first left: 1/(8 sqrt(eps)).
const safeCondition = 0x1p23

// Factorize overwrites w (m x b, m >= b) with Q and r (b x b) with upper triangular R, W = Q R. Where W has not full rank, Q has
// orthonormal columns all the same, and rows of R that are zero to working precision.
func (o *Orthonormaliser) Factorize(w, r blas64.General) {
	checkShape("R", r, w.Cols, w.Cols)
	if w.Cols == 0 {
		return
	}
	first := o.square(&o.gram, w.Cols)
	if !o.choleskyStep(w, first, safeCondition) {
		o.Householder++
		o.qr.Factorize(w.Rows, w.Cols, w.Data, w.Stride)
		o.qr.RTo(r.Data, r.Stride)
		o.qr.QTo(w.Cols, w.Data, w.Stride)
		return
	}
	second := o.square(&o.r, w.Cols)
	if !o.choleskyStep(w, second, 2) { // not reached: columns that are orthogonal to 1/64 have a condition below 2
		panic("sketch: CholeskyQR's second step failed")
	}
	multiplyTriangles(r, second, first)
}

// Once is Factorize with one step of CholeskyQR only: Q is orthonormal to c cond(W)^2 n eps (Yamamoto et al. 2015), half the
// work. It is for methods that orthogonalise twice anyway.
func (o *Orthonormaliser) Once(w, r blas64.General) {
	checkShape("R", r, w.Cols, w.Cols)
	if w.Cols == 0 {
		return
	}
	first := o.square(&o.gram, w.Cols)
	if !o.choleskyStep(w, first, safeCondition) {
		o.Factorize(w, r)
		return
	}
	copyTo(r, first)
}

// Basis is Factorize without R.
func (o *Orthonormaliser) Basis(w blas64.General) {
	o.Factorize(w, newBlock(w.Cols, w.Cols))
}

func (o *Orthonormaliser) square(buffer *[]float64, n int) blas64.General {
	if cap(*buffer) < n*n {
		*buffer = make([]float64, n*n)
	}
	return blas64.General{Rows: n, Cols: n, Stride: n, Data: (*buffer)[:n*n]}
}

// choleskyStep overwrites w with W R^-1 and r with the upper triangular R, RᵀR = WᵀW, unless the condition of R may exceed
// limit; w is then as it was. Columns are scaled to norm one first, which changes nothing in exact arithmetic and lets
// columns of very different size pass (van der Sluis 1969).
func (o *Orthonormaliser) choleskyStep(w, r blas64.General, limit float64) bool {
	n := w.Cols
	simd.Dsyrk(blas.Upper, blas.Trans, n, w.Rows, 1, w.Data, w.Stride, 0, r.Data, r.Stride)
	scale := make([]float64, n)
	for j := range n {
		square := r.Data[j*r.Stride+j]
		if !(square > 0x1p-900 && square < 0x1p900) {
			return false
		}
		scale[j] = math.Sqrt(square)
	}
	var norm float64 // of the scaled Gram matrix, in the 1-norm at most
	for i := range n {
		var sum float64
		for j := i; j < n; j++ {
			v := r.Data[i*r.Stride+j] / (scale[i] * scale[j])
			r.Data[i*r.Stride+j] = v
			sum += math.Abs(v)
		}
		clear(r.Data[i*r.Stride : i*r.Stride+i])
		norm = max(norm, 2*sum)
	}
	if lapack.Cholesky(blas.Upper, n, r.Data, r.Stride) != nil {
		return false
	}
	if lapack.CholeskyCondition(blas.Upper, n, r.Data, r.Stride, norm) > limit*limit {
		return false
	}
	for i := range n {
		for j := i; j < n; j++ {
			r.Data[i*r.Stride+j] *= scale[j]
		}
	}
	var kernel eblas.Implementation
	kernel.Dtrsm(blas.Right, blas.Upper, blas.NoTrans, blas.NonUnit, w.Rows, n, 1, r.Data, r.Stride, w.Data, w.Stride)
	return true
}

// multiplyTriangles computes dst = a b of upper triangles, zeros included.
func multiplyTriangles(dst, a, b blas64.General) {
	for i := range a.Rows {
		out := row(dst, i)
		clear(out)
		for k := i; k < a.Rows; k++ {
			simd.Daxpy(a.Data[i*a.Stride+k], row(b, k)[k:], out[k:])
		}
	}
}

// orthogonality returns ||QᵀQ - I||_F.
func orthogonality(q blas64.General) float64 {
	gram := newBlock(q.Cols, q.Cols)
	gemm(blas.Trans, blas.NoTrans, 1, q, q, 0, gram)
	for i := range q.Cols {
		gram.Data[i*gram.Stride+i]--
	}
	return math.Sqrt(simd.Dsumsq(gram.Data))
}
