package lapack

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/internal/simd"
)

// General is a row-major matrix with row stride Stride: blas64.General or blas32.General, to either of which it converts.
type General[T Float] struct {
	Rows, Cols int
	Data       []T
	Stride     int
}

// SymEigen is the eigendecomposition A = Vᵀ diag(values) V of a symmetric matrix A (n x n), with the eigenvectors as the rows
// of V, orthonormal. The zero value is ready; a value that is used again keeps its buffers.
//
// Method: blocked Householder reduction to tridiagonal form, divide and conquer, blocked back-transformation; 4/3 n^3 flops
// for the first, up to 4/3 n^3 (much less where eigenvalues deflate) for the second, 2 k n^2 for k vectors in the third.
// The computed decomposition is the exact one of A + E with ||E|| <= c n eps ||A|| for a small c: eigenvalues are accurate
// to that absolute error, small ones not relative to themselves.
type SymEigen[T Float] struct {
	reduction reduction[T]
	divide    divide[T]
	values    []float64
	rounded   []T // values in the type of the matrix
	vectors   []T // k x n, row stride ld
	n, k, ld  int
}

// Factorize computes all eigenvalues and eigenvectors of a (n x n, row stride lda), of which the triangle uplo is read and
// nothing is modified. It fails with ErrNotFinite.
func (s *SymEigen[T]) Factorize(uplo blas.Uplo, n int, a []T, lda int) error {
	return s.factorize(uplo, n, a, lda, n)
}

// FactorizeTop computes all eigenvalues of a and the eigenvectors of the k largest, for less work than all. It panics unless
// 0 <= k <= n.
func (s *SymEigen[T]) FactorizeTop(uplo blas.Uplo, n int, a []T, lda, k int) error {
	if k < 0 || k > n {
		panic(fmt.Sprintf("lapack: %d eigenvectors of a matrix of %d x %d", k, n, n))
	}
	return s.factorize(uplo, n, a, lda, k)
}

// FactorizeValues computes the eigenvalues of a only.
func (s *SymEigen[T]) FactorizeValues(uplo blas.Uplo, n int, a []T, lda int) error {
	return s.factorize(uplo, n, a, lda, 0)
}

// Values returns the eigenvalues, ascending. The slice is the receiver's and valid until the next factorisation.
func (s *SymEigen[T]) Values() []T { return s.rounded[:s.n] }

// Vectors returns the computed eigenvectors as the rows of a k x n matrix, in the order of the last k Values. The data is the
// receiver's and valid until the next factorisation. Signs are those the algorithm left.
func (s *SymEigen[T]) Vectors() General[T] {
	return General[T]{Rows: s.k, Cols: s.n, Stride: s.ld, Data: s.vectors[:s.k*s.ld]}
}

// VectorsTo sets dst, which must be empty or n x k, to the eigenvectors as columns, gonum's convention.
func (s *SymEigen[T]) VectorsTo(dst *mat.Dense) {
	if dst.IsEmpty() {
		dst.ReuseAs(s.n, s.k)
	}
	for i := range s.k {
		for j, v := range s.vectors[i*s.ld : i*s.ld+s.n] {
			dst.Set(j, i, float64(v))
		}
	}
}

func (s *SymEigen[T]) factorize(uplo blas.Uplo, n int, a []T, lda, k int) error {
	checkMatrix("the symmetric matrix", n, n, a, lda)
	s.n, s.k, s.ld = n, k, stride(max(1, n))
	s.values, s.rounded = grown(s.values, n), grown(s.rounded, n)
	if n == 0 {
		return nil
	}
	r := &s.reduction
	r.resize(n)
	scale, err := copyScaled(r.a, r.ld, uplo, n, a, lda)
	if err != nil {
		s.n, s.k = 0, 0
		return err
	}
	r.reduce()
	copy(s.values, r.d)
	if k == 0 {
		if !rootFreeQL(s.values, r.e) {
			return s.stalled()
		}
		slices.Sort(s.values)
	} else if err := s.solve(k); err != nil {
		return err
	}
	simd.Dscal(scale, s.values)
	for i, v := range s.values {
		s.rounded[i] = T(v)
	}
	return nil
}

// solve runs divide and conquer on the reduced matrix and transforms the vectors of the k largest values back.
func (s *SymEigen[T]) solve(k int) error {
	n, ld, c := s.n, s.ld, &s.divide
	c.resize(n)
	if !c.solve(s.values, s.reduction.e, k) {
		return s.stalled()
	}
	s.vectors = grown(s.vectors, k*ld)
	for i, row := range c.order[n-k:] {
		copy(s.vectors[i*ld:i*ld+n], c.z[row*ld:row*ld+n])
	}
	sorted := c.vec[:n]
	for i, row := range c.order {
		sorted[i] = s.values[row]
	}
	copy(s.values, sorted)
	s.reduction.apply(k, s.vectors, ld)
	return nil
}

func (s *SymEigen[T]) stalled() error {
	n := s.n
	s.n, s.k = 0, 0
	return fmt.Errorf("lapack: symmetric eigenproblem of %d x %d: the QL iteration did not converge", n, n)
}

// copyScaled copies the triangle uplo of a to the upper triangle of dst (n x n, row stride ldd), divided by a power of two near
// its largest element, so that squares are safe; it returns that power.
func copyScaled[T Float](dst []T, ldd int, uplo blas.Uplo, n int, a []T, lda int) (scale float64, err error) {
	var largest T
	for i := range n {
		row := a[i*lda+i : i*lda+n]
		if uplo == blas.Lower {
			row = a[i*lda : i*lda+i+1]
		}
		m := maxAbs(row)
		if !isFinite(m) {
			return 0, ErrNotFinite
		}
		largest = max(largest, m)
	}
	scale = powerOfTwo(float64(largest))
	inverse := 1 / scale
	for i := range n {
		if uplo == blas.Lower {
			for j, v := range a[i*lda : i*lda+i+1] {
				dst[j*ldd+i] = T(float64(v) * inverse)
			}
			continue
		}
		for j, v := range a[i*lda+i : i*lda+n] {
			dst[i*ldd+i+j] = T(float64(v) * inverse)
		}
	}
	return scale, nil
}

// isFinite reports whether x is neither NaN nor infinite.
func isFinite[T Float](x T) bool { return !math.IsNaN(float64(x)) && !math.IsInf(float64(x), 0) }
