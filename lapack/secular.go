package lapack

import (
	"math"

	"github.com/eckart-go/eckart/internal/simd"
)

// secular is the equation f(x) = 1 + sum_i z_i^2 / (d_i - x) = 0 for d ascending and distinct and z without zeros: its roots
// interlace with the poles d and are the eigenvalues of diag(d) + z zᵀ.
type secular struct {
	d, z  []float64
	total float64 // sum of z_i^2
}

// root finds root j, between d[j] and d[j+1] (or, for the last, d[n-1] + |z|^2), and overwrites delta with the differences
// d_i - root, each to high relative accuracy: the root is found as an offset from the nearer pole.
//
// Each step interpolates f by c + s/(d_j - x) + t/(d_j+1 - x) with the derivatives of the sums to either side matched ("the
// middle way": Li 1993), and bisects when that leaves the bracket. It stops when |f| is below the rounding error of its own
// evaluation, as Gu and Eisenstat (1995) ask.
func (q *secular) root(j int, delta []float64) (root float64) {
	n := len(q.d)
	delta = delta[:n]
	last := j == n-1
	gap := q.total
	if !last {
		gap = q.d[j+1] - q.d[j]
	}
	// f at the middle decides which pole is nearer.
	middle := gap / 2
	psi, phi, _, _ := q.evaluate(j, q.d[j], middle, delta)
	f := 1 + psi + phi
	origin, lo, hi, x := q.d[j], 0.0, middle, 0.0
	switch {
	case f >= 0:
		x = q.start(j, f, delta, 0, gap)
	case last:
		lo, hi = middle, 2*gap
	default:
		origin, lo, hi = q.d[j+1], -middle, 0
		x = q.start(j, f, delta, -gap, 0)
	}
	if !(x > lo && x < hi) {
		x = lo + (hi-lo)/2
	}
	tolerance := 0x1p-53 * (4 + float64(n)/8)
	at := x
	for range 100 {
		at = x
		psi, phi, dpsi, dphi := q.evaluate(j, origin, x, delta)
		f := 1 + psi + phi
		if math.Abs(f) <= tolerance*(1+phi-psi) {
			break
		}
		if f < 0 {
			lo = max(lo, x)
		} else {
			hi = min(hi, x)
		}
		next := x + q.step(j, f, dpsi, dphi, delta)
		if !(next > lo && next < hi) {
			next = lo + (hi-lo)/2
		}
		if next == x || next == lo || next == hi {
			break
		}
		x = next
	}
	return origin + at
}

// evaluate sets delta_i = (d_i - origin) - x and returns the sums of f there over poles up to j and beyond j, and the
// derivatives of both.
func (q *secular) evaluate(j int, origin, x float64, delta []float64) (psi, phi, dpsi, dphi float64) {
	psi, dpsi = simd.DpoleSums(q.z[:j+1], q.d, delta, origin, x)
	phi, dphi = simd.DpoleSums(q.z[j+1:], q.d[j+1:], delta[j+1:], origin, x)
	return psi, phi, dpsi, dphi
}

// start solves the equation with the sum over all but the two poles next to the root frozen at the middle of the interval,
// where delta and f were taken; left and right are those poles relative to the origin.
func (q *secular) start(j int, f float64, delta []float64, left, right float64) float64 {
	zl := q.z[j]
	c := f - zl*zl/delta[j]
	if j == len(q.d)-1 {
		return left + zl*zl/c // c > 0, as f >= 0 and the pole's term is negative
	}
	zr := q.z[j+1]
	c -= zr * zr / delta[j+1]
	return interpolated(c, zl*zl, zr*zr, left, right)
}

// step returns the correction of the root from f and the derivatives at the present point.
func (q *secular) step(j int, f, dpsi, dphi float64, delta []float64) float64 {
	left := delta[j]
	if j == len(q.d)-1 {
		c := f - left*dpsi
		return left + left*left*dpsi/c
	}
	right := delta[j+1]
	return interpolated(f-left*dpsi-right*dphi, left*left*dpsi, right*right*dphi, left, right)
}

// interpolated returns the root y of c + s/(left - y) + t/(right - y) between left < right, for positive s and t: of the
// quadratic c y^2 - a y + b it is always the one with the minus sign.
func interpolated(c, s, t, left, right float64) float64 {
	a := c*(left+right) + s + t
	b := c*left*right + s*right + t*left
	root := math.Sqrt(math.Abs(a*a - 4*b*c))
	if a <= 0 {
		return (a - root) / (2 * c)
	}
	return 2 * b / (a + root)
}
