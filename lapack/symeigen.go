package lapack

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/internal/simd"
)

// SymEigen is the eigendecomposition A = Vᵀ diag(values) V of a symmetric matrix A (n x n), with the eigenvectors as the rows
// of V, orthonormal. The zero value is ready; a value that is used again keeps its buffers.
//
// Method: blocked Householder reduction to tridiagonal form, divide and conquer, blocked back-transformation; 4/3 n^3 flops
// for the first, up to 4/3 n^3 (much less where eigenvalues deflate) for the second, 2 k n^2 for k vectors in the third.
// The computed decomposition is the exact one of A + E with ||E|| <= c n eps ||A|| for a small c: eigenvalues are accurate
// to that absolute error, small ones not relative to themselves.
type SymEigen struct {
	reduction reduction
	divide    divide
	values    []float64
	vectors   []float64 // k x n, row stride ld
	n, k, ld  int
}

// Factorize computes all eigenvalues and eigenvectors of a, which is not modified. It fails with ErrNotFinite.
func (s *SymEigen) Factorize(a blas64.Symmetric) error { return s.factorize(a, a.N) }

// FactorizeTop computes all eigenvalues of a and the eigenvectors of the k largest, for less work than all. It panics unless
// 0 <= k <= n.
func (s *SymEigen) FactorizeTop(a blas64.Symmetric, k int) error {
	if k < 0 || k > a.N {
		panic(fmt.Sprintf("lapack: %d eigenvectors of a matrix of %d x %d", k, a.N, a.N))
	}
	return s.factorize(a, k)
}

// FactorizeValues computes the eigenvalues of a only.
func (s *SymEigen) FactorizeValues(a blas64.Symmetric) error { return s.factorize(a, 0) }

// Values returns the eigenvalues, ascending. The slice is the receiver's and valid until the next factorisation.
func (s *SymEigen) Values() []float64 { return s.values[:s.n] }

// Vectors returns the computed eigenvectors as the rows of a k x n matrix, in the order of the last k Values. The data is the
// receiver's and valid until the next factorisation. Signs are those the algorithm left.
func (s *SymEigen) Vectors() blas64.General {
	return blas64.General{Rows: s.k, Cols: s.n, Stride: s.ld, Data: s.vectors[:s.k*s.ld]}
}

// VectorsTo sets dst, which must be empty or n x k, to the eigenvectors as columns, gonum's convention.
func (s *SymEigen) VectorsTo(dst *mat.Dense) {
	if dst.IsEmpty() {
		dst.ReuseAs(s.n, s.k)
	}
	for i := range s.k {
		dst.SetCol(i, s.vectors[i*s.ld:i*s.ld+s.n])
	}
}

func (s *SymEigen) factorize(a blas64.Symmetric, k int) error {
	n := a.N
	checkMatrix("the symmetric matrix", n, n, a.Data, a.Stride)
	s.n, s.k, s.ld = n, k, stride(max(1, n))
	s.values = grown(s.values, n)
	if n == 0 {
		return nil
	}
	r := &s.reduction
	r.resize(n)
	scale, err := copyScaled(r.a, r.ld, a)
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
	return nil
}

// solve runs divide and conquer on the reduced matrix and transforms the vectors of the k largest values back.
func (s *SymEigen) solve(k int) error {
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
	s.reduction.apply(k, s.vectors, ld, c.pack)
	return nil
}

func (s *SymEigen) stalled() error {
	n := s.n
	s.n, s.k = 0, 0
	return fmt.Errorf("lapack: symmetric eigenproblem of %d x %d: the QL iteration did not converge", n, n)
}

// copyScaled copies the stored triangle of a to the upper triangle of dst (n x n, row stride ldd), divided by a power of two near its largest
// element, so that squares are safe; it returns that power.
func copyScaled(dst []float64, ldd int, a blas64.Symmetric) (scale float64, err error) {
	n := a.N
	var largest float64
	for i := range n {
		row := a.Data[i*a.Stride+i : i*a.Stride+n]
		if a.Uplo == blas.Lower {
			row = a.Data[i*a.Stride : i*a.Stride+i+1]
		}
		m := maxAbs(row)
		if math.IsNaN(m) || math.IsInf(m, 0) {
			return 0, ErrNotFinite
		}
		largest = max(largest, m)
	}
	scale = powerOfTwo(largest)
	inverse := 1 / scale
	for i := range n {
		if a.Uplo == blas.Lower {
			for j, v := range a.Data[i*a.Stride : i*a.Stride+i+1] {
				dst[j*ldd+i] = v * inverse
			}
			continue
		}
		for j, v := range a.Data[i*a.Stride+i : i*a.Stride+n] {
			dst[i*ldd+i+j] = v * inverse
		}
	}
	return scale, nil
}
