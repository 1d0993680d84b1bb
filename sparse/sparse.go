// Package sparse holds matrices as lists of their entries, by rows (CSR) or by columns (CSC), and multiplies them with blocks of
// dense columns.
//
// Both are gonum's mat.Matrix and mat.NonZeroDoer, and linop.Operator and linop.Rows, so that every method of Eckart takes
// them. CSC is the transpose of a CSR, seen from the other side: T is free in both directions.
//
// # Products
//
// A X with a row-major block X (n x p) adds up rows of X: vectorised over its columns, which stay in registers while the entries
// of a row of A go by, and parallel over rows through the shared pool. Aᵀ X is the same for the matrix stored by columns,
// which the first such product makes and keeps: twice the memory, instead of results scattered all over X. Sums are formed
// in the order of the entries, so results do not depend on the number of threads. Values may be float32: they are converted
// one by one, sums are in the type of the block.
//
// # Hostile input
//
// New and FromTriplets check index arrays before they use them; errors name the row and the entry. A matrix takes 12 bytes an
// entry (8 for float32) and 8 bytes a row, and as much again by columns once Aᵀ X is asked for.
package sparse

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sync"

	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/linop"
)

// Float is the type of a matrix's values.
type Float interface{ float32 | float64 }

// CSR is a matrix stored by rows ("compressed sparse row"): row i has its columns, ascending, and values at starts[i] to
// starts[i+1]-1 of two lists. The zero value is an empty matrix. It does not change after it has been made, and any number of
// goroutines may use it.
type CSR[T Float] struct {
	cols   int
	starts []int   // rows+1 numbers, the first 0, the last len(values)
	index  []int32 // columns of the entries
	values []T
	cuts   []int // rows at which products are cut into pieces of about the same work
	once   sync.Once
	mirror *CSR[T] // the transpose by rows, made by the first call that needs it
}

var (
	_ mat.NonZeroDoer = (*CSR[float64])(nil)
	_ mat.Matrix      = (*CSR[float32])(nil)
	_ linop.Operator  = (*CSR[float64])(nil)
	_ linop.Normer    = (*CSR[float64])(nil)
	_ linop.Checker   = (*CSR[float32])(nil)
	_ linop.Rows      = (*CSR[float64])(nil)
)

// New returns the matrix (rows x cols) with the given arrays, which are SciPy's indptr, indices and data. It takes them over:
// they are not copied, rows whose columns do not ascend are sorted where they lie, and entries at the same place are added up.
// It fails if the arrays do not make a matrix of that shape, and for more than 2^31-1 rows or columns.
func New[T Float](rows, cols int, starts []int, index []int32, values []T) (*CSR[T], error) {
	if err := checkShape(rows, cols); err != nil {
		return nil, err
	}
	if len(starts) != rows+1 || len(index) != len(values) {
		return nil, fmt.Errorf("sparse: %d row starts, %d columns and %d values for a matrix of %d x %d: expected %d starts, and as many columns as values",
			len(starts), len(index), len(values), rows, cols, rows+1)
	}
	if starts[0] != 0 || starts[rows] != len(values) {
		return nil, fmt.Errorf("sparse: the row starts go from %d to %d: expected 0 to %d, the number of values", starts[0], starts[rows], len(values))
	}
	ascending := true
	for i := range rows {
		lo, hi := starts[i], starts[i+1]
		if hi < lo || hi > len(values) {
			return nil, fmt.Errorf("sparse: row %d goes from entry %d to %d of %d", i, lo, hi, len(values))
		}
		for k := lo; k < hi; k++ {
			if index[k] < 0 || int(index[k]) >= cols {
				return nil, fmt.Errorf("sparse: row %d, entry %d: column %d of %d", i, k, index[k], cols)
			}
			ascending = ascending && (k == lo || index[k-1] < index[k])
		}
	}
	a := &CSR[T]{cols: cols, starts: starts, index: index, values: values}
	if !ascending {
		a.normalise()
	}
	a.cut()
	return a, nil
}

func checkShape(rows, cols int) error {
	if rows < 0 || cols < 0 || rows > math.MaxInt32 || cols > math.MaxInt32 {
		return fmt.Errorf("sparse: a matrix of %d x %d: expected 0 to %d rows and columns", rows, cols, math.MaxInt32)
	}
	return nil
}

