package checkpoint

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/eckart-go/eckart/quant"
)

// GGUF's keys of a Llama-family model, after the architecture and a dot.
const (
	keyBlocks       = "block_count"
	keyContext      = "context_length"
	keyHidden       = "embedding_length"
	keyIntermediate = "feed_forward_length"
	keyHeads        = "attention.head_count"
	keyKVHeads      = "attention.head_count_kv"
	keyKeyLength    = "attention.key_length"
	keyValueLength  = "attention.value_length"
	keyWindow       = "attention.sliding_window"
	keyEps          = "attention.layer_norm_rms_epsilon"
	keyTheta        = "rope.freq_base"
	keyRotated      = "rope.dimension_count"
	keyScaling      = "rope.scaling.type"
	keyFactor       = "rope.scaling.factor"
	keyOriginal     = "rope.scaling.original_context_length"
	keyVocab        = "vocab_size"
	keyExperts      = "expert_count"
)

// Eckart's own keys: what GGUF cannot say.
const (
	keyModelType = "eckart.model_type" // Hugging Face's model_type, where GGUF's architecture does not tell
	keyLowFreq   = "eckart.rope.low_freq_factor"
	keyHighFreq  = "eckart.rope.high_freq_factor"
	keyRopeMax   = "eckart.rope.original_max_positions"
)

// ggufMeta reads numbers out of metadata. The first failure is kept.
type ggufMeta struct {
	values map[string]any
	arch   string
	err    error
}

// int returns a whole number of the architecture, or otherwise (unless that is negative) when it is absent.
func (m *ggufMeta) int(key string, otherwise int) int {
	full := m.arch + "." + key
	v, ok := m.values[full]
	if !ok {
		if otherwise < 0 && m.err == nil {
			m.err = fmt.Errorf("key %q is missing", full)
		}
		return otherwise
	}
	n, ok := wholeNumber(v)
	if !ok && m.err == nil {
		m.err = fmt.Errorf("key %q is %v (%T), expected a whole number", full, brief(v), v)
	}
	return n
}

// float is int's like for floating-point numbers; a NaN as otherwise makes the key mandatory. A float32 becomes the
// decimal it was rounded from, 1e-05 and not 9.999999747378752e-06.
func (m *ggufMeta) float(key string, otherwise float64) float64 {
	full := m.arch + "." + key
	switch v := m.values[full].(type) {
	case nil:
		if math.IsNaN(otherwise) && m.err == nil {
			m.err = fmt.Errorf("key %q is missing", full)
		}
		return otherwise
	case float32:
		return shortest(v)
	case float64:
		return v
	default:
		if m.err == nil {
			m.err = fmt.Errorf("key %q is a %T, expected a float32", full, v)
		}
		return otherwise
	}
}

// shortest returns the float64 whose decimal form is the shortest that rounds to v.
func shortest(v float32) float64 {
	f, err := strconv.ParseFloat(strconv.FormatFloat(float64(v), 'g', -1, 32), 64)
	if err != nil {
		return float64(v)
	}
	return f
}

// wholeNumber converts any of GGUF's integer types, and an array whose elements are all equal (some converters write
// one number a block).
func wholeNumber(v any) (int, bool) {
	switch v := v.(type) {
	case uint8:
		return int(v), true
	case int8:
		return int(v), true
	case uint16:
		return int(v), true
	case int16:
		return int(v), true
	case uint32:
		return int(v), uint64(v) <= math.MaxInt
	case int32:
		return int(v), true
	case uint64:
		return int(v), v <= math.MaxInt
	case int64:
		return int(v), v >= math.MinInt && v <= math.MaxInt
	case []int32:
		return equalNumbers(v)
	case []uint32:
		return equalNumbers(v)
	}
	return 0, false
}

func equalNumbers[T int32 | uint32](v []T) (int, bool) {
	if len(v) == 0 || slices.Max(v) != slices.Min(v) {
		return 0, false
	}
	return int(v[0]), true
}

// brief is a value for an error message: no long arrays.
func brief(v any) string {
	s := fmt.Sprint(v)
	if len(s) > 60 {
		return s[:57] + "..."
	}
	return s
}

