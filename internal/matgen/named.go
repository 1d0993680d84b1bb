package matgen

import "math"

// Kahan returns Kahan's n x n upper triangular matrix diag(1, s, s^2, ...) (I - c N), N all ones above the diagonal, s = sin
// theta, c = cos theta: QR with column pivoting leaves it alone and does not see how nearly singular it is (Kahan 1966;
// Higham 2002, section 8.3).
func Kahan(n int, theta float64) []float64 {
	a := make([]float64, n*n)
	s, c := math.Sincos(theta)
	scale := 1.0
	for i := range n {
		a[i*n+i] = scale
		for j := i + 1; j < n; j++ {
			a[i*n+j] = -c * scale
		}
		scale *= s
	}
	return a
}

// Wilkinson returns Wilkinson's symmetric tridiagonal matrix W+ of odd order n: |i - n/2| on the diagonal, ones beside it. Its
// large eigenvalues come in pairs; for n = 21 the largest two agree to 14 digits (Wilkinson 1965, chapter 5).
func Wilkinson(n int) []float64 {
	d, e := make([]float64, n), make([]float64, max(0, n-1))
	for i := range d {
		d[i] = math.Abs(float64(i) - float64(n/2))
	}
	for i := range e {
		e[i] = 1
	}
	return Tridiagonal(d, e)
}

// GluedWilkinson returns copies of W21+ along the diagonal of a matrix of order n, coupled by glue: many groups of nearly equal
// eigenvalues (Dhillon, Parlett, Vömel 2005).
func GluedWilkinson(n int, glue float64) []float64 {
	d, e := make([]float64, n), make([]float64, max(0, n-1))
	for i := range d {
		d[i] = math.Abs(float64(i%21) - 10)
	}
	for i := range e {
		e[i] = 1
		if i%21 == 20 {
			e[i] = glue
		}
	}
	return Tridiagonal(d, e)
}

// Tridiagonal returns the symmetric matrix with diagonal d (n) and off-diagonal e (n-1).
func Tridiagonal(d, e []float64) []float64 {
	n := len(d)
	a := make([]float64, n*n)
	for i, v := range d {
		a[i*n+i] = v
	}
	for i, v := range e {
		a[i*n+i+1], a[(i+1)*n+i] = v, v
	}
	return a
}

// GolubKahan returns the symmetric tridiagonal matrix of order 2n with zero diagonal and off-diagonal d0, e0, d1, e1, ..., whose
// eigenvalues are plus and minus the singular values of the upper bidiagonal matrix with diagonal d (n) and superdiagonal e
// (n-1) (Golub, Kahan 1965).
func GolubKahan(d, e []float64) []float64 {
	off := make([]float64, 0, 2*len(d))
	for i, v := range d {
		if off = append(off, v); i < len(e) {
			off = append(off, e[i])
		}
	}
	return Tridiagonal(make([]float64, 2*len(d)), off)
}

// SecondDifference returns the symmetric matrix of order n with 2 on the diagonal and -1 beside it, and its eigenvalues
// 4 sin^2(k pi / (2n+2)), ascending.
func SecondDifference(n int) (a, values []float64) {
	d, e := make([]float64, n), make([]float64, max(0, n-1))
	values = make([]float64, n)
	for i := range d {
		d[i] = 2
		s := math.Sin(math.Pi * float64(i+1) / float64(2*n+2))
		values[i] = 4 * s * s
	}
	for i := range e {
		e[i] = -1
	}
	return Tridiagonal(d, e), values
}

// Difference returns the m x n matrix with 1 on the diagonal and -1 above it, and its singular values, descending, where they
// have the closed form 2 cos(k pi / (2n+1)) (m = n) or 2 cos(k pi / (2m+2)) (m < n, the last difference included); otherwise
// nil.
func Difference(m, n int) (a, values []float64) {
	a = make([]float64, m*n)
	for i := range min(m, n) {
		a[i*n+i] = 1
		if i+1 < n {
			a[i*n+i+1] = -1
		}
	}
	if m > n { // rows of zeros
		m = n
	}
	values = make([]float64, m)
	for i := range values {
		k := float64(i + 1)
		if m == n {
			values[i] = 2 * math.Cos(k*math.Pi/float64(2*n+1))
		} else {
			values[i] = 2 * math.Cos(k*math.Pi/float64(2*m+2))
		}
	}
	return a, values
}

// Hilbert returns the m x n matrix with elements 1/(i+j+1), whose singular values fall off exponentially.
func Hilbert(m, n int) []float64 {
	a := make([]float64, m*n)
	for i := range m {
		for j := range n {
			a[i*n+j] = 1 / float64(i+j+1)
		}
	}
	return a
}
