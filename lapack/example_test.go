package lapack_test

import (
	"fmt"

	"gonum.org/v1/gonum/blas"

	"github.com/eckart-go/eckart/lapack"
)

func ExampleSymEigen() {
	a := []float64{2, 1, 0, 2} // below the diagonal is not read
	var s lapack.SymEigen[float64]
	if err := s.Factorize(blas.Upper, 2, a, 2); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.3f\n", s.Values())
	// Output: [1.000 3.000]
}

func ExampleCholesky() {
	a := []float64{4, 0, 2, -3}
	fmt.Println(lapack.Cholesky(blas.Lower, 2, a, 2))
	// Output: lapack: matrix is not positive definite: pivot 1 is -4
}
