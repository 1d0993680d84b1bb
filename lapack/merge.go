package lapack

import (
	"math"

	"gonum.org/v1/gonum/blas"

	"github.com/eckart-go/eckart/internal/pool"
	"github.com/eckart-go/eckart/internal/simd"
)

// The step that divide and conquer repeats, for eigenvalues (divide.go) and for singular values (bidivide.go): two solved halves
// are joined by a rank-one term. Numbers that decide (values, poles, weights) are float64 whatever the type of the vectors:
// there are few of them, and the secular equation of a float32 matrix is then as harmless as it can be.

const (
	leafSize     = 32 // problems up to this size are not divided
	secularGrain = 16 // roots that one piece of parallel work finds
)

// Where a vector has non-zeros before a merge.
const (
	first  uint8 = iota // in the columns of the first half only
	both                // in both: two vectors, one of each half, were rotated into each other
	second              // in the second half only
	groups
)

// bisection returns the cuts of 0..n by level, from the whole to leaves of at most leafSize.
func bisection(n int) [][]int {
	bounds := [][]int{{0, n}}
	for level := bounds[0]; level[1]-level[0] > leafSize; {
		next := []int{0}
		for i := range len(level) - 1 {
			next = append(next, (level[i]+level[i+1])/2, level[i+1])
		}
		bounds, level = append(bounds, next), next
	}
	return bounds
}

// conquer solves the leaves, then merges pairs of blocks level by level; top is set for the last merge. It reports whether all
// leaves converged.
func conquer(bounds [][]int, leaf func(lo, hi int) bool, merge func(lo, mid, hi int, top bool)) bool {
	leaves := bounds[len(bounds)-1]
	converged := make([]bool, len(leaves)-1)
	pool.Run(len(converged), func(i int) { converged[i] = leaf(leaves[i], leaves[i+1]) })
	for _, ok := range converged {
		if !ok {
			return false
		}
	}
	for l := len(bounds) - 2; l >= 0; l-- {
		level, halves := bounds[l], bounds[l+1]
		pool.Run(len(level)-1, func(i int) { merge(level[i], halves[2*i+1], level[i+1], l == 0) })
	}
	return true
}

// workspace is what merges of a problem of n columns need. A merge uses the part that belongs to its columns, so merges of
// different blocks can run at the same time.
type workspace[T Float] struct {
	n       int
	pack    []T       // n*n: a block's vectors while they are merged
	mix     []T       // n*n: the new vectors in the basis of the old ones
	roots   []float64 // n*n: differences of poles and roots
	scratch []float64 // a row of mix for each piece of parallel work, before it is normalised
	vec     []float64 // mergeVectors*n
	order   []int     // order[lo:hi] are the rows of a solved block, relative to lo, by ascending value
	index   []int     // 3n
	kinds   []uint8   // 2n
}

const mergeVectors = 6 // coupled, poles, weights, values, corrected weights, weights of the left vectors

func (w *workspace[T]) resize(n int) {
	w.n = n
	w.pack = grown(w.pack, n*n)
	w.mix = grown(w.mix, n*n)
	w.roots = grown(w.roots, n*n)
	w.scratch = grown(w.scratch, n*w.pieces(n))
	w.vec = grown(w.vec, mergeVectors*n)
	w.order = grown(w.order, n)
	w.index = grown(w.index, 3*n)
	w.kinds = grown(w.kinds, 2*n)
}

func (w *workspace[T]) pieces(n int) int { return n/secularGrain + 1 }

// side is one orthonormal set of vectors of a block: the rows of z.
type side[T Float] struct {
	z     []T // from the block's first row and column on
	ld    int
	width int // columns
	kinds []uint8
}

// widen makes row i one of both halves: the half that was not in use held no numbers.
func (s *side[T]) widen(i, half int) {
	row := s.z[i*s.ld : i*s.ld+s.width]
	switch s.kinds[i] {
	case first:
		clear(row[half:])
	case second:
		clear(row[:half])
	}
	s.kinds[i] = both
}

