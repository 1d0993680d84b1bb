package simd

// solveLowerGeneric is solveFunc for lower triangles and mr = nr = 4.
func solveLowerGeneric[T float](a, b []T, tiles, k int, c []T, rowC, full int) {
	for t := range tiles {
		rows := b[t*16:]
		for p := range k {
			subtractGeneric(rows, a[p*4:], b[p*4:], 0, 4)
		}
		a = a[k*4:]
		for i := range 4 {
			divideGeneric(rows[i*4:], a[i*4+i])
			subtractGeneric(rows, a[i*4:], rows[i*4:], i+1, 4)
		}
		if t < full {
			copyTileGeneric(c[t*4*rowC:], rowC, rows)
		}
		a = a[16:]
		k += 4
	}
}

// solveUpperGeneric is solveFunc for upper triangles and mr = nr = 4.
func solveUpperGeneric[T float](a, b []T, tiles, k int, c []T, rowC, full int) {
	first := min(full, tiles) - 1
	for t := tiles - 1; t >= 0; t-- {
		rows := b[t*16:]
		for p := k - 1; p >= 0; p-- {
			subtractGeneric(rows, a[16+p*4:], b[16*(t+1)+p*4:], 0, 4)
		}
		for i := 3; i >= 0; i-- {
			divideGeneric(rows[i*4:], a[i*4+i])
			subtractGeneric(rows, a[i*4:], rows[i*4:], 0, i)
		}
		if first >= 0 {
			copyTileGeneric(c[first*4*rowC:], rowC, rows)
			first--
		}
		a = a[16+k*4:]
		k += 4
	}
}

// subtractGeneric takes the row x times the column's elements lo to hi out of the tile's rows lo to hi.
func subtractGeneric[T float](rows, column, x []T, lo, hi int) {
	x0, x1, x2, x3 := x[0], x[1], x[2], x[3]
	for l := lo; l < hi; l++ {
		row, f := rows[l*4:][:4], column[l]
		row[0] -= f * x0
		row[1] -= f * x1
		row[2] -= f * x2
		row[3] -= f * x3
	}
}

func divideGeneric[T float](row []T, d T) {
	for j := range 4 {
		row[j] /= d
	}
}

func copyTileGeneric[T float](c []T, rowC int, rows []T) {
	for i := range 4 {
		copy(c[i*rowC:][:4], rows[i*4:])
	}
}
