package checkpoint

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/eckart-go/eckart/quant"
)

// companions are the files of a Hugging Face folder that are copied as they are: no weights, no config.json.
var companions = []string{
	"generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
	"chat_template.jinja", "vocab.json", "merges.txt", "tokenizer.model", "LICENSE", "LICENSE.md", "LICENSE.txt", "NOTICE", "README.md",
}

// toHF writes a Hugging Face folder.
func (c *conversion) toHF(ctx context.Context) error {
	if err := c.plan(); err != nil {
		return err
	}
	if err := c.narrowVectors(); err != nil {
		return err
	}
	folder, err := CreateFolder(c.dst)
	if err != nil {
		return err
	}
	defer folder.Abort()
	if err := c.writeCompanions(folder); err != nil {
		return err
	}
	infos := make([]Info, len(c.steps))
	for i, s := range c.steps {
		infos[i] = s.out
	}
	w, err := CreateSharded(folder.Path(), infos, metadataToHF(c.model.file, c.opts.Metadata), c.opts.ShardSize)
	if err != nil {
		return err
	}
	defer w.Abort()
	if err := c.write(ctx, w); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return folder.Commit()
}

// narrowVectors gives F32 vectors of a GGUF file the half type that all matrices have, where no value changes: GGUF had
// to widen them.
func (c *conversion) narrowVectors() error {
	if c.opts.Type != OutAuto || c.model.file.format != GGUF {
		return nil
	}
	var matrices quant.Type
	for _, s := range c.steps {
		if len(s.out.Shape) < 2 {
			continue
		}
		if t := s.out.Type; (t != quant.F16 && t != quant.BF16) || matrices != 0 && t != matrices {
			return nil
		}
		matrices = s.out.Type
	}
	for i, s := range c.steps {
		if len(s.out.Shape) != 1 || s.out.Type != quant.F32 {
			continue
		}
		values, err := c.model.Float32(s.source, nil)
		if err != nil {
			return err
		}
		exact, err := survives(values, matrices)
		if err != nil {
			return err
		}
		if exact {
			if c.steps[i].out, err = NewInfo(s.out.Name, matrices, s.out.Shape...); err != nil {
				return err
			}
		}
	}
	return nil
}

// survives reports whether values are the same after rounding to t.
func survives(values []float32, t quant.Type) (bool, error) {
	half := make([]byte, len(values)*t.BlockBytes())
	back := make([]float32, len(values))
	if err := errors.Join(encode(t, half, values), decode(t, back, half)); err != nil {
		return false, err
	}
	return slices.Equal(values, back), nil
}

// writeCompanions writes everything but the weights.
func (c *conversion) writeCompanions(folder *Folder) error {
	dtype, err := torchDtype(c.mainType())
	if err != nil {
		return failf(c.dst, "%w", err)
	}
	if c.model.file.format == Safetensors {
		return c.copyCompanions(folder, dtype)
	}
	config, err := writeHFConfig(c.config, dtype)
	if err != nil {
		return failf(c.dst, "config.json: %w", err)
	}
	files := map[string][]byte{"config.json": config}
	if files["generation_config.json"], err = generationConfig(c.config); err != nil {
		return failf(c.dst, "generation_config.json: %w", err)
	}
	v, err := c.vocabulary()
	if err != nil {
		return err
	}
	if v != nil {
		tokenizer, err := v.toHF(c.config.MaxPositions)
		if err != nil {
			return failf(c.model.file.path, "%w", err)
		}
		maps.Copy(files, tokenizer)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := folder.WriteFile(name, files[name]); err != nil {
			return err
		}
	}
	return nil
}

// copyCompanions copies a folder's files; config.json only gets the new dtype.
func (c *conversion) copyCompanions(folder *Folder, dtype string) error {
	path := filepath.Join(c.model.file.dir, "config.json")
	text, err := readLimited(path, maxConfig)
	if err != nil {
		return err
	}
	config := map[string]any{}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber() // numbers keep their digits
	if err := dec.Decode(&config); err != nil {
		return failf(path, "%w", err)
	}
	key := "torch_dtype"
	if _, ok := config["dtype"]; ok {
		key = "dtype" // transformers 5
	}
	config[key] = dtype
	if c.config.Architecture == "llama" && (c.config.QKVBias || c.config.MLPBias) {
		config["attention_bias"], config["mlp_bias"] = c.config.QKVBias, c.config.MLPBias
	}
	if text, err = json.MarshalIndent(config, "", "  "); err != nil {
		return failf(path, "%w", err)
	}
	if err := folder.WriteFile("config.json", append(text, '\n')); err != nil {
		return err
	}
	for _, name := range companions {
		from := filepath.Join(c.model.file.dir, name)
		if _, err := os.Stat(from); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		text, err := readLimited(from, maxTokenizer)
		if err != nil {
			return err
		}
		if err := folder.WriteFile(name, text); err != nil {
			return err
		}
	}
	return nil
}

// mainType is the floating-point type that most bytes of the output have.
func (c *conversion) mainType() quant.Type {
	size := map[quant.Type]int64{}
	best := quant.F32
	for _, s := range c.steps {
		if t := s.out.Type; isFloat(t) {
			size[t] += s.out.Bytes
			if size[t] > size[best] {
				best = t
			}
		}
	}
	return best
}

func generationConfig(c Config) ([]byte, error) {
	h := map[string]any{"_from_model_config": true}
	if c.BOS >= 0 {
		h["bos_token_id"] = c.BOS
	}
	if c.PAD >= 0 {
		h["pad_token_id"] = c.PAD
	}
	if len(c.EOS) == 1 {
		h["eos_token_id"] = c.EOS[0]
	} else if len(c.EOS) > 1 {
		h["eos_token_id"] = c.EOS
	}
	text, err := json.MarshalIndent(h, "", "  ")
	return append(text, '\n'), err
}
