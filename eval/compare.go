package eval

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/eckart-go/eckart/internal/pool"
	"github.com/eckart-go/eckart/model"
)

// Comparison says how far two models are apart on a text of t tokens.
type Comparison struct {
	Tokens     int
	Equal      bool      // all logits are the same to the bit
	MaxDiff    float64   // largest difference of a logit
	MaxAt      int       // position of the token where it is
	Relative   float64   // ||La - Lb||_F / ||La||_F over all logits (t x Vocab)
	KL         float64   // mean over positions of KL(softmax La || softmax Lb), in nats
	SameTop    float64   // share of positions where both have the same most likely token
	Blocks     []float64 // ||ha - hb||_F / ||ha||_F of the hidden states after each block
	FirstBlock int       // the first block whose output differs; -1 if none does
}

// Compare runs a and b on the same tokens. The models must have equal vocabularies, widths and numbers of blocks; how their
// weights are stored does not matter. Memory is 2 t Vocab float32 numbers.
func Compare(ctx context.Context, a, b *model.Llama, tokens []int) (Comparison, error) {
	ca, cb := a.Config(), b.Config()
	for _, d := range []struct {
		name string
		a, b int
	}{{"vocabulary", ca.Vocab, cb.Vocab}, {"width", ca.Hidden, cb.Hidden}, {"number of blocks", ca.Layers, cb.Layers}} {
		if d.a != d.b {
			return Comparison{}, fmt.Errorf("eval: the models differ in their %s, %d and %d: nothing to compare", d.name, d.a, d.b)
		}
	}
	if len(tokens) == 0 {
		return Comparison{}, fmt.Errorf("eval: no tokens to compare on")
	}
	c := Comparison{Tokens: len(tokens), FirstBlock: -1}
	if err := c.compareBlocks(ctx, a, b, tokens); err != nil {
		return Comparison{}, err
	}
	la, err := a.Logits(ctx, tokens)
	if err != nil {
		return Comparison{}, fmt.Errorf("eval: first model: %w", err)
	}
	lb, err := b.Logits(ctx, tokens)
	if err != nil {
		return Comparison{}, fmt.Errorf("eval: second model: %w", err)
	}
	if i := slices.IndexFunc(la, notFinite); i >= 0 {
		return Comparison{}, fmt.Errorf("eval: first model: logit %v at token %d", la[i], i/ca.Vocab)
	}
	if i := slices.IndexFunc(lb, notFinite); i >= 0 {
		return Comparison{}, fmt.Errorf("eval: second model: logit %v at token %d", lb[i], i/ca.Vocab)
	}
	c.compareLogits(la, lb, ca.Vocab)
	return c, nil
}

// compareBlocks runs both models block by block and fills in Blocks and FirstBlock.
func (c *Comparison) compareBlocks(ctx context.Context, a, b *model.Llama, tokens []int) error {
	ha, err := a.Embed(ctx, [][]int{tokens}, nil)
	if err != nil {
		return fmt.Errorf("eval: first model: %w", err)
	}
	hb, err := b.Embed(ctx, [][]int{tokens}, nil)
	if err != nil {
		return fmt.Errorf("eval: second model: %w", err)
	}
	xa, xb := make([]float32, len(tokens)*ha.Width), make([]float32, len(tokens)*ha.Width)
	for i := range a.Config().Layers {
		if err := a.RunBlock(ctx, i, ha, nil); err != nil {
			return fmt.Errorf("eval: first model: %w", err)
		}
		if err := b.RunBlock(ctx, i, hb, nil); err != nil {
			return fmt.Errorf("eval: second model: %w", err)
		}
		if err := ha.Read(xa, 0, 0); err != nil {
			return err
		}
		if err := hb.Read(xb, 0, 0); err != nil {
			return err
		}
		c.Blocks = append(c.Blocks, relativeDistance(xa, xb))
		if c.FirstBlock < 0 && !slices.Equal(xa, xb) {
			c.FirstBlock = i
		}
	}
	return nil
}

// compareLogits fills in the rest from the logits, t x vocab each.
func (c *Comparison) compareLogits(la, lb []float32, vocab int) {
	rows := make([]rowComparison, c.Tokens)
	pool.Run(c.Tokens, func(i int) {
		rows[i] = compareRows(la[i*vocab:(i+1)*vocab], lb[i*vocab:(i+1)*vocab])
	})
	c.Equal = true
	for i, r := range rows {
		c.Equal = c.Equal && r.equal
		if r.maxDiff > c.MaxDiff {
			c.MaxDiff, c.MaxAt = r.maxDiff, i
		}
		c.KL += r.kl / float64(c.Tokens)
		if r.sameTop {
			c.SameTop += 1 / float64(c.Tokens)
		}
	}
	c.Relative = relativeDistance(la, lb)
}

type rowComparison struct {
	equal, sameTop bool
	maxDiff, kl    float64
}

// compareRows compares the logits of one position.
func compareRows(a, b []float32) rowComparison {
	r := rowComparison{equal: true}
	topA, topB := 0, 0
	for i := range a {
		r.equal = r.equal && a[i] == b[i]
		r.maxDiff = max(r.maxDiff, math.Abs(float64(a[i])-float64(b[i])))
		if a[i] > a[topA] {
			topA = i
		}
		if b[i] > b[topB] {
			topB = i
		}
	}
	r.sameTop = topA == topB
	normA, normB := logSumExp(a, a[topA]), logSumExp(b, b[topB])
	for i := range a {
		logP, logQ := float64(a[i])-normA, float64(b[i])-normB
		r.kl += math.Exp(logP) * (logP - logQ)
	}
	r.kl = max(0, r.kl) // it is never negative but for rounding
	return r
}

func logSumExp(x []float32, top float32) float64 {
	var sum float64
	for _, v := range x {
		sum += math.Exp(float64(v) - float64(top))
	}
	return float64(top) + math.Log(sum)
}

// relativeDistance returns ||a - b|| / ||a||, or 0 for two zeros.
func relativeDistance(a, b []float32) float64 {
	var diff, norm float64
	for i := range a {
		d := float64(a[i]) - float64(b[i])
		diff += d * d
		norm += float64(a[i]) * float64(a[i])
	}
	if diff == 0 {
		return 0
	}
	return math.Sqrt(diff / norm)
}

func notFinite(v float32) bool { return math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) }
