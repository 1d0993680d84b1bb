package simd

import (
	"math/rand/v2"
	"testing"
)

func TestStranspose(t *testing.T) { forEachEngine(t, skernels(), tinyCaches, transposes2D[float32]) }

func TestDtranspose(t *testing.T) { forEachEngine(t, dkernels(), tinyCaches, transposes2D[float64]) }

// transposes2D compares element by element; what lies between the rows of dst has to stay.
func transposes2D[T float](t *testing.T, e *engine[T]) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, m := range []int{0, 1, 2, 3, 7, 8, 9, 16, 23, 64, 67, 300} {
		for _, n := range []int{0, 1, 2, 3, 4, 5, 9, 63, 64, 65, 66, 130} {
			lda, ldd := max(1, n)+rng.IntN(3), max(1, m)+rng.IntN(3)
			a, dst := random[T](rng, m*lda), random[T](rng, n*ldd)
			old := append([]T(nil), dst...)
			e.transpose(m, n, a, lda, dst, ldd)
			for j := range n {
				for i := range ldd {
					want := old[j*ldd+i]
					if i < m {
						want = a[i*lda+j]
					}
					if got := dst[j*ldd+i]; got != want {
						t.Fatalf("%d x %d: element %d, %d is %v, want %v", m, n, j, i, got, want)
					}
				}
			}
		}
	}
}
