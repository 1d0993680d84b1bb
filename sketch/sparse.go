package sketch

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas/blas64"

	"github.com/eckart-go/eckart/internal/philox"
	"github.com/eckart-go/eckart/linop"
)

// defaultZeta is the number of nonzeros for which sparse sketches are as good as dense ones in practice (Tropp, Yurtsever, Udell,
// Cevher 2019, section 3.3).
const defaultZeta = 8

// SparseSign is a sketch with zeta nonzeros +-1/sqrt(zeta) in distinct rows of every column (OSNAP: Nelson, Nguyen 2013; SJLT:
// Kane, Nelson 2014). S A takes zeta operations for every element of A.
type SparseSign struct {
	s, n int
	cols lists // Sᵀ: a list for each column
}

var _ Operator = (*SparseSign)(nil)

// NewSparseSign returns an s x n sketch with zeta nonzeros a column: 0 means 8, and all of them if s is smaller. It panics if
// zeta is 1: that is NewCountSketch, which has other guarantees.
func NewSparseSign(s, n, zeta int, seed uint64) *SparseSign {
	switch {
	case zeta == 0:
		zeta = min(defaultZeta, s)
	case zeta < 2 || zeta > s:
		panic(fmt.Sprintf("sketch: %d nonzeros in columns of %d: expected 2 at least; see NewCountSketch", zeta, s))
	}
	return newSparseSign(s, n, zeta, seed)
}

// NewCountSketch returns an s x n sketch with one nonzero +-1 in every column (Charikar, Chen, Farach-Colton 2002). To embed a
// subspace of dimension d, s has to be of the order of d^2.
func NewCountSketch(s, n int, seed uint64) *SparseSign { return newSparseSign(s, n, 1, seed) }

func newSparseSign(s, n, zeta int, seed uint64) *SparseSign {
	checkSize(s, n)
	key, value := philox.NewKey(seed), 1/math.Sqrt(float64(zeta))
	d := &SparseSign{s: s, n: n}
	d.cols = lists{rows: n, cols: s, width: zeta, fill: func(j int, index []int, values []float64) int {
		distinct(key, streamSparse, uint64(j), s, index)
		for e := range index {
			values[e] = value * sign(wordAt(key, streamSparse, uint64(j), zeta+e/32)>>(e%32))
		}
		return zeta
	}}
	return d
}

// distinct sets index to a random set of len(index) different numbers below n, in random order but for ties (Floyd's method:
// Bentley, Floyd 1987): the draws of position i, without memory of other positions.
func distinct(key philox.Key, stream uint32, i uint64, n int, index []int) {
	zeta := len(index)
	var words [4]uint32
	for e := range index {
		if e%4 == 0 {
			words[0], words[1], words[2], words[3] = key.At(stream, uint32(e/4), i)
		}
		last := n - zeta + e
		draw := philox.Below(words[e%4], last+1)
		if slices.Contains(index[:e], draw) {
			draw = last
		}
		index[e] = draw
	}
}

// wordAt returns word w of a position.
func wordAt(key philox.Key, stream uint32, i uint64, w int) uint32 {
	x0, x1, x2, x3 := key.At(stream, uint32(w/4), i)
	return [4]uint32{x0, x1, x2, x3}[w%4]
}

// Dims returns s and n.
func (d *SparseSign) Dims() (s, n int) { return d.s, d.n }

// MulTo computes dst = S A.
func (d *SparseSign) MulTo(dst, a blas64.General) error {
	linop.CheckProduct(d.s, d.n, dst, a)
	d.cols.scatterTo(dst, a)
	return nil
}

// MulTransTo computes dst = Sᵀ Y.
func (d *SparseSign) MulTransTo(dst, y blas64.General) error {
	linop.CheckProduct(d.n, d.s, dst, y)
	d.cols.gatherTo(dst, y)
	return nil
}

// RightTo computes dst = A Sᵀ.
func (d *SparseSign) RightTo(dst, a blas64.General) {
	checkRight(d, dst, a)
	d.cols.scatterRightTo(dst, a)
}

// BlockTo sets dst to the submatrix of S whose first element is (i, j).
func (d *SparseSign) BlockTo(dst blas64.General, i, j int) {
	checkBlock(d, dst, i, j)
	d.cols.blockTransTo(dst, i, j)
}

// RowSparse is a sketch with few nonzeros in every row: NewLongSparse and NewSampling make them.
type RowSparse struct {
	s, n int
	list lists
}

var _ Operator = (*RowSparse)(nil)

// NewLongSparse returns an s x n sketch whose rows are zeta draws of coordinates with replacement, a coordinate drawn c times
// having the value +-sqrt(c n/(zeta s)) (LESS-uniform: Dereziński, Liao, Dobriban, Mahoney 2021). zeta 0 means 8. S A reads
// zeta s rows of A only: it is for matrices whose rows matter about equally, or after a transform that makes them so.
func NewLongSparse(s, n, zeta int, seed uint64) *RowSparse {
	checkSize(s, n)
	if zeta == 0 {
		zeta = defaultZeta
	}
	if zeta < 1 {
		panic(fmt.Sprintf("sketch: %d nonzeros in a row", zeta))
	}
	key, scale := philox.NewKey(seed), float64(n)/(float64(zeta)*float64(s))
	return &RowSparse{s, n, lists{rows: s, cols: n, width: zeta, fill: func(i int, index []int, value []float64) int {
		for e := range zeta {
			index[e] = philox.Below(wordAt(key, streamLong, uint64(i), e), n)
		}
		slices.Sort(index[:zeta])
		kept := 0
		for e := 0; e < zeta; kept++ {
			at, count := index[e], 0
			for ; e < zeta && index[e] == at; e++ {
				count++
			}
			index[kept] = at
			value[kept] = math.Sqrt(scale*float64(count)) * sign(wordAt(key, streamLong, uint64(i), zeta+kept/32)>>(kept%32))
		}
		return kept
	}}}
}

// Dims returns s and n.
func (d *RowSparse) Dims() (s, n int) { return d.s, d.n }

// MulTo computes dst = S A.
func (d *RowSparse) MulTo(dst, a blas64.General) error {
	linop.CheckProduct(d.s, d.n, dst, a)
	d.list.gatherTo(dst, a)
	return nil
}

// MulTransTo computes dst = Sᵀ Y.
func (d *RowSparse) MulTransTo(dst, y blas64.General) error {
	linop.CheckProduct(d.n, d.s, dst, y)
	d.list.scatterTo(dst, y)
	return nil
}

// RightTo computes dst = A Sᵀ.
func (d *RowSparse) RightTo(dst, a blas64.General) {
	checkRight(d, dst, a)
	d.list.gatherRightTo(dst, a)
}

// BlockTo sets dst to the submatrix of S whose first element is (i, j).
func (d *RowSparse) BlockTo(dst blas64.General, i, j int) {
	checkBlock(d, dst, i, j)
	d.list.blockTo(dst, i, j)
}
