package model_test

import (
	"context"
	"fmt"
	"log"

	"github.com/eckart-go/eckart/model"
)

// Scoring streams the blocks; generating keeps them in a session. (This model is random, so its taste in tokens is its own.)
func Example() {
	ctx := context.Background()
	m, err := model.Open("testdata/tiny-llama3", model.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()

	text := []int{12, 7, 30, 3, 3, 19}
	nll, err := m.NLL(ctx, []model.Scored{{Tokens: text, From: 1}}, model.NLLOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%.1f nats a token\n", nll[0])

	s, err := m.NewSession(ctx, model.SessionOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	out, err := s.Generate(ctx, text, model.GenerateOptions{MaxTokens: 5}, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("greedy:", out)
	// Output:
	// [7.8 5.5 7.8 5.6 5.3] nats a token
	// greedy: [4 30 30 30 30]
}

// RunBlock hands over what calibration needs: the inputs of the linear layers.
func ExampleLlama_RunBlock() {
	ctx := context.Background()
	m, err := model.Open("testdata/tiny-llama3", model.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	h, err := m.Embed(ctx, [][]int{{12, 7, 30}, {3, 3, 19, 4}}, nil)
	if err != nil {
		log.Fatal(err)
	}
	seen := map[string]int{}
	width := map[string]int{}
	for i := range m.Config().Layers {
		err := m.RunBlock(ctx, i, h, func(name string, x []float32, tokens, w int) error {
			seen[name] += tokens
			width[name] = w
			return nil
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	for _, linear := range []string{"self_attn.k_proj", "mlp.down_proj"} {
		name := model.CaptureOf(linear)
		fmt.Printf("%s: %d vectors of %d numbers, as %s\n", linear, seen[name], width[name], name)
	}
	// Output:
	// self_attn.k_proj: 14 vectors of 16 numbers, as self_attn.q_proj
	// mlp.down_proj: 14 vectors of 24 numbers, as mlp.down_proj
}
