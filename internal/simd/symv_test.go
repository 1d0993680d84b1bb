package simd

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestDgemvBoth(t *testing.T) { gemvBoth(t, dgemvBothSets, 0x1p-53) }

func TestSgemvBoth(t *testing.T) { gemvBoth(t, sgemvBothSets, 0x1p-24) }

// gemvBoth compares with sums in float64.
func gemvBoth[T float](t *testing.T, sets []kernelSet[bothKernel[T]], eps float64) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, k := range sets {
		t.Run(k.isa.String(), func(t *testing.T) {
			if k.isa > bestISA() {
				t.Skip("not on this CPU")
			}
			for m := range 14 {
				for _, n := range []int{1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 31, 64, 101} {
					lda := n + m%3
					random := func(n int) []T {
						x := make([]T, n)
						for i := range x {
							x[i] = T(rng.NormFloat64())
						}
						return x
					}
					a, x, u, y, v := random(max(0, (m-1)*lda+n)), random(n), random(m), random(n+1), random(m+1)
					wantY, wantV := widened(y), widened(v)
					sizeY, sizeV := make([]float64, n+1), make([]float64, m+1)
					for i := range m {
						for j := range n {
							e := float64(a[i*lda+j])
							wantV[i] += e * float64(x[j])
							sizeV[i] += math.Abs(e*float64(x[j])) + math.Abs(float64(v[i]))
							wantY[j] += e * float64(u[i])
							sizeY[j] += math.Abs(e*float64(u[i])) + math.Abs(float64(y[j]))
						}
					}
					if m > 0 {
						k.kernels(m, n, a, lda, x, u, y[:n], v[:m])
					}
					check := func(name string, got []T, want, size []float64, terms int) { // both sides: Higham 2002, (3.5)
						for i := range got {
							if tol := 2.02 * float64(terms) * eps * size[i]; !(math.Abs(float64(got[i])-want[i]) <= tol) {
								t.Fatalf("%d x %d: %s[%d] = %v, want %v within %.2g", m, n, name, i, got[i], want[i], tol)
							}
						}
					}
					check("y", y, wantY, sizeY, m+1)
					check("v", v, wantV, sizeV, n+1)
				}
			}
		})
	}
}

func widened[T float](x []T) []float64 {
	w := make([]float64, len(x))
	for i, v := range x {
		w[i] = float64(v)
	}
	return w
}

func BenchmarkDgemvBoth(b *testing.B) {
	for _, n := range []int{64, 576, 2048} {
		b.Run("", func(b *testing.B) {
			a, x, u, y, v := make([]float64, n*n), make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
			b.SetBytes(int64(8 * n * n))
			for b.Loop() {
				DgemvBoth(n, n, a, n, x, u, y, v)
			}
		})
	}
}
