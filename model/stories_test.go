package model

import (
	"context"
	"testing"

	"github.com/eckart-go/eckart/internal/testdata"
	"github.com/eckart-go/eckart/tokenizer"
)

// zoo is what run.c of llama2.c prints for the prompt "Zoo", greedily, in 60 steps: the data folder's README states it.
const zoo = "Zoo was a little girl named Lily. She loved to play outside in the park. One day, she saw a big, red ball. " +
	"She wanted to play with it, but she didn't want to play with"

func TestStoriesContinueAsStated(t *testing.T) {
	path := testdata.Path(t, "stories260k/stories260K.bin")
	ctx := context.Background()
	l, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	tok, err := tokenizer.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	prompt := tok.Encode(nil, "Zoo", tokenizer.EncodeOptions{})
	s, err := l.NewSession(ctx, SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	out, err := s.Generate(ctx, prompt, GenerateOptions{MaxTokens: 61 - len(prompt)}, nil) // 60 steps after BOS
	if err != nil {
		t.Fatal(err)
	}
	if got := tok.Decode(append(prompt, out...)); got != zoo {
		t.Errorf("got  %q\nwant %q", got, zoo)
	}
}
