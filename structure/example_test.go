package structure_test

import (
	"fmt"

	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/structure"
)

// A rank-1 layer of 2 outputs and 3 inputs, applied to one vector.
func Example() {
	b := mat.NewDense(2, 1, []float64{1, 2})
	a := mat.NewDense(1, 3, []float64{1, 0, -1})
	layer := structure.NewLowRank(b, a, []float64{10, 20})

	x := blas32.General{Rows: 1, Cols: 3, Stride: 3, Data: []float32{5, 6, 2}}
	y := blas32.General{Rows: 1, Cols: 2, Stride: 2, Data: make([]float32, 2)}
	layer.MulTo(y, x)
	fmt.Println(y.Data)
	fmt.Printf("%+v\n", layer.Cost())
	// Output:
	// [13 26]
	// {Params:7 Bits:224 MulAdds:5}
}
