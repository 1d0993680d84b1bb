package checkpoint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/eckart-go/eckart/quant"
)

// Model is the checkpoint of a Llama-family language model, whatever its format: tensors have the names and the row order
// of Hugging Face, linear weights are outputs x inputs. Its methods may be called from several goroutines, except Close.
type Model struct {
	file    *Checkpoint
	config  Config
	tensors []Info
	stored  map[string]stored // by Hugging Face name
}

// stored is where a tensor of a Model is, and how many heads' rows must be put in order (0: none).
type stored struct {
	info Info // under its Hugging Face name
	name string
	head int
}

// OpenModel opens a Hugging Face folder (config.json beside safetensors), a GGUF file of architecture llama or qwen2, or a
// llama2.c export. It checks that every weight the configuration calls for is there and has the right shape; a weight may
// be replaced by several tensors under its module's name, as compressed checkpoints do.
func OpenModel(path string) (*Model, error) {
	file, err := Open(path)
	if err != nil {
		return nil, err
	}
	m := &Model{file: file, stored: map[string]stored{}}
	if err := m.open(path); err != nil {
		file.Close()
		return nil, err
	}
	return m, nil
}

func (m *Model) open(path string) error {
	names, err := m.readConfig(path)
	if err != nil {
		return err
	}
	for _, info := range m.file.tensors {
		if m.file.format == GGUF && info.Name == ropeFrequenciesName {
			continue // a part of the configuration
		}
		if err := m.add(info, names); err != nil {
			return failf(path, "tensor %q: %w", info.Name, err)
		}
	}
	if m.file.format == GGUF {
		m.config.TiedEmbeddings = !m.Has("lm_head.weight")
	}
	m.config.setBiases(m.Has)
	if err := m.checkTensors(); err != nil {
		return failf(path, "%w", err)
	}
	return nil
}

// readConfig fills in the configuration and returns how the file names tensors.
func (m *Model) readConfig(path string) (naming, error) {
	var err error
	switch m.file.format {
	case GGUF:
		if m.config, err = readGGUFConfig(m.file); err != nil {
			return naming{}, failf(path, "%w", err)
		}
		return ggufNames, nil
	case Llama2c:
		m.config = llama2cConfig(m.file.metadata)
		return llama2cNames, m.config.check()
	}
	m.config, err = readHFConfig(m.file.dir)
	return huggingFaceNames, err
}

// add takes over a stored tensor under its Hugging Face name. Names that are not in the table keep theirs.
func (m *Model) add(info Info, names naming) error {
	s := stored{info: info, name: info.Name}
	lookup := info.Name
	if m.file.format == Safetensors && !strings.HasPrefix(lookup, "model.") {
		if _, _, ok := names.lookup("model." + lookup); ok { // the bare model, without its head
			lookup = "model." + lookup
		}
	}
	row, block, ok := names.lookup(lookup)
	if ok {
		s.info.Name = huggingFaceNames.name(row, block)
		if m.interleaved() && row.rotary != notRotary {
			s.head = m.config.Heads
			if row.rotary == keyRows {
				s.head = m.config.KVHeads
			}
			if len(info.Shape) == 0 || info.Shape[0] != s.head*m.config.HeadDim {
				return fmt.Errorf("shape %v, expected %d heads of %d rows", info.Shape, s.head, m.config.HeadDim)
			}
			if len(info.Shape) == 1 && info.Type.BlockSize() != 1 {
				return fmt.Errorf("a bias in blocks of %s", typeName(info.Type)) // its rows cannot be moved
			}
		}
		if s.info.Name == "lm_head.weight" && m.config.TiedEmbeddings && m.file.format == Safetensors {
			return nil // transformers ignores it as well
		}
	}
	if _, twice := m.stored[s.info.Name]; twice {
		return fmt.Errorf("another tensor is also %q", s.info.Name)
	}
	m.stored[s.info.Name] = s
	m.tensors = append(m.tensors, s.info)
	return nil
}

// interleaved reports whether rows turned by RoPE are stored pair by pair.
func (m *Model) interleaved() bool {
	return m.file.format == Llama2c || m.file.format == GGUF && m.file.metadata["general.architecture"] == "llama"
}

// checkTensors compares the tensors with what the configuration calls for.
func (m *Model) checkTensors() error {
	for name, shape := range m.config.weights() {
		s, ok := m.stored[name]
		switch {
		case ok && !slices.Equal(s.info.Shape, shape):
			return fmt.Errorf("tensor %q: shape %v, expected %v by the configuration", s.name, s.info.Shape, shape)
		case !ok && !m.replaced(name):
			return fmt.Errorf("tensor %q is missing", name)
		}
	}
	return nil
}

// replaced reports whether a linear weight's module has other tensors in its place.
func (m *Model) replaced(name string) bool {
	module := strings.TrimSuffix(name, "weight")
	return slices.ContainsFunc(m.tensors, func(t Info) bool {
		return strings.HasPrefix(t.Name, module) && t.Name != module+"bias"
	})
}

