package simd_test

import (
	"fmt"

	"gonum.org/v1/gonum/blas"

	"github.com/eckart-go/eckart/internal/simd"
)

// Two tokens through a linear layer, Y = X Wᵀ, and the Gram matrix of the tokens.
func Example_products() {
	x := []float32{
		1, 2, 3,
		0, 1, 0,
	}
	w := []float32{ // two outputs, three inputs
		1, 0, -1,
		2, 2, 2,
	}
	y := make([]float32, 2*2)
	simd.Sgemm(blas.NoTrans, blas.Trans, 2, 2, 3, 1, x, 3, w, 3, 0, y, 2)
	fmt.Println(y)

	gram := make([]float32, 3*3) // XᵀX, upper triangle
	simd.Ssyrk(blas.Upper, blas.Trans, 3, 2, 1, x, 3, 0, gram, 3)
	fmt.Println(gram)
	// Output:
	// [-2 12 0 2]
	// [1 2 3 0 5 6 0 0 9]
}

// Second moments of a stream: float64 sums of float32 data, some rows at a time.
func ExampleDsyrkS() {
	moments := make([]float64, 2*2)
	for _, rows := range [][]float32{{1, 2, 3, 4}, {5, 6}} {
		simd.DsyrkS(blas.Upper, blas.Trans, 2, len(rows)/2, 1, rows, 2, 1, moments, 2)
	}
	fmt.Println(moments)
	// Output: [35 44 0 56]
}