// merger is one merge. Rows and columns are counted from lo.
type merger[T Float] struct {
	*workspace[T]
	lo, size, half int
	d              []float64  // values of the rows
	sides          []*side[T] // the vectors of the rows: one set, or left and right ones
	coupled        []float64  // the rank-one term is coupled * coupledᵀ, in the basis of the vectors
	kept           []int      // rows that are not deflated, ascending by value
	deflated       []int      // rows that are, ascending by value
	poles, weights []float64  // of the kept rows, for the secular equation
	values         []float64  // of the new vectors, ascending
	corrected      []float64
	left           []float64 // see divideSVD
	merged         []int     // rows of both halves by ascending value
}

// merger returns the merge of size rows from lo on, with half of them (and as many columns) in the first half.
func (w *workspace[T]) merger(lo, size, half int, d []float64, sides ...*side[T]) *merger[T] {
	m := &merger[T]{workspace: w, lo: lo, size: size, half: half, d: d, sides: sides}
	vec := w.vec[mergeVectors*lo:]
	for _, v := range []*[]float64{&m.coupled, &m.poles, &m.weights, &m.values, &m.corrected, &m.left} {
		*v, vec = cut(vec, size)
	}
	kinds := w.kinds[2*lo:]
	for _, s := range sides {
		s.kinds, kinds = cut(kinds, size)
		for i := range s.kinds {
			s.kinds[i] = first
			if i >= half {
				s.kinds[i] = second
			}
		}
	}
	index := w.index[3*lo:]
	m.merged = index[:0:size]
	m.kept = index[size : size : 2*size]
	m.deflated = index[2*size : 2*size : 3*size]
	return m
}

