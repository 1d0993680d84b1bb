package blas

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
)

// The benchmarks run ours and gonum's side by side; go run ./bench --suite gemm compares with OpenBLAS too.

func BenchmarkLevel3(b *testing.B) {
	rnd := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{64, 256, 1024} {
		a := triangular[float64](rnd, blas.Lower, blas.NonUnit, n)
		x, c := random[float64](rnd, n, n), random[float64](rnd, n, n)
		cube := float64(n) * float64(n) * float64(n)
		for _, impl := range []struct {
			name string
			blas.Float64
		}{{"eckart", Implementation{}}, {"gonum", gonum.Implementation{}}} {
			run := func(name string, flops float64, f func()) {
				b.Run(fmt.Sprintf("%s/n=%d/%s", name, n, impl.name), func(b *testing.B) {
					for b.Loop() {
						f()
					}
					b.ReportMetric(flops*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
				})
			}
			run("Dgemm", 2*cube, func() {
				impl.Dgemm(blas.NoTrans, blas.Trans, n, n, n, 1, x.data, x.stride, x.data, x.stride, 0, c.data, c.stride)
			})
			run("DsymmRight", 2*cube, func() {
				impl.Dsymm(blas.Right, blas.Lower, n, n, 1, a.data, a.stride, x.data, x.stride, 0, c.data, c.stride)
			})
			run("Dsyr2k", 2*cube, func() {
				impl.Dsyr2k(blas.Lower, blas.Trans, n, n, 1, x.data, x.stride, x.data, x.stride, 0, c.data, c.stride)
			})
			for _, s := range sides {
				run(fmt.Sprintf("Dtrsm%c", s), cube, func() {
					impl.Dtrsm(s, blas.Lower, blas.Trans, blas.NonUnit, n, n, 1, a.data, a.stride, c.data, c.stride)
				})
				run(fmt.Sprintf("Dtrmm%c", s), cube, func() {
					impl.Dtrmm(s, blas.Lower, blas.NoTrans, blas.NonUnit, n, n, 1e-3, a.data, a.stride, c.data, c.stride)
				})
			}
		}
	}
}

func BenchmarkLevel2(b *testing.B) {
	rnd := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{32, 256, 2048} {
		a := triangular[float64](rnd, blas.Lower, blas.NonUnit, n)
		x, y := vectorOf[float64](rnd, n, 1), vectorOf[float64](rnd, n, 1)
		g := random[float64](rnd, n, n)
		for _, impl := range []struct {
			name string
			blas.Float64
		}{{"eckart", Implementation{}}, {"gonum", gonum.Implementation{}}} {
			run := func(name string, f func()) {
				b.Run(fmt.Sprintf("%s/n=%d/%s", name, n, impl.name), func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						f()
					}
				})
			}
			run("Dgemv", func() { impl.Dgemv(blas.NoTrans, n, n, 1, g.data, g.stride, x.data, 1, 0, y.data, 1) })
			run("DgemvT", func() { impl.Dgemv(blas.Trans, n, n, 1, g.data, g.stride, x.data, 1, 0, y.data, 1) })
			run("Dger", func() { impl.Dger(n, n, 1e-9, x.data, 1, x.data, 1, g.data, g.stride) })
			run("Dsymv", func() { impl.Dsymv(blas.Lower, n, 1, a.data, a.stride, x.data, 1, 0, y.data, 1) })
			run("Dtrsv", func() { impl.Dtrsv(blas.Lower, blas.Trans, blas.NonUnit, n, a.data, a.stride, y.data, 1) })
			run("Dsyr2", func() { impl.Dsyr2(blas.Lower, n, 1e-9, x.data, 1, x.data, 1, a.data, a.stride) })
		}
	}
}
