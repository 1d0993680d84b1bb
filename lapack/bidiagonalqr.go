package lapack

import "math"

// rows are vectors that a rotation of a small matrix is applied to; nil data means none.
type rows[T Float] struct {
	data      []T
	ld, width int
}

// rotate overwrites rows i and j with c row_i + s row_j and c row_j - s row_i.
func (r rows[T]) rotate(i, j int, c, s float64) {
	if r.data != nil {
		rotate(r.data[i*r.ld:i*r.ld+r.width], r.data[j*r.ld:j*r.ld+r.width], c, s)
	}
}

func (r rows[T]) negate(i int) {
	if r.data != nil {
		for j, v := range r.data[i*r.ld : i*r.ld+r.width] {
			r.data[i*r.ld+j] = -v
		}
	}
}

// squareUp rotates an upper bidiagonal matrix of n x (n+1), with diagonal d and superdiagonal e (both n), to n x n with a column
// of zeros: from the last row up, the element of the last column is turned into the diagonal. right has n+1 rows.
func squareUp[T Float](d, e []float64, right rows[T]) {
	n := len(d)
	if n == 0 {
		return
	}
	last := e[n-1]
	e[n-1] = 0
	for i := n - 1; i >= 0 && last != 0; i-- {
		c, s, r := plane(d[i], last)
		d[i] = r
		right.rotate(i, n, c, s)
		if i > 0 {
			last = -s * e[i-1]
			e[i-1] *= c
		}
	}
}

// bidiagonalQR overwrites d (n) with the singular values, in no order, of the upper bidiagonal matrix with that diagonal and
// superdiagonal e (at least n-1 elements, destroyed), by the implicitly shifted QR algorithm (Golub, Kahan 1965; Golub,
// Reinsch 1970), each block from its larger end to its smaller (Demmel, Kahan 1990). The rows of left and right are rotated
// along: starting from the identity they become the singular vectors. Couplings below eps/128 of the largest element are
// dropped. It reports whether it converged, which it does for all finite input known.
func bidiagonalQR[T Float](d, e []float64, left, right rows[T]) bool {
	n := len(d)
	if n == 0 {
		return true
	}
	negligible := 0x1p-60 * max(maxAbs(d), maxAbs(e[:n-1]))
	b := chase[T]{}
	first, last, sweeps := n, n, 0 // the block of the sweep before, and how many it had
	for hi := n - 1; hi > 0; {
		lo := hi
		for lo > 0 && math.Abs(e[lo-1]) > negligible && math.Abs(e[lo-1]) > 0x1p-53*(math.Abs(d[lo-1])+math.Abs(d[lo])) {
			lo--
		}
		if lo > 0 {
			e[lo-1] = 0
		}
		if lo == hi {
			hi--
			continue
		}
		if sweeps++; lo != first || hi != last {
			sweeps = 0
		}
		if sweeps == 100 {
			return false
		}
		if hi < first || lo > last { // a new block
			b.up = math.Abs(d[lo]) < math.Abs(d[hi])
		}
		first, last = lo, hi
		b.d, b.e, b.lo, b.left, b.right = d[lo:hi+1], e[lo:hi], lo, left, right
		if b.up {
			b.left, b.right = right, left
		}
		b.sweep(b.shift(negligible))
	}
	for i, v := range d {
		if v < 0 {
			d[i] = -v
			right.negate(i)
		}
	}
	return true
}

// chase is an unreduced block that a QR step works on. Upwards, the block is read from its last element to its first: that is
// its transpose with rows and columns reversed, upper bidiagonal again, and left and right vectors have changed places.
type chase[T Float] struct {
	d, e        []float64
	lo          int // row of the vectors that belongs to d[0]
	up          bool
	left, right rows[T]
}

// at returns where element p of the diagonal is, and off the same for the superdiagonal.
func (b *chase[T]) at(p int) int {
	if b.up {
		return len(b.d) - 1 - p
	}
	return p
}

func (b *chase[T]) off(p int) int {
	if b.up {
		return len(b.e) - 1 - p
	}
	return p
}

// shift returns the smaller singular value of the last 2 x 2 block, or zero if the block is singular or the value is nothing
// beside the first element. Diagonal elements that are negligible become zero.
func (b *chase[T]) shift(negligible float64) float64 {
	singular := false
	for i, v := range b.d {
		if math.Abs(v) <= negligible {
			b.d[i], singular = 0, true
		}
	}
	if singular {
		return 0
	}
	k := len(b.e)
	shift := smallerValue(b.d[b.at(k-1)], b.e[b.off(k-1)], b.d[b.at(k)])
	if first := shift / b.d[b.at(0)]; first*first < 0x1p-53 {
		return 0
	}
	return shift
}

// smallerValue returns the smaller singular value of (f, g; 0, h), to high relative accuracy.
func smallerValue(f, g, h float64) float64 {
	f, g, h = math.Abs(f), math.Abs(g), math.Abs(h)
	small, large := min(f, h), max(f, h)
	if small == 0 {
		return 0
	}
	// s1 +- s2 = |(large +- small, g)| and s1 s2 = large small.
	sum := (math.Hypot(large+small, g) + math.Hypot(large-small, g)) / 2
	return small * (large / sum)
}

// sweep is one QR step.
func (b *chase[T]) sweep(shift float64) {
	k := len(b.e)
	row := func(p int) int { return b.lo + b.at(p) }
	f, g := b.d[b.at(0)], b.e[b.off(0)]
	if shift != 0 {
		f = (math.Abs(f) - shift) * (math.Copysign(1, f) + shift/f)
	}
	for p := range k {
		dp, dn, ep := &b.d[b.at(p)], &b.d[b.at(p+1)], &b.e[b.off(p)]
		c, s, r := plane(f, g)
		if p > 0 {
			b.e[b.off(p-1)] = r
		}
		f, *ep = c**dp+s**ep, c**ep-s**dp
		g, *dn = s**dn, c**dn
		b.right.rotate(row(p), row(p+1), c, s)
		c, s, *dp = plane(f, g)
		f, *dn = c**ep+s**dn, c**dn-s**ep
		if p < k-1 {
			next := &b.e[b.off(p+1)]
			g, *next = s**next, c**next
		}
		b.left.rotate(row(p), row(p+1), c, s)
	}
	b.e[b.off(k-1)] = f
}

// plane returns the rotation that takes (f, g) to (r, 0).
func plane(f, g float64) (c, s, r float64) {
	if g == 0 {
		return 1, 0, f
	}
	r = length(f, g)
	if r == 0 { // cannot be for g != 0 but by underflow
		return 1, 0, f
	}
	return f / r, g / r, r
}
