package eval_test

import (
	"context"
	"fmt"
	"log"

	"github.com/eckart-go/eckart/eval"
	"github.com/eckart-go/eckart/model"
)

// The same model and text under two protocols: the numbers are not comparable, and carry their protocol's name. (A random
// model is worse than guessing, which would give the vocabulary's size, 40.)
func ExamplePerplexity() {
	m, err := model.Open("../model/testdata/tiny-llama3", model.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	text := make([]int, 200)
	for i := range text {
		text[i] = i * i % 40
	}
	for _, p := range []eval.Protocol{eval.Blocks{N: 50}, eval.SecondHalf{N: 50}} {
		r, err := eval.Perplexity(context.Background(), m, text, p, eval.Options{})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %.0f ± %.0f over %d tokens\n", r.Protocol, r.Perplexity, r.PerplexityStdErr(), r.Tokens)
	}
	// Output:
	// blocks of 50 tokens: 174 ± 30 over 196 tokens
	// second half of windows of 50 tokens: 175 ± 44 over 96 tokens
}
