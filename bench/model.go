package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/eckart-go/eckart/model"
	"github.com/eckart-go/eckart/tokenizer"
)

// The suite "model": SmolLM2 on the CPU. Prompt processing in float32 beside PyTorch (transformers, eager, its scaled
// dot-product attention), prompts and decoding from the file's blocks beside llama.cpp on the same file, encoding beside Hugging
// Face tokenizers. Both sides fill a KV cache and compute the logits of the last token only.

const (
	promptTokens  = 512
	contextTokens = 128 // in the cache before decoding
	decodedTokens = 32  // in one call
)

func modelCases() ([]benchCase, error) {
	path := os.Getenv("ECKART_SMOLLM2")
	if path == "" {
		return nil, errors.New("no model: set ECKART_SMOLLM2 to SmolLM2-135M-Instruct.Q4_1.gguf (eckart pull smollm2 gets it)")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("ECKART_SMOLLM2: %w", err)
	}
	request := func(op string, more map[string]any) map[string]any {
		r := map[string]any{"routine": op, "model": path, "prompt": promptTokens, "context": contextTokens, "decode": decodedTokens}
		for k, v := range more {
			r[k] = v
		}
		return r
	}
	float32s, blocks := model.SessionOptions{Float32: true}, model.SessionOptions{}
	// Checksums of logits: PyTorch's differ by rounding (1e-3, the bar of the model's own tests). llama.cpp rounds activations
	// to 8 bits, which moves single logits by some percent: its tolerance only tells that it computed the same thing.
	cases := []benchCase{
		{name: "prompt 512 float32, PyTorch", work: promptTokens, unit: "token", tol: 1e-3, peer: "torch",
			request: request("prompt", nil), prepare: func() (*prepared, error) { return preparePrompt(path, float32s) }},
		{name: "prompt 512 float32, llama.cpp Q4_1", work: promptTokens, unit: "token", tol: 0.1, peer: "llamacpp",
			request: request("prompt", nil), prepare: func() (*prepared, error) { return preparePrompt(path, float32s) }},
		{name: "prompt 512 Q4_1, llama.cpp Q4_1", work: promptTokens, unit: "token", tol: 0.1, peer: "llamacpp",
			request: request("prompt", nil), prepare: func() (*prepared, error) { return preparePrompt(path, blocks) }},
		{name: "decode Q4_1, llama.cpp Q4_1", work: decodedTokens, unit: "token", tol: 0.1, peer: "llamacpp",
			request: request("decode", nil), prepare: func() (*prepared, error) { return prepareDecode(path, blocks) }},
		{name: "decode float32, PyTorch", work: decodedTokens, unit: "token", tol: 1e-3, peer: "torch",
			request: request("decode", nil), prepare: func() (*prepared, error) { return prepareDecode(path, float32s) }},
	}
	if text := dataFile("wikitext-2", "wiki.test.raw"); text != "" {
		info, err := os.Stat(text)
		if err != nil {
			return nil, err
		}
		// transformers makes its tokenizer from the GGUF's vocabulary with a splitter of its own, which differs from
		// SmolLM2's in some ids of a hundred thousand.
		cases = append(cases, benchCase{name: "tokenizer encode wikitext-2", work: float64(info.Size()), unit: "byte", tol: 1e-4,
			threads: []int{1}, peer: "tokenizers", request: request("encode", map[string]any{"text": text}),
			prepare: func() (*prepared, error) { return prepareEncode(path, text) }})
	}
	return cases, nil
}

// tokenIDs are ids that are the same for every peer; see llamacpp_runner.py and torch_peer.py.
func tokenIDs(n int) []int {
	ids := make([]int, n)
	for i := range ids {
		ids[i] = 1000 + 37*i%20000
	}
	return ids
}

// openSession loads the weights.
func openSession(path string, opts model.SessionOptions) (*model.Session, func(), error) {
	l, err := model.Open(path, model.Options{})
	if err != nil {
		return nil, nil, err
	}
	opts.Context = promptTokens
	s, err := l.NewSession(context.Background(), opts)
	if err != nil {
		return nil, nil, errors.Join(err, l.Close())
	}
	return s, func() { s.Close(); l.Close() }, nil
}

func preparePrompt(path string, opts model.SessionOptions) (*prepared, error) {
	s, done, err := openSession(path, opts)
	if err != nil {
		return nil, err
	}
	var logits []float32
	ids := tokenIDs(promptTokens)
	return &prepared{
		ours: func() (err error) {
			s.Truncate(0)
			logits, err = s.Append(context.Background(), ids)
			return err
		},
		checksum: func() (float64, float64) { return checksumOf(logits)() },
		close:    done,
	}, nil
}

func prepareDecode(path string, opts model.SessionOptions) (*prepared, error) {
	s, done, err := openSession(path, opts)
	if err != nil {
		return nil, err
	}
	ids := tokenIDs(contextTokens + decodedTokens)
	logits, err := s.Append(context.Background(), ids[:contextTokens])
	if err != nil {
		done()
		return nil, err
	}
	return &prepared{
		ours: func() (err error) {
			s.Truncate(contextTokens)
			for i := contextTokens; i < len(ids) && err == nil; i++ {
				logits, err = s.Append(context.Background(), ids[i:i+1])
			}
			return err
		},
		checksum: func() (float64, float64) { return checksumOf(logits)() },
		close:    done,
	}, nil
}

// dataFile returns a file of the data folder that ECKART_DATA names, or of shared/data beside the module; "" if it is not there.
func dataFile(elements ...string) string {
	folder := os.Getenv("ECKART_DATA")
	if folder == "" {
		root, err := moduleRoot()
		if err != nil {
			return ""
		}
		folder = filepath.Join(filepath.Dir(root), "shared", "data")
	}
	path := filepath.Join(folder, filepath.Join(elements...))
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}

func prepareEncode(path, text string) (*prepared, error) {
	t, err := tokenizer.Open(path)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(text)
	if err != nil {
		return nil, err
	}
	docs := documents(string(data))
	var ids []int
	return &prepared{
		ours: func() error {
			ids = ids[:0]
			for _, doc := range docs {
				ids = t.Encode(ids, doc, tokenizer.EncodeOptions{Bare: true})
			}
			return nil
		},
		checksum: func() (float64, float64) {
			x := make([]float64, len(ids))
			for i, id := range ids {
				x[i] = float64(id)
			}
			return checksumOf(x)()
		},
	}, nil
}

// documents cuts wikitext into its articles, which begin with a line " = Title = ". The drivers cut at the same places.
func documents(text string) []string { return strings.SplitAfter(text, " \n \n = ") }
