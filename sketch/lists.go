package sketch

import (
	"math"

	"gonum.org/v1/gonum/blas/blas64"

	"github.com/eckart-go/eckart/internal/pool"
	"github.com/eckart-go/eckart/internal/simd"
)

// lists is a sparse matrix G (rows x cols) whose rows are made by position: at most width elements each.
type lists struct {
	rows, cols, width int
	// fill writes the columns and values of row i and returns how many there are.
	fill func(i int, index []int, value []float64) int
}

// gatherTo computes dst = G X: every row of dst is a sum of rows of X.
func (g *lists) gatherTo(dst, x blas64.General) {
	pool.Ranges(g.rows, max(1, 16384/(g.width*max(1, x.Cols))), func(lo, hi int) {
		index, value := make([]int, g.width), make([]float64, g.width)
		for i := lo; i < hi; i++ {
			out := row(dst, i)
			clear(out)
			for e := range g.fill(i, index, value) {
				simd.Daxpy(value[e], row(x, index[e]), out)
			}
		}
	})
}

// chunk is the number of columns that one piece of work scatters: a cache line's multiple, narrow enough that the rows of a
// usual sketch stay in the cache.
const chunk = 32

// scatterTo computes dst = Gᵀ X: every row of X is added to some rows of dst. Pieces are chunks of columns.
func (g *lists) scatterTo(dst, x blas64.General) {
	all := g.expand()
	pool.Ranges(x.Cols, chunk, func(lo, hi int) {
		for i := range dst.Rows {
			clear(row(dst, i)[lo:hi])
		}
		for i := range g.rows {
			in := row(x, i)[lo:hi]
			index, value := all.row(i)
			for e, v := range value {
				simd.Daxpy(v, in, row(dst, index[e])[lo:hi])
			}
		}
	})
}

// gatherRightTo computes dst = A Gᵀ.
func (g *lists) gatherRightTo(dst, a blas64.General) {
	all := g.expand()
	pool.Ranges(a.Rows, 16, func(lo, hi int) {
		for r := lo; r < hi; r++ {
			in, out := row(a, r), row(dst, r)
			for i := range g.rows {
				index, value := all.row(i)
				var sum float64
				for e, v := range value {
					sum += v * in[index[e]]
				}
				out[i] = sum
			}
		}
	})
}

// scatterRightTo computes dst = A G.
func (g *lists) scatterRightTo(dst, a blas64.General) {
	all := g.expand()
	pool.Ranges(a.Rows, 16, func(lo, hi int) {
		for r := lo; r < hi; r++ {
			out := row(dst, r)
			clear(out)
			for i, x := range row(a, r) {
				if x == 0 {
					continue
				}
				index, value := all.row(i)
				for e, v := range value {
					out[index[e]] += v * x
				}
			}
		}
	})
}

// expanded holds all lists of a matrix.
type expanded struct {
	start []int
	index []int
	value []float64
}

func (e *expanded) row(i int) ([]int, []float64) {
	lo, hi := e.start[i], e.start[i+1]
	return e.index[lo:hi], e.value[lo:hi]
}

// expand makes all lists, in parallel: first with room for width each, then moved together where some are shorter.
func (g *lists) expand() *expanded {
	e := &expanded{start: make([]int, g.rows+1), index: make([]int, g.rows*g.width), value: make([]float64, g.rows*g.width)}
	pool.Ranges(g.rows, 1024, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			e.start[i+1] = g.fill(i, e.index[i*g.width:(i+1)*g.width], e.value[i*g.width:(i+1)*g.width])
		}
	})
	for i := range g.rows {
		at, count := e.start[i], e.start[i+1]
		if at != i*g.width {
			copy(e.index[at:], e.index[i*g.width:i*g.width+count])
			copy(e.value[at:], e.value[i*g.width:i*g.width+count])
		}
		e.start[i+1] = at + count
	}
	return e
}

// blockTo sets dst to the submatrix of G at (i, j).
func (g *lists) blockTo(dst blas64.General, i, j int) {
	index, value := make([]int, g.width), make([]float64, g.width)
	for r := range dst.Rows {
		out := row(dst, r)
		clear(out)
		for e := range g.fill(i+r, index, value) {
			if at := index[e] - j; at >= 0 && at < len(out) {
				out[at] += value[e]
			}
		}
	}
}

// blockTransTo sets dst to the submatrix of Gᵀ at (i, j).
func (g *lists) blockTransTo(dst blas64.General, i, j int) {
	across := newBlock(dst.Cols, dst.Rows)
	g.blockTo(across, j, i)
	transposeTo(dst, across)
}

// sign maps a bit to 1 or -1.
func sign(bit uint32) float64 { return math.Copysign(1, 0.5-float64(bit&1)) }
