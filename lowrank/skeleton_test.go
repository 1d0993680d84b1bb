package lowrank_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/internal/matgen"
	"github.com/eckart-go/eckart/linop"
	"github.com/eckart-go/eckart/lowrank"
)

// Columns and rows are those of the matrix; the error is a small factor above the best (10 is allowed; the theory's is
// sqrt(1 + 4k(n-k)) = 62) and the probes say so; a matrix of the rank asked for is exact.
func TestSkeletons(t *testing.T) {
	const m, n, k = 130, 90, 12
	for _, tc := range []struct {
		name string
		s    []float64
	}{{"1/j", matgen.Power(n, 1)}, {"fast", matgen.Geometric(n, 1, 1e-12)}, {"rank 12", matgen.Geometric(k, 1, 0.01)}, {"rank 3", matgen.Geometric(3, 1, 0.1)}} {
		s := append(slices.Clone(tc.s), make([]float64, n-len(tc.s))...)
		a := withValues(m, n, s)
		best, rounding := floats.Norm(s[k:], 2), 1e-12
		d, err := lowrank.InterpolativeColumns(hidden(a), k, lowrank.RandomizedOptions{Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		if rank, _ := d.W.Dims(); rank != min(k, len(tc.s)) {
			t.Errorf("%s: rank %d", tc.name, rank)
		}
		c := mat.NewDense(m, len(d.Columns), nil)
		for j, at := range d.Columns {
			c.SetCol(j, mat.Col(nil, at, a))
			for i := range d.Columns {
				if want := map[bool]float64{true: 1, false: 0}[i == j]; d.W.At(i, at) != want {
					t.Errorf("%s: W has %v for column %d in its own place", tc.name, d.W.At(i, at), at)
				}
			}
		}
		f := &lowrank.Factors{B: c, A: d.W}
		if e := errorOf(a, f); !(e <= 10*best+rounding) || !(e >= d.Error.Low-rounding && e <= d.Error.High+rounding) {
			t.Errorf("%s: error %.4g, best %.4g, estimated %+v", tc.name, e, best, d.Error)
		}
		r, err := lowrank.CUR(hidden(a), k, lowrank.RandomizedOptions{Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		for j, at := range r.Columns {
			if !slices.Equal(mat.Col(nil, j, r.C), mat.Col(nil, at, a)) {
				t.Errorf("%s: column %d is not column %d of the matrix", tc.name, j, at)
			}
		}
		for i, at := range r.Rows {
			if !slices.Equal(mat.Row(nil, i, r.R), mat.Row(nil, at, a)) {
				t.Errorf("%s: row %d is not row %d of the matrix", tc.name, i, at)
			}
		}
		var cu mat.Dense
		cu.Mul(r.C, r.U)
		if e := errorOf(a, &lowrank.Factors{B: &cu, A: r.R}); !(e <= 20*best+1e3*rounding) || !(e >= r.Error.Low-1e3*rounding && e <= r.Error.High+1e3*rounding) {
			t.Errorf("%s: CUR's error %.4g, best %.4g, estimated %+v", tc.name, e, best, r.Error)
		}
	}
	if _, err := lowrank.InterpolativeColumns(hidden(withValues(9, 7, []float64{1})), 8, lowrank.RandomizedOptions{}); err == nil {
		t.Error("too large a rank was accepted")
	}
	zero, err := lowrank.CUR(linop.Dense(mat.NewDense(5, 4, nil).RawMatrix()), 2, lowrank.RandomizedOptions{})
	if err != nil || zero.Error.Estimate != 0 {
		t.Errorf("zero: %+v, %v", zero, err)
	}
}

// Rank-k leverage scores are the row norms of the leading left vectors.
func TestLeverageOfFactors(t *testing.T) {
	a := withValues(80, 60, matgen.Power(60, 2))
	f, err := lowrank.SVD(a, 5, lowrank.Options{Method: lowrank.Krylov})
	if err != nil {
		t.Fatal(err)
	}
	scores := f.Leverage()
	u, _ := f.Triplets()
	for i, v := range scores {
		if !(math.Abs(v-mat.Dot(u.RowView(i), u.RowView(i))) <= 1e-15) {
			t.Errorf("row %d: %v", i, v)
		}
	}
	if sum := floats.Sum(scores); !(math.Abs(sum-5) <= 1e-12) {
		t.Errorf("the scores' sum is %v", sum)
	}
}

// Two columns that make all others.
func ExampleInterpolativeColumns() {
	a := mat.NewDense(4, 5, nil)
	for i := range 4 {
		x, y := float64(i+1), float64((i*i)%3)
		a.SetRow(i, []float64{10 * x, x + y, 10 * y, x - y, 2 * x})
	}
	d, err := lowrank.InterpolativeColumns(linop.Of(a), 2, lowrank.RandomizedOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("columns", d.Columns)
	fmt.Printf("column 1 is %.2f times the first, %.2f times the second\n", d.W.At(0, 1), d.W.At(1, 1))
	// Output:
	// columns [0 2]
	// column 1 is 0.10 times the first, 0.10 times the second
}
