package blas_test

import (
	"fmt"

	gonumblas "gonum.org/v1/gonum/blas"

	"github.com/eckart-go/eckart/blas"
)

// A triangular system with two right-hand sides: A X = B, solved in place.
func ExampleImplementation() {
	a := []float64{
		2, 0, 0,
		1, 4, 0,
		3, 1, 5,
	}
	b := []float64{
		2, 4,
		9, 2,
		10, 16,
	}
	var impl blas.Implementation
	impl.Dtrsm(gonumblas.Left, gonumblas.Lower, gonumblas.NoTrans, gonumblas.NonUnit, 3, 2, 1, a, 3, b, 2)
	for i := range 3 {
		fmt.Println(b[2*i : 2*i+2])
	}
	// Output:
	// [1 2]
	// [2 0]
	// [1 2]
}
