package checkpoint

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/eckart-go/eckart/quant"
)

// OutType is the element type of a converted model's matrices.
type OutType uint8

// The element types that Convert writes. Vectors (norms, biases) stay F32 in GGUF, as llama.cpp wants them.
const (
	// OutAuto keeps each tensor as it is where the format can hold it. Blocks become F32 in safetensors, which has none;
	// vectors that came from a GGUF file get the matrices' type back if that changes no value.
	OutAuto OutType = iota
	OutF32
	OutF16
	OutBF16
	OutQ8_0 // GGUF only; rows that do not divide into blocks become F16
	OutQ4_0 // GGUF only; embedding and output projection become Q8_0
	OutQ4_1 // GGUF only; embedding and output projection become Q8_0
)

var outTypeNames = []string{"auto", "f32", "f16", "bf16", "q8_0", "q4_0", "q4_1"}

// String returns llama.cpp's word for o, such as "q8_0".
func (o OutType) String() string {
	if int(o) >= len(outTypeNames) {
		return fmt.Sprintf("OutType(%d)", uint8(o))
	}
	return outTypeNames[o]
}

// ParseOutType is the inverse of String, for either case.
func ParseOutType(s string) (OutType, error) {
	if i := slices.Index(outTypeNames, strings.ToLower(s)); i >= 0 {
		return OutType(i), nil
	}
	return 0, fmt.Errorf("checkpoint: unknown type %q; expected %s", s, strings.Join(outTypeNames, ", "))
}

// quantType returns the type that o asks for; not for OutAuto.
func (o OutType) quantType() quant.Type {
	return [...]quant.Type{0, quant.F32, quant.F16, quant.BF16, quant.Q8_0, quant.Q4_0, quant.Q4_1}[o]
}

// Weights is where Convert finds tensors that replace the source's: Hugging Face names and row order. A *Model is one.
type Weights interface {
	Has(name string) bool
	Float32(name string, dst []float32) ([]float32, error) // values in dst if it is large enough
}

// ConvertOptions tunes Convert; its zero value keeps all values as they are.
type ConvertOptions struct {
	Type      OutType
	ShardSize int64   // bytes of a safetensors file; 0: DefaultShardSize
	Weights   Weights // nil: none is replaced
	// Modules lists, by module such as "model.layers.3.mlp.up_proj", the tensors that take the place of its weight and
	// bias. Their values come from Weights. Weights and biases are stored as others are; what is no part of the
	// architecture, such as factors, with the Type of its Info, and in safetensors only.
	Modules  map[string][]Info
	Metadata map[string]string       // added to the output's metadata, in GGUF under "eckart."
	Progress func(done, total int64) // called after each tensor with bytes written; nil: not
}

// Convert writes the model at src, in any format that OpenModel reads, to dst: a GGUF file when dst ends in ".gguf", else a
// Hugging Face folder, with its configuration and its tokenizer. It holds one tensor in memory at a time. What is at dst
// stays untouched until the result is complete; a canceled context leaves nothing behind.
func Convert(ctx context.Context, src, dst string, opts ConvertOptions) error {
	m, err := OpenModel(src)
	if err != nil {
		return err
	}
	defer m.Close()
	return m.Convert(ctx, dst, opts)
}

// Convert is the function Convert for a model that is open.
func (m *Model) Convert(ctx context.Context, dst string, opts ConvertOptions) error {
	c := &conversion{model: m, opts: opts, config: m.config, dst: dst}
	if strings.EqualFold(filepath.Ext(dst), ".gguf") {
		return c.toGGUF(ctx)
	}
	return c.toHF(ctx)
}

// conversion is one call of Convert.
type conversion struct {
	model  *Model
	config Config
	opts   ConvertOptions
	dst    string
	gguf   bool // the output is GGUF
	joined bool // the output has RoPE's pairs side by side
	steps  []step
	values []float32 // scratch for one tensor
	bytes  []byte
}

// step is one tensor of the output.
type step struct {
	source string // Hugging Face name, or the stored name of what is no part of the architecture
	out    Info
	heads  int // rows to reorder, 0 for none
}

// plan adds the tensors that replace or follow the model's.
func (c *conversion) plan() error {
	for _, info := range c.model.tensors {
		parts := []Info{info}
		if module, ok := strings.CutSuffix(info.Name, ".weight"); ok && c.opts.Modules[module] != nil {
			parts = c.opts.Modules[module]
		} else if module, ok := strings.CutSuffix(info.Name, ".bias"); ok && c.opts.Modules[module] != nil {
			continue // among the parts if it is still there
		}
		for _, part := range parts {
			if err := c.planTensor(part); err != nil {
				return err
			}
		}
	}
	c.config.setBiases(func(name string) bool {
		return slices.ContainsFunc(c.steps, func(s step) bool { return s.source == name })
	})
	return nil
}

