package lowrank

import (
	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/lapack"
)

// Triplets returns the singular vectors that belong to S, for factors of SVD: w ~ U diag(S) Vᵀ with orthonormal columns in U
// (m x k) and V (n x k). U diag(S) Vᵀ differs from B A by rounding, c n eps S[0], or by what the method left of the columns'
// orthogonality. Vectors of values that are 0 to working precision are not determined by w, but are orthonormal too.
func (f *Factors) Triplets() (u, v *mat.Dense) {
	if f.u != nil {
		return f.u, f.v
	}
	return orthonormal(f.B), orthonormal(mat.DenseCopyOf(f.A.T()))
}

// orthonormal returns Q of the factorisation b = Q R with a diagonal in R that is not negative: for columns that are
// orthogonal up to rounding this divides them by their norms, and makes up directions for those that vanish.
func orthonormal(b *mat.Dense) *mat.Dense {
	m, k := b.Dims()
	raw := b.RawMatrix()
	var qr lapack.QR[float64]
	qr.Factorize(m, k, raw.Data, raw.Stride)
	q, r := mat.NewDense(m, k, nil), mat.NewDense(k, k, nil)
	qr.QTo(k, q.RawMatrix().Data, k)
	qr.RTo(r.RawMatrix().Data, k)
	for j := range k {
		if r.At(j, j) < 0 {
			column := q.ColView(j).(*mat.VecDense)
			column.ScaleVec(-1, column)
		}
	}
	return q
}

// Energy returns the share of the squared norm ||W T||² that B A keeps; 1 for a zero matrix.
func (c Certificate) Energy() float64 { return 1 - c.Relative()*c.Relative() }
