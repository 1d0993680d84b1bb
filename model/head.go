package model

import (
	"context"
	"fmt"
	"math"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"

	"github.com/eckart-go/eckart/internal/pool"
	"github.com/eckart-go/eckart/internal/simd"
	"github.com/eckart-go/eckart/structure"
)

// headRows is how many rows of the vocabulary matrix are expanded at a time, and headTokens how many tokens are multiplied with them:
// 2048 x 512 logits are 4 MB, whatever the vocabulary and the length of the text.
const (
	headRows   = 2048
	headTokens = 512
)

// Scored is a sequence of which the tokens from From on are predicted, each from all tokens before it. From is at least 1.
type Scored struct {
	Tokens []int
	From   int
}

// NLLOptions tunes NLL; its zero value is the recommended setting.
type NLLOptions struct {
	GroupTokens int                              // sequences pass through the blocks in groups of about this many tokens; 0 means 32768
	Rows        func(n, width int) (Rows, error) // where a group's hidden states are kept; nil means in memory
	Progress    func(done, total int)            // called after every block of every group with tokens times blocks; may be nil
}

// NLL returns the negative log-likelihoods -ln p(Tokens[j] | Tokens[:j]), j = From, From+1, ..., of every sequence. Blocks are
// streamed: memory holds one block, a slice of the output matrix, and the hidden states of one group.
func (l *Llama) NLL(ctx context.Context, seqs []Scored, opts NLLOptions) ([][]float64, error) {
	out := make([][]float64, len(seqs))
	total := 0
	for i, s := range seqs {
		if s.From < 1 || s.From > len(s.Tokens) {
			return nil, fmt.Errorf("model: sequence %d of %d tokens scored from token %d: expected 1 to %d", i, len(s.Tokens), s.From, len(s.Tokens))
		}
		if len(s.Tokens) > l.config.MaxPositions {
			return nil, &ContextError{Tokens: len(s.Tokens), Limit: l.config.MaxPositions}
		}
		out[i] = make([]float64, len(s.Tokens)-s.From)
		total += len(s.Tokens) * (l.config.Layers + 1)
	}
	limit := opts.GroupTokens
	if limit <= 0 {
		limit = 32768
	}
	done := 0
	for first := 0; first < len(seqs); {
		next, tokens := first, 0
		for next < len(seqs) && (next == first || tokens+len(seqs[next].Tokens) <= limit) {
			tokens += len(seqs[next].Tokens)
			next++
		}
		step := func() {
			done += tokens
			if opts.Progress != nil {
				opts.Progress(done, total)
			}
		}
		if err := l.scoreGroup(ctx, seqs[first:next], out[first:next], opts, step); err != nil {
			return nil, err
		}
		first = next
	}
	return out, nil
}

// scoreGroup computes the likelihoods of one group, calling step after every block and after the head.
func (l *Llama) scoreGroup(ctx context.Context, seqs []Scored, out [][]float64, opts NLLOptions, step func()) error {
	inputs, n := make([][]int, len(seqs)), 0
	for i, s := range seqs {
		inputs[i] = s.Tokens[:len(s.Tokens)-1] // nothing is predicted from the last token
		n += len(inputs[i])
	}
	var rows Rows
	if opts.Rows != nil {
		var err error
		if rows, err = opts.Rows(n, l.config.Hidden); err != nil {
			return err
		}
	}
	h, err := l.Embed(ctx, inputs, rows)
	if err != nil {
		return err
	}
	for i := range l.config.Layers {
		if err := l.RunBlock(ctx, i, h, nil); err != nil {
			return err
		}
		step()
	}
	if err := l.HeadNLL(ctx, h, seqs, out); err != nil {
		return err
	}
	step()
	return nil
}

// HeadNLL turns the stream after the last block into likelihoods: out[i][j] becomes -ln p of token From+j of sequence i of
// seqs, which h holds the inputs of (all tokens but the last; more are allowed).
func (l *Llama) HeadNLL(ctx context.Context, h *Hidden, seqs []Scored, out [][]float64) error {
	type place struct{ seq, token int } // the prediction of token of seq, from the row before it
	var places []place
	for i, s := range seqs {
		for j := s.From; j < len(s.Tokens); j++ {
			if id := s.Tokens[j]; id < 0 || id >= l.config.Vocab {
				return fmt.Errorf("model: token %d at position %d: expected 0 to %d", id, j, l.config.Vocab-1)
			}
			places = append(places, place{i, j})
		}
	}
	sums := make([]float64, len(places))    // log of the sum of exp(logit), over the vocabulary so far
	targets := make([]float64, len(places)) // logit of the token that came
	for i := range sums {
		sums[i] = math.Inf(-1)
	}
	fill := func(dst []float32, lo, hi int) error {
		for i := lo; i < hi; i++ {
			row := dst[(i-lo)*h.Width : (i-lo+1)*h.Width]
			if err := h.Read(row, places[i].seq, places[i].token-1); err != nil {
				return err
			}
		}
		return nil
	}
	use := func(logits []float32, lo, hi, firstID, ids int) {
		pool.Ranges(hi-lo, 8, func(a, b int) {
			for i := a; i < b; i++ {
				row, at := logits[i*ids:(i+1)*ids], places[lo+i]
				if target := seqs[at.seq].Tokens[at.token] - firstID; target >= 0 && target < ids {
					targets[lo+i] = float64(row[target])
				}
				sums[lo+i] = logAddExp(sums[lo+i], simd.LogSumExp(row, row))
			}
		})
	}
	if err := l.eachLogits(ctx, len(places), fill, use); err != nil {
		return err
	}
	for i, at := range places {
		out[at.seq][at.token-seqs[at.seq].From] = sums[i] - targets[i]
	}
	return nil
}

