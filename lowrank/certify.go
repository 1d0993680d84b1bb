package lowrank

import (
	"fmt"

	"gonum.org/v1/gonum/mat"
)

// Certify measures factors b (m x k) and a (k x n), however they were found, against w (m x n) in the Whitener's norm: all of
// a certificate but its optimum, which is the Tail of a Spectrum. If the Whitener is about a mean, the norm is that of the
// outputs' errors with the bias that Factors.Shift describes.
func (h *Whitener) Certify(w, b, a mat.Matrix) (Certificate, error) {
	m, n := w.Dims()
	mb, k := b.Dims()
	ka, na := a.Dims()
	if mb != m || na != n || ka != k || h.n != n {
		return Certificate{}, fmt.Errorf("lowrank: factors of %d x %d and %d x %d for a matrix of %d x %d with %d inputs", mb, k, ka, na, m, n, h.n)
	}
	c, err := finiteCopy("the matrix", w)
	if err != nil {
		return Certificate{}, err
	}
	f := &Factors{}
	if f.B, err = finiteCopy("B", b); err != nil {
		return Certificate{}, err
	}
	if f.A, err = finiteCopy("A", a); err != nil {
		return Certificate{}, err
	}
	f.certify(c, h.norm, h.mean, Certificate{
		WeightedNorm: h.norm(c), FrobeniusNorm: frobenius(c), Condition: h.condition, GramRank: h.rank,
	})
	return f.Cert, nil
}
