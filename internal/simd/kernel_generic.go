package simd

import "math"

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
		copy(dst[p*w:], src[p*ld:][:n])
	}
}

func transposeGeneric[T float](dst []T, w int, src []T, ld, k, n int) {
	for j := range n {
		for p, v := range src[j*ld:][:k] {
			dst[p*w+j] = v
		}
	}
}

func dotsGeneric[T float](dst []T, rowD int, x []T, ldx int, b []T, ldb, m, n, k int) {
	for i := range m {
		for j := range n {
			dst[i*rowD+j] = dotGeneric(x[i*ldx:][:k], b[j*ldb:][:k])
		}
	}
}

func addRowsGeneric[T float](y, x, a []T, lda int) {
	for i, v := range x {
		axpyGeneric(v, a[i*lda:][:len(y)], y)
	}
}

// dotGeneric has four sums, so that an addition need not wait for the one before.
func dotGeneric[T float](x, y []T) T {
	y = y[:len(x)]
	var s0, s1, s2, s3 T
	i := 0
	for ; i+4 <= len(x); i += 4 {
		s0 += x[i] * y[i]
		s1 += x[i+1] * y[i+1]
		s2 += x[i+2] * y[i+2]
		s3 += x[i+3] * y[i+3]
	}
	for ; i < len(x); i++ {
		s0 += x[i] * y[i]
	}
	return s0 + s1 + (s2 + s3)
}

func axpyGeneric[T float](alpha T, x, y []T) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] += alpha * v
	}
}

func scalGeneric[T float](alpha T, x []T) {
	for i := range x {
		x[i] *= alpha
	}
}

func rotGeneric[T float](x, y []T, c, s T) {
	y = y[:len(x)]
	for i, v := range x {
		w := y[i]
		x[i] = c*v + s*w
		y[i] = c*w - s*v
	}
}

func asumGeneric[T float](x []T) (sum T) {
	for _, v := range x {
		sum += T(math.Abs(float64(v)))
	}
	return sum
}

func sumsqGeneric[T float](x []T) (sum float64) {
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return sum
}