// planTensor adds one tensor of the model, or one that takes the place of another.
func (c *conversion) planTensor(info Info) error {
	row, block, known := huggingFaceNames.lookup(info.Name)
	name := info.Name
	_, own := c.model.stored[info.Name]
	switch {
	case known && c.gguf:
		name = ggufNames.name(row, block)
	case known:
	case !own && !c.gguf:
	case own && strings.HasSuffix(info.Name, "rotary_emb.inv_freq"):
		return nil // follows from the configuration
	case !own || c.gguf != (c.model.file.format == GGUF):
		return failf(c.model.file.path, "tensor %q is no part of a %s model; it has no name in the other format", info.Name, c.config.Architecture)
	}
	t := info.Type
	if known || own {
		var err error
		if t, err = c.outType(info); err != nil {
			return failf(c.dst, "tensor %q: %w", info.Name, err)
		}
	}
	out, err := NewInfo(name, t, info.Shape...)
	if err != nil {
		return err
	}
	s := step{source: info.Name, out: out}
	if known && row.rotary == queryRows {
		s.heads = c.config.Heads
	} else if known && row.rotary == keyRows {
		s.heads = c.config.KVHeads
	}
	c.steps = append(c.steps, s)
	return nil
}

// outType chooses the stored type of a tensor.
func (c *conversion) outType(info Info) (quant.Type, error) {
	replaced := c.opts.Weights != nil && c.opts.Weights.Has(info.Name)
	if !info.Type.Known() || !isFloat(info.Type) && info.Type.BlockSize() == 1 {
		return info.Type, nil // integers: no weights
	}
	if c.gguf {
		return c.ggufType(info, replaced), nil
	}
	switch c.opts.Type {
	case OutAuto:
		if isFloat(info.Type) {
			return info.Type, nil
		}
		return quant.F32, nil
	case OutF32, OutF16, OutBF16:
		return c.opts.Type.quantType(), nil
	}
	return 0, fmt.Errorf("safetensors has no type %v; expected auto, f32, f16 or bf16, or a name that ends in .gguf", c.opts.Type)
}

func (c *conversion) ggufType(info Info, replaced bool) quant.Type {
	if len(info.Shape) < 2 {
		return quant.F32
	}
	t := c.opts.Type.quantType()
	if c.opts.Type == OutAuto {
		t = info.Type
		switch {
		case t == quant.F64:
			return quant.F32
		case replaced && !isFloat(t) && !slices.Contains([]quant.Type{quant.Q8_0, quant.Q4_0, quant.Q4_1}, t):
			return quant.F16 // no k-quants are written
		}
		return t
	}
	if t == quant.Q4_0 || t == quant.Q4_1 {
		if info.Name == "model.embed_tokens.weight" || info.Name == "lm_head.weight" {
			t = quant.Q8_0
		}
	}
	if info.Shape[len(info.Shape)-1]%t.BlockSize() != 0 {
		return quant.F16
	}
	return t
}

// write streams all tensors.
func (c *conversion) write(ctx context.Context, w *Writer) error {
	var done, total int64
	for _, s := range c.steps {
		total += s.out.Bytes
	}
	for _, s := range c.steps {
		if err := ctx.Err(); err != nil {
			return failf(c.dst, "%w", err)
		}
		if err := c.writeStep(w, s); err != nil {
			return err
		}
		c.model.Release(s.source)
		done += s.out.Bytes
		if c.opts.Progress != nil {
			c.opts.Progress(done, total)
		}
	}
	return nil
}

// writeStep writes one tensor: its stored bytes when the type stays, so that not even a NaN's bits change.
func (c *conversion) writeStep(w *Writer, s step) error {
	replaced := c.opts.Weights != nil && c.opts.Weights.Has(s.source)
	from := c.model.stored[s.source]
	if !replaced && from.info.Type == s.out.Type {
		raw, err := c.model.file.Raw(from.name)
		if err != nil {
			return err
		}
		switch {
		case s.heads > 0 && c.joined && from.head == 0:
			raw = joinPairs(raw, s.out.Shape[0], s.heads)
		case s.heads > 0 && !c.joined && from.head > 0:
			raw = splitPairs(raw, s.out.Shape[0], s.heads)
		}
		return w.Write(s.out.Name, raw)
	}
	source := Weights(c.model)
	if replaced {
		source = c.opts.Weights
	}
	values, err := source.Float32(s.source, c.values)
	if err != nil {
		return err
	}
	if n := s.out.Elements(); len(values) != n {
		return failf(c.dst, "tensor %q: %d values given, shape %v has %d", s.source, len(values), s.out.Shape, n)
	}
	c.values = values
	if s.heads == 0 || !c.joined {
		return w.WriteFloat32(s.out.Name, values)
	}
	c.bytes = grow(c.bytes, int(s.out.Bytes))
	if err := encode(s.out.Type, c.bytes, values); err != nil {
		return failf(c.dst, "tensor %q: %w", s.source, err)
	}
	return w.Write(s.out.Name, joinPairs(c.bytes, s.out.Shape[0], s.heads))
}

// vocabulary reads the source's tokenizer; nil when it has none.
func (c *conversion) vocabulary() (*vocabulary, error) {
	file := c.model.file
	var v *vocabulary
	var err error
	switch file.format {
	case GGUF:
		if v, err = vocabularyFromGGUF(file.metadata); err != nil {
			return nil, failf(file.path, "%w", err)
		}
	case Llama2c:
		v, err = vocabularyBesideLlama2c(file.dir, c.config.Vocab)
	default:
		v, err = vocabularyFromHF(file.dir, c.config)
	}
	if err != nil || v == nil {
		return nil, err
	}
	if err := v.resize(c.config.Vocab); err != nil {
		return nil, failf(file.path, "%w", err)
	}
	return v, nil
}
