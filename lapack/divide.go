package lapack

import (
	"math"

	"github.com/eckart-go/eckart/internal/simd"
)

// divide solves the tridiagonal eigenproblem by divide and conquer (Cuppen 1981), with deflation, the secular equation for the
// eigenvalues and vectors that are orthogonal by construction (Gu, Eisenstat 1995). Eigenvectors are the rows of z.
type divide[T Float] struct {
	workspace[T]
	ld   int // row stride of z
	d, e []float64
	z    []T // n x n; a solved block lo..hi has its vectors in z[lo:hi, lo:hi]
}

func (c *divide[T]) resize(n int) {
	c.workspace.resize(n)
	c.ld = stride(n)
	c.z = grown(c.z, n*c.ld)
}

// solve overwrites d with the eigenvalues, in the order of the rows of z, which become the eigenvectors; order sorts both. e
// is destroyed. Of the last merge only the vectors of the want largest values are computed; the other rows of z are
// unspecified. It reports whether the leaves converged.
func (c *divide[T]) solve(d, e []float64, want int) bool {
	c.d, c.e = d, e
	n := c.n
	bounds := bisection(n)
	leaves := bounds[len(bounds)-1]
	for _, cut := range leaves[1 : len(leaves)-1] { // T = diag(T1, T2) + |e| v vᵀ
		d[cut-1] -= math.Abs(e[cut-1])
		d[cut] -= math.Abs(e[cut-1])
	}
	return conquer(bounds, c.leaf, func(lo, mid, hi int, top bool) {
		if top {
			c.merge(lo, mid, hi, want)
		} else {
			c.merge(lo, mid, hi, n)
		}
	})
}

// leaf solves the block lo..hi by implicitQL.
func (c *divide[T]) leaf(lo, hi int) bool {
	ld, size := c.ld, hi-lo
	z := c.z[lo*ld+lo:]
	setIdentity(size, z, ld)
	d := c.d[lo:hi]
	if !implicitQL(d, c.e[lo:max(lo, hi-1)], z, ld, size) {
		return false
	}
	sortOrder(c.order[lo:hi], d)
	return true
}

// setIdentity overwrites z (n x n) with the identity.
func setIdentity[T Float](n int, z []T, ld int) {
	for i := range n {
		row := z[i*ld : i*ld+n]
		clear(row)
		row[i] = 1
	}
}

// sortOrder sets order to the indices of d by ascending value, by insertion: for leaves.
func sortOrder(order []int, d []float64) {
	for i := range order {
		j := i
		for ; j > 0 && d[order[j-1]] > d[i]; j-- {
			order[j] = order[j-1]
		}
		order[j] = i
	}
}

// merge joins the solved blocks lo..mid and mid..hi, which e[mid-1] couples: the rank-one term is e v vᵀ with v the sum of the
// last unit vector of the first half and, with e's sign, the first of the second.
func (c *divide[T]) merge(lo, mid, hi, want int) {
	ld, size, half := c.ld, hi-lo, mid-lo
	z := &side[T]{z: c.z[lo*ld+lo:], ld: ld, width: size}
	m := c.merger(lo, size, half, c.d[lo:hi], z)
	e := c.e[mid-1]
	root := math.Sqrt(math.Abs(e))
	for i := range half {
		m.coupled[i] = root * float64(z.z[i*ld+half-1])
	}
	if e < 0 {
		root = -root
	}
	for i := half; i < size; i++ {
		m.coupled[i] = root * float64(z.z[i*ld+half])
	}
	squares := simd.Dsumsq(m.coupled)
	tolerance := 8 * float64(epsilon[T]()) * max(maxAbs(m.d), squares)
	negligible := math.Inf(1)
	if squares > 0 {
		negligible = tolerance / math.Sqrt(squares)
	}
	m.deflate(tolerance, negligible, c.order[lo:mid], c.order[mid:hi], half)
	for k, i := range m.kept {
		m.poles[k], m.weights[k] = m.d[i], m.coupled[i]
	}
	m.findRoots()
	m.sort()
	m.newVectors(z, m.weights[:len(m.kept)], -1, want)
	m.setValues()
}
