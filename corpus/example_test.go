package corpus_test

import (
	"fmt"

	"github.com/eckart-go/eckart/corpus"
)

func ExampleBlocks() {
	tokens := []int{5, 3, 8, 1, 9, 2, 7}
	blocks, err := corpus.Blocks(tokens, 3, 0)
	fmt.Println(blocks, err)
	// Output: [[5 3 8] [1 9 2]] <nil>
}
