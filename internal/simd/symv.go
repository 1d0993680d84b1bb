package simd

import "fmt"

//go:generate go -C _asm run . symv -out ../symv_amd64.s -stubs ../symv_stubs_amd64.go -pkg simd

// bothKernel is gemvBothGeneric or a twin of it.
type bothKernel[T float] func(m, n int, a []T, lda int, x, u, y, v []T)

var (
	sgemvBothSets = append(sgemvBothAsm(), kernelSet[bothKernel[float32]]{isaGeneric, gemvBothGeneric[float32]})
	dgemvBothSets = append(dgemvBothAsm(), kernelSet[bothKernel[float64]]{isaGeneric, gemvBothGeneric[float64]})
	sgemvBoth     = pick(sgemvBothSets)
	dgemvBoth     = pick(dgemvBothSets)
)

// DgemvBoth adds A x to v and Aᵀ u to y, for A m x n, row-major with row stride lda, while it reads A once: the step of a
// product with a symmetric matrix of which one triangle is stored. x and y have n elements, u and v have m; y and v overlap
// nothing. It panics if a shape does not fit its slice.
func DgemvBoth(m, n int, a []float64, lda int, x, u, y, v []float64) {
	dgemvBoth.call(m, n, a, lda, x, u, y, v)
}

// SgemvBoth is DgemvBoth in float32.
func SgemvBoth(m, n int, a []float32, lda int, x, u, y, v []float32) {
	sgemvBoth.call(m, n, a, lda, x, u, y, v)
}

func (k bothKernel[T]) call(m, n int, a []T, lda int, x, u, y, v []T) {
	if m <= 0 || n <= 0 {
		return
	}
	if lda < n || len(a) < (m-1)*lda+n || len(x) < n || len(y) < n || len(u) < m || len(v) < m {
		panic(fmt.Sprintf("simd: gemvBoth of %d x %d, row stride %d, with %d, %d, %d, %d, %d elements", m, n, lda, len(a), len(x), len(y), len(u), len(v)))
	}
	k(m, n, a, lda, x[:n], u[:m], y[:n], v[:m])
}

func gemvBothGeneric[T float](m, n int, a []T, lda int, x, u, y, v []T) {
	for i := range m {
		row, weight, sum := a[i*lda:i*lda+n], u[i], v[i]
		for j, e := range row {
			sum += e * x[j]
			y[j] += e * weight
		}
		v[i] = sum
	}
}
