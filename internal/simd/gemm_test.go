package simd

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/blas"
)

func TestQuick(t *testing.T) {
	for _, tA := range []blas.Transpose{blas.NoTrans, blas.Trans} {
		for _, tB := range []blas.Transpose{blas.NoTrans, blas.Trans} {
			for _, s := range [][3]int{{1, 1, 1}, {3, 5, 7}, {6, 16, 9}, {7, 17, 300}, {64, 64, 64}, {300, 100, 600}, {13, 33, 5}} {
				m, n, k := s[0], s[1], s[2]
				rng := rand.New(rand.NewPCG(1, 2))
				f := func(n int) []float32 {
					x := make([]float32, n)
					for i := range x {
						x[i] = rng.Float32()
					}
					return x
				}
				a, b, c := f(m*k), f(k*n), f(m*n)
				lda, ldb := k, n
				if tA == blas.Trans {
					lda = m
				}
				if tB == blas.Trans {
					ldb = k
				}
				old := append([]float32(nil), c...)
				Sgemm(tA, tB, m, n, k, 2, a, lda, b, ldb, 3, c, n)
				for i := range m {
					for j := range n {
						s := 0.0
						for p := range k {
							x, y := a[0], b[0]
							if tA == blas.NoTrans {
								x = a[i*lda+p]
							} else {
								x = a[p*lda+i]
							}
							if tB == blas.NoTrans {
								y = b[p*ldb+j]
							} else {
								y = b[j*ldb+p]
							}
							s += float64(x) * float64(y)
						}
						s = 2*s + 3*float64(old[i*n+j])
						if math.Abs(s-float64(c[i*n+j])) > 1e-5*s {
							t.Fatal(tA, tB, m, n, k, i, j, s, c[i*n+j])
						}
					}
				}
			}
		}
	}
}

func BenchmarkGemm(bb *testing.B) {
	for _, n := range []int{256, 512, 1024, 2048} {
		for _, tr := range []string{"nn", "nt", "tn", "tt"} {
			bb.Run(fmt.Sprintf("s%d%s", n, tr), func(bm *testing.B) {
				a, b, c := make([]float32, n*n), make([]float32, n*n), make([]float32, n*n)
				for i := range a {
					a[i] = rand.Float32()
					b[i] = rand.Float32()
				}
				tA, tB := blas.NoTrans, blas.NoTrans
				if tr[0] == 't' {
					tA = blas.Trans
				}
				if tr[1] == 't' {
					tB = blas.Trans
				}
				for bm.Loop() {
					Sgemm(tA, tB, n, n, n, 1, a, n, b, n, 0, c, n)
				}
				bm.ReportMetric(2*float64(n)*float64(n)*float64(n)*float64(bm.N)/bm.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}
