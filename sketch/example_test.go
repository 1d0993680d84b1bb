package sketch_test

import (
	"fmt"

	"gonum.org/v1/gonum/blas/blas64"

	"github.com/eckart-go/eckart/internal/matgen"
	"github.com/eckart-go/eckart/linop"
	"github.com/eckart-go/eckart/sketch"
)

// The range of a matrix to a tolerance, and how good it is.
func ExampleQB() {
	const m, n = 400, 300
	a := linop.Dense(blas64.General{Rows: m, Cols: n, Stride: n, Data: matgen.WithSingularValues(m, n, matgen.Geometric(n, 1, 1e-10), 1)})
	f, err := sketch.QB(a, 1e-3, sketch.QBOptions{Block: 10})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d columns, error known from %s: within the tolerance %v\n", f.Q.Cols, f.Kind, f.Error.Estimate <= 1e-3*f.Norm)
	// Output: 100 columns, error known from norms: within the tolerance true
}

// A sketch keeps lengths: 200 numbers in the place of 10000.
func ExampleNewSparseSign() {
	const n = 10000
	x := blas64.General{Rows: n, Cols: 1, Stride: 1, Data: make([]float64, n)}
	for i := range n {
		x.Data[i] = 0.01
	}
	y := blas64.General{Rows: 200, Cols: 1, Stride: 1, Data: make([]float64, 200)}
	s := sketch.NewSparseSign(200, n, 0, 1)
	if err := s.MulTo(y, x); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("norm 1 becomes %.1f\n", blas64.Nrm2(blas64.Vector{N: 200, Inc: 1, Data: y.Data}))
	// Output: norm 1 becomes 1.0
}
