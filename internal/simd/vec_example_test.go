package simd_test

import (
	"fmt"

	"github.com/eckart-go/eckart/internal/simd"
)

func ExampleSoftmax() {
	logits := []float32{1000, 1001, 1002} // exp itself would overflow
	p := make([]float32, len(logits))
	simd.Softmax(p, logits)
	fmt.Printf("%.4f\n", p)
	// Output: [0.0900 0.2447 0.6652]
}

func ExampleQuantiseVector() {
	x := make([]float32, 32)
	x[0], x[1], x[2] = 12.7, -0.1, 5
	q, scales, sums := make([]int8, 32), make([]float32, 1), make([]float32, 1)
	simd.QuantiseVector(q, scales, sums, x)
	fmt.Printf("%d x %.1f, sum %.1f\n", q[:4], scales[0], sums[0])
	// Output: [127 -1 50 0] x 0.1, sum 17.6
}
