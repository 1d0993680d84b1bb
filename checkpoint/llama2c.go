package checkpoint

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"

	"github.com/eckart-go/eckart/quant"
)

// llama2.c's legacy export: seven int32, then float32 weights, kind by kind over all layers
// (https://github.com/karpathy/llama2.c, legacy_export). A negative vocabulary size means that the classifier is stored
// and not tied to the embedding. Rows of wq and wk are in Meta's order, RoPE pairs side by side, as in GGUF.

const (
	llama2cHeader = 7 * 4
	llama2cMagic  = 0x616b3432 // "ak42": the newer exports, versions 1 and 2
	maxLlama2c    = 1 << 24    // every number of the header is far below
	maxLayers     = 1 << 12    // no model is near; bounds what a file of empty layers can make us allocate
)

// llama2cShape is the header.
type llama2cShape struct {
	dim, hidden, layers, heads, kvHeads, vocab, seq int
	tied                                            bool
}

func (s llama2cShape) headDim() int { return s.dim / s.heads }

// looksLikeLlama2c reports whether the header is plausible and explains the file's size exactly; there is no magic.
func looksLikeLlama2c(data []byte) bool {
	s, err := llama2cHeaderOf(data)
	if err != nil {
		return false
	}
	_, total, err := s.layout()
	return err == nil && total == int64(len(data))
}

func parseLlama2c(path string, data []byte) (*parsed, error) {
	s, err := llama2cHeaderOf(data)
	if err != nil {
		return nil, failf(path, "%w", err)
	}
	parts, total, err := s.layout()
	if err != nil {
		return nil, failf(path, "%w", err)
	}
	if total != int64(len(data)) {
		return nil, failf(path, "the header asks for %d bytes, the file has %d: truncated, or not a llama2.c export", total, len(data))
	}
	f := &parsed{metadata: map[string]any{
		"dim": int32(s.dim), "hidden_dim": int32(s.hidden), "n_layers": int32(s.layers), "n_heads": int32(s.heads),
		"n_kv_heads": int32(s.kvHeads), "vocab_size": int32(s.vocab), "seq_len": int32(s.seq),
	}}
	if !s.tied {
		f.metadata["vocab_size"] = int32(-s.vocab)
	}
	at := int64(llama2cHeader)
	for _, p := range parts {
		for l := range p.count {
			name := p.name
			if p.perLayer {
				name = fmt.Sprintf("layers.%d.%s", l, p.name)
			}
			size := p.size()
			if !p.dead {
				f.tensors = append(f.tensors, Info{Name: name, Type: quant.F32, Shape: p.shape, Bytes: size})
				f.data = append(f.data, data[at:at+size:at+size])
			}
			at += size
		}
	}
	return f, nil
}

// llama2cHeaderOf reads and checks the seven numbers.
func llama2cHeaderOf(data []byte) (s llama2cShape, err error) {
	if len(data) < llama2cHeader {
		return s, fmt.Errorf("%d bytes, a llama2.c export has a header of %d: truncated download?", len(data), llama2cHeader)
	}
	var h [7]int
	for i := range h {
		h[i] = int(int32(binary.LittleEndian.Uint32(data[4*i:])))
	}
	if h[0] == llama2cMagic {
		return s, fmt.Errorf("a llama2.c export of version 1 or later; export it with --version 0")
	}
	s = llama2cShape{dim: h[0], hidden: h[1], layers: h[2], heads: h[3], kvHeads: h[4], vocab: h[5], seq: h[6], tied: true}
	if s.vocab < 0 {
		s.vocab, s.tied = -s.vocab, false
	}
	for i, v := range []int{s.dim, s.hidden, s.layers, s.heads, s.kvHeads, s.vocab, s.seq} {
		if v < 1 || v > maxLlama2c {
			return s, fmt.Errorf("number %d of the header is %d: not a llama2.c export", i, h[i])
		}
	}
	if s.layers > maxLayers {
		return s, fmt.Errorf("%d layers: not a llama2.c export", s.layers)
	}
	if s.dim%s.heads != 0 || s.heads%s.kvHeads != 0 || s.headDim()%2 != 0 {
		return s, fmt.Errorf("dim %d, %d heads, %d key-value heads do not divide: not a llama2.c export", s.dim, s.heads, s.kvHeads)
	}
	return s, nil
}

// llama2cPart is a run of equal tensors, one a layer or just one.
type llama2cPart struct {
	name     string
	shape    []int
	count    int
	perLayer bool
	dead     bool // not a weight: the tables of RoPE, which readers recompute
}

func (p llama2cPart) size() int64 {
	n := int64(4)
	for _, d := range p.shape {
		n *= int64(d)
	}
	return n
}

// layout returns the parts in the order of the file and the size of the file in bytes.
func (s llama2cShape) layout() ([]llama2cPart, int64, error) {
	kv := s.headDim() * s.kvHeads
	layer := func(name string, shape ...int) llama2cPart {
		return llama2cPart{name: name, shape: shape, count: s.layers, perLayer: true}
	}
	parts := []llama2cPart{
		{name: "tok_embeddings.weight", shape: []int{s.vocab, s.dim}, count: 1},
		layer("attention_norm.weight", s.dim),
		layer("attention.wq.weight", s.dim, s.dim),
		layer("attention.wk.weight", kv, s.dim),
		layer("attention.wv.weight", kv, s.dim),
		layer("attention.wo.weight", s.dim, s.dim),
		layer("ffn_norm.weight", s.dim),
		layer("feed_forward.w1.weight", s.hidden, s.dim),
		layer("feed_forward.w2.weight", s.dim, s.hidden),
		layer("feed_forward.w3.weight", s.hidden, s.dim),
		{name: "norm.weight", shape: []int{s.dim}, count: 1},
		{name: "freqs", shape: []int{s.seq, s.headDim()}, count: 1, dead: true},
	}
	if !s.tied {
		parts = append(parts, llama2cPart{name: "output.weight", shape: []int{s.vocab, s.dim}, count: 1})
	}
	total := uint64(llama2cHeader)
	for _, p := range parts {
		hi, lo := bits.Mul64(uint64(p.size()), uint64(p.count)) // size < 2^50: both factors are below 2^24
		if hi != 0 || lo > math.MaxInt64-total {
			return nil, 0, fmt.Errorf("a model of dim %d with %d layers overflows: not a llama2.c export", s.dim, s.layers)
		}
		total += lo
	}
	return parts, int64(total), nil
}
