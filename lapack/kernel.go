package lapack

import (
	"math"
	"sync"

	"gonum.org/v1/gonum/blas"

	eblas "github.com/eckart-go/eckart/blas"
	"github.com/eckart-go/eckart/internal/simd"
)

// Float is an element type of matrices. Every algorithm of this package is written once for both.
type Float interface{ float32 | float64 }

// kernels are the routines below this package for one element type. They are called through the functions beneath, which find
// the table of their type with one comparison.
type kernels[T Float] struct {
	gemm      func(tA, tB blas.Transpose, m, n, k int, alpha T, a []T, lda int, b []T, ldb int, beta T, c []T, ldc int)
	syrk      func(uplo blas.Uplo, t blas.Transpose, n, k int, alpha T, a []T, lda int, beta T, c []T, ldc int)
	both      func(m, n int, a []T, lda int, x, u, y, v []T)
	gemv      func(t blas.Transpose, m, n int, alpha T, a []T, lda int, x []T, incX int, beta T, y []T, incY int)
	trsm      func(s blas.Side, uplo blas.Uplo, t blas.Transpose, d blas.Diag, m, n int, alpha T, a []T, lda int, b []T, ldb int)
	trmm      func(s blas.Side, uplo blas.Uplo, t blas.Transpose, d blas.Diag, m, n int, alpha T, a []T, lda int, b []T, ldb int)
	dot       func(x, y []T) T
	transpose func(m, n int, a []T, lda int, dst []T, ldd int)
	axpy      func(alpha T, x, y []T)
	scal      func(alpha T, x []T)
	rot       func(x, y []T, c, s T)
	asum      func(x []T) T
	sumsq     func(x []T) float64

	eps, safe T // see epsilon and safeMinimum

	scratch sync.Pool // of *[]T
}

var (
	single = &kernels[float32]{
		gemm: simd.Sgemm, syrk: simd.Ssyrk, gemv: simd.Sgemv, both: simd.SgemvBoth, trsm: eblas.Implementation{}.Strsm, trmm: eblas.Implementation{}.Strmm,
		transpose: simd.Stranspose, dot: simd.Sdot, axpy: simd.Saxpy, scal: simd.Sscal, rot: simd.Srot, asum: simd.Sasum, sumsq: simd.Ssumsq, eps: 0x1p-24, safe: 0x1p-126,
	}
	double = &kernels[float64]{
		gemm: simd.Dgemm, syrk: simd.Dsyrk, gemv: simd.Dgemv, both: simd.DgemvBoth, trsm: eblas.Implementation{}.Dtrsm, trmm: eblas.Implementation{}.Dtrmm,
		transpose: simd.Dtranspose, dot: simd.Ddot, axpy: simd.Daxpy, scal: simd.Dscal, rot: simd.Drot, asum: simd.Dasum, sumsq: simd.Dsumsq, eps: 0x1p-53, safe: 0x1p-1022,
	}
)

func kernelsOf[T Float]() *kernels[T] {
	if k, ok := any(double).(*kernels[T]); ok {
		return k
	}
	return any(single).(*kernels[T])
}

// borrow returns n elements of any content, to be given back when done.
func borrow[T Float](n int) (p *[]T, x []T) {
	p, _ = kernelsOf[T]().scratch.Get().(*[]T)
	if p == nil {
		p = new([]T)
	}
	*p = grown(*p, n)
	return p, *p
}

// giveBack returns what borrow lent.
func giveBack[T Float](p *[]T) { kernelsOf[T]().scratch.Put(p) }

// epsilon returns the unit roundoff, half the distance from 1 to the next number.
func epsilon[T Float]() T { return kernelsOf[T]().eps }

// safeMinimum returns the smallest normal number; its inverse does not overflow.
func safeMinimum[T Float]() T { return kernelsOf[T]().safe }

