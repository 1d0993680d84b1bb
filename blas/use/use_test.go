package use_test

import (
	"fmt"
	"testing"

	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/blas"
	_ "github.com/eckart-go/eckart/blas/use"
)

func TestRegistered(t *testing.T) {
	if _, ok := blas64.Implementation().(blas.Implementation); !ok {
		t.Errorf("blas64 runs on %T", blas64.Implementation())
	}
	if _, ok := blas32.Implementation().(blas.Implementation); !ok {
		t.Errorf("blas32 runs on %T", blas32.Implementation())
	}
}

// With the import alone, gonum's Dense runs on Eckart's kernels.
func Example() {
	a := mat.NewDense(2, 3, []float64{1, 2, 3, 4, 5, 6})
	var gram mat.Dense
	gram.Mul(a, a.T())
	fmt.Println(mat.Formatted(&gram))
	// Output:
	// ⎡14  32⎤
	// ⎣32  77⎦
}
