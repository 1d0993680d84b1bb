package lapack

import (
	"sync"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/lapack"
	"gonum.org/v1/gonum/lapack/gonum"
)

// Implementation implements gonum's lapack.Float64. Its zero value is ready to use, and it may be used by any number of
// goroutines at once. Routines that Eckart does not accelerate are those of the embedded gonum implementation; a call whose
// arguments are wrong, degenerate or a question for the size of the workspace goes there too and is answered, or panics, as
// gonum's. Workspaces may have the smallest size that gonum allows: a longer one makes nothing faster here.
type Implementation struct{ gonum.Implementation }

var _ lapack.Float64 = Implementation{}

// fits reports whether a holds an m x n matrix, neither of them zero, with row stride lda.
func fits[T Float](m, n int, a []T, lda int) bool {
	return m > 0 && n > 0 && lda >= n && len(a) >= (m-1)*lda+n
}

// enough reports whether work has lwork elements, at least minimum; a question for the size (lwork = -1) has not.
func enough(work []float64, lwork, minimum int) bool {
	return lwork >= max(1, minimum) && len(work) >= lwork
}

func isUplo(u blas.Uplo) bool { return u == blas.Upper || u == blas.Lower }
func isDiag(d blas.Diag) bool { return d == blas.Unit || d == blas.NonUnit }
func isSide(s blas.Side) bool { return s == blas.Left || s == blas.Right }

func isTranspose(t blas.Transpose) bool {
	return t == blas.NoTrans || t == blas.Trans || t == blas.ConjTrans
}

// Dpotrf overwrites the triangle ul of a, symmetric of order n, with its Cholesky factor; it reports whether a is positive
// definite. See Cholesky.
func (impl Implementation) Dpotrf(ul blas.Uplo, n int, a []float64, lda int) (ok bool) {
	if !isUplo(ul) || !fits(n, n, a, lda) {
		return impl.Implementation.Dpotrf(ul, n, a, lda)
	}
	pivot, _ := cholesky(ul, n, a, lda)
	return pivot < 0
}

// Dpotrs overwrites b (n x nrhs) with the solution of A X = B, for the Cholesky factor in a.
func (impl Implementation) Dpotrs(ul blas.Uplo, n, nrhs int, a []float64, lda int, b []float64, ldb int) {
	if !isUplo(ul) || !fits(n, n, a, lda) || !fits(n, nrhs, b, ldb) {
		impl.Implementation.Dpotrs(ul, n, nrhs, a, lda, b, ldb)
		return
	}
	CholeskySolve(ul, n, nrhs, a, lda, b, ldb)
}

// Dpotri overwrites the Cholesky factor in the triangle ul of a with that triangle of A⁻¹. See CholeskyInverse.
func (impl Implementation) Dpotri(ul blas.Uplo, n int, a []float64, lda int) (ok bool) {
	if !isUplo(ul) || !fits(n, n, a, lda) {
		return impl.Implementation.Dpotri(ul, n, a, lda)
	}
	return CholeskyInverse(ul, n, a, lda) == nil
}

// Dlauum overwrites the triangle ul of a with that of U Uᵀ or Lᵀ L.
func (impl Implementation) Dlauum(ul blas.Uplo, n int, a []float64, lda int) {
	if !isUplo(ul) || !fits(n, n, a, lda) {
		impl.Implementation.Dlauum(ul, n, a, lda)
		return
	}
	multiplyByTranspose(ul, n, a, lda)
}

// Dtrtri overwrites the triangle ul of a with its inverse and reports whether there is one.
func (impl Implementation) Dtrtri(ul blas.Uplo, diag blas.Diag, n int, a []float64, lda int) (ok bool) {
	if !isUplo(ul) || !isDiag(diag) || !fits(n, n, a, lda) {
		return impl.Implementation.Dtrtri(ul, diag, n, a, lda)
	}
	return InvertTriangular(ul, diag, n, a, lda) == nil
}

// Dtrtrs overwrites b (n x nrhs) with the solution of op(A) X = B, A triangular, and reports whether A is regular; if it is not,
// b stays as it is.
func (impl Implementation) Dtrtrs(ul blas.Uplo, trans blas.Transpose, diag blas.Diag, n, nrhs int, a []float64, lda int, b []float64, ldb int) (ok bool) {
	if !isUplo(ul) || !isTranspose(trans) || !isDiag(diag) || !fits(n, n, a, lda) || !fits(n, nrhs, b, ldb) {
		return impl.Implementation.Dtrtrs(ul, trans, diag, n, nrhs, a, lda, b, ldb)
	}
	return SolveTriangular(ul, trans, diag, n, nrhs, a, lda, b, ldb) == nil
}

