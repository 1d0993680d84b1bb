package lapack

import (
	"math"

	"gonum.org/v1/gonum/blas"

	"github.com/eckart-go/eckart/internal/pool"
	"github.com/eckart-go/eckart/internal/simd"
)

const (
	leafSize     = 32 // tridiagonal blocks up to this size go to implicitQL
	secularGrain = 16 // roots that one piece of parallel work finds
)

// Where an eigenvector of a merge's input has non-zeros.
const (
	first  uint8 = iota // in the columns of the first half only
	both                // in both: two vectors, one of each half, were rotated into each other
	second              // in the second half only
	groups
)

// divide solves the tridiagonal eigenproblem by divide and conquer (Cuppen 1981), with deflation, the secular equation for the
// eigenvalues and vectors that are orthogonal by construction (Gu, Eisenstat 1995). Eigenvectors are the rows of z.
type divide struct {
	n     int
	ld    int // row stride of z
	d, e  []float64
	z     []float64 // n x n; a solved block lo..hi has its vectors in z[lo:hi, lo:hi]
	order []int     // order[lo:hi] are the rows of a solved block, relative to lo, by ascending value
	pack  []float64 // n*n: a block's vectors while they are merged
	roots []float64 // n*n: differences of poles and roots, then the vectors of the merge
	vec   []float64 // 5n: per row: z, poles, z of the poles, values, corrected z
	index []int     // 3n
	kinds []uint8   // n
}

func (c *divide) resize(n int) {
	c.n, c.ld = n, stride(n)
	c.z = grown(c.z, n*c.ld)
	c.pack = grown(c.pack, n*n)
	c.roots = grown(c.roots, n*n)
	c.vec = grown(c.vec, 5*n)
	if cap(c.index) < 3*n {
		c.index, c.order, c.kinds = make([]int, 3*n), make([]int, n), make([]uint8, n)
	}
	c.index, c.order, c.kinds = c.index[:3*n], c.order[:n], c.kinds[:n]
}

// solve overwrites d with the eigenvalues, in the order of the rows of z, which become the eigenvectors; order sorts both. e
// is destroyed. Of the last merge only the vectors of the want largest values are computed; the other rows of z are
// unspecified. It reports whether the leaves converged.
func (c *divide) solve(d, e []float64, want int) bool {
	c.d, c.e = d, e
	n := c.n
	bounds := [][]int{{0, n}} // by level, from the whole to the leaves
	for level := bounds[0]; level[1]-level[0] > leafSize; {
		next := []int{0}
		for i := range len(level) - 1 {
			next = append(next, (level[i]+level[i+1])/2, level[i+1])
		}
		bounds, level = append(bounds, next), next
	}
	leaves := bounds[len(bounds)-1]
	for _, cut := range leaves[1 : len(leaves)-1] { // T = diag(T1, T2) + |e| v vᵀ
		d[cut-1] -= math.Abs(e[cut-1])
		d[cut] -= math.Abs(e[cut-1])
	}
	converged := make([]bool, len(leaves)-1)
	pool.Run(len(converged), func(i int) { converged[i] = c.leaf(leaves[i], leaves[i+1]) })
	for _, ok := range converged {
		if !ok {
			return false
		}
	}
	for l := len(bounds) - 2; l >= 0; l-- {
		level, halves := bounds[l], bounds[l+1]
		count := want
		if l > 0 {
			count = n
		}
		pool.Run(len(level)-1, func(i int) { c.merge(level[i], halves[2*i+1], level[i+1], count) })
	}
	return true
}

// leaf solves the block lo..hi by implicitQL.
func (c *divide) leaf(lo, hi int) bool {
	ld, size := c.ld, hi-lo
	z := c.z[lo*ld+lo:]
	for i := range size {
		row := z[i*ld : i*ld+size]
		clear(row)
		row[i] = 1
	}
	d := c.d[lo:hi]
	if !implicitQL(d, c.e[lo:max(lo, hi-1)], z, ld, size) {
		return false
	}
	order := c.order[lo:hi]
	for i := range order {
		j := i
		for ; j > 0 && d[order[j-1]] > d[i]; j-- {
			order[j] = order[j-1]
		}
		order[j] = i
	}
	return true
}

// merge joins the solved blocks lo..mid and mid..hi, which e[mid-1] couples.
func (c *divide) merge(lo, mid, hi, want int) {
	m := &merger{divide: c, lo: lo, size: hi - lo, half: mid - lo}
	m.d, m.z = c.d[lo:hi], c.z[lo*c.ld+lo:]
	m.coupling()
	m.deflate()
	m.findRoots()
	m.sort()
	m.vectors(want)
}

