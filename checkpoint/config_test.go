package checkpoint

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const smallConfig = `"vocab_size":32,"hidden_size":8,"intermediate_size":16,"num_hidden_layers":1,"num_attention_heads":2`

func TestParseConfig(t *testing.T) {
	base := Config{Architecture: "llama", Vocab: 32, Hidden: 8, Intermediate: 16, Layers: 1, Heads: 2, KVHeads: 2, HeadDim: 4,
		MaxPositions: 2048, NormEps: 1e-6, RopeTheta: 10000, BOS: -1, PAD: -1}
	for _, tc := range []struct {
		name, text string
		want       func(c *Config)
	}{
		{"defaults of transformers", `"model_type":"llama"`, func(*Config) {}},
		{"nulls", `"model_type":"llama","num_key_value_heads":null,"head_dim":null,"rope_scaling":null,"pad_token_id":null`, func(*Config) {}},
		{"mistral", `"model_type":"mistral","sliding_window":4096`, func(c *Config) { c.Architecture, c.MaxPositions, c.SlidingWindow = "mistral", 131072, 4096 }},
		{"mistral's default", `"model_type":"mistral"`, func(c *Config) { c.Architecture, c.MaxPositions, c.SlidingWindow = "mistral", 131072, 4096 }},
		{"mistral without", `"model_type":"mistral","sliding_window":null`, func(c *Config) { c.Architecture, c.MaxPositions = "mistral", 131072 }},
		{"qwen2 without its window", `"model_type":"qwen2","sliding_window":4096,"use_sliding_window":false`, func(c *Config) { c.Architecture, c.MaxPositions = "qwen2", 32768 }},
		{"qwen2 with windows in no layer", `"model_type":"qwen2","sliding_window":4096,"use_sliding_window":true`, func(c *Config) { c.Architecture, c.MaxPositions = "qwen2", 32768 }},
		{"qwen2 with windows", `"model_type":"qwen2","sliding_window":4096,"use_sliding_window":true,"max_window_layers":0`, func(c *Config) { c.Architecture, c.MaxPositions, c.SlidingWindow = "qwen2", 32768, 4096 }},
		{"lists of tokens", `"model_type":"llama","bos_token_id":3,"eos_token_id":[1,2]`, func(c *Config) { c.BOS, c.EOS = 3, []int{1, 2} }},
		{"explicit head", `"model_type":"llama","head_dim":6,"num_key_value_heads":1,"tie_word_embeddings":true`, func(c *Config) { c.HeadDim, c.KVHeads, c.TiedEmbeddings = 6, 1, true }},
		{"linear scaling, older key", `"model_type":"llama","rope_scaling":{"type":"linear","factor":2}`, func(c *Config) { c.RopeScaling = &RopeScaling{Kind: RopeLinear, Factor: 2} }},
		{"transformers 5", `"model_type":"llama","rope_parameters":{"rope_type":"default","rope_theta":5e5}`, func(c *Config) { c.RopeTheta = 5e5 }},
	} {
		want := base
		tc.want(&want)
		got, err := parseHFConfig(fmt.Appendf(nil, "{%s,%s}", smallConfig, tc.text))
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
		} else if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", tc.name, d)
		}
	}
	for _, tc := range []struct{ text, want string }{
		{`"model_type":"bert"`, `model_type "bert" is not supported; expected llama, mistral, qwen2`},
		{`"model_type":"llama","hidden_act":"gelu"`, `hidden_act "gelu" is not supported`},
		{`"model_type":"llama","num_key_value_heads":3`, "2 heads are no multiple of 3 key-value heads"},
		{`"model_type":"llama","head_dim":3`, "head dimension 3 is odd"},
		{`"model_type":"llama","num_hidden_layers":1000000000`, "1000000000 layers, expected at most 4096"},
		{`"model_type":"llama","num_attention_heads":0`, "number of heads is 0"},
		{`"model_type":"llama","rms_norm_eps":0`, "epsilon of the norms is 0"},
		{`"model_type":"llama","rope_theta":-1`, "RoPE's base is -1"},
		{`"model_type":"llama","bos_token_id":32`, "BOS token 32 is outside the vocabulary of 32"},
		{`"model_type":"llama","rope_scaling":{"rope_type":"yarn","factor":4}`, `RoPE scaling "yarn" is not supported`},
		{`"model_type":"llama","rope_scaling":{"rope_type":"llama3","factor":4}`, "RoPE scaling llama3 with low_freq_factor 0"},
		{`"model_type":"llama","partial_rotary_factor":0.5`, "partial_rotary_factor 0.5 is not supported"},
		{`"model_type":"qwen2","num_hidden_layers":40,"sliding_window":64,"use_sliding_window":true`, "max_window_layers 28 of 40 layers"},
		{`"model_type":"llama","vocab_size":"x"`, "cannot unmarshal string"},
	} {
		if _, err := parseHFConfig(fmt.Appendf(nil, "{%s,%s}", smallConfig, tc.text)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want an error with %q", tc.text, err, tc.want)
		}
	}
}

// What a GGUF file's metadata can get wrong, seen through OpenModel on a file that is otherwise whole.
func TestGGUFConfigErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.gguf")
	source, err := Open("testdata/qwen2.gguf")
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	data := map[string][]byte{}
	for _, info := range source.Tensors() {
		if data[info.Name], err = source.Raw(info.Name); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		key   string
		value any // nil removes the key
		want  string
	}{
		{"general.architecture", nil, `key "general.architecture" is missing`},
		{"general.architecture", "gemma", `architecture "gemma" is not supported; expected llama or qwen2`},
		{"qwen2.block_count", nil, `key "qwen2.block_count" is missing`},
		{"qwen2.block_count", "two", `key "qwen2.block_count" is two (string), expected a whole number`},
		{"qwen2.block_count", uint32(3), `tensor "model.layers.2.input_layernorm.weight" is missing`},
		{"qwen2.block_count", uint32(1 << 31), "number of layers is 2147483648"},
		{"qwen2.attention.head_count", uint32(0), `key "qwen2.attention.head_count" is 0`},
		{"qwen2.attention.head_count", uint32(8), "heads of 4 keys"},
		{"qwen2.embedding_length", uint32(64), "shape [280 32], expected [280 64] by the configuration"},
		{"qwen2.attention.layer_norm_rms_epsilon", true, "is a bool, expected a float32"},
		{"qwen2.expert_count", uint32(8), "a mixture of 8 experts"},
		{"qwen2.rope.scaling.type", "yarn", `RoPE scaling "yarn" is not supported`},
		{"split.count", uint16(5), "one of 5 shards of a model"},
	} {
		meta := source.Metadata()
		if meta[tc.key] = tc.value; tc.value == nil {
			delete(meta, tc.key)
		}
		if tc.want == "heads of 4 keys" {
			meta["qwen2.attention.key_length"] = uint32(4)
		}
		w, err := CreateGGUF(path, source.Tensors(), meta)
		if err == nil {
			err = writeAll(w, source.Tensors(), data)
		}
		if err != nil {
			t.Fatal(err)
		}
		m, err := OpenModel(path)
		if err == nil {
			m.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s = %v: got %v, want an error about the file with %q", tc.key, tc.value, err, tc.want)
		}
	}
}
