package model

import (
	"context"
	"fmt"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"

	"github.com/eckart-go/eckart/backend"
	"github.com/eckart-go/eckart/checkpoint"
	"github.com/eckart-go/eckart/quant"
	"github.com/eckart-go/eckart/structure"
)

type node = *graph.Node

// Options tunes Open; its zero value is the recommended setting.
type Options struct {
	Backend compute.Backend // where graphs run; nil means Eckart's own. Its buffers must be shared with Go
}

// Llama is a causal language model of the Llama family: Llama 2 and 3, SmolLM2, TinyLlama, Mistral, Qwen2 and 2.5. Weights
// stay in the memory-mapped checkpoint; a method brings in what it needs. A Llama must not be used by two goroutines at once.
type Llama struct {
	path       string
	source     *checkpoint.Model
	config     checkpoint.Config
	rope       rope
	engine     *engine
	structured structure.Index     // layers that the checkpoint stores in another form than a dense weight
	replaced   [][]structure.Layer // by SetLinear: a layer, or nil, for every block and linear
	stream     weightSet           // the block that RunBlock holds
	held       int                 // which block that is; -1 for none
}

// architectures are the families that the block graph covers.
var architectures = []string{"llama", "mistral", "qwen2"}

// Open opens the checkpoint at path (a safetensors folder, a GGUF file or a llama2.c file). Its weights are read later, a block
// at a time. Layers that the checkpoint stores as structures, such as low-rank factors, are run as such.
func Open(path string, opts Options) (*Llama, error) {
	source, err := checkpoint.OpenModel(path)
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	l, err := newLlama(path, source, opts)
	if err != nil {
		source.Close()
		return nil, err
	}
	return l, nil
}

func newLlama(path string, source *checkpoint.Model, opts Options) (*Llama, error) {
	c := source.Config()
	if !slices.Contains(architectures, c.Architecture) {
		return nil, fmt.Errorf("model: %s: architecture %q: expected one of %v", path, c.Architecture, architectures)
	}
	b := opts.Backend
	if b == nil {
		b = backend.New()
	}
	e, err := newEngine(b)
	if err != nil {
		return nil, err
	}
	l := &Llama{path: path, source: source, config: c, rope: c.RopeFrequencies(), engine: e, held: -1}
	if l.structured, err = l.readStructures(); err != nil {
		return nil, err
	}
	l.replaced = make([][]structure.Layer, c.Layers)
	for i := range l.replaced {
		l.replaced[i] = make([]structure.Layer, len(linears))
	}
	return l, nil
}

// readStructures returns the descriptions of compressed layers, whose dimensions must be those of the layers they replace.
func (l *Llama) readStructures() (structure.Index, error) {
	index, err := structure.ReadIndex(l.source.Source())
	if err != nil {
		return nil, fmt.Errorf("model: %s: %w", l.path, err)
	}
	for i := range l.config.Layers {
		for j, linear := range linears {
			name := fmt.Sprintf("model.layers.%d.%s", i, linear)
			d, ok := index[name]
			m, n := l.linearDims(j)
			if ok && (d.Rows != m || d.Cols != n) {
				return nil, fmt.Errorf("model: %s: layer %q: %d x %d in the metadata, expected %d x %d by the configuration", l.path, name, d.Rows, d.Cols, m, n)
			}
		}
	}
	return index, nil
}

// Config returns the model's configuration.
func (l *Llama) Config() checkpoint.Config { return l.config }

// Source returns the checkpoint that the model reads.
func (l *Llama) Source() *checkpoint.Model { return l.source }

// Linears returns the names of a block's linear layers, "self_attn.q_proj" to "mlp.down_proj".
func Linears() []string { return slices.Clone(linears) }

// CaptureOf returns the name under which RunBlock captures the inputs of a linear layer: q, k and v share one, gate and up
// share one, and the name is the first of them. It is "" for an unknown name.
func CaptureOf(linear string) string {
	switch slices.Index(linears, linear) {
	case qProj, kProj, vProj:
		return linears[qProj]
	case oProj:
		return linears[oProj]
	case gateProj, upProj:
		return linears[gateProj]
	case downProj:
		return linears[downProj]
	}
	return ""
}

