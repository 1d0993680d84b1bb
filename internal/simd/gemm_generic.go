package simd

// The portable kernels, whose loops are the definition of what the assembly computes.

// genericMR is the portable tile's side.
const genericMR = 4

// panelGeneric is panelFunc for mr = nr = 4.
func panelGeneric[T float](a []T, rowA, colA, stepA int, b []T, rowB int, c []T, rowC, m, n, k int, alpha, beta T) {
	for i := 0; i < m; i += genericMR {
		mr := min(genericMR, m-i)
		tile := tileGeneric(a[i/genericMR*stepA:], rowA, colA, b, rowB, mr, n, k)
		for ii := range mr {
			row := c[(i+ii)*rowC:][:n]
			for j := range row {
				v := alpha * tile[ii][j]
				if beta != 0 {
					v += beta * row[j]
				}
				row[j] = v
			}
		}
	}
}

// tileGeneric returns the product of mr rows of A and the panel. Rows and columns beyond mr and n are computed from rows
// and columns that exist, so that there is one loop.
func tileGeneric[T float](a []T, rowA, colA int, b []T, rowB, mr, n, k int) (tile [4][4]T) {
	r1, r2, r3 := min(1, mr-1)*rowA, min(2, mr-1)*rowA, min(3, mr-1)*rowA
	j1, j2, j3 := min(1, n-1), min(2, n-1), min(3, n-1)
	var c00, c01, c02, c03, c10, c11, c12, c13, c20, c21, c22, c23, c30, c31, c32, c33 T
	for p := range k {
		bp := b[p*rowB:]
		b0, b1, b2, b3 := bp[0], bp[j1], bp[j2], bp[j3]
		ap := a[p*colA:]
		x := ap[0]
		c00 += x * b0
		c01 += x * b1
		c02 += x * b2
		c03 += x * b3
		x = ap[r1]
		c10 += x * b0
		c11 += x * b1
		c12 += x * b2
		c13 += x * b3
		x = ap[r2]
		c20 += x * b0
		c21 += x * b1
		c22 += x * b2
		c23 += x * b3
		x = ap[r3]
		c30 += x * b0
		c31 += x * b1
		c32 += x * b2
		c33 += x * b3
	}
	return [4][4]T{{c00, c01, c02, c03}, {c10, c11, c12, c13}, {c20, c21, c22, c23}, {c30, c31, c32, c33}}
}

func interlaceGeneric[T float](dst []T, w int, src []T, ld, k, n int) {
	for p := range k {
		row := dst[p*w:][:w]
		copy(row, src[p*ld:][:n])
		clear(row[n:])
	}
}

func transposeGeneric[T float](dst []T, w int, src []T, ld, k, n int) {
	for j := range n {
		for p, v := range src[j*ld:][:k] {
			dst[p*w+j] = v
		}
	}
	for j := n; j < w; j++ {
		for p := range k {
			dst[p*w+j] = 0
		}
	}
}
