package lowrank_test

import (
	"fmt"

	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/lowrank"
)

// Inputs that never use the third channel: the weight's column for it does not count, and rank 1 is exact.
func ExampleWhitened() {
	w := mat.NewDense(2, 3, []float64{1, 2, 7, 2, 4, 0})
	gram := mat.NewSymDense(3, []float64{2, 1, 0, 1, 2, 0, 0, 0, 0})
	f, err := lowrank.Whitened(w, gram, 1, lowrank.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("weighted error below 1e-7: %v\n", f.Cert.Weighted < 1e-7)
	fmt.Println("parameters:", f.Cert.Params, "Gram rank:", f.Cert.GramRank)
	// Output:
	// weighted error below 1e-7: true
	// parameters: 5 Gram rank: 2
}
