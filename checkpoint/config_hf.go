package checkpoint

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const maxConfig = 16 << 20 // config.json and its like are kilobytes

// hfConfig is what is read of config.json. Pointers tell absent (or null) from zero.
type hfConfig struct {
	ModelType        string         `json:"model_type"`
	VocabSize        int            `json:"vocab_size"`
	HiddenSize       int            `json:"hidden_size"`
	IntermediateSize int            `json:"intermediate_size"`
	Layers           int            `json:"num_hidden_layers"`
	Heads            int            `json:"num_attention_heads"`
	KVHeads          *int           `json:"num_key_value_heads"`
	HeadDim          *int           `json:"head_dim"`
	MaxPositions     *int           `json:"max_position_embeddings"`
	SlidingWindow    maybeInt       `json:"sliding_window"`
	UseSlidingWindow *bool          `json:"use_sliding_window"`
	MaxWindowLayers  *int           `json:"max_window_layers"`
	NormEps          *float64       `json:"rms_norm_eps"`
	RopeTheta        *float64       `json:"rope_theta"`
	RopeScaling      *hfRopeScaling `json:"rope_scaling"`
	RopeParameters   *hfRopeScaling `json:"rope_parameters"` // both in one, transformers 5
	PartialRotary    *float64       `json:"partial_rotary_factor"`
	Tied             *bool          `json:"tie_word_embeddings"`
	HiddenAct        string         `json:"hidden_act"`
	BOS              *tokenIDs      `json:"bos_token_id"`
	EOS              *tokenIDs      `json:"eos_token_id"`
	PAD              *tokenIDs      `json:"pad_token_id"`
}

type hfRopeScaling struct {
	RopeType      string   `json:"rope_type"`
	Type          string   `json:"type"` // the older key
	Factor        float64  `json:"factor"`
	LowFreq       float64  `json:"low_freq_factor"`
	HighFreq      float64  `json:"high_freq_factor"`
	OriginalMax   int      `json:"original_max_position_embeddings"`
	RopeTheta     *float64 `json:"rope_theta"`
	PartialRotary *float64 `json:"partial_rotary_factor"`
}

// tokenIDs is one id or a list of them.
type tokenIDs []int

func (ids *tokenIDs) UnmarshalJSON(text []byte) error {
	var one int
	if err := json.Unmarshal(text, &one); err == nil {
		*ids = tokenIDs{one}
		return nil
	}
	var list []int
	if err := json.Unmarshal(text, &list); err != nil {
		return fmt.Errorf("expected a token id or a list of them: %w", err)
	}
	*ids = list
	return nil
}

// maybeInt tells an absent number from null, which transformers does for sliding_window.
type maybeInt struct {
	value   int // 0 for null
	present bool
}

func (m *maybeInt) UnmarshalJSON(text []byte) error {
	m.present = true
	if string(text) == "null" {
		return nil
	}
	return json.Unmarshal(text, &m.value)
}

func (ids *tokenIDs) first() int {
	if ids == nil || len(*ids) == 0 {
		return -1
	}
	return (*ids)[0]
}

// readHFConfig reads config.json, and generation_config.json where more end-of-text tokens may stand.
func readHFConfig(dir string) (Config, error) {
	path := filepath.Join(dir, "config.json")
	text, err := readLimited(path, maxConfig)
	if err != nil {
		return Config{}, err
	}
	c, err := parseHFConfig(text)
	if err != nil {
		return Config{}, failf(path, "%w", err)
	}
	path = filepath.Join(dir, "generation_config.json")
	if _, err := os.Stat(path); err != nil {
		return c, nil // optional
	}
	if text, err = readLimited(path, maxConfig); err != nil {
		return Config{}, err
	}
	var generation hfConfig
	if err := json.Unmarshal(text, &generation); err != nil {
		return Config{}, failf(path, "%w", err)
	}
	if generation.EOS != nil {
		for _, id := range *generation.EOS {
			if !slices.Contains(c.EOS, id) {
				c.EOS = append(c.EOS, id)
			}
		}
	}
	return c, nil
}

// parseHFConfig turns config.json into a Config, with the defaults of transformers. The tensors decide later about
// biases and about embeddings that are tied without saying so.
func parseHFConfig(text []byte) (Config, error) {
	var h hfConfig
	if err := json.Unmarshal(text, &h); err != nil {
		return Config{}, err
	}
	if !slices.Contains(architectures, h.ModelType) {
		return Config{}, fmt.Errorf("model_type %q is not supported; expected %s", h.ModelType, strings.Join(architectures, ", "))
	}
	if h.HiddenAct != "" && h.HiddenAct != "silu" {
		return Config{}, fmt.Errorf("hidden_act %q is not supported; expected silu", h.HiddenAct)
	}
	positions := map[string]int{"llama": 2048, "mistral": 131072, "qwen2": 32768}[h.ModelType]
	c := Config{
		Architecture: h.ModelType, Vocab: h.VocabSize, Hidden: h.HiddenSize, Intermediate: h.IntermediateSize, Layers: h.Layers,
		Heads: h.Heads, KVHeads: or(h.KVHeads, h.Heads), MaxPositions: or(h.MaxPositions, positions),
		NormEps: or(h.NormEps, 1e-6), RopeTheta: or(h.RopeTheta, 10000), TiedEmbeddings: or(h.Tied, false),
		BOS: h.BOS.first(), PAD: h.PAD.first(),
	}
	if h.HeadDim != nil {
		c.HeadDim = *h.HeadDim
	} else if h.Heads > 0 {
		c.HeadDim = h.HiddenSize / h.Heads
	}
	var err error
	if c.SlidingWindow, err = h.window(); err != nil {
		return c, err
	}
	if h.EOS != nil {
		c.EOS = slices.Clone(*h.EOS)
	}
	partial := or(h.PartialRotary, 1)
	scaling := h.RopeScaling
	if p := h.RopeParameters; p != nil {
		c.RopeTheta, partial = or(p.RopeTheta, c.RopeTheta), or(p.PartialRotary, partial)
		if scaling == nil {
			scaling = p
		}
	}
	if partial != 1 {
		return Config{}, fmt.Errorf("partial_rotary_factor %v is not supported; expected 1", partial)
	}
	s, err := scaling.scaling()
	if err != nil {
		return Config{}, err
	}
	c.RopeScaling = s
	return c, c.check()
}

