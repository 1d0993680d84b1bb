package simd

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Divisions and differences are correctly rounded in every kernel, so deltas and quotients must agree to the bit, products to
// the bit as well, and sums to the error of any order of summation (Higham 2002, (3.5)).
func TestPoles(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, set := range poleSets {
		t.Run(set.isa.String(), func(t *testing.T) {
			if set.isa > bestISA() {
				t.Skip("not on this CPU")
			}
			for n := range 40 {
				z, d, delta, want, product := make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
				for i := range n {
					z[i], d[i], product[i] = rng.NormFloat64(), float64(i)+rng.Float64()/2, rng.NormFloat64()
				}
				const origin, x = 3.25, 0.1875
				sum, derivative := set.kernels.sums(z, d, delta, origin, x)
				var s, size, ds float64
				for i := range n {
					want[i] = (d[i] - origin) - x
					s += z[i] * z[i] / want[i]
					size += z[i] * z[i] / math.Abs(want[i])
					ds += z[i] * z[i] / (want[i] * want[i])
					if delta[i] != want[i] {
						t.Fatalf("n=%d: delta[%d] = %v, want %v", n, i, delta[i], want[i])
					}
				}
				tol := 2.02 * float64(n+3) * 0x1p-53
				if !(math.Abs(sum-s) <= tol*size) || !(math.Abs(derivative-ds) <= tol*ds) {
					t.Errorf("n=%d: sums %v and %v, want %v and %v", n, sum, derivative, s, ds)
				}
				quotients := make([]float64, n)
				squares := set.kernels.quotients(quotients, z, delta)
				if !(math.Abs(squares-ds) <= tol*ds) {
					t.Errorf("n=%d: sum of squares %v, want %v", n, squares, ds)
				}
				got := append([]float64(nil), product...)
				set.kernels.product(got, delta, d, -1)
				for i := range n {
					if quotients[i] != z[i]/delta[i] || got[i] != product[i]*(delta[i]/(d[i]+1)) {
						t.Fatalf("n=%d: element %d: quotient %v, product %v", n, i, quotients[i], got[i])
					}
				}
			}
		})
	}
}