// Dgetrf overwrites a (m x n) with its LU factors and ipiv with the exchanges of rows; it reports whether no diagonal element
// of U is zero. See LU.
func (impl Implementation) Dgetrf(m, n int, a []float64, lda int, ipiv []int) (ok bool) {
	if !fits(m, n, a, lda) || len(ipiv) != min(m, n) {
		return impl.Implementation.Dgetrf(m, n, a, lda, ipiv)
	}
	return LU(m, n, a, lda, ipiv) == nil
}

// Dgetrs overwrites b (n x nrhs) with the solution of op(A) X = B, for the factors that Dgetrf left in a.
func (impl Implementation) Dgetrs(trans blas.Transpose, n, nrhs int, a []float64, lda int, ipiv []int, b []float64, ldb int) {
	if !isTranspose(trans) || !fits(n, n, a, lda) || !fits(n, nrhs, b, ldb) || len(ipiv) != n {
		impl.Implementation.Dgetrs(trans, n, nrhs, a, lda, ipiv, b, ldb)
		return
	}
	LUSolve(trans, n, nrhs, a, lda, ipiv, b, ldb)
}

// Dgetri overwrites the factors that Dgetrf left in a with A⁻¹ and reports whether there is one. See LUInverse.
func (impl Implementation) Dgetri(n int, a []float64, lda int, ipiv []int, work []float64, lwork int) (ok bool) {
	if !fits(n, n, a, lda) || len(ipiv) != n || !enough(work, lwork, n) {
		return impl.Implementation.Dgetri(n, a, lda, ipiv, work, lwork)
	}
	work[0] = float64(n)
	return LUInverse(n, a, lda, ipiv) == nil
}

// Dgeqrf overwrites a (m x n) with R and, below the diagonal, the reflectors of Q in A = Q R.
func (impl Implementation) Dgeqrf(m, n int, a []float64, lda int, tau, work []float64, lwork int) {
	if !fits(m, n, a, lda) || len(tau) != min(m, n) || !enough(work, lwork, n) {
		impl.Implementation.Dgeqrf(m, n, a, lda, tau, work, lwork)
		return
	}
	factorQR(m, n, a, lda, tau)
	work[0] = float64(n)
}

// Dgelqf overwrites a (m x n) with L and, right of the diagonal, the reflectors of Q in A = L Q.
func (impl Implementation) Dgelqf(m, n int, a []float64, lda int, tau, work []float64, lwork int) {
	if !fits(m, n, a, lda) || len(tau) < min(m, n) || !enough(work, lwork, m) {
		impl.Implementation.Dgelqf(m, n, a, lda, tau, work, lwork)
		return
	}
	factorLQ(m, n, a, lda, tau[:min(m, n)])
	work[0] = float64(m)
}

// Dorgqr overwrites the k reflectors that Dgeqrf left in a (m x n, n >= k) with the first n columns of Q.
func (impl Implementation) Dorgqr(m, n, k int, a []float64, lda int, tau, work []float64, lwork int) {
	if k < 0 || k > n || n > m || !fits(m, n, a, lda) || len(tau) != k || !enough(work, lwork, n) {
		impl.Implementation.Dorgqr(m, n, k, a, lda, tau, work, lwork)
		return
	}
	reflectors[float64]{layout: byColumn, n: m, k: k, a: a, lda: lda, tau: tau}.generate(n)
	work[0] = float64(n)
}

// Dorglq overwrites the k reflectors that Dgelqf left in a (m x n, m >= k) with the first m rows of Q.
func (impl Implementation) Dorglq(m, n, k int, a []float64, lda int, tau, work []float64, lwork int) {
	if k < 0 || k > m || m > n || !fits(m, n, a, lda) || len(tau) < k || !enough(work, lwork, m) {
		impl.Implementation.Dorglq(m, n, k, a, lda, tau, work, lwork)
		return
	}
	reflectors[float64]{layout: byRow, n: n, k: k, a: a, lda: lda, tau: tau[:k]}.generate(m)
	work[0] = float64(m)
}

// Dormqr overwrites c (m x n) with op(Q) C (side Left) or C op(Q) (Right), for the k reflectors that Dgeqrf left in a.
func (impl Implementation) Dormqr(side blas.Side, trans blas.Transpose, m, n, k int, a []float64, lda int, tau, c []float64, ldc int, work []float64, lwork int) {
	order, other := m, n
	if side == blas.Right {
		order, other = n, m
	}
	if !isSide(side) || trans != blas.NoTrans && trans != blas.Trans || !fits(m, n, c, ldc) || k > order ||
		!fits(order, k, a, lda) || len(tau) != k || !enough(work, lwork, other) {
		impl.Implementation.Dormqr(side, trans, m, n, k, a, lda, tau, c, ldc, work, lwork)
		return
	}
	reflectors[float64]{layout: byColumn, n: order, k: k, a: a, lda: lda, tau: tau}.apply(side, trans, other, c, ldc)
	work[0] = float64(other)
}