func (h *hfRopeScaling) scaling() (*RopeScaling, error) {
	if h == nil {
		return nil, nil
	}
	kind := h.RopeType
	if kind == "" {
		kind = h.Type
	}
	switch kind {
	case "", "default":
		return nil, nil
	case "linear":
		return &RopeScaling{Kind: RopeLinear, Factor: h.Factor}, nil
	case "llama3":
		return &RopeScaling{Kind: RopeLlama3, Factor: h.Factor, LowFreqFactor: h.LowFreq, HighFreqFactor: h.HighFreq,
			OriginalMaxPositions: h.OriginalMax}, nil
	}
	return nil, fmt.Errorf("RoPE scaling %q is not supported; expected linear or llama3", kind)
}

// window returns the reach of attention in all layers, 0 for no limit. Qwen2 limits only the layers from
// max_window_layers on.
func (h *hfConfig) window() (int, error) {
	switch h.ModelType {
	case "mistral":
		if !h.SlidingWindow.present {
			return 4096, nil
		}
	case "qwen2":
		first := or(h.MaxWindowLayers, 28)
		switch {
		case !or(h.UseSlidingWindow, false) || first >= h.Layers:
			return 0, nil
		case first > 0 && h.SlidingWindow.value > 0:
			return 0, fmt.Errorf("max_window_layers %d of %d layers: attention windows in some layers only are not supported", first, h.Layers)
		}
	}
	return h.SlidingWindow.value, nil
}

// writeHFConfig returns the config.json of a model whose weights are mostly of the given torch dtype.
func writeHFConfig(c Config, dtype string) ([]byte, error) {
	h := map[string]any{
		"architectures": []string{hfClass[c.Architecture]}, "model_type": c.Architecture, "torch_dtype": dtype,
		"vocab_size": c.Vocab, "hidden_size": c.Hidden, "intermediate_size": c.Intermediate, "num_hidden_layers": c.Layers,
		"num_attention_heads": c.Heads, "num_key_value_heads": c.KVHeads, "head_dim": c.HeadDim,
		"max_position_embeddings": c.MaxPositions, "rms_norm_eps": jsonFloat(c.NormEps), "rope_theta": jsonFloat(c.RopeTheta),
		"hidden_act": "silu", "tie_word_embeddings": c.TiedEmbeddings, "use_cache": true, "initializer_range": 0.02,
	}
	if c.Architecture == "llama" {
		h["attention_bias"], h["mlp_bias"] = c.QKVBias, c.MLPBias
	}
	switch c.Architecture {
	case "qwen2":
		h["use_sliding_window"] = c.SlidingWindow > 0
		if c.SlidingWindow > 0 {
			h["sliding_window"], h["max_window_layers"] = c.SlidingWindow, 0
		}
	case "mistral":
		h["sliding_window"] = nil
		if c.SlidingWindow > 0 {
			h["sliding_window"] = c.SlidingWindow
		}
	}
	if c.BOS >= 0 {
		h["bos_token_id"] = c.BOS
	}
	if c.PAD >= 0 {
		h["pad_token_id"] = c.PAD
	}
	switch len(c.EOS) {
	case 0:
	case 1:
		h["eos_token_id"] = c.EOS[0]
	default:
		h["eos_token_id"] = c.EOS
	}
	if s := c.RopeScaling; s != nil {
		scaling := map[string]any{"rope_type": s.Kind.String(), "factor": jsonFloat(s.Factor)}
		switch {
		case s.Kind == RopeLlama3 && s.OriginalMaxPositions > 0:
			scaling["low_freq_factor"], scaling["high_freq_factor"] = jsonFloat(s.LowFreqFactor), jsonFloat(s.HighFreqFactor)
			scaling["original_max_position_embeddings"] = s.OriginalMaxPositions
		case s.Divisors != nil:
			return nil, fmt.Errorf("the model's RoPE divisors fit no rule that config.json can express")
		}
		h["rope_scaling"] = scaling
	}
	text, err := json.MarshalIndent(h, "", "  ")
	return append(text, '\n'), err
}

// jsonFloat is written as Python writes a float, so that 10000 stays one: transformers tells 10000.0 from 10000.
type jsonFloat float64

func (f jsonFloat) MarshalJSON() ([]byte, error) {
	s := strconv.FormatFloat(float64(f), 'g', -1, 64)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return []byte(s), nil
}

// architectures are the model types that OpenModel knows, and hfClass their classes in transformers.
var (
	architectures = []string{"llama", "mistral", "qwen2"}
	hfClass       = map[string]string{"llama": "LlamaForCausalLM", "mistral": "MistralForCausalLM", "qwen2": "Qwen2ForCausalLM"}
)

func or[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}
