package tokenizer

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// baseMetadata writes a base vocabulary the way llama.cpp's converter writes it to GGUF, as make_fixtures.py does for
// llama.cpp itself.
func baseMetadata(t testing.TB, base, model, pre string) map[string]any {
	var f struct {
		Model struct {
			Vocab  map[string]int
			Merges [][2]string
		}
		Added []struct{ Content string } `json:"added_tokens"`
	}
	if err := json.Unmarshal(baseJSON(t, base, nil), &f); err != nil {
		t.Fatal(err)
	}
	special := map[string]bool{}
	for _, a := range f.Added {
		special[a.Content] = true
	}
	tokens := make([]string, len(f.Model.Vocab))
	types, scores := make([]int32, len(tokens)), make([]float32, len(tokens))
	for tok, id := range f.Model.Vocab {
		types[id] = typeNormal
		switch {
		case model == "llama" && id == 0:
			types[id] = typeUnknown
		case special[tok]:
			types[id] = typeControl
		case model == "llama" && id >= 3 && id < 259:
			types[id] = typeByte
		}
		if model == "bert" && !special[tok] {
			if word, ok := strings.CutPrefix(tok, "##"); ok {
				tok = word
			} else {
				tok = "▁" + tok
			}
		}
		tokens[id] = tok
		if id >= 259 {
			scores[id] = float32(259 - id)
		}
	}
	meta := map[string]any{"tokenizer.ggml.model": model, "tokenizer.ggml.pre": pre, "tokenizer.ggml.tokens": tokens,
		"tokenizer.ggml.token_type": types, "tokenizer.ggml.bos_token_id": uint32(0), "tokenizer.ggml.eos_token_id": uint32(1)}
	switch model {
	case "gpt2":
		merges := make([]string, len(f.Model.Merges))
		for i, m := range f.Model.Merges {
			merges[i] = m[0] + " " + m[1]
		}
		meta["tokenizer.ggml.merges"] = merges
	case "llama":
		meta["tokenizer.ggml.scores"] = scores
		meta["tokenizer.ggml.bos_token_id"], meta["tokenizer.ggml.eos_token_id"] = uint32(1), uint32(2)
	case "bert":
		meta["tokenizer.ggml.unknown_token_id"] = uint32(1)
		meta["tokenizer.ggml.bos_token_id"], meta["tokenizer.ggml.seperator_token_id"] = uint32(2), uint32(3)
	}
	return meta
}

// A GGUF file gives the ids of the tokenizer.json it was made from.
func TestGGUFEqualsHuggingFace(t *testing.T) {
	texts := fixtureTexts(t)
	var cases map[string]fixtureCase
	readFixture(t, "cases.json.gz", &cases)
	for _, c := range []struct{ name, base, model, pre string }{
		{"gpt2", "gpt2", "gpt2", "gpt-2"}, {"smollm", "gpt2", "gpt2", "smollm"}, {"llama3", "llama3", "gpt2", "llama-bpe"},
		{"sentencepiece", "sentencepiece", "llama", "default"}, {"wordpiece", "wordpiece", "bert", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			tok, err := FromGGUF(baseMetadata(t, c.base, c.model, c.pre))
			if err != nil {
				t.Fatal(err)
			}
			sameIDs(t, tok, texts, cases[c.name].IDs, EncodeOptions{})
			for i, want := range cases[c.name].Decoded {
				if got := tok.Decode(cases[c.name].IDs[i]); got != want {
					t.Errorf("text %d: decoded %q, want %q", i, got, want)
				}
			}
		})
	}
}

func TestGGUFEqualsLlamaCpp(t *testing.T) {
	texts := fixtureTexts(t)
	var cases map[string]struct {
		Base, Model string
		IDs         [][]int
	}
	readFixture(t, "llamacpp.json.gz", &cases)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			pre := name
			if c.Model != "gpt2" {
				pre = "default"
			}
			tok, err := FromGGUF(baseMetadata(t, c.Base, c.Model, pre))
			if err != nil {
				t.Fatal(err)
			}
			sameIDs(t, tok, texts, c.IDs, EncodeOptions{})
		})
	}
}

func TestGGUFErrorsNameTheCause(t *testing.T) {
	for _, c := range []struct {
		key   string
		value any
		want  string
	}{
		{"model", "rwkv", `"rwkv"`},
		{"pre", "tekken", `"tekken"`},
		{"tokens", []int32{1}, "tokenizer.ggml.tokens"},
		{"token_type", []int32{1}, "1 values for"},
		{"merges", []string{"a"}, `merges[0] is "a"`},
		{"merges", []string{"q zzzz"}, "merge 0"},
		{"eos_token_id", uint64(1 << 62), "outside the vocabulary"},
	} {
		meta := baseMetadata(t, "gpt2", "gpt2", "gpt-2")
		meta["tokenizer.ggml."+c.key] = c.value
		if _, err := FromGGUF(meta); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s = %v: error %v, want one with %q", c.key, c.value, err, c.want)
		}
	}
	if _, err := FromGGUF(nil); err == nil {
		t.Error("no metadata: no error")
	}
	meta := baseMetadata(t, "sentencepiece", "llama", "")
	meta["tokenizer.ggml.tokens"] = append([]string{strings.Repeat("ab", maxScored)}, meta["tokenizer.ggml.tokens"].([]string)[1:]...)
	meta["tokenizer.ggml.token_type"].([]int32)[0] = typeNormal
	if _, err := FromGGUF(meta); err == nil || !strings.Contains(err.Error(), fmt.Sprint(maxScored)) {
		t.Errorf("a token of %d bytes: %v", 2*maxScored, err)
	}
}