// gemm computes C = alpha op(A) op(B) + beta C, where op(A) is m x k, op(B) is k x n and C is m x n, on the pool. With beta =
// 0 the old C is not read.
func gemm[T Float](tA, tB blas.Transpose, m, n, k int, alpha T, a []T, lda int, b []T, ldb int, beta T, c []T, ldc int) {
	kernelsOf[T]().gemm(tA, tB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}

// syrk computes the triangle uplo of C = alpha op(A) op(A)ᵀ + beta C, of order n, where op(A) is n x k.
func syrk[T Float](uplo blas.Uplo, t blas.Transpose, n, k int, alpha T, a []T, lda int, beta T, c []T, ldc int) {
	kernelsOf[T]().syrk(uplo, t, n, k, alpha, a, lda, beta, c, ldc)
}

// gemv computes y = alpha op(A) x + beta y for A m x n.
func gemv[T Float](t blas.Transpose, m, n int, alpha T, a []T, lda int, x []T, incX int, beta T, y []T, incY int) {
	kernelsOf[T]().gemv(t, m, n, alpha, a, lda, x, incX, beta, y, incY)
}

// gemvBoth adds A x to v and Aᵀ u to y for A m x n, which it reads once.
func gemvBoth[T Float](m, n int, a []T, lda int, x, u, y, v []T) {
	kernelsOf[T]().both(m, n, a, lda, x, u, y, v)
}

// trsm overwrites B (m x n) with the solution of op(A) X = alpha B (Left) or X op(A) = alpha B (Right), A triangular.
func trsm[T Float](s blas.Side, uplo blas.Uplo, t blas.Transpose, d blas.Diag, m, n int, alpha T, a []T, lda int, b []T, ldb int) {
	if m > 0 && n > 0 {
		kernelsOf[T]().trsm(s, uplo, t, d, m, n, alpha, a, lda, b, ldb)
	}
}

// trmm overwrites B (m x n) with alpha op(A) B (Left) or alpha B op(A) (Right), A triangular.
func trmm[T Float](s blas.Side, uplo blas.Uplo, t blas.Transpose, d blas.Diag, m, n int, alpha T, a []T, lda int, b []T, ldb int) {
	if m > 0 && n > 0 {
		kernelsOf[T]().trmm(s, uplo, t, d, m, n, alpha, a, lda, b, ldb)
	}
}

// dot returns xᵀy; y may be longer than x, here and in axpy.
func dot[T Float](x, y []T) T { return kernelsOf[T]().dot(x, y) }

// axpy adds alpha x to y.
func axpy[T Float](alpha T, x, y []T) { kernelsOf[T]().axpy(alpha, x, y) }

// scal multiplies x by alpha.
func scal[T Float](alpha T, x []T) { kernelsOf[T]().scal(alpha, x) }

// asum returns the sum of absolute values.
func asum[T Float](x []T) T { return kernelsOf[T]().asum(x) }

// sumsq returns the sum of squares. In float64 they may over- or underflow; squares of float32 cannot.
func sumsq[T Float](x []T) float64 { return kernelsOf[T]().sumsq(x) }

// norm2 returns the Euclidean norm of x at any scale.
func norm2[T Float](x []T) T {
	s := sumsq(x)
	if s >= smallSquares && s <= largeSquares {
		return T(math.Sqrt(s))
	}
	largest := maxAbs(x)
	if !(largest > 0) || math.IsInf(float64(largest), 1) {
		return largest
	}
	scale := powerOfTwo(float64(largest))
	s = 0
	for _, v := range x {
		s += square(float64(v) / scale)
	}
	return T(scale * math.Sqrt(s))
}

// abs returns |x|.
func abs[T Float](x T) T { return T(math.Abs(float64(x))) }

// sqrt returns the square root of x, correctly rounded: the detour over float64 is exact enough for float32 (Figueroa 1995).
func sqrt[T Float](x T) T { return T(math.Sqrt(float64(x))) }

// finite reports whether x is neither NaN nor infinite.
func finite[T Float](x T) bool { return x-x == 0 }

// transpose writes the transpose of a (m x n) to dst (n x m), which does not overlap it.
func transpose[T Float](m, n int, a []T, lda int, dst []T, ldd int) {
	kernelsOf[T]().transpose(m, n, a, lda, dst, ldd)
}

// stride returns a row stride for n columns that starts rows on cache lines, and not at distances that the cache maps on a few
// places.
func stride(n int) int {
	ld := (n + 7) &^ 7
	if ld%32 == 0 {
		ld += 8
	}
	return ld
}

// grown returns a slice of n elements, x itself if it is large enough. The contents are unspecified.
func grown[T any](x []T, n int) []T {
	if cap(x) >= n {
		return x[:n]
	}
	return make([]T, n)
}

// cut splits n elements off x.
func cut[T any](x []T, n int) (head, rest []T) { return x[:n:n], x[n:] }