// readGGUFConfig turns metadata into a Config. The vocabulary's size is that of the embedding.
func readGGUFConfig(c *Checkpoint) (Config, error) {
	arch, ok := c.metadata["general.architecture"].(string)
	if !ok {
		return Config{}, fmt.Errorf(`key "general.architecture" is missing or no string`)
	}
	if arch != "llama" && arch != "qwen2" {
		return Config{}, fmt.Errorf("architecture %q is not supported; expected llama or qwen2", arch)
	}
	if n, ok := wholeNumber(c.metadata["split.count"]); ok && n > 1 {
		return Config{}, fmt.Errorf("one of %d shards of a model; join them first: llama-gguf-split --merge", n)
	}
	m := &ggufMeta{values: c.metadata, arch: arch}
	if m.int(keyExperts, 0) > 1 {
		return Config{}, fmt.Errorf("a mixture of %d experts, which is not supported", m.int(keyExperts, 0))
	}
	embedding, ok := c.Info("token_embd.weight")
	if !ok || len(embedding.Shape) != 2 {
		return Config{}, fmt.Errorf(`no matrix "token_embd.weight"`)
	}
	out := Config{
		Architecture: arch, Vocab: embedding.Shape[0], Hidden: m.int(keyHidden, -1), Intermediate: m.int(keyIntermediate, -1),
		Layers: m.int(keyBlocks, -1), Heads: m.int(keyHeads, -1), MaxPositions: m.int(keyContext, -1), SlidingWindow: m.int(keyWindow, 0),
		NormEps: m.float(keyEps, math.NaN()), RopeTheta: m.float(keyTheta, 10000), BOS: -1, PAD: -1,
	}
	if m.err != nil {
		return Config{}, m.err
	}
	if out.Heads < 1 {
		return Config{}, fmt.Errorf("key %q is %d", arch+"."+keyHeads, out.Heads)
	}
	out.KVHeads = m.int(keyKVHeads, out.Heads)
	rotated := m.int(keyRotated, out.Hidden/out.Heads)
	out.HeadDim = m.int(keyKeyLength, rotated)
	if v := m.int(keyValueLength, out.HeadDim); m.err == nil && (rotated != out.HeadDim || v != out.HeadDim) {
		return Config{}, fmt.Errorf("heads of %d keys, %d values and %d rotated: they must be the same", out.HeadDim, v, rotated)
	}
	if m.err != nil {
		return Config{}, m.err
	}
	if t, ok := c.metadata[keyModelType].(string); ok && slices.Contains(architectures, t) {
		out.Architecture = t
	} else if arch == "llama" && out.SlidingWindow > 0 {
		out.Architecture = "mistral"
	}
	out.readSpecialTokens(c.metadata)
	if err := out.check(); err != nil {
		return Config{}, err
	}
	if err := out.readGGUFScaling(c, m); err != nil {
		return Config{}, err
	}
	return out, out.check()
}

func (c *Config) readSpecialTokens(metadata map[string]any) {
	id := func(key string) int {
		n, ok := wholeNumber(metadata["tokenizer.ggml."+key])
		if !ok || n < 0 || n >= c.Vocab {
			return -1
		}
		return n
	}
	c.BOS, c.PAD = id("bos_token_id"), id("padding_token_id")
	for _, key := range []string{"eos_token_id", "eot_token_id", "eom_token_id"} {
		if n := id(key); n >= 0 && !slices.Contains(c.EOS, n) {
			c.EOS = append(c.EOS, n)
		}
	}
}

// readGGUFScaling reads the rule of RoPE scaling, or the divisors that stand in a tensor of their own.
func (c *Config) readGGUFScaling(file *Checkpoint, m *ggufMeta) error {
	kind, _ := m.values[m.arch+"."+keyScaling].(string)
	switch kind {
	case "", "none":
	case "linear":
		c.RopeScaling = &RopeScaling{Kind: RopeLinear, Factor: m.float(keyFactor, math.NaN())}
	default:
		return fmt.Errorf("RoPE scaling %q is not supported; expected linear, or divisors in %q", kind, ropeFrequenciesName)
	}
	info, ok := file.Info(ropeFrequenciesName)
	if !ok || m.err != nil {
		return m.err
	}
	if c.RopeScaling != nil {
		return fmt.Errorf("both RoPE scaling %q and the tensor %q", kind, ropeFrequenciesName)
	}
	if info.Type != quant.F32 || info.Elements() != c.HeadDim/2 {
		return fmt.Errorf("tensor %q: %s of %d values, expected F32 of %d", ropeFrequenciesName, typeName(info.Type), info.Elements(), c.HeadDim/2)
	}
	values, err := file.Float32(ropeFrequenciesName, nil)
	if err != nil {
		return err
	}
	c.RopeScaling = c.recogniseLlama3(values, m)
	return nil
}

// recogniseLlama3 finds the Llama-3 rule that gives the divisors of a file. Those of Llama 3.1 and 3.2 are tried when
// the file does not name it. Divisors that fit no rule are kept as they are.
func (c *Config) recogniseLlama3(values []float32, m *ggufMeta) *RopeScaling {
	exact := &RopeScaling{Kind: RopeLlama3, Factor: 1, Divisors: make([]float64, len(values))}
	for i, v := range values {
		exact.Divisors[i] = float64(v)
		exact.Factor = max(exact.Factor, shortest(v))
	}
	own := &ggufMeta{values: m.values, arch: "eckart"}
	rule := &RopeScaling{
		Kind: RopeLlama3, Factor: math.Round(exact.Factor*1e3) / 1e3, LowFreqFactor: own.float("rope.low_freq_factor", 1),
		HighFreqFactor: own.float("rope.high_freq_factor", 4), OriginalMaxPositions: own.int("rope.original_max_positions", m.int(keyOriginal, 8192)),
	}
	plain := *c
	plain.RopeScaling = nil
	if own.err != nil || rule.check(c) != nil {
		return exact
	}
	for i, d := range rule.divisors(plain.RopeFrequencies()) {
		if math.Abs(d-exact.Divisors[i]) > 1e-5*d { // the writer may have worked in float32
			return exact
		}
	}
	return rule
}
