package simd

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/blas"
)

// benchmark reports GFLOP/s of f, which does work multiply-adds.
func benchmark(b *testing.B, work int, f func()) {
	f()
	for b.Loop() {
		f()
	}
	b.ReportMetric(2*float64(work)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
}

func BenchmarkSgemm(b *testing.B) { benchmarkGemm(b, Sgemm) }
func BenchmarkDgemm(b *testing.B) { benchmarkGemm(b, Dgemm) }

func benchmarkGemm[T float](b *testing.B, gemm func(tA, tB blas.Transpose, m, n, k int, alpha T, a []T, lda int, x []T, ldx int, beta T, c []T, ldc int)) {
	rng := rand.New(rand.NewPCG(5, 1))
	for _, n := range []int{256, 512, 1024, 2048} {
		x, y, z := random[T](rng, n*n), random[T](rng, n*n), make([]T, n*n)
		for _, tA := range transposes {
			for _, tB := range transposes {
				b.Run(fmt.Sprintf("n=%d/%c%c", n, tA, tB), func(b *testing.B) {
					benchmark(b, n*n*n, func() { gemm(tA, tB, n, n, n, 1, x, n, y, n, 0, z, n) })
				})
			}
		}
	}
}

// BenchmarkLinear is Y = X Wᵀ at the sizes of a small language model, from decoding one token to a prompt.
func BenchmarkLinear(b *testing.B) {
	rng := rand.New(rand.NewPCG(5, 2))
	x, w, y := random[float32](rng, 512*1536), random[float32](rng, 1536*1536), make([]float32, 512*1536)
	for _, m := range []int{1, 2, 4, 8, 16, 64, 512} {
		for _, s := range [][2]int{{576, 576}, {192, 576}, {1536, 576}, {576, 1536}} {
			n, k := s[0], s[1]
			b.Run(fmt.Sprintf("%dx%dx%d", m, n, k), func(b *testing.B) {
				benchmark(b, m*n*k, func() { Sgemm(blas.NoTrans, blas.Trans, m, n, k, 1, x, k, w, k, 0, y, n) })
			})
		}
	}
}

func BenchmarkDsyrk(b *testing.B) {
	rng := rand.New(rand.NewPCG(5, 3))
	for _, s := range [][2]int{{64, 100000}, {1024, 20000}} {
		n, k := s[0], s[1]
		a, c := random[float64](rng, k*n), make([]float64, n*n)
		b.Run(fmt.Sprintf("%dx%d", k, n), func(b *testing.B) {
			benchmark(b, n*n*k/2, func() { Dsyrk(blas.Upper, blas.Trans, n, k, 1, a, n, 0, c, n) })
		})
	}
}

func BenchmarkSgemv(b *testing.B) {
	rng := rand.New(rand.NewPCG(5, 4))
	for _, n := range []int{512, 1024, 4096} {
		a, x, y := random[float32](rng, n*n), random[float32](rng, n), make([]float32, n)
		for _, trans := range transposes {
			b.Run(fmt.Sprintf("n=%d/%c", n, trans), func(b *testing.B) {
				b.SetBytes(int64(4 * n * n))
				benchmark(b, n*n, func() { Sgemv(trans, n, n, 1, a, n, x, 1, 0, y, 1) })
			})
		}
	}
}
