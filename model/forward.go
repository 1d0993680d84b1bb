package model

import (
	"context"
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"

	"github.com/eckart-go/eckart/structure"
)

// Capture receives the inputs of a linear layer: tokens rows of width numbers, valid until it returns and not to be
// modified. name is one of the capture points, see CaptureOf. Every token of every sequence arrives exactly once a point,
// in an order that depends only on the sequences' lengths. An error ends the run.
type Capture func(name string, x []float32, tokens, width int) error

// RunBlock replaces h by the stream after block i, holding only that block's weights, and hands the inputs of the block's
// linear layers to capture, unless nil. Sequences are independent and causal; each starts at position 0. After an error or a
// cancelled context h is partly of the old and partly of the new block.
func (l *Llama) RunBlock(ctx context.Context, i int, h *Hidden, capture Capture) error {
	if i < 0 || i >= l.config.Layers {
		return fmt.Errorf("model: block %d: expected 0 to %d", i, l.config.Layers-1)
	}
	if err := l.hold(i); err != nil {
		return err
	}
	var in batchInputs
	defer in.free()
	for _, b := range batches(h.lengths) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := l.prepareBatch(&in, b); err != nil {
			return err
		}
		if err := l.runBatch(h, b, &in, capture); err != nil {
			return fmt.Errorf("model: block %d: %w", i, err)
		}
	}
	return nil
}

// hold brings block i into the streaming buffers.
func (l *Llama) hold(i int) error {
	if l.held == i {
		return nil
	}
	l.held = -1
	if err := l.load(&l.stream, i, expanded); err != nil {
		return err
	}
	l.held = i
	return nil
}

// batchInputs are the buffers that a batch reads besides the weights.
type batchInputs struct {
	x        *array // sequences x tokens x D
	cos, sin *array // tokens x d
	mask     *array // tokens x tokens, for tokens beyond a sliding window
}

// prepareBatch makes buffers for b and fills those that depend on positions.
func (l *Llama) prepareBatch(in *batchInputs, b batch) error {
	c := l.config
	var err error
	if in.x, err = l.fit(in.x, dtypes.Float32, len(b.sequences), b.tokens, c.Hidden); err != nil {
		return err
	}
	if in.cos != nil && in.cos.shape.Dimensions[0] == b.tokens {
		return nil
	}
	if in.cos, err = l.fit(in.cos, dtypes.Float32, b.tokens, c.HeadDim); err != nil {
		return err
	}
	if in.sin, err = l.fit(in.sin, dtypes.Float32, b.tokens, c.HeadDim); err != nil {
		return err
	}
	l.rope.fill(in.cos.float32s(), in.sin.float32s(), 0)
	in.mask.free()
	in.mask = nil
	if c.SlidingWindow > 0 && b.tokens > c.SlidingWindow {
		if in.mask, err = l.engine.newArray(dtypes.Bool, b.tokens, b.tokens); err != nil {
			return err
		}
		fillMask(in.mask.flat.([]bool), b.tokens, b.tokens, 0, c.SlidingWindow)
	}
	return nil
}

func (in *batchInputs) free() {
	for _, a := range []*array{in.x, in.cos, in.sin, in.mask} {
		a.free()
	}
}

// runBatch runs the held block on one batch and stores the result.
func (l *Llama) runBatch(h *Hidden, b batch, in *batchInputs, capture Capture) error {
	x := in.x.float32s()
	stride := b.tokens * h.Width
	for k, s := range b.sequences {
		n := h.lengths[s] * h.Width
		if err := h.Read(x[k*stride:k*stride+n], s, 0); err != nil {
			return err
		}
		clear(x[k*stride+n : (k+1)*stride]) // padding comes after the tokens, which by causality cannot see it
	}
	p, err := l.streamProgram(len(b.sequences), b.tokens, in.mask != nil, capture != nil)
	if err != nil {
		return err
	}
	args := []compute.Buffer{in.x.buf, in.cos.buf, in.sin.buf}
	if in.mask != nil {
		args = append(args, in.mask.buf)
	}
	out, err := p.run(append(args, l.stream.buffers...), nil)
	if err != nil {
		return err
	}
	defer finalizeAll(out)
	y, err := float32sOf(out[0])
	if err != nil {
		return err
	}
	for k, s := range b.sequences {
		if err := h.Write(y[k*stride:k*stride+h.lengths[s]*h.Width], s, 0); err != nil {
			return err
		}
	}
	if capture == nil {
		return nil
	}
	for c, name := range capturePoints {
		if err := handOver(capture, name, out[1+c], h, b); err != nil {
			return err
		}
	}
	return nil
}

// handOver gives the captured rows of real tokens to capture: all at once when there is no padding.
func handOver(capture Capture, name string, captured compute.Buffer, h *Hidden, b batch) error {
	values, err := float32sOf(captured)
	if err != nil {
		return err
	}
	tokens := len(b.sequences) * b.tokens
	width := len(values) / tokens
	real := 0
	for _, s := range b.sequences {
		real += h.lengths[s]
	}
	if real == tokens {
		return capture(name, values, tokens, width)
	}
	for k, s := range b.sequences {
		rows := values[k*b.tokens*width:]
		if err := capture(name, rows[:h.lengths[s]*width], h.lengths[s], width); err != nil {
			return err
		}
	}
	return nil
}

// streamProgram returns the graph of the held block for sequences of tokens tokens, without a cache.
func (l *Llama) streamProgram(sequences, tokens int, mask, capture bool) (*program, error) {
	d, hd := l.config.Hidden, l.config.HeadDim
	signature := fmt.Sprintf("block %dx%d mask=%t capture=%t %s", sequences, tokens, mask, capture, l.stream.kinds)
	params := shapesOf(dtypes.Float32, []int{sequences, tokens, d}, []int{tokens, hd}, []int{tokens, hd})
	if mask {
		params = append(params, shapesOf(dtypes.Bool, []int{tokens, tokens})...)
	}
	params = append(params, paramShapes(l.stream.arrays())...)
	return l.engine.program(signature, params, func(in []node) []node {
		at := positions{cos: in[1], sin: in[2], visible: visible{causal: true}}
		x, in := in[0], in[3:]
		if mask {
			at.visible, in = visible{mask: in[0]}, in[1:]
		}
		r := l.block(l.stream.layers).apply(x, l.stream.nodes(in), at, nil)
		if capture {
			return append([]node{r.out}, r.captured...)
		}
		return []node{r.out}
	})
}

// block returns the graph function for a block of the given layers.
func (l *Llama) block(layers []structure.Layer) *block {
	c := l.config
	return &block{heads: c.Heads, kvHeads: c.KVHeads, headDim: c.HeadDim, eps: c.NormEps, layers: layers}
}
