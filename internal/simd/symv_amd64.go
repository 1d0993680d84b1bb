//go:build amd64 && !purego

package simd

func dgemvBothAsm() []kernelSet[bothKernel[float64]] {
	return []kernelSet[bothKernel[float64]]{{isaAVX2, byFourRows(4, dgemvBothAVX2)}}
}

func sgemvBothAsm() []kernelSet[bothKernel[float32]] {
	return []kernelSet[bothKernel[float32]]{{isaAVX2, byFourRows(8, sgemvBothAVX2)}}
}

// byFourRows makes a kernel of one that takes four rows and a multiple of lanes columns; it leaves the last columns and rows to
// the portable twin.
func byFourRows[T float](lanes int, four func(n int, a *T, lda int, x, y, u, v *T)) bothKernel[T] {
	return func(m, n int, a []T, lda int, x, u, y, v []T) {
		whole := n &^ (lanes - 1)
		for ; m >= 4; m -= 4 {
			if whole > 0 {
				four(whole, &a[0], lda, &x[0], &y[0], &u[0], &v[0])
			}
			if whole < n {
				gemvBothGeneric(4, n-whole, a[whole:], lda, x[whole:], u, y[whole:], v)
			}
			u, v = u[4:], v[4:]
			if m > 4 {
				a = a[4*lda:]
			}
		}
		if m > 0 {
			gemvBothGeneric(m, n, a, lda, x, u, y, v)
		}
	}
}
