package use_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"gonum.org/v1/gonum/blas/blas64"
	gonumblas "gonum.org/v1/gonum/blas/gonum"
	gonumlapack "gonum.org/v1/gonum/lapack/gonum"
	"gonum.org/v1/gonum/lapack/lapack64"
	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/blas"
	"github.com/eckart-go/eckart/lapack"
	_ "github.com/eckart-go/eckart/lapack/use"
)

// With the import alone, gonum's SVD, and all of mat's factorisations and solves, run on Eckart. It makes this one of 500 x 500
// an order of magnitude faster; BenchmarkSVD prints by how much.
func Example() {
	a := mat.NewDense(500, 500, nil)
	for i := range 500 {
		for j := range 500 {
			a.Set(i, j, 1/float64(i+j+1)) // the Hilbert matrix
		}
	}
	var svd mat.SVD
	fmt.Println(svd.Factorize(a, mat.SVDThin))
	fmt.Printf("%.10f\n", svd.Values(nil)[:3])
	// Output:
	// true
	// [2.3768965057 1.1253594777 0.4055895720]
}

// lapack64 does not name its implementation, but different algorithms round differently.
func TestRegistered(t *testing.T) {
	if _, ok := blas64.Implementation().(blas.Implementation); !ok {
		t.Errorf("blas64 runs on %T", blas64.Implementation())
	}
	const n = 200
	rng := rand.New(rand.NewPCG(1, 2))
	var a, ours, theirs [n * n]float64
	for i := range a {
		a[i] = rng.NormFloat64()
	}
	ours, theirs = a, a
	pivots := make([]int, n)
	lapack64.Getrf(blas64.General{Rows: n, Cols: n, Stride: n, Data: a[:]}, pivots)
	lapack.Implementation{}.Dgetrf(n, n, ours[:], n, pivots)
	gonumlapack.Implementation{}.Dgetrf(n, n, theirs[:], n, pivots)
	if a != ours {
		t.Error("lapack64 does not run on Eckart: its factors are not those of lapack.Implementation, bit for bit")
	}
	if ours == theirs {
		t.Error("this test cannot tell the implementations apart")
	}
}

// BenchmarkSVD times mat.SVD with vectors on Eckart and on gonum alone, and reports how many times faster that is.
func BenchmarkSVD(b *testing.B) {
	for _, n := range []int{100, 500} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 2))
			a := mat.NewDense(n, n, nil)
			for i := range n {
				for j := range n {
					a.Set(i, j, rng.NormFloat64())
				}
			}
			var svd mat.SVD
			start := time.Now()
			for range 2 {
				withGonum(func() { svd.Factorize(a, mat.SVDThin) })
			}
			alone := time.Since(start).Seconds() / 2
			for b.Loop() {
				svd.Factorize(a, mat.SVDThin)
			}
			b.ReportMetric(alone/(b.Elapsed().Seconds()/float64(b.N)), "x-gonum")
		})
	}
}

// withGonum calls f with gonum's own implementations registered.
func withGonum(f func()) {
	blas64.Use(gonumblas.Implementation{})
	lapack64.Use(gonumlapack.Implementation{})
	f()
	blas64.Use(blas.Implementation{})
	lapack64.Use(lapack.Implementation{})
}
