package budget_test

import (
	"fmt"

	"github.com/eckart-go/eckart/compress/budget"
)

func ExampleLoss() {
	matrices := []budget.Matrix{
		{Name: "steep", M: 8, N: 8, Energy: []float64{100, 1, 0.1, 0, 0, 0, 0, 0}},
		{Name: "flat", M: 8, N: 8, Energy: []float64{10, 9, 8, 7, 6, 5, 4, 3}},
	}
	ranks, err := budget.Loss(matrices, 0.5)
	fmt.Println(ranks, budget.Params(matrices, ranks), err)
	// Output: [1 3] 64 <nil>
}
