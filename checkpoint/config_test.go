package checkpoint

import (
	"fmt"
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
		{`"model_type":"llama","vocab_size":"x"`, "cannot unmarshal string"},
	} {
		if _, err := parseHFConfig(fmt.Appendf(nil, "{%s,%s}", smallConfig, tc.text)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want an error with %q", tc.text, err, tc.want)
		}
	}
}
