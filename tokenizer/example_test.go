package tokenizer_test

import (
	"fmt"
	"strings"

	"github.com/eckart-go/eckart/tokenizer"
)

// A byte-level BPE with five merges: words are split as GPT-2 does, then joined by rank.
const small = `{
  "added_tokens": [{"id": 11, "content": "<|end|>", "special": true}],
  "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
  "decoder": {"type": "ByteLevel"},
  "model": {"type": "BPE",
    "vocab": {"l": 0, "o": 1, "w": 2, "e": 3, "r": 4, "Ġ": 5, "lo": 6, "low": 7, "er": 8, "Ġlow": 9, "lower": 10},
    "merges": ["l o", "lo w", "e r", "Ġ low", "low er"]}
}`

func Example() {
	t, err := tokenizer.FromJSON(strings.NewReader(small))
	if err != nil {
		fmt.Println(err)
		return
	}
	ids := t.Encode(nil, "lower low<|end|>", tokenizer.EncodeOptions{})
	for _, id := range ids {
		text, _ := t.Token(id)
		fmt.Printf("%d %s\n", id, text)
	}
	fmt.Printf("%q\n", t.Decode(ids))
	// Output:
	// 10 lower
	// 9 Ġlow
	// 11 <|end|>
	// "lower low"
}

// A component that is not known is an error, not a guess.
func ExampleFromJSON() {
	_, err := tokenizer.FromJSON(strings.NewReader(`{"model": {"type": "Unigram", "vocab": []}}`))
	fmt.Println(err)
	// Output:
	// tokenizer: tokenizer.json: model: the type Unigram is not supported (byte-level BPE, SentencePiece-style BPE and WordPiece are)
}

// Text appears as soon as its characters are complete.
func ExampleStream() {
	t, err := tokenizer.FromGGUF(map[string]any{
		"tokenizer.ggml.model":  "llama",
		"tokenizer.ggml.tokens": []string{"<unk>", "<s>", "</s>", "<0xC3>", "<0xA9>", "▁caf"},
		"tokenizer.ggml.scores": []float32{0, 0, 0, 0, 0, -1},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	s := t.NewStream(tokenizer.DecodeOptions{})
	for _, id := range []int{5, 3, 4} {
		fmt.Printf("%q\n", s.Next(id))
	}
	// Output:
	// "caf"
	// ""
	// "é"
}
