package lapack

import (
	"math"
	"slices"
)

// rootFreeQL overwrites d (n) with the eigenvalues, in no order, of the tridiagonal matrix with that diagonal and off-diagonal
// e (at least n-1 elements, destroyed): the QL algorithm on squares, without square roots in its loop (Pal, Walker, Kahan;
// Parlett 1980, section 8.15). For values without vectors it takes two thirds of implicitQL's time. It reports whether it
// converged.
func rootFreeQL(d, e []float64) bool {
	n := len(d)
	if n == 0 {
		return true
	}
	e = e[:n-1]
	negligible := square(0x1p-60 * max(maxAbs(d), maxAbs(e)))
	for i, v := range e {
		e[i] = v * v
	}
	for l := range n {
		for sweep := 0; ; sweep++ {
			m := l
			for m < n-1 && e[m] > negligible && e[m] > 0x1p-106*square(math.Abs(d[m])+math.Abs(d[m+1])) {
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
			}
			sweepRootFree(d[l:m+1], e[l:m])
		}
	}
	return true
}

// sweepRootFree is one implicit QL step on an unreduced block, e holding squares.
func sweepRootFree(d, e []float64) {
	root := math.Sqrt(e[0])
	shift := (d[1] - d[0]) / (2 * root)
	shift = d[0] - root/(shift+math.Copysign(math.Hypot(shift, 1), shift))
	c, s := 1.0, 0.0
	last := len(e) - 1
	gamma := d[last+1] - shift
	p := gamma * gamma
	for i := last; i >= 0; i-- {
		r := p + e[i]
		if i < last {
			e[i+1] = s * r
		}
		before := c
		c, s = p/r, e[i]/r
		old := gamma
		gamma = c*(d[i]-shift) - s*old
		d[i+1] = old + (d[i] - gamma)
		if c != 0 {
			p = gamma * gamma / c
		} else {
			p = before * e[i]
		}
	}
	e[0] = s * p
	d[0] = shift + gamma
}

func square(x float64) float64 { return x * x }
