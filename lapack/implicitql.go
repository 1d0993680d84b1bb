package lapack

import (
	"math"
	"slices"
)

// implicitQL finds the eigenvalues of the tridiagonal matrix with diagonal d (n) and off-diagonal e (at least n-1 elements,
// destroyed) by the QL algorithm with implicit Wilkinson shifts (Dubrulle, Martin, Wilkinson 1968), and overwrites d with
// them in no order. The n rows of z (width columns) are rotated along: starting from the identity they become the
// eigenvectors. Couplings below eps/128 of the largest element are dropped, no more than the errors of the values, because
// the iteration is slow on strongly graded matrices. It reports whether it converged, which it does for all finite input
// known.
func implicitQL[T Float](d, e []float64, z []T, ldz, width int) bool {
	n := len(d)
	if n == 0 {
		return true
	}
	negligible := 0x1p-60 * max(maxAbs(d), maxAbs(e[:n-1]))
	for l := range n {
		for sweep := 0; ; sweep++ {
			m := l
			for m < n-1 {
				if size := math.Abs(d[m]) + math.Abs(d[m+1]); math.Abs(e[m]) <= 0x1p-53*size || math.Abs(e[m]) <= negligible {
					break
				}
				m++
			}
			if m < n-1 {
				e[m] = 0
			}
			if m == l {
				break
			}
			if sweep == 100 {
				return false
			}
			if sweep == 0 && math.Abs(d[l]) > math.Abs(d[m]) { // QL wants the small elements first
				slices.Reverse(d[l : m+1])
				slices.Reverse(e[l:m])
				reverseRows(z[l*ldz:], ldz, m+1-l, width)
			}
			sweepQL(d, e, z, ldz, width, l, m)
		}
	}
	return true
}

// sweepQL is one implicit QL step on rows l to m.
func sweepQL[T Float](d, e []float64, z []T, ldz, width, l, m int) {
	g := (d[l+1] - d[l]) / (2 * e[l])
	g = d[m] - d[l] + e[l]/(g+math.Copysign(math.Hypot(g, 1), g))
	s, c, p := 1.0, 1.0, 0.0
	for i := m - 1; i >= l; i-- {
		f, b := s*e[i], c*e[i]
		r := length(f, g)
		if i+1 < m {
			e[i+1] = r
		}
		if r == 0 { // the matrix has split here
			d[i+1] -= p
			return
		}
		s, c = f/r, g/r
		g = d[i+1] - p
		r = (d[i]-g)*s + 2*c*b
		p = s * r
		d[i+1] = g + p
		g = c*r - b
		rotate(z[(i+1)*ldz:(i+1)*ldz+width], z[i*ldz:i*ldz+width], c, s)
	}
	d[l] -= p
	e[l] = g
}

// reverseRows reverses the order of rows (of width columns).
func reverseRows[T Float](z []T, ldz, rows, width int) {
	for i, j := 0, rows-1; i < j; i, j = i+1, j-1 {
		x, y := z[i*ldz:i*ldz+width], z[j*ldz:j*ldz+width]
		for k := range x {
			x[k], y[k] = y[k], x[k]
		}
	}
}

// rotate overwrites x with c x + s y and y with c y - s x.
func rotate[T Float](x, y []T, c, s float64) { kernelsOf[T]().rot(x, y, T(c), T(s)) }

// length returns the length of (x, y), by the fast way where squares are safe.
func length(x, y float64) float64 {
	squares := x*x + y*y
	if squares >= smallSquares && squares <= largeSquares {
		return math.Sqrt(squares)
	}
	return math.Hypot(x, y)
}
