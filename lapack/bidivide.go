package lapack

import "math"

// divideSVD finds the singular values and vectors of an upper bidiagonal matrix by divide and conquer (Gu, Eisenstat 1995).
// Singular vectors are rows: of u the left ones, of v the right ones.
//
// A block is p rows and p+1 columns of the matrix, to which a last column of zeros is added so that this is true of the whole
// as well. Columns lo..mid and mid..hi are two blocks; row mid-1, which holds d and e, couples them. In the basis of their
// singular vectors the block is, up to deflation,
//
//	M = (z0 z1 ... zk-1; 0 d1; ...; 0 ... dk-1), d0 = 0 < d1 < ... < dk-1,
//
// with the coupling row first. MᵀM = diag(d^2) + z zᵀ is the rank-one update of the symmetric case, so the roots of its secular
// equation are the squares of the singular values. Its poles d^2 are rounded, which is no more than rounding d, and every
// difference of poles and roots has full relative accuracy; right vectors are made of z_i / (d_i^2 - s^2), left ones of
// d_i z_i / (d_i^2 - s^2), with -1 for the first.
type divideSVD[T Float] struct {
	workspace[T] // of n+1 columns
	ldu, ldv     int
	d, e         []float64
	u            []T // n x n; a solved block lo..hi has its left vectors in u[lo:hi-1, lo:hi-1]; nil if not wanted
	v            []T // (n+1) x (n+1); and its right vectors in v[lo:hi, lo:hi], last the one of the zero column
	spaceU       []T
}

// resize makes room for n x n.
func (c *divideSVD[T]) resize(n int, left bool) {
	c.workspace.resize(n + 1)
	c.ldu, c.ldv = stride(max(1, n)), stride(n+1)
	c.v = grown(c.v, (n+1)*c.ldv)
	c.u = nil
	if left {
		c.spaceU = grown(c.spaceU, n*c.ldu)
		c.u = c.spaceU
	}
}

// solve overwrites d (n) with the singular values, in the order of the rows of u and v, which become the singular vectors; order
// sorts them. e (n, the last zero) is destroyed. Of the last merge only the vectors of the want largest values are computed;
// the other rows of u and v are unspecified. It reports whether the leaves converged.
func (c *divideSVD[T]) solve(d, e []float64, want int) bool {
	c.d, c.e = d, e
	return conquer(bisection(len(d)+1), c.leaf, func(lo, mid, hi int, top bool) {
		if top {
			c.merge(lo, mid, hi, want)
		} else {
			c.merge(lo, mid, hi, hi-lo)
		}
	})
}

// leaf solves the block of columns lo..hi.
func (c *divideSVD[T]) leaf(lo, hi int) bool {
	size := hi - lo - 1
	d, e := c.d[lo:hi-1], c.e[lo:hi-1]
	right := rows[T]{c.v[lo*(c.ldv+1):], c.ldv, size + 1}
	setIdentity(size+1, right.data, c.ldv)
	var left rows[T]
	if c.u != nil && size > 0 {
		left = rows[T]{c.u[lo*(c.ldu+1):], c.ldu, size}
		setIdentity(size, left.data, c.ldu)
	}
	squareUp(d, e, right)
	if !bidiagonalQR(d, e, left, right) {
		return false
	}
	sortOrder(c.order[lo:hi-1], d)
	return true
}

// merge joins the solved blocks of columns lo..mid and mid..hi. Row half-1 is the coupling one.
func (c *divideSVD[T]) merge(lo, mid, hi, want int) {
	size, half := hi-lo-1, mid-lo
	v := &side[T]{z: c.v[lo*(c.ldv+1):], ld: c.ldv, width: size + 1}
	sides := []*side[T]{v}
	var u *side[T]
	if c.u != nil {
		u = &side[T]{z: c.u[lo*(c.ldu+1):], ld: c.ldu, width: size}
		sides = append(sides, u)
	}
	m := c.merger(lo, size, half, c.d[lo:hi-1], sides...)
	alpha, beta := c.d[mid-1], c.e[mid-1]
	coupling := half - 1
	m.couple(v, alpha, beta)
	if u != nil { // the coupling row is a left vector of its own
		for i := range half {
			u.z[i*u.ld+coupling] = 0
		}
		row := u.z[coupling*u.ld : coupling*u.ld+half]
		clear(row)
		row[coupling] = 1
	}
	m.d[coupling] = 0
	tolerance := 8 * float64(epsilon[T]()) * max(maxAbs(m.d), math.Abs(alpha), math.Abs(beta))
	if tolerance > 0 {
		m.kept = append(m.kept, coupling)
	} else { // a block of zeros
		m.setAside(coupling)
	}
	m.deflate(tolerance, tolerance, c.order[lo:mid-1], c.order[mid:hi-1], half)
	k := len(m.kept)
	for p, i := range m.kept {
		m.poles[p], m.weights[p] = square(m.d[i]), m.coupled[i]
	}
	if k > 0 {
		m.weights[0] = max(m.weights[0], tolerance)
	}
	if k > 1 { // two poles at zero would be one
		m.poles[1] = max(m.poles[1], square(tolerance/2))
	}
	m.findRoots()
	for p, w := range m.weights[:k] {
		m.values[p] = math.Sqrt(m.values[p])
		m.left[p] = math.Sqrt(m.poles[p]) * w
	}
	m.sort()
	m.newVectors(v, m.weights[:k], -1, want)
	if u != nil {
		m.newVectors(u, m.left[:k], 0, want)
	}
	m.setValues()
}

// couple sets the coupling row in the basis of the right vectors v of both halves. Of the two vectors that belong to no value one
// combination takes the coupling row's place, the orthogonal one is the block's last.
func (m *merger[T]) couple(v *side[T], alpha, beta float64) {
	ld, size, half := v.ld, m.size, m.half
	for i := range half {
		m.coupled[i] = alpha * float64(v.z[i*ld+half-1])
	}
	for i := half; i < size; i++ {
		m.coupled[i] = beta * float64(v.z[i*ld+half])
	}
	x, y := m.coupled[half-1], beta*float64(v.z[size*ld+half])
	r := length(x, y)
	c, s := 1.0, 0.0
	if r > 0 {
		c, s = x/r, y/r
	}
	m.coupled[half-1] = r
	a, b := v.z[(half-1)*ld:(half-1)*ld+size+1], v.z[size*ld:size*ld+size+1]
	copy(b[:half], a[:half])
	copy(a[half:], b[half:])
	scal(T(c), a[:half])
	scal(T(s), a[half:])
	scal(T(-s), b[:half])
	scal(T(c), b[half:])
	v.kinds[half-1] = both
}
