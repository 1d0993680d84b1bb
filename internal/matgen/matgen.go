// Package matgen makes matrices whose singular values or eigenvalues are known, for tests: spectra chosen by the caller between
// random orthogonal factors, matrices with closed forms, and a zoo of the hard cases of the literature at any scale.
//
// Everything is a row-major slice without gaps, made in float64 from an explicit seed and the same on every machine but for
// the last digits of mathematical functions. Values that are given are exact up to a few dozen roundings: an element of
// WithSingularValues errs by about log2(m n) eps ||A||.
package matgen

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Float is an element type of a zoo.
type Float interface{ float32 | float64 }

// Gaussian returns an m x n matrix of independent standard normal elements.
func Gaussian(m, n int, seed uint64) []float64 {
	rng := generator(seed)
	a := make([]float64, m*n)
	for i := range a {
		a[i] = rng.NormFloat64()
	}
	return a
}

// WithSingularValues returns U diag(s) Vᵀ (m x n) for random orthogonal U and V. s has at most min(m, n) values, of any sign and
// order; missing ones are zero.
func WithSingularValues(m, n int, s []float64, seed uint64) []float64 {
	if len(s) > min(m, n) {
		panic("matgen: more singular values than the smaller side")
	}
	rng := generator(seed)
	a := make([]float64, m*n)
	for i, v := range s {
		a[i*n+i] = v
	}
	mix(a, m, n, rng)
	t := transpose(a, m, n)
	mix(t, n, m, rng)
	return transpose(t, n, m)
}

// WithEigenvalues returns Q diag(values) Qᵀ for a random orthogonal Q: symmetric to the last bit.
func WithEigenvalues(values []float64, seed uint64) []float64 {
	n := len(values)
	a := make([]float64, n*n)
	for i, v := range values {
		a[i*n+i] = v
	}
	mix(a, n, n, generator(seed))
	a = transpose(a, n, n)
	mix(a, n, n, generator(seed))
	for i := range n {
		for j := range i {
			v := a[i*n+j]/2 + a[j*n+i]/2
			a[i*n+j], a[j*n+i] = v, v
		}
	}
	return a
}

// Orthogonal returns an m x n matrix, n <= m, with random orthonormal columns.
func Orthogonal(m, n int, seed uint64) []float64 {
	if n > m {
		panic("matgen: more orthonormal columns than rows")
	}
	a := make([]float64, m*n)
	for i := range n {
		a[i*n+i] = 1
	}
	mix(a, m, n, generator(seed))
	return a
}

// mix multiplies a (m x n) from the left with a random orthogonal matrix: rounds of plane rotations by random angles on random
// disjoint pairs of rows (Kac's walk, all pairs of a round at once). After log2(m) rounds every row depends on every other; as
// many again, and some, leave no trace of the start. The cost is O(m n log m), where a product of reflections takes m^2 n.
func mix(a []float64, m, n int, rng *rand.Rand) {
	if m == 1 && rng.Uint64()&1 == 0 { // all that orthogonal means in one dimension
		for j := range n {
			a[j] = -a[j]
		}
	}
	rounds := 2
	for size := 1; size < m; size *= 2 {
		rounds += 2
	}
	for range rounds {
		p := rng.Perm(m)
		for ; len(p) > 1; p = p[2:] {
			s, c := math.Sincos(2 * math.Pi * rng.Float64())
			x, y := a[p[0]*n:(p[0]+1)*n], a[p[1]*n:(p[1]+1)*n]
			for j, v := range x {
				w := y[j]
				x[j] = c*v + s*w
				y[j] = c*w - s*v
			}
		}
	}
}

func transpose(a []float64, m, n int) []float64 {
	t := make([]float64, m*n)
	for i := range m {
		for j, v := range a[i*n : (i+1)*n] {
			t[j*m+i] = v
		}
	}
	return t
}

func generator(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0x6d617467656e)) }

// descending returns a sorted copy of the absolute values of s, with zeros up to k.
func descending(s []float64, k int) []float64 {
	d := make([]float64, k)
	for i, v := range s {
		d[i] = math.Abs(v)
	}
	slices.Sort(d)
	slices.Reverse(d)
	return d
}

func ascending(s []float64) []float64 {
	s = slices.Clone(s)
	slices.Sort(s)
	return s
}
