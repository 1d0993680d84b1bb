package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/eckart-go/eckart/checkpoint"
)

// Open reads the tokenizer of a model: path is a Hugging Face folder or a tokenizer.json (BOS, EOS and the chat template
// come from tokenizer_config.json and chat_template.jinja beside it), a .gguf file, or a llama2.c model, beside which its
// vocabulary lies (tok512.bin for 512 tokens, or tokenizer.bin), or that vocabulary.
func Open(path string) (*Tokenizer, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	var t *Tokenizer
	name := filepath.Base(path)
	switch {
	case info.IsDir():
		t, err = openFolder(path, "tokenizer.json")
	case filepath.Ext(name) == ".json":
		t, err = openFolder(filepath.Dir(path), name)
	case filepath.Ext(name) == ".safetensors":
		t, err = openFolder(filepath.Dir(path), "tokenizer.json")
	case filepath.Ext(name) == ".bin" && strings.HasPrefix(name, "tok"):
		t, err = openLlama2c(path)
	default:
		t, err = openCheckpoint(path)
	}
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %s: %w", path, trimPackage(err))
	}
	return t, nil
}

// trimPackage takes the package's name off an error that will get it again, with the path.
func trimPackage(err error) error {
	if text, ok := strings.CutPrefix(err.Error(), "tokenizer: "); ok {
		return &shorter{text, err}
	}
	return err
}

type shorter struct {
	text string
	err  error
}

func (s *shorter) Error() string { return s.text }
func (s *shorter) Unwrap() error { return s.err }

func openCheckpoint(path string) (*Tokenizer, error) {
	c, err := checkpoint.Open(path)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	switch c.Format() {
	case checkpoint.GGUF:
		return FromGGUF(c.Metadata())
	case checkpoint.Llama2c:
		embedding, ok := c.Info("tok_embeddings.weight")
		if !ok || len(embedding.Shape) == 0 {
			return nil, errors.New("no token embedding")
		}
		return openBeside(path, embedding.Shape[0])
	}
	return openFolder(filepath.Dir(path), "tokenizer.json")
}

// openBeside reads the llama2.c vocabulary of a given size beside a model.
func openBeside(path string, size int) (*Tokenizer, error) {
	names := []string{fmt.Sprintf("tok%d.bin", size), "tokenizer.bin"}
	for _, name := range names {
		t, err := openLlama2c(filepath.Join(filepath.Dir(path), name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && t.VocabSize() != size {
			err = fmt.Errorf("%s has %d tokens, the model %d", name, t.VocabSize(), size)
		}
		return t, err
	}
	return nil, fmt.Errorf("neither %s nor %s lies beside the model", names[0], names[1])
}

func openLlama2c(path string) (*Tokenizer, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return FromLlama2c(f)
}

// openFolder reads a tokenizer.json and what lies beside it.
func openFolder(dir, name string) (*Tokenizer, error) {
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	t, err := parseJSON(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	data, err = os.ReadFile(filepath.Join(dir, "tokenizer_config.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return t, nil
	}
	if err == nil {
		err = t.configure(data)
	}
	if err != nil {
		return nil, fmt.Errorf("tokenizer_config.json: %w", err)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "chat_template.jinja")); err == nil {
		t.template = string(data)
	}
	return t, nil
}

// configure takes BOS, EOS and the chat template from a tokenizer_config.json; BERT's [CLS] and [SEP] serve as BOS and EOS.
func (t *Tokenizer) configure(data []byte) error {
	var c map[string]json.RawMessage
	if err := json.Unmarshal(data, &c); err != nil {
		return err
	}
	t.bos, t.eos = t.named(c, "bos_token", "cls_token"), t.named(c, "eos_token", "sep_token")
	if err := json.Unmarshal(c["chat_template"], &t.template); err != nil {
		t.template = "" // absent, or several named templates
	}
	return nil
}

// named returns the id of the first of keys that names a token, as "</s>" or as {"content": "</s>"}, or -1.
func (t *Tokenizer) named(c map[string]json.RawMessage, keys ...string) int {
	for _, key := range keys {
		var text string
		var object struct {
			Content string `json:"content"`
		}
		if json.Unmarshal(c[key], &text) != nil && json.Unmarshal(c[key], &object) == nil {
			text = object.Content
		}
		if id, ok := t.byText[text]; ok && text != "" {
			return id
		}
	}
	return -1
}
