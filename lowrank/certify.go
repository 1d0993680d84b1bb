package lowrank

import (
	"fmt"

	"gonum.org/v1/gonum/mat"
)

// Certify measures factors b (m x k) and a (k x n), however they were found, against w (m x n) in the Whitener's norm: all of
// a certificate but its optimum; Spectrum.Certify has that too. If the Whitener is about a mean, the norm is that of the
// outputs' errors with the bias that Factors.Shift describes.
func (h *Whitener) Certify(w, b, a mat.Matrix) (Certificate, error) {
	c, err := finiteCopy("the matrix", w)
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
	if f.B, err = finiteCopy("B", b); err != nil {
		return Certificate{}, err
	}
	if f.A, err = finiteCopy("A", a); err != nil {
		return Certificate{}, err
	}
	f.certify(w, norm, template)
	return f.Cert, nil
}
