package checkpoint

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Each splitter survives the way to tokenizer.json and back.
func TestSplittersAreRecognised(t *testing.T) {
	for _, s := range splitters {
		for _, prefix := range []bool{false, true} {
			text, err := json.Marshal(s.preTokenizer(prefix))
			if err != nil {
				t.Fatal(err)
			}
			var c hfComponent
			if err := json.Unmarshal(text, &c); err != nil {
				t.Fatal(err)
			}
			if name, got, err := splitterOf(&c); name != s.name || got != prefix || err != nil {
				t.Errorf("%s: recognised as %q, space %v, %v", s.name, name, got, err)
			}
		}
		for _, alias := range append(s.aliases, s.name) {
			if got, err := findSplitter(alias); err != nil || got.name != s.name {
				t.Errorf("%q is %q, %v", alias, got.name, err)
			}
		}
	}
}

// hfFolder writes a tokenizer's files and returns the folder.
func hfFolder(t *testing.T, tokenizer, config string) string {
	t.Helper()
	dir := t.TempDir()
	writeTestFile(t, filepath.Join(dir, "tokenizer.json"), []byte(tokenizer))
	writeTestFile(t, filepath.Join(dir, "tokenizer_config.json"), []byte(config))
	return dir
}

const sentencePieceJSON = `{"added_tokens":[{"id":0,"content":"<unk>","special":true},{"id":1,"content":"<s>","special":true},{"id":7,"content":"<tool>","special":false}],
	"normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},"content":"▁"}]},
	"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}]},
	"model":{"type":"BPE","unk_token":"<unk>","byte_fallback":true,"vocab":{"<unk>":0,"<s>":1,"<0x0A>":2,"▁":3,"a":4,"▁a":5,"▁aa":6},
	"merges":[["▁","a"],["▁a","a"]]}}`

func TestSentencePieceFromTokenizerJSON(t *testing.T) {
	dir := hfFolder(t, sentencePieceJSON, `{"bos_token":{"content":"<s>"},"chat_template":[{"name":"x","template":"no"},{"name":"default","template":"yes"}]}`)
	got, err := vocabularyFromHF(dir, Config{Vocab: 9, BOS: -1, PAD: -1, EOS: []int{4}})
	if err != nil {
		t.Fatal(err)
	}
	want := &vocabulary{
		kind: "llama", tokens: []string{"<unk>", "<s>", "<0x0A>", "▁", "a", "▁a", "▁aa", "<tool>", "[PAD8]"},
		types:  []int32{tokenUnknown, tokenControl, tokenByte, tokenNormal, tokenNormal, tokenNormal, tokenNormal, tokenUserDefined, tokenUnused},
		scores: []float32{0, 0, 0, unmergedScore, unmergedScore, 0, -1, 0, unmergedScore},
		bos:    1, eos: 4, unk: 0, pad: -1, eot: -1, eom: -1, addBOS: true, spacePrefix: true, chatTemplate: "yes",
	}
	want.scores[8] = got.scores[8] // an id that only pads has no score to speak of
	if d := cmp.Diff(want, got, cmp.AllowUnexported(vocabulary{})); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"▁ a", "▁a a"}, mergesFromScores(got)); d != "" {
		t.Errorf("merges: %s", d)
	}
}

func TestTokenizersThatAreRefused(t *testing.T) {
	byteLevel := `"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false}`
	for _, tc := range []struct{ name, tokenizer, want string }{
		{"not JSON", `{`, "unexpected end of JSON input"},
		{"another model", `{"model":{"type":"WordPiece","vocab":{}}}`, `a tokenizer model "WordPiece" cannot be written to GGUF`},
		{"id beyond the embedding", `{` + byteLevel + `,"model":{"type":"BPE","vocab":{"a":9}}}`, `token "a" has id 9, the embedding has 4 rows`},
		{"negative id", `{` + byteLevel + `,"model":{"type":"BPE","vocab":{"a":-1}}}`, `token "a" has id -1`},
		{"added beyond", `{` + byteLevel + `,"added_tokens":[{"id":4,"content":"x"}],"model":{"type":"BPE","vocab":{}}}`, `added token "x" has id 4`},
		{"shared id", `{` + byteLevel + `,"model":{"type":"BPE","vocab":{"a":1,"b":1}}}`, `tokens "a" and "b" share id 1`},
		{"merge of three", `{` + byteLevel + `,"model":{"type":"BPE","vocab":{},"merges":[["a","b","c"]]}}`, "merges: expected"},
		{"unknown splitter", `{"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"\\d+"},"behavior":"Isolated"},{"type":"ByteLevel","use_regex":false}]},"model":{"type":"BPE","vocab":{}}}`, `splitting by "\\d+" is not supported`},
		{"no pre-tokenizer", `{"model":{"type":"BPE","vocab":{}}}`, "no ByteLevel pre-tokenizer"},
		{"merge without token", `{"model":{"type":"BPE","byte_fallback":true,"vocab":{"a":0},"merges":["a a"]}}`, `merge "a a" produces no token`},
		{"unknown normalizer", `{"normalizer":{"type":"Lowercase"},"model":{"type":"BPE","byte_fallback":true,"vocab":{}}}`, `component "Lowercase"`},
	} {
		_, err := vocabularyFromHF(hfFolder(t, tc.tokenizer, `{}`), Config{Vocab: 4, BOS: -1, PAD: -1})
		if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "tokenizer.json") {
			t.Errorf("%s: got %v, want an error with %q", tc.name, err, tc.want)
		}
	}
	for _, tc := range []struct {
		meta map[string]any
		want string
	}{
		{map[string]any{"tokenizer.ggml.model": "bert"}, `tokenizer.ggml.model "bert" is not supported`},
		{map[string]any{"tokenizer.ggml.model": "gpt2"}, "tokenizer.ggml.tokens is missing"},
		{map[string]any{"tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": []string{"a"}}, "1 tokens, 1 types and 0 scores"},
		{map[string]any{"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.tokens": []string{"a"}, "tokenizer.ggml.bos_token_id": uint32(1)}, "bos_token_id is 1, outside the 1 tokens"},
		{map[string]any{"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.tokens": []string{strings.Repeat("a", 5000)}}, "token 0 has 5000 bytes"},
	} {
		if _, err := vocabularyFromGGUF(tc.meta); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("got %v, want an error with %q", err, tc.want)
		}
	}
}

// FuzzTokenizerJSON covers tokenizer.json on its way to GGUF and back.
func FuzzTokenizerJSON(f *testing.F) {
	f.Add([]byte(sentencePieceJSON))
	text, err := os.ReadFile("testdata/llama/tokenizer.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		var h hfTokenizer
		if json.Unmarshal(text, &h) != nil {
			return
		}
		v, err := h.vocabulary(300)
		if err != nil {
			return
		}
		v.setPostProcessor(h.PostProcessor, hfTokenizerConfig{})
		meta := map[string]any{}
		v.toGGUF(meta)
		if _, err := layoutGGUF(nil, meta); err != nil {
			t.Fatal(err)
		}
		if w, err := vocabularyFromGGUF(meta); err == nil {
			w.toHF(64) // may refuse, must return
		}
	})
}
