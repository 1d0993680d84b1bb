package sparse_test

import (
	"fmt"
	"testing"

	"gonum.org/v1/gonum/blas/blas64"

	"github.com/eckart-go/eckart/sparse"
)

// The matrix of issue 4's table: 100k x 20k with 2M entries. The product does 2 p operations an entry.
func BenchmarkProducts(b *testing.B) {
	const m, n = 100000, 20000
	a := random[float64](m, n, 1e-3, 1)
	b.Run("transpose", func(b *testing.B) {
		for b.Loop() {
			starts, index, values := a.Arrays()
			c, err := sparse.New(m, n, starts, index, values)
			if err != nil {
				b.Fatal(err)
			}
			c.CSC()
		}
	})
	a.CSC()
	for _, p := range []int{1, 10, 60, 210} {
		x, y := blas64.General{Rows: n, Cols: p, Stride: p, Data: make([]float64, n*p)}, blas64.General{Rows: m, Cols: p, Stride: p, Data: make([]float64, m*p)}
		for name, f := range map[string]func(dst, x blas64.General) error{"AX": a.MulTo, "ATX": a.MulTransTo} {
			b.Run(fmt.Sprintf("%s/%d", name, p), func(b *testing.B) {
				for b.Loop() {
					if name == "AX" {
						f(y, x)
					} else {
						f(x, y)
					}
				}
				b.ReportMetric(2*float64(p)*float64(a.NNZ())*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}
