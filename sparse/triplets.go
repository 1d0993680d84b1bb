package sparse

import (
	"fmt"

	"gonum.org/v1/gonum/mat"
)

// Triplet is one entry of a matrix; rows and columns count from 0.
type Triplet[T Float] struct {
	Row, Col int
	Value    T
}

// FromTriplets returns the matrix (rows x cols) with the given entries, in any order; entries at the same place are added up in
// their order. Zeros stay entries. It fails if an entry is outside, and for more than 2^31-1 rows or columns.
func FromTriplets[T Float](rows, cols int, entries []Triplet[T]) (*CSR[T], error) {
	if err := checkShape(rows, cols); err != nil {
		return nil, err
	}
	for k, e := range entries {
		if e.Row < 0 || e.Row >= rows || e.Col < 0 || e.Col >= cols {
			return nil, fmt.Errorf("sparse: entry %d is at row %d, column %d of a %d x %d matrix", k, e.Row, e.Col, rows, cols)
		}
	}
	starts := make([]int, rows+1)
	for _, e := range entries {
		starts[e.Row+1]++
	}
	for i := range rows {
		starts[i+1] += starts[i]
	}
	index, values := make([]int32, len(entries)), make([]T, len(entries))
	next := make([]int, rows)
	copy(next, starts)
	for _, e := range entries {
		k := next[e.Row]
		index[k], values[k] = int32(e.Col), e.Value
		next[e.Row]++
	}
	return New(rows, cols, starts, index, values)
}

// Of returns the elements of a that are not zero.
func Of(a mat.Matrix) *CSR[float64] {
	m, n := a.Dims()
	c := &CSR[float64]{cols: n, starts: make([]int, m+1)}
	for i := range m {
		for j := range n {
			if v := a.At(i, j); v != 0 {
				c.index, c.values = append(c.index, int32(j)), append(c.values, v)
			}
		}
		c.starts[i+1] = len(c.values)
	}
	c.cut()
	return c
}
