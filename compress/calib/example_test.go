package calib_test

import (
	"fmt"

	"github.com/eckart-go/eckart/compress/calib"
)

func ExampleMoments() {
	m := calib.NewMoments(2)
	m.Add([]float32{
		1, 2, // one token a row
		3, 4,
	}, 2)
	fmt.Println(m.Tokens, m.Mean(), m.Gram.At(0, 0), m.Gram.At(0, 1), m.Gram.At(1, 1))
	// Output: 2 [2 3] 10 14 20
}
