package blas

import (
	"sync"

	"gonum.org/v1/gonum/blas"

	"github.com/eckart-go/eckart/internal/simd"
)

// scalar is an element type that the kernels exist for.
type scalar interface{ float32 | float64 }

// kernels are the routines of internal/simd for one element type, on which the algorithms of this package are written
// once for both.
type kernels[T scalar] struct {
	gemm func(tA, tB blas.Transpose, m, n, k int, alpha T, a []T, lda int, b []T, ldb int, beta T, c []T, ldc int)
	syrk func(uplo blas.Uplo, t blas.Transpose, n, k int, alpha T, a []T, lda int, beta T, c []T, ldc int)
	trsm func(s blas.Side, ul blas.Uplo, t blas.Transpose, d blas.Diag, m, n int, a []T, lda int, b []T, ldb int)
	gemv func(t blas.Transpose, m, n int, alpha T, a []T, lda int, x []T, incX int, beta T, y []T, incY int)
	dot  func(x, y []T) T
	axpy func(alpha T, x, y []T) // y += alpha x
	scal func(alpha T, x []T)

	scratch sync.Pool // of *[]T
}

var (
	single = &kernels[float32]{
		gemm: simd.Sgemm, syrk: simd.Ssyrk, trsm: simd.Strsm, gemv: simd.Sgemv, dot: simd.Sdot, axpy: simd.Saxpy, scal: simd.Sscal,
	}
	double = &kernels[float64]{
		gemm: simd.Dgemm, syrk: simd.Dsyrk, trsm: simd.Dtrsm, gemv: simd.Dgemv, dot: simd.Ddot, axpy: simd.Daxpy, scal: simd.Dscal,
	}
)

// borrow returns n elements of any content, to be given back when done.
func (k *kernels[T]) borrow(n int) *[]T {
	p, _ := k.scratch.Get().(*[]T)
	if p == nil {
		p = new([]T)
	}
	if cap(*p) < n {
		*p = make([]T, n)
	}
	*p = (*p)[:n]
	return p
}

// giveBack returns what borrow lent.
func (k *kernels[T]) giveBack(p *[]T) { k.scratch.Put(p) }

// scale multiplies the m x n matrix C by beta; beta = 0 clears it whatever it held.
func (k *kernels[T]) scale(m, n int, beta T, c []T, ldc int) {
	if beta == 1 {
		return
	}
	for i := range m {
		row := c[i*ldc : i*ldc+n]
		if beta == 0 {
			clear(row)
		} else {
			k.scal(beta, row)
		}
	}
}
