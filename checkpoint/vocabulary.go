package checkpoint

import (
	"fmt"
	"strings"
)

// vocabulary is a tokenizer in GGUF's terms, on its way between GGUF metadata, tokenizer.json and llama2.c's file.
type vocabulary struct {
	kind   string // ggufByteLevel or ggufSentencePiece
	pre    string // name of the splitter, byte-level only
	tokens []string
	scores []float32 // SentencePiece only: the greatest is merged first
	types  []int32
	merges []string // byte-level only: "left right", in order

	bos, eos, unk, pad, eot, eom int // ids, -1 for none
	addBOS, addEOS               bool
	spacePrefix                  bool // text gets a space in front
	chatTemplate                 string
}

// GGUF's names of the two kinds that are converted.
const (
	ggufByteLevel     = "gpt2"
	ggufSentencePiece = "llama"
)

// Token types of GGUF.
const (
	tokenNormal      int32 = 1
	tokenUnknown     int32 = 2
	tokenControl     int32 = 3
	tokenUserDefined int32 = 4
	tokenUnused      int32 = 5
	tokenByte        int32 = 6
)

// maxTokenBytes bounds the work that a token makes, which grows with the square of its length. No real one is near.
const maxTokenBytes = 4096

func newVocabulary() *vocabulary {
	return &vocabulary{bos: -1, eos: -1, unk: -1, pad: -1, eot: -1, eom: -1}
}

// specialIDs pairs GGUF's keys with the ids.
func (v *vocabulary) specialIDs() map[string]*int {
	return map[string]*int{
		"bos_token_id": &v.bos, "eos_token_id": &v.eos, "unknown_token_id": &v.unk, "padding_token_id": &v.pad,
		"eot_token_id": &v.eot, "eom_token_id": &v.eom,
	}
}

// vocabularyFromGGUF reads tokenizer.ggml.*; nil without error when there is none.
func vocabularyFromGGUF(meta map[string]any) (*vocabulary, error) {
	v := newVocabulary()
	kind, ok := meta["tokenizer.ggml.model"].(string)
	if !ok || kind == "none" || kind == "no_vocab" {
		return nil, nil
	}
	if kind != ggufByteLevel && kind != ggufSentencePiece {
		return nil, fmt.Errorf("tokenizer.ggml.model %q is not supported; expected %s or %s", kind, ggufByteLevel, ggufSentencePiece)
	}
	v.kind = kind
	v.pre, _ = meta["tokenizer.ggml.pre"].(string)
	v.tokens, _ = meta["tokenizer.ggml.tokens"].([]string)
	v.scores, _ = meta["tokenizer.ggml.scores"].([]float32)
	v.types, _ = meta["tokenizer.ggml.token_type"].([]int32)
	v.merges, _ = meta["tokenizer.ggml.merges"].([]string)
	v.chatTemplate, _ = meta["tokenizer.chat_template"].(string)
	if len(v.tokens) == 0 {
		return nil, fmt.Errorf("tokenizer.ggml.tokens is missing or no array of strings")
	}
	if v.types == nil {
		v.types = make([]int32, len(v.tokens))
		for i := range v.types {
			v.types[i] = tokenNormal
		}
	}
	if len(v.types) != len(v.tokens) || kind == ggufSentencePiece && len(v.scores) != len(v.tokens) {
		return nil, fmt.Errorf("%d tokens, %d types and %d scores: they must be as many", len(v.tokens), len(v.types), len(v.scores))
	}
	for i, t := range v.tokens {
		if len(t) > maxTokenBytes {
			return nil, fmt.Errorf("token %d has %d bytes, at most %d expected", i, len(t), maxTokenBytes)
		}
	}
	for key, id := range v.specialIDs() {
		if n, ok := wholeNumber(meta["tokenizer.ggml."+key]); ok {
			if n < 0 || n >= len(v.tokens) {
				return nil, fmt.Errorf("tokenizer.ggml.%s is %d, outside the %d tokens", key, n, len(v.tokens))
			}
			*id = n
		}
	}
	flag := func(key string, otherwise bool) bool {
		if b, ok := meta["tokenizer.ggml."+key].(bool); ok {
			return b
		}
		return otherwise
	}
	v.addBOS = flag("add_bos_token", kind == ggufSentencePiece || v.pre == "llama-bpe") // llama.cpp's defaults
	v.addEOS = flag("add_eos_token", false)
	v.spacePrefix = flag("add_space_prefix", kind == ggufSentencePiece)
	return v, nil
}

// toGGUF writes tokenizer.ggml.* into metadata.
func (v *vocabulary) toGGUF(meta map[string]any) {
	meta["tokenizer.ggml.model"] = v.kind
	meta["tokenizer.ggml.tokens"] = v.tokens
	meta["tokenizer.ggml.token_type"] = v.types
	if v.kind == ggufSentencePiece {
		meta["tokenizer.ggml.pre"] = "default"
		meta["tokenizer.ggml.scores"] = v.scores
	} else {
		meta["tokenizer.ggml.pre"] = v.pre
		meta["tokenizer.ggml.merges"] = v.merges
	}
	for key, id := range v.specialIDs() {
		if *id >= 0 {
			meta["tokenizer.ggml."+key] = uint32(*id)
		}
	}
	meta["tokenizer.ggml.add_bos_token"] = v.addBOS
	meta["tokenizer.ggml.add_eos_token"] = v.addEOS
	meta["tokenizer.ggml.add_space_prefix"] = v.spacePrefix
	if v.chatTemplate != "" {
		meta["tokenizer.chat_template"] = v.chatTemplate
	}
}

// resize pads the vocabulary to n tokens, as many as the embedding has rows, or fails when it has more.
func (v *vocabulary) resize(n int) error {
	if len(v.tokens) > n {
		return fmt.Errorf("the tokenizer has %d tokens, the embedding %d rows", len(v.tokens), n)
	}
	for i := len(v.tokens); i < n; i++ {
		v.tokens = append(v.tokens, fmt.Sprintf("[PAD%d]", i))
		v.types = append(v.types, tokenUnused)
	}
	for v.kind == ggufSentencePiece && len(v.scores) < n {
		v.scores = append(v.scores, unmergedScore)
	}
	return nil
}

// token returns the text of an id, "" for -1.
func (v *vocabulary) token(id int) string {
	if id < 0 || id >= len(v.tokens) {
		return ""
	}
	return v.tokens[id]
}

// unmergedScore is the score of tokens that no merge produces: below every merge.
const unmergedScore = float32(-1e6)

// sentencePieceScores gives each token the score that makes SentencePiece merge in the given order: minus the rank of
// the first merge that produces it.
func sentencePieceScores(tokens []string, types []int32, merges []string) ([]float32, error) {
	id := make(map[string]int, len(tokens))
	scores := make([]float32, len(tokens))
	for i, t := range tokens {
		id[t] = i
		if types[i] == tokenNormal {
			scores[i] = unmergedScore
		}
	}
	rank := 0
	for _, m := range merges {
		left, right, ok := strings.Cut(m, " ")
		i, found := id[left+right]
		if !ok || !found {
			return nil, fmt.Errorf("merge %q produces no token", m)
		}
		if scores[i] == unmergedScore && types[i] == tokenNormal {
			scores[i] = float32(-rank)
			rank++
		}
	}
	return scores, nil
}
