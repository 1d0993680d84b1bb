package lowrank_test

import (
	"fmt"
	"math"
	"testing"

	"gonum.org/v1/gonum/floats"

	"github.com/eckart-go/eckart/linop"
	"github.com/eckart-go/eckart/lowrank"
)

// Two passes are two, where norms tell the error, and its bound holds: sqrt(1 + k/(k+9)) times the least error in the mean, so
// the mean of some seeds is checked. Where the block is as wide as the matrix, the result is that of Exact.
func TestTwoPass(t *testing.T) {
	const m, n, seeds = 120, 90, 4
	for _, tc := range operatorSpectra {
		s := tc.s(n)
		s = append(s, make([]float64, n-len(s))...)
		a := withValues(m, n, s)
		norm := floats.Norm(s, 2)
		for _, k := range []int{1, 8, 20, 45} {
			tail := floats.Norm(s[k:], 2)
			rounding := 50 * n * 0x1p-53 * norm
			for what, op := range map[string]func() linop.Operator{
				"stream":     func() linop.Operator { return stream(a) },
				"transposed": func() linop.Operator { return linop.Transposed(stream(a)) },
			} {
				name := fmt.Sprintf("%s, %s, rank %d", tc.name, what, k)
				var mean float64
				for seed := range seeds {
					o := op()
					f, err := lowrank.OperatorSVD(o, k, lowrank.Options{Method: lowrank.TwoPass, Randomized: lowrank.RandomizedOptions{Seed: uint64(seed)}})
					if err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					matrix := a
					if what == "transposed" {
						matrix = withValues(m, n, s)
						matrix.CloneFrom(a.T())
					}
					got := errorOf(matrix, f)
					mean += got / seeds
					check(t, name, f, matrix, got, tail, rounding)
					if 2*k+10 >= n && !(math.Abs(got-tail) <= rounding) {
						t.Errorf("%s: error %.9g of a basis of everything, optimum %.9g", name, got, tail)
					}
					if s, ok := o.(*linop.Stream); ok && f.Cert.Estimate == "norms" && (s.Passes() != 2 || f.Cert.Passes != 2) {
						t.Errorf("%s: %d passes, %d reported", name, s.Passes(), f.Cert.Passes)
					}
				}
				if bound := math.Sqrt(1+float64(k)/float64(k+9)) * tail; !(mean <= bound+rounding) {
					t.Errorf("%s: mean error %.9g, bound %.9g", name, mean, bound)
				}
			}
		}
	}
}