// logAddExp returns log(exp(a) + exp(b)), and NaN if either is.
func logAddExp(a, b float64) float64 {
	if a < b {
		a, b = b, a
	}
	if math.IsInf(a, -1) && math.IsInf(b, -1) {
		return a
	}
	return a + math.Log1p(math.Exp(b-a))
}

// Logits returns the logits of every token of a sequence (t x Vocab, row t for the token after it). It is meant for
// comparing models; memory grows with t times Vocab.
func (l *Llama) Logits(ctx context.Context, tokens []int) ([]float32, error) {
	if len(tokens) > l.config.MaxPositions {
		return nil, &ContextError{Tokens: len(tokens), Limit: l.config.MaxPositions}
	}
	h, err := l.Embed(ctx, [][]int{tokens}, nil)
	if err != nil {
		return nil, err
	}
	for i := range l.config.Layers {
		if err := l.RunBlock(ctx, i, h, nil); err != nil {
			return nil, err
		}
	}
	vocab := l.config.Vocab
	out := make([]float32, len(tokens)*vocab)
	fill := func(dst []float32, lo, hi int) error { return h.Read(dst[:(hi-lo)*h.Width], 0, lo) }
	use := func(logits []float32, lo, hi, firstID, ids int) {
		for i := range hi - lo {
			copy(out[(lo+i)*vocab+firstID:], logits[i*ids:(i+1)*ids])
		}
	}
	return out, l.eachLogits(ctx, len(tokens), fill, use)
}

// eachLogits computes the logits of n rows a slice of the vocabulary and a batch of rows at a time. fill writes the hidden
// states of rows lo to hi-1; use gets their logits (hi-lo rows of ids numbers) for the tokens firstID, firstID+1, ..., and may
// overwrite them.
func (l *Llama) eachLogits(ctx context.Context, n int, fill func(dst []float32, lo, hi int) error,
	use func(logits []float32, lo, hi, firstID, ids int)) error {
	if n == 0 {
		return nil
	}
	matrix, err := l.table(l.headName())
	if err != nil {
		return err
	}
	defer l.source.Release(l.headName())
	d := l.config.Hidden
	tokens := min(headTokens, padded(n))
	var in, norm, weight *array
	defer func() { in.free(); norm.free(); weight.free() }()
	if in, err = l.fit(nil, dtypes.Float32, tokens, d); err != nil {
		return err
	}
	clear(in.float32s())
	if norm, err = l.loadVector(nil, "model.norm.weight", d); err != nil {
		return err
	}
	for first := 0; first < l.config.Vocab; first += headRows {
		ids := min(headRows, l.config.Vocab-first)
		if weight, err = l.fit(weight, dtypes.Float32, ids, d); err != nil {
			return err
		}
		if err := matrix.expand(weight.float32s(), first); err != nil {
			return err
		}
		p, err := l.headProgram(tokens, structure.NewDense(ids, d, weight.float32s(), nil))
		if err != nil {
			return err
		}
		for lo := 0; lo < n; lo += tokens {
			if err := ctx.Err(); err != nil {
				return err
			}
			hi := min(n, lo+tokens)
			if err := fill(in.float32s(), lo, hi); err != nil {
				return err
			}
			out, err := p.run([]compute.Buffer{in.buf, norm.buf, weight.buf}, nil)
			if err != nil {
				return err
			}
			logits, err := float32sOf(out[0])
			if err == nil {
				use(logits, lo, hi, first, ids)
			}
			finalizeAll(out)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// expand dequantises rows first, first+1, ... into dst, in parallel.
func (t table) expand(dst []float32, first int) error {
	const grain = 64
	n := len(dst) / t.cols
	errs := make([]error, (n+grain-1)/grain)
	pool.Ranges(n, grain, func(lo, hi int) {
		errs[lo/grain] = t.rows(dst[lo*t.cols:hi*t.cols], first+lo)
	})
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// headProgram returns the graph from hidden states (tokens x D) to the logits of layer, final norm included.
func (l *Llama) headProgram(tokens int, layer structure.Layer) (*program, error) {
	d := l.config.Hidden
	params := shapesOf(dtypes.Float32, []int{tokens, d}, []int{d})
	signature := fmt.Sprintf("head %d %s", tokens, layer.Kind())
	for _, p := range layer.Parts() {
		params = append(params, partShape(p))
		signature += fmt.Sprintf(" %v%v", p.Type, p.Shape)
	}
	return l.engine.program(signature, params, func(in []node) []node {
		return []node{layer.Apply(rmsNorm(in[0], in[1], l.config.NormEps), in[2:])}
	})
}
