package main

import (
	"fmt"

	"github.com/eckart-go/eckart/corpus"
	"github.com/eckart-go/eckart/model"
	"github.com/eckart-go/eckart/pull"
	"github.com/eckart-go/eckart/tokenizer"
)

// opened is a language model with its tokenizer.
type opened struct {
	path string
	*model.Llama
	tokenizer *tokenizer.Tokenizer
}

// tokenizerDefaults encodes as the model expects its input: special tokens are recognised, and what it puts around a text is there.
var tokenizerDefaults = tokenizer.EncodeOptions{}

// openModel opens what the user calls a model. Close it.
func openModel(name string) (*opened, error) {
	path, err := pull.Resolve(name)
	if err != nil {
		return nil, err
	}
	m, err := model.Open(path, model.Options{})
	if err != nil {
		return nil, err
	}
	tok, err := tokenizer.Open(path)
	if err != nil {
		m.Close()
		return nil, err
	}
	return &opened{path, m, tok}, nil
}

// tokens reads the corpus at path and encodes it as one text.
func (o *opened) tokens(path string) ([]int, error) {
	text, err := corpus.Read(path)
	if err != nil {
		return nil, err
	}
	return o.encode(text)
}

// encode encodes a text that is data: special tokens written in it have no power.
func (o *opened) encode(text string) ([]int, error) {
	tokens := o.tokenizer.Encode(nil, text, tokenizer.EncodeOptions{Literal: true})
	for _, id := range tokens {
		if id >= o.Config().Vocab {
			return nil, fmt.Errorf("%s: the tokenizer gives id %d, the model has %d: they do not belong together", o.path, id, o.Config().Vocab)
		}
	}
	return tokens, nil
}