// Dormlq overwrites c (m x n) with op(Q) C (side Left) or C op(Q) (Right), for the k reflectors that Dgelqf left in a.
func (impl Implementation) Dormlq(side blas.Side, trans blas.Transpose, m, n, k int, a []float64, lda int, tau, c []float64, ldc int, work []float64, lwork int) {
	order, other := m, n
	if side == blas.Right {
		order, other = n, m
	}
	if !isSide(side) || trans != blas.NoTrans && trans != blas.Trans || !fits(m, n, c, ldc) || k > order ||
		!fits(k, order, a, lda) || len(tau) < k || !enough(work, lwork, other) {
		impl.Implementation.Dormlq(side, trans, m, n, k, a, lda, tau, c, ldc, work, lwork)
		return
	}
	op := blas.Trans // the Q of A = L Q is (H_0 H_1 ...)ᵀ
	if trans == blas.Trans {
		op = blas.NoTrans
	}
	reflectors[float64]{layout: byRow, n: order, k: k, a: a, lda: lda, tau: tau[:k]}.apply(side, op, other, c, ldc)
	work[0] = float64(other)
}

// Dgeqp3 overwrites a (m x n) with the factorisation A P = Q R with column pivoting. Columns whose jpvt is not -1 come first
// and are not exchanged with others. See PivotedQR.
func (impl Implementation) Dgeqp3(m, n int, a []float64, lda int, jpvt []int, tau, work []float64, lwork int) {
	valid := fits(m, n, a, lda) && len(jpvt) == n && len(tau) >= min(m, n) && enough(work, lwork, 3*n+1)
	for _, j := range jpvt {
		valid = valid && j >= -1 && j < n
	}
	if !valid {
		impl.Implementation.Dgeqp3(m, n, a, lda, jpvt, tau, work, lwork)
		return
	}
	fixed := 0
	for j := range jpvt {
		free := jpvt[j] == -1
		jpvt[j] = j
		if free {
			continue
		}
		if j != fixed {
			for i := range m {
				row := a[i*lda : i*lda+n]
				row[j], row[fixed] = row[fixed], row[j]
			}
			jpvt[j], jpvt[fixed] = jpvt[fixed], j
		}
		fixed++
	}
	pivotedQR(m, n, fixed, a, lda, jpvt, tau[:min(m, n)])
	work[0] = float64(3*n + 1)
}

// eigenPool keeps the workspaces of Dsyev.
var eigenPool = sync.Pool{New: func() any { return new(SymEigen[float64]) }}

// Dsyev computes the eigenvalues w, ascending, of the symmetric matrix of order n in the triangle uplo of a, and overwrites a with
// the eigenvectors as columns if asked to. It reports whether it could: not if a has NaN or infinite elements. See SymEigen.
func (impl Implementation) Dsyev(jobz lapack.EVJob, uplo blas.Uplo, n int, a []float64, lda int, w, work []float64, lwork int) (ok bool) {
	vectors := jobz == lapack.EVCompute
	if !vectors && jobz != lapack.EVNone || !isUplo(uplo) || !fits(n, n, a, lda) || len(w) < n || !enough(work, lwork, 3*n-1) {
		return impl.Implementation.Dsyev(jobz, uplo, n, a, lda, w, work, lwork)
	}
	s := eigenPool.Get().(*SymEigen[float64])
	defer eigenPool.Put(s)
	factorize := s.FactorizeValues
	if vectors {
		factorize = s.Factorize
	}
	if factorize(uplo, n, a, lda) != nil {
		return false
	}
	copy(w, s.Values())
	if vectors {
		v := s.Vectors()
		transpose(n, n, v.Data, v.Stride, a, lda)
	}
	work[0] = float64(3*n - 1)
	return true
}

// Dgels overwrites the leading rows of b with the least-squares solution (more equations than unknowns) or the solution of
// least norm (fewer) of op(A) X = B, for A (m x n) of full rank, and reports whether it is. B is max(m, n) x nrhs. See
// LeastSquares.
func (impl Implementation) Dgels(trans blas.Transpose, m, n, nrhs int, a []float64, lda int, b []float64, ldb int, work []float64, lwork int) bool {
	k := min(m, n)
	if !isTranspose(trans) || !fits(m, n, a, lda) || !fits(max(m, n), nrhs, b, ldb) || !enough(work, lwork, k+max(k, nrhs)) {
		return impl.Implementation.Dgels(trans, m, n, nrhs, a, lda, b, ldb, work, lwork)
	}
	work[0] = float64(k + max(k, nrhs))
	return leastSquares(trans, m, n, nrhs, a, lda, b, ldb) == nil
}
