package sparse_test

import (
	"fmt"
	"log"

	"github.com/eckart-go/eckart/sparse"
)

// Ratings of three users for four films, as entries in any order.
func Example() {
	a, err := sparse.FromTriplets(3, 4, []sparse.Triplet[float64]{
		{Row: 2, Col: 3, Value: 4}, {Row: 0, Col: 0, Value: 5}, {Row: 0, Col: 3, Value: 1}, {Row: 1, Col: 1, Value: 2},
	})
	if err != nil {
		log.Fatal(err)
	}
	sums := make([]float64, 3)
	a.MulVecTo(sums, []float64{1, 1, 1, 1})
	fmt.Println(a.NNZ(), a.At(0, 3), a.At(0, 2), sums)
	cols, values := a.Row(0)
	fmt.Println(cols, values)
	// Output:
	// 4 1 0 [6 2 4]
	// [0 3] [5 1]
}