// deflate takes out what the rank-one term does not move: rows with a negligible component, and one of two rows whose values
// are so close that a rotation can make its component zero. Either changes the matrix by at most tolerance. It keeps the rows
// that are in m.kept already, which precede all others; a and b are the orders of the others in the two halves.
func (m *merger[T]) deflate(tolerance, negligible float64, a, b []int, offset int) {
	for len(a)+len(b) > 0 {
		if len(b) == 0 || len(a) > 0 && m.d[a[0]] <= m.d[b[0]+offset] {
			m.merged, a = append(m.merged, a[0]), a[1:]
		} else {
			m.merged, b = append(m.merged, b[0]+offset), b[1:]
		}
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
}

// rotateAway deflates row i into row j if their values, d_i <= d_j, are close enough.
func (m *merger[T]) rotateAway(i, j int, tolerance float64) bool {
	r := length(m.coupled[i], m.coupled[j])
	c, s := m.coupled[j]/r, -m.coupled[i]/r
	gap := m.d[j] - m.d[i]
	if math.Abs(gap*c*s) > tolerance {
		return false
	}
	m.coupled[i], m.coupled[j] = 0, r
	for _, v := range m.sides {
		from, to := 0, v.width
		if v.kinds[i] == v.kinds[j] {
			switch v.kinds[i] {
			case first:
				to = m.half
			case second:
				from = m.half
			}
		} else {
			v.widen(i, m.half)
			v.widen(j, m.half)
		}
		rotate(v.z[i*v.ld+from:i*v.ld+to], v.z[j*v.ld+from:j*v.ld+to], c, s)
	}
	di, dj := m.d[i], m.d[j]
	m.d[i] = di*c*c + dj*s*s
	m.d[j] = di*s*s + dj*c*c
	m.setAside(i)
	return true
}

// setAside inserts row i into the sorted list of deflated rows.
func (m *merger[T]) setAside(i int) {
	m.deflated = append(m.deflated, i)
	for k := len(m.deflated) - 1; k > 0 && m.d[m.deflated[k-1]] > m.d[i]; k-- {
		m.deflated[k-1], m.deflated[k] = m.deflated[k], m.deflated[k-1]
	}
}

// findRoots solves the secular equation of poles and weights, each root by itself, into values, and corrects the weights: the
// computed roots are the exact ones of nearby weights (Löwner's formula), and vectors from those are orthogonal however
// close the roots are (Gu, Eisenstat 1995).
func (m *merger[T]) findRoots() {
	k := len(m.kept)
	if k == 0 {
		return
	}
	q := secular{d: m.poles[:k], z: m.weights[:k]}
	for _, z := range q.z {
		q.total += z * z
	}
	roots := m.differences()
	pool.Ranges(k, secularGrain, func(lo, hi int) {
		for j := lo; j < hi; j++ {
			m.values[j] = q.root(j, roots[j*k:(j+1)*k])
		}
	})
	pool.Ranges(k, 8*secularGrain, func(lo, hi int) {
		part := m.corrected[lo:hi]
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
	copy(m.weights, m.corrected[:k])
}

// differences returns the k x k matrix of poles (columns) minus roots (rows).
func (m *merger[T]) differences() []float64 { return m.roots[m.lo*m.n:] }

// sort sets the block's order: the new vectors go to rows 0 to k-1, the deflated ones after them.
func (m *merger[T]) sort() {
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

// setValues overwrites the values of the rows by those of the new vectors and the deflated ones.
func (m *merger[T]) setValues() {
	for p, i := range m.deflated {
		m.coupled[p] = m.d[i]
	}
	k := len(m.kept)
	copy(m.d, m.values[:k])
	copy(m.d[k:], m.coupled[:len(m.deflated)])
}

// newVectors overwrites the vectors of s: two products, one for each half of their columns, with only those old vectors that
// have something there. The new ones combine the old with the coefficients weights_i / (pole_i - root); unit, if >= 0, is
// one whose coefficient is -1 instead. Of the new vectors only the want of largest value are computed, counting the deflated.
func (m *merger[T]) newVectors(s *side[T], weights []float64, unit, want int) {
	n, ld, size, half, k := m.n, s.ld, s.width, m.half, len(m.kept)
	column := m.merged[:k] // where each kept row stands in the packed vectors
	var count [groups]int
	for _, i := range m.kept {
		count[s.kinds[i]]++
	}
	next := [groups]int{0, count[first], count[first] + count[both]}
	for p, i := range m.kept {
		column[p] = next[s.kinds[i]]
		next[s.kinds[i]]++
	}
	left, right := count[first]+count[both], count[both]+count[second]
	packLeft, rest := cut(m.pack[m.lo*n:], left*half)
	packRight, aside := cut(rest, right*(size-half))
	for p, i := range m.kept {
		row := s.z[i*ld : i*ld+size]
		if at := column[p]; s.kinds[i] != second {
			copy(packLeft[at*half:(at+1)*half], row)
		}
		if at := column[p] - count[first]; s.kinds[i] != first {
			copy(packRight[at*(size-half):(at+1)*(size-half)], row[half:])
		}
	}
	for p, i := range m.deflated {
		s.widen(i, half)
		copy(aside[p*size:(p+1)*size], s.z[i*ld:i*ld+size])
	}
	wanted := 0
	for _, row := range m.order[m.lo+m.size-min(want, m.size) : m.lo+m.size] {
		if row < k {
			wanted++
		}
	}
	skip := k - wanted // the roots ascend, so the wanted ones are the last
	if wanted > 0 {
		mix := m.mixture(column, weights, unit, skip)
		z := s.z[skip*ld:]
		gemm(blas.NoTrans, blas.NoTrans, wanted, half, left, 1, mix, k, packLeft, half, 0, z, ld)
		gemm(blas.NoTrans, blas.NoTrans, wanted, size-half, right, 1, mix[count[first]:], k, packRight, size-half, 0, z[half:], ld)
	}
	for p := range m.deflated {
		copy(s.z[(k+p)*ld:(k+p)*ld+size], aside[p*size:(p+1)*size])
	}
}

// mixture returns, from row skip on, the k x k matrix of normalised coefficients, with columns in the packed order.
func (m *merger[T]) mixture(column []int, weights []float64, unit, skip int) []T {
	k := len(column)
	roots, mix, scratch := m.differences(), m.mix[m.lo*m.n:], m.scratch[m.lo*m.pieces(m.n):]
	pool.Ranges(k-skip, secularGrain, func(lo, hi int) {
		entries := scratch[lo/secularGrain*k:][:k]
		for j := skip + lo; j < skip+hi; j++ {
			squares := simd.DpoleQuotients(entries, weights, roots[j*k:(j+1)*k])
			if unit >= 0 {
				squares += 1 - square(entries[unit])
				entries[unit] = -1
			}
			scale := 1 / math.Sqrt(squares)
			row := mix[j*k : (j+1)*k]
			for i, at := range column {
				row[at] = T(entries[i] * scale)
			}
		}
	})
	return mix[skip*k:]
}
