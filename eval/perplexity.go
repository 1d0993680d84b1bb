package eval

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/eckart-go/eckart/corpus"
	"github.com/eckart-go/eckart/model"
)

// Protocol says how a text is cut into windows and which of their tokens count.
type Protocol interface {
	fmt.Stringer
	// Windows cuts the tokens of a text. At most limit windows are returned unless limit is 0; a text too short for one is
	// corpus.ErrTooShort.
	Windows(tokens []int, limit int) ([]model.Scored, error)
}

// Blocks is the protocol of the GPTQ and SVD-LLM papers: the text, tokenised once, is cut into consecutive blocks of N
// tokens; a shorter rest is dropped; all tokens but the first of each block are predicted.
type Blocks struct {
	N int // tokens in a block; 0 means 2048
}

// SecondHalf is the protocol of llama.cpp's perplexity tool: consecutive windows of N tokens, of which only the tokens after
// the first N/2 + 1 count, so that every prediction sees at least half a window.
type SecondHalf struct {
	N   int   // tokens in a window; 0 means 512
	BOS []int // what takes the place of each window's first token: the model's beginning-of-text token, if it uses one
}

// String returns "blocks of N tokens".
func (p Blocks) String() string { return fmt.Sprintf("blocks of %d tokens", p.n()) }

// String returns "second half of windows of N tokens".
func (p SecondHalf) String() string { return fmt.Sprintf("second half of windows of %d tokens", p.n()) }

func (p Blocks) n() int {
	if p.N == 0 {
		return 2048
	}
	return p.N
}

func (p SecondHalf) n() int {
	if p.N == 0 {
		return 512
	}
	return p.N
}

// Windows implements Protocol.
func (p Blocks) Windows(tokens []int, limit int) ([]model.Scored, error) {
	if p.n() < 2 {
		return nil, fmt.Errorf("eval: blocks of %d tokens: expected at least 2", p.n())
	}
	blocks, err := corpus.Blocks(tokens, p.n(), limit)
	if err != nil {
		return nil, fmt.Errorf("eval: %v: %w", p, err)
	}
	windows := make([]model.Scored, len(blocks))
	for i, b := range blocks {
		windows[i] = model.Scored{Tokens: b, From: 1}
	}
	return windows, nil
}

// Windows implements Protocol.
func (p SecondHalf) Windows(tokens []int, limit int) ([]model.Scored, error) {
	if p.n() < 4 {
		return nil, fmt.Errorf("eval: windows of %d tokens: expected at least 4", p.n())
	}
	if len(p.BOS) > 1 {
		return nil, fmt.Errorf("eval: %d tokens in the place of a window's first: expected one or none", len(p.BOS))
	}
	blocks, err := corpus.Blocks(tokens, p.n(), limit)
	if err != nil {
		return nil, fmt.Errorf("eval: %v: %w", p, err)
	}
	windows := make([]model.Scored, len(blocks))
	for i, b := range blocks {
		b = slices.Clone(b)
		copy(b, p.BOS)
		windows[i] = model.Scored{Tokens: b, From: p.n()/2 + 1}
	}
	return windows, nil
}

// Options tunes Perplexity and Choices; its zero value is the recommended setting.
type Options struct {
	Limit int              // most windows or questions, from the first on; 0 means all
	NLL   model.NLLOptions // grouping, storage of hidden states, progress
}

// Result is a perplexity and how well it is known.
type Result struct {
	Protocol   string    // as the protocol's String
	Windows    int       // number of windows
	Tokens     int       // number of predicted tokens
	MeanNLL    float64   // mean negative log-likelihood of a token, in nats
	StdErr     float64   // standard error of MeanNLL, tokens taken as independent
	Perplexity float64   // exp(MeanNLL)
	PerWindow  []float64 // mean negative log-likelihood of a token of each window
}

// PerplexityStdErr returns the standard error of Perplexity, to first order.
func (r Result) PerplexityStdErr() float64 { return r.Perplexity * r.StdErr }

// LogRatio returns ln(a.Perplexity / b.Perplexity) of two models that were measured on the same windows, all of one length,
// and its standard error from the differences between the windows: what is hard for both does not count. The error is NaN
// for a single window. It panics when the numbers of windows or tokens differ.
func LogRatio(a, b Result) (ratio, stdErr float64) {
	if len(a.PerWindow) != len(b.PerWindow) || a.Tokens != b.Tokens {
		panic(fmt.Sprintf("eval: %d tokens in %d windows compared with %d in %d", a.Tokens, len(a.PerWindow), b.Tokens, len(b.PerWindow)))
	}
	differences := make([]float64, len(a.PerWindow))
	for i := range differences {
		differences[i] = a.PerWindow[i] - b.PerWindow[i]
	}
	n, mean, stdErr := moments([][]float64{differences})
	if n < 2 {
		stdErr = math.NaN()
	}
	return mean, stdErr
}

// Perplexity measures m on a text of tokens under protocol p. The model's blocks are streamed over all windows; opts.NLL
// bounds the memory.
func Perplexity(ctx context.Context, m *model.Llama, tokens []int, p Protocol, opts Options) (Result, error) {
	windows, err := p.Windows(tokens, opts.Limit)
	if err != nil {
		return Result{}, err
	}
	nll, err := m.NLL(ctx, windows, opts.NLL)
	if err != nil {
		return Result{}, fmt.Errorf("eval: %v: %w", p, err)
	}
	if err := checkNumbers(nll); err != nil {
		return Result{}, fmt.Errorf("eval: %v: %w", p, err)
	}
	r := Result{Protocol: p.String(), Windows: len(windows)}
	r.Tokens, r.MeanNLL, r.StdErr = moments(nll)
	r.Perplexity = math.Exp(r.MeanNLL)
	for _, window := range nll {
		_, mean, _ := moments([][]float64{window})
		r.PerWindow = append(r.PerWindow, mean)
	}
	return r, nil
}

// checkNumbers refuses likelihoods that are no numbers.
func checkNumbers(nll [][]float64) error {
	for i, window := range nll {
		for j, v := range window {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return fmt.Errorf("likelihood %v of scored token %d of sequence %d: the model's weights or activations overflow or hold NaN", v, j, i)
			}
		}
	}
	return nil
}

// moments returns the number of values, their mean and the standard error of the mean, in two passes.
func moments(x [][]float64) (n int, mean, stdErr float64) {
	sum := 0.0
	for _, row := range x {
		n += len(row)
		for _, v := range row {
			sum += v
		}
	}
	mean = sum / float64(n)
	squares := 0.0
	for _, row := range x {
		for _, v := range row {
			squares += (v - mean) * (v - mean)
		}
	}
	if n > 1 {
		stdErr = math.Sqrt(squares / float64(n-1) / float64(n))
	}
	return n, mean, stdErr
}
