package tokenizer

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The fixtures are made by testdata/make_fixtures.py with Hugging Face tokenizers and llama.cpp.

func readFixture(t testing.TB, name string, v any) {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(z).Decode(v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func fixtureTexts(t testing.TB) []string {
	var encoded []string
	readFixture(t, "texts.json.gz", &encoded)
	texts := make([]string, len(encoded))
	for i, s := range encoded {
		raw, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = string(raw)
	}
	return texts
}

// baseJSON returns the tokenizer.json called name, its top-level keys replaced by those of patch.
func baseJSON(t testing.TB, name string, patch map[string]json.RawMessage) []byte {
	var base map[string]json.RawMessage
	readFixture(t, "base-"+name+".json.gz", &base)
	for k, v := range patch {
		base[k] = v
	}
	data, err := json.Marshal(base)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func loadBase(t testing.TB, name string) *Tokenizer {
	tok, err := FromJSON(bytes.NewReader(baseJSON(t, name, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// sameIDs compares the ids of all texts with the expected ones, and says where they part.
func sameIDs(t *testing.T, tok *Tokenizer, texts []string, want [][]int, opts EncodeOptions) {
	t.Helper()
	if len(want) > len(texts) || len(want) == 0 {
		t.Fatalf("%d texts, %d expected results", len(texts), len(want))
	}
	bad := 0
	for i, ids := range want {
		got := tok.Encode(nil, texts[i], opts)
		if slices.Equal(got, ids) {
			continue
		}
		if bad++; bad <= 3 {
			t.Errorf("text %d %q:\n got %q\nwant %q", i, texts[i], names(tok, got), names(tok, ids))
		}
	}
	if bad > 0 {
		t.Errorf("%d of %d texts differ", bad, len(want))
	}
}

func names(tok *Tokenizer, ids []int) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i], _ = tok.Token(id)
	}
	return out
}

type fixtureCase struct {
	Base    string
	Patch   map[string]json.RawMessage
	IDs     [][]int
	Bare    [][]int
	Decoded []string
	Special []string
}

func TestIDsEqualHuggingFace(t *testing.T) {
	texts := fixtureTexts(t)
	var cases map[string]fixtureCase
	readFixture(t, "cases.json.gz", &cases)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			tok, err := FromJSON(bytes.NewReader(baseJSON(t, c.Base, c.Patch)))
			if err != nil {
				t.Fatal(err)
			}
			sameIDs(t, tok, texts, c.IDs, EncodeOptions{})
			sameIDs(t, tok, texts, c.Bare, EncodeOptions{Bare: true})
			for i, want := range c.Decoded {
				if got := tok.Decode(c.IDs[i]); got != want {
					t.Errorf("text %d: decoded %q, want %q", i, got, want)
				}
			}
			for i, want := range c.Special {
				if got := tok.DecodeWith(c.IDs[i], DecodeOptions{Special: true}); got != want {
					t.Errorf("text %d: decoded with special tokens %q, want %q", i, got, want)
				}
			}
			streamed(t, tok, c.IDs[:len(c.Decoded)])
		})
	}
}

// streamed checks that what a Stream returns, joined, is what Decode returns.
func streamed(t *testing.T, tok *Tokenizer, texts [][]int) {
	t.Helper()
	for i, ids := range texts {
		var got strings.Builder
		s := tok.NewStream(DecodeOptions{})
		for _, id := range ids {
			got.WriteString(s.Next(id))
		}
		got.WriteString(s.Flush())
		if want := tok.Decode(ids); got.String() != want {
			t.Errorf("text %d: streamed %q, decoded at once %q", i, got.String(), want)
		}
	}
}
