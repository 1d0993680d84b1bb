package lowrank

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/internal/pool"
	"github.com/eckart-go/eckart/internal/simd"
)

// Certify measures factors b (m x k) and a (k x n), however they were found, against w (m x n) in the Whitener's norm: all of
// a certificate but its optimum; Spectrum.Certify has that too. If the Whitener is about a mean, the norm is that of the
// outputs' errors with the bias that Factors.Shift describes.
func (h *Whitener) Certify(w, b, a mat.Matrix) (Certificate, error) {
	c, err := finite("the matrix", w)
	if err != nil {
		return Certificate{}, err
	}
	if _, n := c.Dims(); n != h.n {
		return Certificate{}, fmt.Errorf("lowrank: a matrix of %d inputs for a Gram matrix of %d", n, h.n)
	}
	return certifyFor(c, b, a, h.norm, Certificate{
		WeightedNorm: h.norm(c), FrobeniusNorm: frobenius(c), Condition: h.condition, GramRank: h.rank,
	})
}

// certifyFor measures b a against w.
func certifyFor(w *mat.Dense, b, a mat.Matrix, norm func(e *mat.Dense) float64, template Certificate) (Certificate, error) {
	m, n := w.Dims()
	mb, k := b.Dims()
	ka, na := a.Dims()
	if mb != m || na != n || ka != k {
		return Certificate{}, fmt.Errorf("lowrank: factors of %d x %d and %d x %d for a matrix of %d x %d", mb, k, ka, na, m, n)
	}
	f := &Factors{}
	var err error
	if f.B, err = finite("B", b); err != nil {
		return Certificate{}, err
	}
	if f.A, err = finite("A", a); err != nil {
		return Certificate{}, err
	}
	f.certify(w, norm, template)
	return f.Cert, nil
}

// CertifyFloat32 is Certify for factors as they are stored in float32, by products in float32 and sums of squares in
// float64: half the time. With u = sqrt(n) 2^-24, the size of rounding in a product of depth n, the weighted error is
// relatively wrong by about u, where few numbers dominate it, and by (u ||W T|| / error)^2 / 2, where what cancels in
// W T - B A T does; by 1e-9 in layers of language models. It is Certify itself where T has no safe Cholesky factor or
// numbers come near the ends of float32's range.
func (s *Spectrum) CertifyFloat32(b, a blas32.General) (Certificate, error) {
	u, safe := s.triangle32()
	if !safe {
		return s.Certify(widened(b), widened(a))
	}
	m, n := s.w.Dims()
	if b.Rows != m || a.Cols != n || b.Cols != a.Rows {
		return Certificate{}, fmt.Errorf("lowrank: factors of %d x %d and %d x %d for a matrix of %d x %d", b.Rows, b.Cols, a.Rows, a.Cols, m, n)
	}
	c := s.measured(b.Cols)
	buffer := scratch32.Get(2 * m * n)
	defer scratch32.Put(buffer)
	e, et := (*buffer)[:m*n], (*buffer)[m*n:]
	narrow(e, s.w.RawMatrix().Data)
	simd.Sgemm(blas.NoTrans, blas.NoTrans, m, n, b.Cols, -1, b.Data, b.Stride, a.Data, a.Stride, 1, e, n)
	timesUpper(simd.Sgemm, m, n, e, n, u, et)
	c.Frobenius, c.Weighted = math.Sqrt(simd.Ssumsq(e)), math.Sqrt(simd.Ssumsq(et))
	if c.Weighted-c.Weighted != 0 {
		return c, fmt.Errorf("lowrank: factors of rank %d have elements that are not finite", b.Cols)
	}
	return c, nil
}

// scratch32 is scratch in float32.
var scratch32 pool.Buffers[float32]

// triangle32 returns T's Cholesky factor in float32, if products with it and with W are safe there.
func (s *Spectrum) triangle32() (u []float32, safe bool) {
	if s.whitener == nil || s.whitener.u == nil || !safe32(s.w.RawMatrix().Data) {
		return nil, false
	}
	h := s.whitener
	h.once32.Do(func() {
		if safe32(h.u) {
			h.u32 = make([]float32, len(h.u))
			narrow(h.u32, h.u)
		}
	})
	return h.u32, h.u32 != nil
}

// safe32 reports whether the norm of x leaves products, and sums of their squares, in float32's normal range.
func safe32(x []float64) bool {
	sum := simd.Dsumsq(x)
	return sum > 0x1p-50 && sum < 0x1p50
}

// narrow rounds src to float32.
func narrow(dst []float32, src []float64) {
	for i, v := range src[:len(dst)] {
		dst[i] = float32(v)
	}
}

// widened returns g in float64.
func widened(g blas32.General) *mat.Dense {
	wide := mat.NewDense(g.Rows, g.Cols, nil)
	for i := range g.Rows {
		row := wide.RawRowView(i)
		for j, v := range g.Data[i*g.Stride : i*g.Stride+g.Cols] {
			row[j] = float64(v)
		}
	}
	return wide
}
