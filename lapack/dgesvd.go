package lapack

import (
	"sync"

	"gonum.org/v1/gonum/lapack"
)

// svdPool keeps the workspaces of Dgesvd.
var svdPool = sync.Pool{New: func() any { return new(SVD[float64]) }}

// vectorsOf translates gonum's jobs.
var vectorsOf = map[lapack.SVDJob]Vectors{lapack.SVDNone: NoVectors, lapack.SVDStore: Thin, lapack.SVDAll: Full}

// Dgesvd computes the singular values s of a (m x n), descending, and, if asked to, left singular vectors as the columns of u and
// right ones as the rows of vt. It destroys a, and reports whether it could: not if a has NaN or infinite elements. It uses
// none of work: its workspace is bigger and kept from call to call. See SVD.
func (impl Implementation) Dgesvd(jobU, jobVT lapack.SVDJob, m, n int, a []float64, lda int, s, u []float64, ldu int, vt []float64, ldvt int, work []float64, lwork int) (ok bool) {
	left, knownU := vectorsOf[jobU]
	right, knownVT := vectorsOf[jobVT]
	k := min(m, n)
	minimum := max(3*k+max(m, n), 5*k)
	if !knownU || !knownVT || !fits(m, n, a, lda) || len(s) < k || !enough(work, lwork, minimum) ||
		left != NoVectors && !fits(m, left.count(m, n), u, ldu) || right != NoVectors && !fits(right.count(n, m), n, vt, ldvt) {
		ok = impl.Implementation.Dgesvd(jobU, jobVT, m, n, a, lda, s, u, ldu, vt, ldvt, work, lwork)
		if lwork == -1 && k > 0 {
			work[0] = float64(minimum)
		}
		return ok
	}
	d := svdPool.Get().(*SVD[float64])
	defer svdPool.Put(d)
	if d.Factorize(left, right, m, n, a, lda) != nil {
		return false
	}
	copy(s, d.Values())
	transpose(d.lefts, m, d.left.data, d.left.ld, u, ldu)
	for i := range d.rights {
		copy(vt[i*ldvt:i*ldvt+n], d.right.data[i*d.right.ld:])
	}
	work[0] = float64(minimum)
	return true
}
