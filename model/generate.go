package model

import (
	"context"
	"slices"
)

// GenerateOptions tunes Generate; its zero value is greedy decoding up to the end of the context.
type GenerateOptions struct {
	MaxTokens int // most tokens to generate; 0 means until a stop token or the end of the context
	Sampler   Sampler
	Stop      []int // tokens that end the text, not part of it; nil means the model's own end tokens. An empty slice: none
}

// Generate appends prompt to the session and then one sampled token after the other, giving each to emit, which may be nil and
// ends the generation by an error, returned as it is. It returns the generated tokens, also when ctx ends it. The last
// of them is in the text but not yet in the session; a stop token is in neither.
func (s *Session) Generate(ctx context.Context, prompt []int, opts GenerateOptions, emit func(token int) error) ([]int, error) {
	stop := opts.Stop
	if stop == nil {
		stop = s.l.config.EOS
	}
	logits, err := s.Append(ctx, prompt)
	if err != nil {
		return nil, err
	}
	var out []int
	for opts.MaxTokens <= 0 || len(out) < opts.MaxTokens {
		token := opts.Sampler.Next(logits)
		if slices.Contains(stop, token) {
			break
		}
		out = append(out, token)
		if emit != nil {
			if err := emit(token); err != nil {
				return out, err
			}
		}
		if s.used >= s.context || len(out) == opts.MaxTokens {
			break
		}
		if logits, err = s.Append(ctx, []int{token}); err != nil {
			return out, err
		}
	}
	return out, nil
}
