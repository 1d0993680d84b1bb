package checkpoint

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"strings"

	"github.com/eckart-go/eckart/quant"
)

// metadataPrefix is where a safetensors file's own metadata stands in GGUF.
const metadataPrefix = "eckart.metadata."

// toGGUF writes a GGUF file.
func (c *conversion) toGGUF(ctx context.Context) error {
	c.gguf = true
	c.joined = c.config.Architecture != "qwen2"
	meta, err := c.ggufMetadata()
	if err != nil {
		return err
	}
	if err := c.plan(); err != nil {
		return err
	}
	infos := make([]Info, len(c.steps))
	for i, s := range c.steps {
		infos[i] = s.out
	}
	divisors := c.ropeDivisors()
	if divisors != nil {
		infos = append(infos, Info{ropeFrequenciesName, quant.F32, []int{len(divisors)}, int64(4 * len(divisors))})
	}
	w, err := CreateGGUF(c.dst, infos, meta)
	if err != nil {
		return err
	}
	defer w.Abort()
	if divisors != nil {
		if err := w.WriteFloat32(ropeFrequenciesName, divisors); err != nil {
			return err
		}
	}
	if err := c.write(ctx, w); err != nil {
		return err
	}
	return w.Close()
}

// ropeDivisors are the values of GGUF's tensor of RoPE's divisors, nil when there is none.
func (c *conversion) ropeDivisors() []float32 {
	s := c.config.RopeScaling
	if s == nil || s.Kind != RopeLlama3 {
		return nil
	}
	plain := c.config
	plain.RopeScaling = nil
	var out []float32
	for _, d := range s.divisors(plain.RopeFrequencies()) {
		out = append(out, float32(d))
	}
	return out
}

// ggufMetadata is the source's metadata where it is GGUF too, else what llama.cpp needs, from configuration and tokenizer.
func (c *conversion) ggufMetadata() (map[string]any, error) {
	meta := map[string]any{}
	if c.model.file.format == GGUF {
		meta = c.model.file.Metadata()
		delete(meta, "general.file_type") // counted anew
	} else {
		v, err := c.vocabulary()
		if err != nil {
			return nil, err
		}
		if v == nil {
			return nil, failf(c.model.file.path, "no tokenizer beside the weights, which GGUF needs: expected tokenizer.json (Hugging Face) or tokenizer.bin (llama2.c)")
		}
		c.carryMetadata(meta)
		c.configToGGUF(meta)
		v.toGGUF(meta)
	}
	for key, value := range c.opts.Metadata {
		if !strings.HasPrefix(key, "eckart.") {
			key = "eckart." + key
		}
		meta[key] = value
	}
	return meta, nil
}

// carryMetadata takes over a safetensors file's own metadata.
func (c *conversion) carryMetadata(meta map[string]any) {
	if c.model.file.format != Safetensors {
		return
	}
	for key, value := range c.model.file.metadata {
		switch {
		case key == "format":
		case strings.HasPrefix(key, "general."), strings.HasPrefix(key, "eckart."):
			meta[key] = value
		default:
			meta[metadataPrefix+key] = value
		}
	}
}

// configToGGUF writes the configuration under GGUF's keys.
func (c *conversion) configToGGUF(meta map[string]any) {
	f := c.config
	arch := "llama"
	if f.Architecture == "qwen2" {
		arch = "qwen2"
	}
	meta["general.architecture"] = arch
	meta["general.type"] = "model"
	if _, ok := meta["general.name"]; !ok {
		meta["general.name"] = modelName(c.model.file)
	}
	if f.Architecture != arch {
		meta[keyModelType] = f.Architecture
	}
	numbers := map[string]int{
		keyBlocks: f.Layers, keyContext: f.MaxPositions, keyHidden: f.Hidden, keyIntermediate: f.Intermediate, keyHeads: f.Heads,
		keyKVHeads: f.KVHeads, keyKeyLength: f.HeadDim, keyValueLength: f.HeadDim, keyRotated: f.HeadDim, keyVocab: f.Vocab,
	}
	if f.SlidingWindow > 0 {
		numbers[keyWindow] = f.SlidingWindow
	}
	for key, n := range numbers {
		meta[arch+"."+key] = uint32(n)
	}
	meta[arch+"."+keyEps] = float32(f.NormEps)
	meta[arch+"."+keyTheta] = float32(f.RopeTheta)
	s := f.RopeScaling
	switch {
	case s == nil:
	case s.Kind == RopeLinear:
		meta[arch+"."+keyScaling] = "linear"
		meta[arch+"."+keyFactor] = float32(s.Factor)
	case s.Divisors == nil:
		meta[keyLowFreq] = float32(s.LowFreqFactor)
		meta[keyHighFreq] = float32(s.HighFreqFactor)
		meta[keyRopeMax] = uint32(s.OriginalMaxPositions)
	}
}

// modelName is the name of the folder or file that a model comes from.
func modelName(file *Checkpoint) string {
	path := file.path
	if file.format == Safetensors {
		path = file.dir
	}
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
}

// metadataToHF is the inverse of carryMetadata, and takes the general keys of a GGUF file over.
func metadataToHF(file *Checkpoint, added map[string]string) map[string]string {
	out := map[string]string{}
	for key, value := range file.metadata {
		s, ok := value.(string)
		if !ok {
			continue
		}
		switch rest, carried := strings.CutPrefix(key, metadataPrefix); {
		case carried:
			out[rest] = s
		case file.format == Safetensors, strings.HasPrefix(key, "eckart.") && key != keyModelType:
			out[key] = s
		case strings.HasPrefix(key, "general.") && key != "general.architecture" && key != "general.type":
			out[key] = s
		}
	}
	maps.Copy(out, added)
	return out
}

// torchDtype is PyTorch's name of a type.
func torchDtype(t quant.Type) (string, error) {
	names := map[quant.Type]string{quant.F64: "float64", quant.F32: "float32", quant.F16: "float16", quant.BF16: "bfloat16"}
	if s, ok := names[t]; ok {
		return s, nil
	}
	return "", fmt.Errorf("no torch dtype for %s", typeName(t))
}
