package simd

import (
	"gonum.org/v1/gonum/blas"

	"github.com/eckart-go/eckart/internal/pool"
)

// Stranspose writes the transpose of A (m x n, row stride lda) to dst (n x m, row stride ldd), which must not overlap it. It
// panics if a matrix does not fit its slice.
func Stranspose(m, n int, a []float32, lda int, dst []float32, ldd int) {
	sblas.transpose(m, n, a, lda, dst, ldd)
}

// Dtranspose is Stranspose in float64.
func Dtranspose(m, n int, a []float64, lda int, dst []float64, ldd int) {
	dblas.transpose(m, n, a, lda, dst, ldd)
}

const (
	transposeGroup  = 8       // rows that the kernels take together, or a multiple of them
	transposeStrip  = 64      // columns of A that are walked along together: so many lines of dst are open at a time
	transposeGrain  = 128     // rows of a task
	transposeSingle = 1 << 14 // elements that are not worth a second core
)

func (e *engine[T]) transpose(m, n int, a []T, lda int, dst []T, ldd int) {
	checkMatrix("A", blas.NoTrans, m, n, len(a), lda)
	checkMatrix("dst", blas.NoTrans, n, m, len(dst), ldd)
	if m*n <= transposeSingle {
		e.transposeRows(0, m, n, a, lda, dst, ldd)
		return
	}
	pool.Ranges(m, transposeGrain, func(lo, hi int) { e.transposeRows(lo, hi, n, a, lda, dst, ldd) })
}

// transposeRows transposes rows lo to hi: whole groups by the kernel, which would write more than the others hold.
func (e *engine[T]) transposeRows(lo, hi, n int, a []T, lda int, dst []T, ldd int) {
	whole := lo + (hi-lo)/transposeGroup*transposeGroup
	for j := 0; j < n; j += transposeStrip {
		width := min(transposeStrip, n-j)
		if whole > lo {
			e.kernel.transpose(dst[j*ldd+lo:], ldd, a[lo*lda+j:], lda, width, whole-lo)
		}
		if whole < hi {
			transposeGeneric(dst[j*ldd+whole:], ldd, a[whole*lda+j:], lda, width, hi-whole)
		}
	}
}