// normalise sorts every row by columns and adds up entries at the same place, in their order.
func (a *CSR[T]) normalise() {
	type entry struct {
		col   int32
		value T
	}
	var row []entry
	end := 0 // of what has been kept
	for i := range a.rows() {
		row = row[:0]
		for k := a.starts[i]; k < a.starts[i+1]; k++ {
			row = append(row, entry{a.index[k], a.values[k]})
		}
		slices.SortStableFunc(row, func(x, y entry) int { return cmp.Compare(x.col, y.col) })
		first := end
		for _, e := range row {
			if end > first && a.index[end-1] == e.col {
				a.values[end-1] += e.value
				continue
			}
			a.index[end], a.values[end] = e.col, e.value
			end++
		}
		a.starts[i] = first // rows before have been read, those after begin where they did or later
	}
	a.starts[a.rows()] = end
	a.index, a.values = a.index[:end], a.values[:end]
}

func (a *CSR[T]) rows() int { return max(0, len(a.starts)-1) }

// Dims returns the number of rows and of columns.
func (a *CSR[T]) Dims() (m, n int) { return a.rows(), a.cols }

// NNZ returns the number of entries, zeros that were given among them.
func (a *CSR[T]) NNZ() int { return len(a.values) }

// At returns element (i, j), found by bisection of the row.
func (a *CSR[T]) At(i, j int) float64 {
	if uint(i) >= uint(a.rows()) {
		panic(mat.ErrRowAccess)
	}
	if uint(j) >= uint(a.cols) {
		panic(mat.ErrColAccess)
	}
	cols, values := a.Row(i)
	k, ok := slices.BinarySearch(cols, int32(j))
	if !ok {
		return 0
	}
	return float64(values[k])
}

// T returns the transpose, a *CSC that shares everything with a.
func (a *CSR[T]) T() mat.Matrix { return &CSC[T]{t: a} }

// Row returns the columns and values of row i, which are a's own.
func (a *CSR[T]) Row(i int) (cols []int32, values []T) {
	lo, hi := a.starts[i], a.starts[i+1]
	return a.index[lo:hi:hi], a.values[lo:hi:hi]
}

// Arrays returns SciPy's indptr, indices and data, which are a's own.
func (a *CSR[T]) Arrays() (starts []int, index []int32, values []T) {
	if a.starts == nil {
		return []int{0}, nil, nil
	}
	return a.starts, a.index, a.values
}

// DoNonZero calls f for every entry, row by row.
func (a *CSR[T]) DoNonZero(f func(i, j int, v float64)) {
	for i := range a.rows() {
		cols, values := a.Row(i)
		for k, j := range cols {
			f(i, int(j), float64(values[k]))
		}
	}
}

// Dense returns all m*n elements.
func (a *CSR[T]) Dense() *mat.Dense {
	if a.rows() == 0 || a.cols == 0 {
		return &mat.Dense{}
	}
	d := mat.NewDense(a.rows(), a.cols, nil)
	a.DoNonZero(d.Set)
	return d
}

// CSC returns the same matrix stored by columns: made by the first call, in time proportional to the entries and columns, and
// kept beside a.
func (a *CSR[T]) CSC() *CSC[T] { return &CSC[T]{t: a.mirrored()} }

// mirrored returns Aᵀ by rows.
func (a *CSR[T]) mirrored() *CSR[T] {
	a.once.Do(func() {
		if a.mirror == nil {
			a.mirror = a.transpose()
			a.mirror.mirror = a
		}
	})
	return a.mirror
}

// FrobeniusNorm returns the square root of the sum of squares; the error is nil. It is scaled where squares leave
// the range of float64.
func (a *CSR[T]) FrobeniusNorm() (float64, error) {
	var largest, sum float64
	for _, v := range a.values {
		largest = max(largest, math.Abs(float64(v)))
	}
	if largest == 0 || math.IsInf(largest, 0) || math.IsNaN(largest) {
		return largest, nil
	}
	for _, v := range a.values {
		sum += float64(v) * float64(v)
	}
	if sum > 0x1p-900 && sum < 0x1p900 { // no square that counts has underflowed
		return math.Sqrt(sum), nil
	}
	_, exponent := math.Frexp(largest)
	sum = 0
	for _, v := range a.values {
		x := math.Ldexp(float64(v), -exponent) // below 1
		sum += x * x
	}
	return math.Ldexp(math.Sqrt(sum), exponent), nil
}

// CheckFinite returns a *linop.ElementError of the first entry that is NaN or infinite, or nil.
func (a *CSR[T]) CheckFinite() error {
	for i := range a.rows() {
		cols, values := a.Row(i)
		for k, v := range values {
			if x := float64(v); math.IsNaN(x) || math.IsInf(x, 0) {
				return &linop.ElementError{Row: i, Col: int(cols[k]), Value: x}
			}
		}
	}
	return nil
}
