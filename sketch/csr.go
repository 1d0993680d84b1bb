package sketch

import (
	"gonum.org/v1/gonum/blas/blas64"

	"github.com/eckart-go/eckart/internal/pool"
)

// rowed is a sparse matrix that shows its rows: sparse.CSR[float64].
type rowed interface {
	Row(i int) (cols []int32, values []float64)
}

// listed is a sketch with few nonzeros.
type listed interface {
	Operator
	byRows() *expanded // for each row of S, its columns and values
	byCols() *expanded // for each column of S, its rows and values
}

var _, _ listed = (*SparseSign)(nil), (*RowSparse)(nil)

func (d *SparseSign) byRows() *expanded { return d.cols.expand().transpose(d.s) }
func (d *SparseSign) byCols() *expanded { return d.cols.expand() }
func (d *RowSparse) byRows() *expanded  { return d.list.expand() }
func (d *RowSparse) byCols() *expanded  { return d.list.expand().transpose(d.n) }

// transpose returns the lists of the transposed matrix, which has the given number of rows.
func (e *expanded) transpose(rows int) *expanded {
	t := &expanded{start: make([]int, rows+1), index: make([]int, len(e.index)), value: make([]float64, len(e.value))}
	count := len(e.start) - 1
	used := e.start[count]
	t.index, t.value = t.index[:used], t.value[:used]
	for _, r := range e.index[:used] {
		t.start[r+1]++
	}
	for r := range rows {
		t.start[r+1] += t.start[r]
	}
	next := append([]int(nil), t.start[:rows]...)
	for j := range count {
		index, value := e.row(j)
		for k, r := range index {
			t.index[next[r]], t.value[next[r]] = j, value[k]
			next[r]++
		}
	}
	return t
}

// leftOf computes dst = S A for a sparse A, rows of dst in parallel: as many operations as S has nonzeros in a column for each
// entry of A.
func leftOf(dst blas64.General, s listed, a rowed) {
	lists := s.byRows()
	pool.Ranges(dst.Rows, 4, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			out := row(dst, i)
			clear(out)
			index, value := lists.row(i)
			for k, j := range index {
				cols, values := a.Row(j)
				for e, c := range cols {
					out[c] += value[k] * values[e]
				}
			}
		}
	})
}

// rightOf computes dst = A Sᵀ for a sparse A, rows in parallel.
func rightOf(dst blas64.General, a rowed, s listed) {
	lists := s.byCols()
	pool.Ranges(dst.Rows, 64, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			out := row(dst, i)
			clear(out)
			cols, values := a.Row(i)
			for e, c := range cols {
				index, value := lists.row(int(c))
				for k, r := range index {
					out[r] += value[k] * values[e]
				}
			}
		}
	})
}
