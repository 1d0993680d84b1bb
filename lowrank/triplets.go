package lowrank

import "gonum.org/v1/gonum/mat"

// Triplets returns the singular vectors that belong to S, for factors of SVD: w ~ U diag(S) Vᵀ with orthonormal columns in U
// (m x k) and V (n x k). Where a singular value is 0 to working precision its vectors are not determined by w; those that were
// lost in the product, because a factor of 0 went to their side, are returned as zeros. f is not modified.
func (f *Factors) Triplets() (u, v *mat.Dense) {
	u, v = mat.DenseCopyOf(f.B), mat.DenseCopyOf(f.A.T())
	for _, vectors := range []*mat.Dense{u, v} {
		_, k := vectors.Dims()
		for j := range k {
			column := vectors.ColView(j).(*mat.VecDense)
			if norm := mat.Norm(column, 2); norm > 0 {
				column.ScaleVec(1/norm, column)
			}
		}
	}
	return u, v
}

// Energy returns the share of the squared norm ||W T||² that B A keeps; 1 for a zero matrix.
func (c Certificate) Energy() float64 { return 1 - c.Relative()*c.Relative() }