// merger is one merge. Rows are counted from lo.
type merger struct {
	*divide
	lo, size, half int
	d, z           []float64 // the block's values and vectors (row stride ld)
	coupled        []float64 // the rank-one term is coupled * coupledᵀ, in the basis of the vectors
	kept           []int     // rows that are not deflated, ascending by value
	deflated       []int     // rows that are, ascending by value
	poles, weights []float64 // values and coupled of the kept rows
	values         []float64 // roots of the secular equation, ascending
	kinds          []uint8
	merged         []int // rows of both halves by ascending value
}

// coupling sets the rank-one term: e v vᵀ with v the sum of the last unit vector of the first half and, with e's sign, the
// first of the second.
func (m *merger) coupling() {
	ld, size := m.ld, m.size
	vec := m.vec[5*m.lo:]
	m.coupled, vec = cut(vec, size)
	m.poles, vec = cut(vec, size)
	m.weights, vec = cut(vec, size)
	m.values, _ = cut(vec, size)
	m.kinds = m.divide.kinds[m.lo : m.lo+size]
	e := m.e[m.lo+m.half-1]
	root := math.Sqrt(math.Abs(e))
	for i := range m.half {
		m.coupled[i] = root * m.z[i*ld+m.half-1]
		m.kinds[i] = first
	}
	if e < 0 {
		root = -root
	}
	for i := m.half; i < size; i++ {
		m.coupled[i] = root * m.z[i*ld+m.half]
		m.kinds[i] = second
	}
	index := m.index[3*m.lo:]
	m.merged = index[:0:size]
	m.kept = index[size : size : 2*size]
	m.deflated = index[2*size : 2*size : 3*size]
	a, b := m.order[m.lo:m.lo+m.half], m.order[m.lo+m.half:m.lo+size]
	for len(a)+len(b) > 0 {
		if len(b) == 0 || len(a) > 0 && m.d[a[0]] <= m.d[b[0]+m.half] {
			m.merged, a = append(m.merged, a[0]), a[1:]
		} else {
			m.merged, b = append(m.merged, b[0]+m.half), b[1:]
		}
	}
}

// deflate takes out what the rank-one term does not move: rows with a negligible component, and one of two rows whose values
// are so close that a rotation can make its component zero. Both change the matrix by at most 8 eps of its norm.
func (m *merger) deflate() {
	squares := simd.Dsumsq(m.coupled)
	tolerance := 8 * 0x1p-53 * max(maxAbs(m.d), squares)
	negligible := math.Inf(1)
	if squares > 0 {
		negligible = tolerance / math.Sqrt(squares)
	}
	previous := -1
	for _, i := range m.merged {
		if math.Abs(m.coupled[i]) <= negligible {
			m.setAside(i)
			continue
		}
		if previous >= 0 && !m.rotateAway(previous, i, tolerance) {
			m.kept = append(m.kept, previous)
		}
		previous = i
	}
	if previous >= 0 {
		m.kept = append(m.kept, previous)
	}
	for k, i := range m.kept {
		m.poles[k], m.weights[k] = m.d[i], m.coupled[i]
	}
}

// rotateAway deflates row i into row j if their values, d_i <= d_j, are close enough.
func (m *merger) rotateAway(i, j int, tolerance float64) bool {
	r := length(m.coupled[i], m.coupled[j])
	c, s := m.coupled[j]/r, -m.coupled[i]/r
	gap := m.d[j] - m.d[i]
	if math.Abs(gap*c*s) > tolerance {
		return false
	}
	m.coupled[i], m.coupled[j] = 0, r
	from, to := 0, m.size
	if m.kinds[i] == m.kinds[j] {
		switch m.kinds[i] {
		case first:
			to = m.half
		case second:
			from = m.half
		}
	} else {
		m.widen(i)
		m.widen(j)
	}
	rotate(m.z[i*m.ld+from:i*m.ld+to], m.z[j*m.ld+from:j*m.ld+to], c, s)
	di, dj := m.d[i], m.d[j]
	m.d[i] = di*c*c + dj*s*s
	m.d[j] = di*s*s + dj*c*c
	m.setAside(i)
	return true
}

// widen makes row i one of both halves: the half that was not in use held no numbers.
func (m *merger) widen(i int) {
	row := m.z[i*m.ld : i*m.ld+m.size]
	switch m.kinds[i] {
	case first:
		clear(row[m.half:])
	case second:
		clear(row[:m.half])
	}
	m.kinds[i] = both
}

// setAside inserts row i into the sorted list of deflated rows.
func (m *merger) setAside(i int) {
	m.deflated = append(m.deflated, i)
	for k := len(m.deflated) - 1; k > 0 && m.d[m.deflated[k-1]] > m.d[i]; k-- {
		m.deflated[k-1], m.deflated[k] = m.deflated[k], m.deflated[k-1]
	}
}

