package linop_test

import (
	"fmt"
	"log"

	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/linop"
)

// What is left of a matrix after a rank-1 approximation, as an operator that is never formed.
func Example() {
	a := mat.NewDense(2, 3, []float64{
		2, 0, 1,
		0, 2, 1,
	})
	u, v := mat.NewDense(2, 1, []float64{1, 1}), mat.NewDense(1, 3, []float64{1, 1, 1})
	rest := linop.Sum(linop.Of(a), linop.Scaled(-1, linop.Product(linop.Of(u), linop.Of(v))))

	x := mat.NewDense(3, 1, []float64{1, 0, 0})
	y := mat.NewDense(2, 1, nil)
	if err := rest.MulTo(y.RawMatrix(), x.RawMatrix()); err != nil {
		log.Fatal(err)
	}
	fmt.Println(mat.Formatted(y))
	// Output:
	// ⎡ 1⎤
	// ⎣-1⎦
}

// Centring is a rank-1 correction of the products: neither a sparse matrix nor a file is changed.
func ExampleCentre() {
	c, err := linop.Centre(linop.Of(mat.NewDense(2, 2, []float64{
		1, 10,
		3, 30,
	})))
	if err != nil {
		log.Fatal(err)
	}
	norm, known, err := linop.FrobeniusNorm(c)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%v %.4f %v\n", c.Mean(), norm*norm, known)
	// Output: [2 20] 202.0000 true
}