// SetLinear puts layer in the place of a linear layer's weight and bias (nil: back to the checkpoint's). name is one of
// Linears. The layer is kept, not copied, and must not change while it is in use.
func (l *Llama) SetLinear(block int, name string, layer structure.Layer) error {
	j := slices.Index(linears, name)
	if j < 0 || block < 0 || block >= l.config.Layers {
		return fmt.Errorf("model: no linear layer %q in block %d: expected one of %v in blocks 0 to %d", name, block, linears, l.config.Layers-1)
	}
	if layer != nil {
		m, n := layer.Dims()
		if wantM, wantN := l.linearDims(j); m != wantM || n != wantN {
			return fmt.Errorf("model: block %d, %s: a layer of %d x %d for one of %d x %d", block, name, m, n, wantM, wantN)
		}
	}
	l.replaced[block][j] = layer
	if l.held == block {
		l.held = -1
	}
	return nil
}

// Linear returns the layer that SetLinear put in place, or nil.
func (l *Llama) Linear(block int, name string) structure.Layer {
	if j := slices.Index(linears, name); j >= 0 && block >= 0 && block < l.config.Layers {
		return l.replaced[block][j]
	}
	return nil
}

// Close frees buffers and compiled graphs and closes the checkpoint, whose memory map sessions use: close them first.
func (l *Llama) Close() error {
	l.stream.free()
	l.held = -1
	l.engine.finalize()
	return l.source.Close()
}

// Embed returns the token embeddings of sequences, the input of block 0. rows must hold as many rows as there are tokens,
// of width Config().Hidden; nil keeps them in memory. A token outside the vocabulary is an error.
func (l *Llama) Embed(ctx context.Context, sequences [][]int, rows Rows) (*Hidden, error) {
	lengths, total := make([]int, len(sequences)), 0
	for i, s := range sequences {
		lengths[i] = len(s)
		total += len(s)
	}
	if rows == nil {
		rows = NewMemory(total, l.config.Hidden)
	}
	h := newHidden(l.config.Hidden, lengths, rows)
	var buf []float32
	for i, s := range sequences {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		buf = slices.Grow(buf[:0], len(s)*h.Width)[:len(s)*h.Width]
		if err := l.embed(buf, s); err != nil {
			return nil, err
		}
		if err := h.Write(buf, i, 0); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// embed writes the embeddings of tokens (t x D) to dst, dequantising single rows of the memory map.
func (l *Llama) embed(dst []float32, tokens []int) error {
	table, err := l.table("model.embed_tokens.weight")
	if err != nil {
		return err
	}
	d := l.config.Hidden
	for i, id := range tokens {
		if id < 0 || id >= l.config.Vocab {
			return fmt.Errorf("model: token %d at position %d: expected 0 to %d", id, i, l.config.Vocab-1)
		}
		if err := table.rows(dst[i*d:(i+1)*d], id); err != nil {
			return err
		}
	}
	return nil
}

// table is a matrix whose rows are read as needed.
type table struct {
	name     string
	stored   quant.Type
	data     []byte
	rowBytes int
	cols     int
}

// table returns the vocabulary-sized matrix (Vocab x Hidden) of the given name.
func (l *Llama) table(name string) (table, error) {
	t, data, rows, cols, err := l.source.Blocks(name)
	if err != nil {
		return table{}, fmt.Errorf("model: %w", err)
	}
	if rows != l.config.Vocab || cols != l.config.Hidden {
		return table{}, l.shapeError(name, []int{l.config.Vocab, l.config.Hidden}, []int{rows, cols})
	}
	n, err := t.RowBytes(cols)
	if err != nil {
		return table{}, fmt.Errorf("model: %s: tensor %q: %w", l.path, name, err)
	}
	return table{name, t, data, n, cols}, nil
}

// rows dequantises rows first, first+1, ... into dst, whose length is a multiple of the width.
func (t table) rows(dst []float32, first int) error {
	n := len(dst) / t.cols
	if err := quant.Dequantise(t.stored, dst, t.data[first*t.rowBytes:(first+n)*t.rowBytes]); err != nil {
		return fmt.Errorf("model: tensor %q, row %d: %w", t.name, first, err)
	}
	return nil
}

// headName returns the tensor that turns the last hidden state into logits.
func (l *Llama) headName() string {
	if l.config.TiedEmbeddings {
		return "model.embed_tokens.weight"
	}
	return "lm_head.weight"
}
