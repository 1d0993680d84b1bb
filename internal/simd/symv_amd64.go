//go:build amd64 && !purego

package simd

func symvAsm() []kernelSet[func(m, n int, a []float64, lda int, x, u, y, v []float64)] {
	return []kernelSet[func(m, n int, a []float64, lda int, x, u, y, v []float64)]{{isaAVX2, dgemvBothByFour}}
}

// dgemvBothByFour takes four rows at a time, and leaves the last columns and rows to the portable twin.
func dgemvBothByFour(m, n int, a []float64, lda int, x, u, y, v []float64) {
	whole := n &^ 3
	for ; m >= 4; m -= 4 {
		if whole > 0 {
			dgemvBothAVX2(whole, &a[0], lda, &x[0], &y[0], &u[0], &v[0])
		}
		if whole < n {
			dgemvBothGeneric(4, n-whole, a[whole:], lda, x[whole:], u, y[whole:], v)
		}
		u, v = u[4:], v[4:]
		if m > 4 {
			a = a[4*lda:]
		}
	}
	if m > 0 {
		dgemvBothGeneric(m, n, a, lda, x, u, y, v)
	}
}
