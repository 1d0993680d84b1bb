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

// The nearest matrix of rank one, in the float32 of the matrix.
func ExampleSVD() {
	a := []float32{
		3, 0,
		4, 5,
	}
	var s lapack.SVD[float32]
	if err := s.FactorizeTop(2, 2, a, 2, 1); err != nil {
		fmt.Println(err)
		return
	}
	sigma, u, v := s.Values(), s.U().Data, s.V().Data // vectors are rows
	fmt.Printf("values %.3f\n", sigma)
	for i := range 2 {
		fmt.Printf("%.3f %.3f\n", sigma[0]*u[i]*v[0], sigma[0]*u[i]*v[1])
	}
	// Output:
	// values [6.708 2.236]
	// 1.500 1.500
	// 4.500 4.500
}

func ExampleCholesky() {
	a := []float64{4, 0, 2, -3}
	fmt.Println(lapack.Cholesky(blas.Lower, 2, a, 2))
	// Output: lapack: matrix is not positive definite: pivot 1 is -4
}

// A line through four points; the last rows of b hold what it leaves.
func ExampleLeastSquares() {
	a := []float64{
		1, 0,
		1, 1,
		1, 2,
		1, 3,
	}
	b := []float64{1, 3, 5, 7}
	if err := lapack.LeastSquares(blas.NoTrans, 4, 2, 1, a, 2, b, 1); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.3f + %.3f x\n", b[0], b[1])
	// Output: 1.000 + 2.000 x
}

func ExampleLU() {
	a := []float64{
		1, 2,
		2, 4,
	}
	fmt.Println(lapack.LU(2, 2, a, 2, make([]int, 2)))
	// Output: lapack: matrix is singular: diagonal element 1 of its triangular factor is zero
}
