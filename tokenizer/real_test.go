package tokenizer

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/eckart-go/eckart/internal/testdata"
)

type realCase struct {
	IDs     [][]int
	Decoded []string
	Books   map[string][2]any // number of ids, and SHA-256 of them as little-endian int32
}

// The vocabularies of SmolLM2 and all-MiniLM-L6-v2, on the fixture's texts and on whole books.
func TestRealVocabularies(t *testing.T) {
	var cases map[string]realCase
	readFixture(t, "real.json.gz", &cases)
	texts := fixtureTexts(t)
	for name, env := range map[string]string{"smollm2": "ECKART_SMOLLM2", "minilm": "ECKART_MINILM"} {
		t.Run(name, func(t *testing.T) {
			tok, err := Open(testdata.Model(t, env))
			if err != nil {
				t.Fatal(err)
			}
			c := cases[name]
			sameIDs(t, tok, texts, c.IDs, EncodeOptions{})
			for i, want := range c.Decoded {
				if got := tok.Decode(c.IDs[i]); got != want {
					t.Errorf("text %d: decoded %q, want %q", i, got, want)
				}
			}
			for book, want := range c.Books {
				t.Run(book, func(t *testing.T) {
					data, err := os.ReadFile(testdata.Path(t, book))
					if err != nil {
						t.Fatal(err)
					}
					text := strings.ReplaceAll(strings.ReplaceAll(string(data), "\r\n", "\n"), "\r", "\n") // as Python reads text
					ids := tok.Encode(nil, text, EncodeOptions{})
					if n, sum := len(ids), digest(ids); float64(n) != want[0] || sum != want[1] {
						t.Errorf("%d ids with digest %s, want %v %v", n, sum, want[0], want[1])
					}
				})
			}
		})
	}
}

func digest(ids []int) string {
	h := sha256.New()
	for _, id := range ids {
		var b [4]byte
		binary.LittleEndian.PutUint32(b[:], uint32(id))
		h.Write(b[:])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// run.c ends a text at its first NUL, so texts are cut there, and must be valid UTF-8 to compare.
func TestLlama2cEqualsRunC(t *testing.T) {
	tok, err := Open(testdata.Path(t, "stories260k/stories260K.bin"))
	if err != nil {
		t.Fatal(err)
	}
	texts := fixtureTexts(t)
	for i, s := range texts {
		texts[i], _, _ = strings.Cut(s, "\x00")
	}
	var want [][]int
	readFixture(t, "llama2c.json.gz", &want)
	sameIDs(t, tok, texts, want, EncodeOptions{})
	for i, s := range texts {
		if got := tok.Decode(want[i]); got != lossy(s) {
			t.Errorf("text %d: decoded %q, want %q", i, got, lossy(s))
		}
	}
	streamed(t, tok, want)
}
