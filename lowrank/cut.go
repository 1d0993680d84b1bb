package lowrank

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/internal/simd"
)

// Factors returns the best factors of rank k without measuring them: their certificate is empty. Of the sign that each
// column of B and row of A could share, it takes the one that makes the column's element of largest magnitude (the first of
// several) positive.
func (s *Spectrum) Factors(k int) (*Factors, error) {
	if err := s.checkCut(k); err != nil {
		return nil, err
	}
	m, n := s.w.Dims()
	f := &Factors{B: mat.NewDense(m, k, nil), A: mat.NewDense(k, n, nil), S: slices.Clone(s.values[:k])}
	b, a := f.B.RawMatrix().Data, f.A.RawMatrix().Data
	cut(double, s, k, s.w.RawMatrix().Data, b, a)
	if s.mean != nil {
		f.Shift = shift(double, s, k, b, a)
	}
	return f, nil
}

// Factors32 is Factors in float32, without what a certificate says.
type Factors32 struct {
	B     blas32.General // m x k
	A     blas32.General // k x n
	Shift []float64      // see Factors
}

// FactorsFloat32 is Factors for factors that are stored in float32 or less, in half the time: the vectors are those of
// float64, the products with them are float32's, wrong by about sqrt(m) 2^-24 ||W|| as rounding the result is by 2^-24 of it.
// They add to the error in quadrature, like what CertifyFloat32 adds to a measurement.
func (s *Spectrum) FactorsFloat32(k int) (*Factors32, error) {
	if err := s.checkCut(k); err != nil {
		return nil, err
	}
	m, n := s.w.Dims()
	f := &Factors32{
		B: blas32.General{Rows: m, Cols: k, Stride: k, Data: make([]float32, m*k)},
		A: blas32.General{Rows: k, Cols: n, Stride: n, Data: make([]float32, k*n)},
	}
	w := scratch32.Get(m * n)
	defer scratch32.Put(w)
	narrow(*w, s.w.RawMatrix().Data)
	cut(single, s, k, *w, f.B.Data, f.A.Data)
	if s.mean != nil {
		f.Shift = shift(single, s, k, f.B.Data, f.A.Data)
	}
	return f, nil
}

func (s *Spectrum) checkCut(k int) error {
	m, n := s.w.Dims()
	if err := checkRank(k, m, n); err != nil {
		return err
	}
	if k > s.known {
		return fmt.Errorf("lowrank: rank %d from a spectrum that was made for ranks up to %d", k, s.known)
	}
	return nil
}

// arithmetic is what cutting needs of an element type.
type arithmetic[T float32 | float64] struct {
	gemm func(tA, tB blas.Transpose, m, n, k int, alpha T, a []T, lda int, b []T, ldb int, beta T, c []T, ldc int)
	gemv func(t blas.Transpose, m, n int, alpha T, a []T, lda int, x []T, incX int, beta T, y []T, incY int)
	scal func(alpha T, x []T)
	// from returns x in this type: itself, or a copy whose buffer done gives back.
	from func(x []float64) (y []T, done func())
}

var (
	double = arithmetic[float64]{simd.Dgemm, simd.Dgemv, simd.Dscal, func(x []float64) ([]float64, func()) { return x, func() {} }}
	single = arithmetic[float32]{simd.Sgemm, simd.Sgemv, simd.Sscal, func(x []float64) ([]float32, func()) {
		y := scratch32.Get(len(x))
		narrow(*y, x)
		return *y, func() { scratch32.Put(y) }
	}}
)

// cut sets b (m x k) and a (k x n) to the best factors of rank k of the spectrum of w (m x n).
func cut[T float32 | float64](t arithmetic[T], s *Spectrum, k int, w, b, a []T) {
	m, n := s.w.Dims()
	if s.left != nil {
		u, done := t.from(s.left[:k*m])
		defer done()
		for i := range k {
			for j, v := range u[i*m : (i+1)*m] {
				b[j*k+i] = v
			}
		}
		t.gemm(blas.NoTrans, blas.NoTrans, k, n, m, 1, u, m, w, n, 0, a, n)
		balance(t, m, n, s.values[:k], b, a, IntoA, s.split)
		return
	}
	v, done := t.from(s.right[:k*s.p])
	defer done()
	x, done := t.from(s.m)
	defer done()
	t.gemm(blas.NoTrans, blas.Trans, m, k, s.p, 1, x, s.p, v, s.p, 0, b, k)
	wide := s.unscale(k)
	back, done := t.from(wide.RawMatrix().Data)
	defer done()
	copy(a, back)
	balance(t, m, n, s.values[:k], b, a, IntoB, s.split)
}

// shift returns (W - B A) x̄ for the mean input x̄.
func shift[T float32 | float64](t arithmetic[T], s *Spectrum, k int, b, a []T) []float64 {
	m, n := s.w.Dims()
	mean, done := t.from(s.mean)
	defer done()
	inner, outer := make([]T, k), make([]T, m)
	t.gemv(blas.NoTrans, k, n, 1, a, n, mean, 1, 0, inner, 1)
	t.gemv(blas.NoTrans, m, k, 1, b, k, inner, 1, 0, outer, 1)
	out := make([]float64, m)
	simd.Dgemv(blas.NoTrans, m, n, 1, s.w.RawMatrix().Data, n, s.mean, 1, 0, out, 1)
	for i, v := range outer {
		out[i] -= float64(v)
	}
	return out
}

// balance fixes the signs and moves the singular values, which carrier has, to where split wants them.
func (f *Factors) balance(carrier, split Split) {
	m, _ := f.B.Dims()
	_, n := f.A.Dims()
	balance(double, m, n, f.S, f.B.RawMatrix().Data, f.A.RawMatrix().Data, carrier, split)
}

// balance fixes the signs of b (m x k) and a (k x n) and moves the k singular values, which carrier has, to where split
// wants them. Values at rounding level count as the largest such value, so that nothing is divided by zero.
func balance[T float32 | float64](t arithmetic[T], m, n int, values []float64, b, a []T, carrier, split Split) {
	k := len(values)
	largest := make([]T, k) // element of each column of B
	for j := range m {
		for i, x := range b[j*k : (j+1)*k] {
			if max(x, -x) > max(largest[i], -largest[i]) {
				largest[i] = x
			}
		}
	}
	toB := make([]T, k) // column i of B is multiplied by this, row i of A by its inverse
	floor := float64(max(m, n)) * 0x1p-52 * values[0]
	for i, v := range values {
		if v = max(v, floor); v == 0 {
			v = 1
		}
		scale := math.Copysign(math.Pow(v, split.powerOfB()-carrier.powerOfB()), float64(largest[i]))
		toB[i] = T(scale)
		t.scal(T(1/scale), a[i*n:(i+1)*n])
	}
	for j := range m {
		row := b[j*k : (j+1)*k]
		for i := range row {
			row[i] *= toB[i]
		}
	}
}
