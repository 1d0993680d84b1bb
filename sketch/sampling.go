package sketch

import (
	"fmt"
	"math"
	"sort"

	"gonum.org/v1/gonum/blas/blas64"

	"github.com/eckart-go/eckart/internal/philox"
	"github.com/eckart-go/eckart/internal/simd"
)

// NewSampling returns an s x n sketch of s rows drawn with replacement, row j with probability q_j = weight_j / sum, multiplied
// by 1/sqrt(s q_j). weight nil means uniform; squared row norms of A (RowNorms) make S A good for products AᵀA, leverage scores
// make it good for everything that depends on A's range. It fails if a weight is negative or not finite, or all are zero.
func NewSampling(s, n int, weight []float64, seed uint64) (*RowSparse, error) {
	checkSize(s, n)
	if weight != nil && len(weight) != n {
		panic(fmt.Sprintf("sketch: %d weights for %d rows", len(weight), n))
	}
	var sums []float64 // sums[j] is the weight of rows 0 to j
	if weight != nil {
		sums = make([]float64, n)
		var sum float64
		for j, w := range weight {
			if !(w >= 0) || math.IsInf(w, 1) {
				return nil, fmt.Errorf("sketch: weight %d is %v: expected a finite number >= 0", j, w)
			}
			sum += w
			sums[j] = sum
		}
		if !(sum > 0) || math.IsInf(sum, 1) {
			return nil, fmt.Errorf("sketch: the weights' sum is %v: expected a positive number", sum)
		}
	}
	key := philox.NewKey(seed)
	return &RowSparse{s, n, lists{rows: s, cols: n, width: 1, fill: func(i int, index []int, value []float64) int {
		hi, lo, _, _ := key.At(streamSampling, 0, uint64(i))
		unit := (float64(hi) + philox.Unit(lo)) * 0x1p-32
		if sums == nil {
			index[0], value[0] = min(n-1, int(unit*float64(n))), math.Sqrt(float64(n)/float64(s))
			return 1
		}
		total := sums[n-1]
		j := sort.Search(n-1, func(j int) bool { return sums[j] > unit*total })
		for weight[j] == 0 { // only at the very end, by rounding
			j--
		}
		index[0], value[0] = j, math.Sqrt(total/(float64(s)*weight[j]))
		return 1
	}}}, nil
}

// RowNorms returns the squared norms of the rows of a: the weights of norm-squared sampling (Frieze, Kannan, Vempala 2004).
func RowNorms(a blas64.General) []float64 {
	norms := make([]float64, a.Rows)
	for i := range norms {
		norms[i] = simd.Dsumsq(row(a, i))
	}
	return norms
}
