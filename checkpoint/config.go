package checkpoint

import (
	"fmt"
	"math"
)

// Config is what a Llama-family model needs beside its weights, whatever file it came from.
type Config struct {
	Architecture string // Hugging Face's model_type: "llama", "mistral" or "qwen2"

	Vocab         int // rows of the embedding
	Hidden        int // width of the residual stream
	Intermediate  int // width inside the MLP
	Layers        int // number of blocks
	Heads         int // query heads
	KVHeads       int // key-value heads, a divisor of Heads
	HeadDim       int // width of one head; Hidden / Heads unless the model says otherwise
	MaxPositions  int // context length of training
	SlidingWindow int // attention reaches this many positions back; 0: all

	NormEps     float64
	RopeTheta   float64
	RopeScaling *RopeScaling // nil: none

	QKVBias        bool // q, k and v projections have biases
	OutputBias     bool // the output projection of attention has a bias
	MLPBias        bool // the projections of the MLP have biases
	TiedEmbeddings bool // the output projection is the embedding
	BOS            int  // -1: none
	EOS            []int
	PAD            int // -1: none
}

// RopeScaling changes RoPE's frequencies for contexts longer than those of training.
type RopeScaling struct {
	Kind   RopeKind
	Factor float64 // by how much positions shrink

	// Llama-3 only: frequencies whose wavelength is below OriginalMaxPositions/HighFreqFactor stay, those above
	// OriginalMaxPositions/LowFreqFactor are divided by Factor, and those between are interpolated.
	LowFreqFactor, HighFreqFactor float64
	OriginalMaxPositions          int

	// Divisors, if not nil, are the HeadDim/2 divisors themselves and take precedence: a GGUF file may hold them alone.
	Divisors []float64
}

// RopeKind is a rule of scaling.
type RopeKind uint8

// The rules that are supported.
const (
	RopeLinear RopeKind = iota + 1 // all frequencies divided by Factor
	RopeLlama3                     // by wavelength, see RopeScaling
)

// String returns Hugging Face's rope_type.
func (k RopeKind) String() string {
	switch k {
	case RopeLinear:
		return "linear"
	case RopeLlama3:
		return "llama3"
	}
	return fmt.Sprintf("RopeKind(%d)", uint8(k))
}

// RopeFrequencies returns the HeadDim/2 angles per position, theta^(-2i/HeadDim) after scaling.
func (c Config) RopeFrequencies() []float64 {
	freqs := make([]float64, c.HeadDim/2)
	for i := range freqs {
		freqs[i] = math.Pow(c.RopeTheta, -2*float64(i)/float64(c.HeadDim))
	}
	if c.RopeScaling != nil {
		for i, d := range c.RopeScaling.divisors(freqs) {
			freqs[i] /= d
		}
	}
	return freqs
}

// divisors returns by what each unscaled frequency is divided.
func (s *RopeScaling) divisors(freqs []float64) []float64 {
	if s.Divisors != nil {
		return s.Divisors
	}
	out := make([]float64, len(freqs))
	for i, f := range freqs {
		out[i] = s.Factor
		if s.Kind != RopeLlama3 {
			continue
		}
		original := float64(s.OriginalMaxPositions)
		switch wavelength := 2 * math.Pi / f; {
		case wavelength < original/s.HighFreqFactor:
			out[i] = 1
		case wavelength <= original/s.LowFreqFactor:
			smooth := (original/wavelength - s.LowFreqFactor) / (s.HighFreqFactor - s.LowFreqFactor)
			out[i] = 1 / ((1-smooth)/s.Factor + smooth)
		}
	}
	return out
}

// setBiases notes which linear layers have biases, by those of the first block.
func (c *Config) setBiases(has func(name string) bool) {
	c.QKVBias = has("model.layers.0.self_attn.q_proj.bias")
	c.OutputBias = has("model.layers.0.self_attn.o_proj.bias")
	c.MLPBias = has("model.layers.0.mlp.gate_proj.bias")
}

// check refuses what no model of the family has, so that later code may divide and allocate by these numbers.
func (c *Config) check() error {
	for _, f := range []struct {
		name  string
		value int
	}{
		{"vocabulary size", c.Vocab}, {"hidden size", c.Hidden}, {"intermediate size", c.Intermediate}, {"number of layers", c.Layers},
		{"number of heads", c.Heads}, {"number of key-value heads", c.KVHeads}, {"head dimension", c.HeadDim},
		{"maximum of positions", c.MaxPositions},
	} {
		if f.value < 1 || f.value > 1<<30 {
			return fmt.Errorf("%s is %d, expected 1 to %d", f.name, f.value, 1<<30)
		}
	}
	switch {
	case c.Layers > maxLayers:
		return fmt.Errorf("%d layers, expected at most %d", c.Layers, maxLayers)
	case c.Heads%c.KVHeads != 0:
		return fmt.Errorf("%d heads are no multiple of %d key-value heads", c.Heads, c.KVHeads)
	case c.HeadDim%2 != 0:
		return fmt.Errorf("head dimension %d is odd, RoPE needs pairs", c.HeadDim)
	case c.SlidingWindow < 0:
		return fmt.Errorf("sliding window is %d", c.SlidingWindow)
	case !(c.NormEps > 0 && c.NormEps < 1):
		return fmt.Errorf("epsilon of the norms is %v, expected between 0 and 1", c.NormEps)
	case !(c.RopeTheta > 1 && c.RopeTheta < math.MaxFloat32):
		return fmt.Errorf("RoPE's base is %v, expected above 1", c.RopeTheta)
	case c.BOS < -1 || c.BOS >= c.Vocab:
		return fmt.Errorf("BOS token %d is outside the vocabulary of %d", c.BOS, c.Vocab)
	}
	return c.RopeScaling.check(c)
}

func (s *RopeScaling) check(c *Config) error {
	if s == nil {
		return nil
	}
	if s.Divisors != nil {
		if len(s.Divisors) != c.HeadDim/2 {
			return fmt.Errorf("%d divisors of RoPE's frequencies, expected %d", len(s.Divisors), c.HeadDim/2)
		}
		for i, d := range s.Divisors {
			if !(d > 0 && d <= math.MaxFloat32) {
				return fmt.Errorf("divisor %d of RoPE's frequencies is %v", i, d)
			}
		}
	}
	if !(s.Factor > 0 && s.Factor <= math.MaxFloat32) {
		return fmt.Errorf("RoPE scaling factor is %v", s.Factor)
	}
	if s.Kind == RopeLlama3 && s.Divisors == nil {
		if !(s.LowFreqFactor > 0 && s.HighFreqFactor > s.LowFreqFactor) || s.OriginalMaxPositions < 1 {
			return fmt.Errorf("RoPE scaling llama3 with low_freq_factor %v, high_freq_factor %v, original_max_position_embeddings %d",
				s.LowFreqFactor, s.HighFreqFactor, s.OriginalMaxPositions)
		}
	}
	return nil
}
