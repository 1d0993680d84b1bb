package pool_test

import (
	"fmt"

	"github.com/eckart-go/eckart/internal/pool"
)

func ExampleRanges() {
	squares := make([]int, 10)
	pool.Ranges(len(squares), 4, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			squares[i] = i * i
		}
	})
	fmt.Println(squares)
	// Output: [0 1 4 9 16 25 36 49 64 81]
}
