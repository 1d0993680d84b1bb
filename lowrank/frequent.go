package lowrank

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/lapack"
	"github.com/eckart-go/eckart/linop"
)

// FrequentDirections keeps a matrix B of at most l-1 rows for the rows of A that were added, one after the other, with the
// deterministic guarantee (Liberty 2013; Ghashami, Liberty, Phillips, Woodruff 2016)
//
//	0 <= AᵀA - BᵀB <= ||A - A_k||_F^2 / (l - k)    for every k < l
//
// in the order of semidefinite matrices, A_k being the best matrix of rank k. Sketches of parts of A can be merged. It takes
// 2 l d numbers, and O(l d) operations a row.
type FrequentDirections struct {
	l, d    int
	buffer  blas64.General // 2l x d
	used    int
	shrunk  float64 // sum of what was taken off squared singular values
	squares float64 // ||A||_F^2
	svd     lapack.SVD[float64]
}

// NewFrequentDirections returns the sketch of a matrix of d columns without rows. It panics unless l is at least 2 and d at least 1.
func NewFrequentDirections(l, d int) *FrequentDirections {
	if l < 2 || d < 1 {
		panic(fmt.Sprintf("lowrank: frequent directions with %d rows of %d", l, d))
	}
	return &FrequentDirections{l: l, d: d, buffer: general(2*l, d)}
}

// AddRows adds rows. It fails, and nothing changes, if there is an element that is NaN or infinite, or not d columns.
func (f *FrequentDirections) AddRows(rows blas64.General) error {
	if rows.Cols != f.d {
		return fmt.Errorf("lowrank: rows of %d numbers for a sketch of %d", rows.Cols, f.d)
	}
	if err := linop.Dense(rows).CheckFinite(); err != nil {
		return fmt.Errorf("lowrank: frequent directions: %w", err)
	}
	for i := range rows.Rows {
		f.add(rows.Data[i*rows.Stride : i*rows.Stride+rows.Cols])
	}
	f.squares += sumsq(rows)
	return nil
}

func (f *FrequentDirections) add(row []float64) {
	if f.used == f.buffer.Rows {
		f.shrink()
	}
	copy(f.buffer.Data[f.used*f.d:], row)
	f.used++
}

// shrink leaves at most l-1 rows, whose squares are those of the singular values less the l-th.
func (f *FrequentDirections) shrink() {
	if f.used < f.l {
		return
	}
	if err := f.svd.Factorize(lapack.NoVectors, lapack.Thin, f.used, f.d, f.buffer.Data, f.d); err != nil {
		panic(err) // rows have been checked
	}
	values, v := f.svd.Values(), f.svd.V()
	var least float64
	if len(values) >= f.l {
		least = values[f.l-1]
	}
	kept := 0
	for i := range min(f.l-1, len(values)) {
		s := math.Sqrt((values[i] - least) * (values[i] + least))
		if !(s > 0) {
			break
		}
		for j, x := range v.Data[i*v.Stride : i*v.Stride+f.d] {
			f.buffer.Data[kept*f.d+j] = s * x
		}
		kept++
	}
	f.used, f.shrunk = kept, f.shrunk+least*least
}

// Sketch returns B, at most l-1 rows of d; it shrinks first, so that no added row is lost.
func (f *FrequentDirections) Sketch() *mat.Dense {
	f.shrink()
	b := mat.NewDense(max(1, f.used), f.d, nil)
	copy(b.RawMatrix().Data, f.buffer.Data[:f.used*f.d])
	return b
}

// Bound returns a bound of ||AᵀA - BᵀB||_2 for B of Sketch: what has been taken off squared singular values, at most
// ||A||_F^2/l, and as a rule much less than the guarantee for the best k.
func (f *FrequentDirections) Bound() float64 { return f.shrunk }

// SquaredNorm returns ||A||_F^2.
func (f *FrequentDirections) SquaredNorm() float64 { return f.squares }

// Merge adds what another sketch, which is not modified, has seen; the guarantee is that of a sketch of all rows. It fails if the
// columns differ, or if the other's l is smaller.
func (f *FrequentDirections) Merge(other *FrequentDirections) error {
	if other.d != f.d || other.l < f.l {
		return fmt.Errorf("lowrank: frequent directions of %d x %d cannot take in those of %d x %d", f.l, f.d, other.l, other.d)
	}
	for i := range other.used {
		f.add(other.buffer.Data[i*f.d : (i+1)*f.d])
	}
	f.shrunk += other.shrunk
	f.squares += other.squares
	return nil
}