// findRoots solves the secular equation, each root by itself, and corrects the weights: the computed roots are the exact
// ones of nearby weights (Löwner's formula), and vectors from those are orthogonal however close the roots are.
func (m *merger) findRoots() {
	k := len(m.kept)
	if k == 0 {
		return
	}
	q := secular{d: m.poles[:k], z: m.weights[:k]}
	for _, z := range q.z {
		q.total += z * z
	}
	roots := m.roots[m.lo*m.n:]
	pool.Ranges(k, secularGrain, func(lo, hi int) {
		for j := lo; j < hi; j++ {
			m.values[j] = q.root(j, roots[j*k:(j+1)*k])
		}
	})
	corrected := m.vec[5*m.lo+4*m.size:][:k]
	pool.Ranges(k, 8*secularGrain, func(lo, hi int) {
		part := corrected[lo:hi]
		for i := range part {
			part[i] = 1
		}
		for j := range k {
			row, poles := roots[j*k+lo:j*k+hi], m.poles[lo:hi]
			if j < lo || j >= hi {
				simd.DpoleProduct(part, row, poles, m.poles[j])
				continue
			}
			own := j - lo // has no pole to divide by
			simd.DpoleProduct(part[:own], row, poles, m.poles[j])
			part[own] *= -row[own]
			simd.DpoleProduct(part[own+1:], row[own+1:], poles[own+1:], m.poles[j])
		}
		for i, w := range m.weights[lo:hi] {
			part[i] = math.Copysign(math.Sqrt(math.Abs(part[i])), w)
		}
	})
	copy(m.weights, corrected)
}

// sort sets the block's order: the new vectors go to rows 0 to k-1, the deflated ones after them.
func (m *merger) sort() {
	k := len(m.kept)
	order := m.order[m.lo : m.lo+m.size]
	i, j := 0, 0
	for at := range order {
		if j == len(m.deflated) || i < k && m.values[i] <= m.d[m.deflated[j]] {
			order[at] = i
			i++
		} else {
			order[at] = k + j
			j++
		}
	}
}

// vectors computes the new vectors by two products, one for each half of their columns, with only those old vectors that have
// something there, and overwrites the block's vectors and values.
func (m *merger) vectors(want int) {
	n, ld, size, half, k := m.n, m.ld, m.size, m.half, len(m.kept)
	column := m.merged[:k] // where each kept row stands in the packed vectors
	var count [groups]int
	for _, i := range m.kept {
		count[m.kinds[i]]++
	}
	next := [groups]int{0, count[first], count[first] + count[both]}
	for p, i := range m.kept {
		column[p] = next[m.kinds[i]]
		next[m.kinds[i]]++
	}
	left, right := count[first]+count[both], count[both]+count[second]
	packLeft, rest := cut(m.pack[m.lo*n:], left*half)
	packRight, aside := cut(rest, right*(size-half))
	for p, i := range m.kept {
		row := m.z[i*ld : i*ld+size]
		if at := column[p]; m.kinds[i] != second {
			copy(packLeft[at*half:(at+1)*half], row)
		}
		if at := column[p] - count[first]; m.kinds[i] != first {
			copy(packRight[at*(size-half):(at+1)*(size-half)], row[half:])
		}
	}
	for p, i := range m.deflated {
		m.widen(i)
		copy(aside[p*size:(p+1)*size], m.z[i*ld:i*ld+size])
		m.coupled[p] = m.d[i]
	}
	wanted := 0
	for _, row := range m.order[m.lo+size-min(want, size) : m.lo+size] {
		if row < k {
			wanted++
		}
	}
	skip := k - wanted // the roots ascend, so the wanted ones are the last
	if wanted > 0 {
		s := m.combinations(column, skip)
		z := m.z[skip*ld:]
		simd.Dgemm(blas.NoTrans, blas.NoTrans, wanted, half, left, 1, s, k, packLeft, half, 0, z, ld)
		simd.Dgemm(blas.NoTrans, blas.NoTrans, wanted, size-half, right, 1, s[count[first]:], k, packRight, size-half, 0, z[half:], ld)
	}
	for p := range m.deflated {
		copy(m.z[(k+p)*ld:(k+p)*ld+size], aside[p*size:(p+1)*size])
	}
	copy(m.d, m.values[:k])
	copy(m.d[k:], m.coupled[:len(m.deflated)])
}

// combinations overwrites the rows from skip on of the k x k differences of poles and roots by the normalised eigenvectors
// of the merge, with columns in the packed order, and returns them.
func (m *merger) combinations(column []int, skip int) []float64 {
	k := len(column)
	roots := m.roots[m.lo*m.n:]
	pool.Ranges(k-skip, secularGrain, func(lo, hi int) {
		entries := make([]float64, k)
		for j := skip + lo; j < skip+hi; j++ {
			row := roots[j*k : (j+1)*k]
			scale := 1 / math.Sqrt(simd.DpoleQuotients(entries, m.weights, row))
			for i, at := range column {
				row[at] = entries[i] * scale
			}
		}
	})
	return roots[skip*k:]
}
