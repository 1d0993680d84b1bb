package compare_test

import (
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/eckart-go/eckart/compare"
	"github.com/eckart-go/eckart/compress"
	"github.com/eckart-go/eckart/compress/budget"
)

// Two methods, one budget: the method that knows the inputs loses less.
func Example() {
	var arms []compare.Arm
	for _, name := range []string{"svd", "svdllm"} {
		m, err := compress.Lookup(name)
		if err != nil {
			log.Fatal(err)
		}
		arms = append(arms, compare.Arm{Method: m, Budget: budget.Budget{Keep: 0.8}})
	}
	const data = "../quickstart/data/"
	t, err := compare.Run(context.Background(), data+"stories260K.bin", arms, compare.Options{
		Compress: compress.Options{Text: data + "calibration.txt", Length: 64}, Data: data + "heldout.txt", Limit: 8,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(t.Protocol)
	svd, whitened := t.Runs[0], t.Runs[1]
	fmt.Println(svd.Params == whitened.Params, whitened.Perplexity < svd.Perplexity)

	_, err = compare.Run(context.Background(), data+"stories260K.bin", arms, compare.Options{
		Compress: compress.Options{Text: data + "heldout.txt"}, Data: data + "heldout.txt",
	})
	fmt.Println(strings.Contains(err.Error(), "both calibration and held-out text"))
	// Output:
	// blocks of 64 tokens
	// true true
	// true
}