// Config returns the model's configuration.
func (m *Model) Config() Config { return m.config }

// Source returns the checkpoint as it is stored.
func (m *Model) Source() *Checkpoint { return m.file }

// Metadata returns the stored checkpoint's metadata.
func (m *Model) Metadata() map[string]any { return m.file.Metadata() }

// Tensors lists the model's tensors under their Hugging Face names, in the order of the file. Tensors that are no part of
// the architecture are listed under their own names.
func (m *Model) Tensors() []Info { return slices.Clone(m.tensors) }

// Info returns the description of a tensor, and whether there is one.
func (m *Model) Info(name string) (Info, bool) {
	s, ok := m.stored[name]
	return s.info, ok
}

// Has reports whether there is a tensor of that Hugging Face name. "lm_head.weight" is absent when embeddings are tied.
func (m *Model) Has(name string) bool {
	_, ok := m.stored[name]
	return ok
}

// Float32 returns a tensor's values, dequantised and in Hugging Face's row order, in dst when its capacity suffices and
// otherwise in a new slice.
func (m *Model) Float32(name string, dst []float32) ([]float32, error) {
	t, raw, err := m.raw(name)
	if err != nil {
		return nil, err
	}
	dst = grow(dst, m.stored[name].info.Elements())
	if err := decode(t, dst, raw); err != nil {
		return nil, failf(m.file.path, "tensor %q: %w", name, err)
	}
	return dst, nil
}

// Blocks returns a matrix as it is stored, rows x cols in blocks of type t, rows in Hugging Face's order. The bytes must not
// be modified: they lie in the memory map, and are invalid after Close, unless rows had to be reordered.
func (m *Model) Blocks(name string) (t quant.Type, data []byte, rows, cols int, err error) {
	t, data, err = m.raw(name)
	if err != nil {
		return 0, nil, 0, 0, err
	}
	info := m.stored[name].info
	if len(info.Shape) != 2 {
		return 0, nil, 0, 0, failf(m.file.path, "tensor %q: shape %v, expected a matrix", name, info.Shape)
	}
	return t, data, info.Shape[0], info.Shape[1], nil
}

// raw returns stored bytes with the rows in Hugging Face's order, copied only if they must be moved.
func (m *Model) raw(name string) (quant.Type, []byte, error) {
	s, ok := m.stored[name]
	if !ok {
		return 0, nil, failf(m.file.path, "no tensor %q in this model", name)
	}
	raw, err := m.file.Raw(s.name)
	if err != nil {
		return 0, nil, err
	}
	if s.head > 0 {
		raw = splitPairs(raw, s.info.Shape[0], s.head)
	}
	return s.info.Type, raw, nil
}

// Close closes the underlying checkpoint.
func (m *Model) Close() error { return m.file.Close() }

// weights yields every weight that the architecture has, with its shape; biases are left out.
func (c Config) weights() func(yield func(name string, shape []int) bool) {
	return func(yield func(string, []int) bool) {
		if !yield("model.embed_tokens.weight", []int{c.Vocab, c.Hidden}) || !yield("model.norm.weight", []int{c.Hidden}) {
			return
		}
		if !c.TiedEmbeddings && !yield("lm_head.weight", []int{c.Vocab, c.Hidden}) {
			return
		}
		q, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
		for i := range c.Layers {
			block := fmt.Sprintf("%s%d.", huggingFaceNames.block, i)
			for _, w := range []struct {
				name  string
				shape []int
			}{
				{"input_layernorm.weight", []int{c.Hidden}},
				{"self_attn.q_proj.weight", []int{q, c.Hidden}},
				{"self_attn.k_proj.weight", []int{kv, c.Hidden}},
				{"self_attn.v_proj.weight", []int{kv, c.Hidden}},
				{"self_attn.o_proj.weight", []int{c.Hidden, q}},
				{"post_attention_layernorm.weight", []int{c.Hidden}},
				{"mlp.gate_proj.weight", []int{c.Intermediate, c.Hidden}},
				{"mlp.up_proj.weight", []int{c.Intermediate, c.Hidden}},
				{"mlp.down_proj.weight", []int{c.Hidden, c.Intermediate}},
			} {
				if !yield(block+w.name, w.shape) {
					return
				}
			}
		}
	}
}

// llama2cConfig is the configuration in the header of a llama2.c export; the rest is fixed in its source.
func llama2cConfig(h map[string]any) Config {
	n := func(key string) int { v, _ := wholeNumber(h[key]); return v }
	vocab := n("vocab_size")
	return Config{
		Architecture: "llama", Vocab: max(vocab, -vocab), Hidden: n("dim"), Intermediate: n("hidden_dim"), Layers: n("n_layers"),
		Heads: n("n_heads"), KVHeads: n("n_kv_heads"), HeadDim: n("dim") / n("n_heads"), MaxPositions: n("seq_len"),
		NormEps: 1e-5, RopeTheta: 10000, TiedEmbeddings: vocab > 0, BOS: 1, EOS: []int{2}, PAD: -1,
	}
}
