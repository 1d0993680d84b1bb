package tokenizer

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Token types of tokenizer.ggml.token_type.
const (
	typeNormal  = 1
	typeUnknown = 2
	typeControl = 3
	typeUser    = 4
	typeUnused  = 5
	typeByte    = 6
)

// FromGGUF reads a tokenizer from the metadata of a GGUF file: tokenizer.ggml.model "gpt2" (byte-level BPE), "llama"
// (SentencePiece BPE by scores) or "bert" (WordPiece), with the splitter that tokenizer.ggml.pre names. Values have the Go
// types of their GGUF types; arrays are slices. Control, unknown and user-defined tokens are recognised in the
// text. WordPiece follows Hugging Face where llama.cpp differs (it drops spacing marks and vowels of Hangul with the accents).
func FromGGUF(meta map[string]any) (*Tokenizer, error) {
	t, err := parseGGUF(metadata(meta))
	if err != nil {
		return nil, fmt.Errorf("tokenizer: GGUF metadata: %w", err)
	}
	return t, nil
}

// metadata reads values under "tokenizer.ggml.".
type metadata map[string]any

func (m metadata) text(key string) string {
	s, _ := m["tokenizer.ggml."+key].(string)
	return s
}

func (m metadata) flag(key string, absent bool) bool {
	if b, ok := m["tokenizer.ggml."+key].(bool); ok {
		return b
	}
	return absent
}

// id reads a token id of any integer type, or returns absent.
func (m metadata) id(key string, absent int) int {
	switch v := m["tokenizer.ggml."+key].(type) {
	case uint32:
		return int(v)
	case int32:
		return int(v)
	case uint64:
		return int(min(v, math.MaxInt32))
	case int64:
		return int(min(max(v, -1), math.MaxInt32))
	case uint16:
		return int(v)
	case uint8:
		return int(v)
	}
	return absent
}

// ggufVocab is the vocabulary as the file lists it.
type ggufVocab struct {
	tokens []string
	types  []int32
	scores []float32
	merges []string
}

func (m metadata) vocabulary() (*ggufVocab, error) {
	v := &ggufVocab{}
	v.tokens, _ = m["tokenizer.ggml.tokens"].([]string)
	v.types, _ = m["tokenizer.ggml.token_type"].([]int32)
	v.scores, _ = m["tokenizer.ggml.scores"].([]float32)
	v.merges, _ = m["tokenizer.ggml.merges"].([]string)
	switch n := len(v.tokens); {
	case n == 0:
		return nil, errors.New("tokenizer.ggml.tokens is not a list of strings, or is empty: no tokenizer in this file?")
	case n > math.MaxInt32:
		return nil, fmt.Errorf("tokenizer.ggml.tokens has %d tokens", n)
	case v.types != nil && len(v.types) != n:
		return nil, fmt.Errorf("tokenizer.ggml.token_type has %d values for %d tokens", len(v.types), n)
	case v.scores != nil && len(v.scores) != n:
		return nil, fmt.Errorf("tokenizer.ggml.scores has %d values for %d tokens", len(v.scores), n)
	}
	return v, nil
}

func (v *ggufVocab) typeOf(id int) int32 {
	if v.types == nil {
		return typeNormal
	}
	return v.types[id]
}

// byText maps tokens to ids; of equal tokens the first counts, as for llama.cpp the later ones are out of reach.
func (v *ggufVocab) byText() map[string]int32 {
	out := make(map[string]int32, len(v.tokens))
	for id, tok := range v.tokens {
		if _, ok := out[tok]; !ok {
			out[tok] = int32(id)
		}
	}
	return out
}

func parseGGUF(m metadata) (*Tokenizer, error) {
	v, err := m.vocabulary()
	if err != nil {
		return nil, err
	}
	b := newBuilder()
	t := b.t
	t.tokens = slices.Clone(v.tokens)
	for tok, id := range v.byText() {
		t.byText[tok] = int(id)
	}
	t.template, _ = m["tokenizer.chat_template"].(string)
	switch kind := m.text("model"); kind {
	case "gpt2":
		err = b.ggufByteLevel(m, v)
	case "llama":
		err = b.ggufSentencePiece(m, v)
	case "bert":
		err = b.ggufWordPiece(m, v)
	default:
		err = fmt.Errorf("unknown tokenizer.ggml.model %q (gpt2, llama and bert are known)", kind)
	}
	if err != nil {
		return nil, err
	}
	for _, id := range []*int{&t.bos, &t.eos} {
		if *id >= len(t.tokens) {
			return nil, fmt.Errorf("BOS or EOS id %d is outside the vocabulary of %d tokens", *id, len(t.tokens))
		}
	}
	for id, tok := range v.tokens {
		if k := v.typeOf(id); k == typeControl || k == typeUser || k == typeUnknown {
			if err := b.add(added{id: id, content: tok, special: k != typeUser}); err != nil {
				return nil, err
			}
		}
	}
	return b.finish()
}

// ends puts BOS and EOS around texts when the file, or else the default, says so.
func (t *Tokenizer) ends(m metadata, bos, eos bool) {
	if t.bos >= 0 && m.flag("add_bos_token", bos) {
		t.before = []int{t.bos}
	}
	if t.eos >= 0 && m.flag("add_eos_token", eos) {
		t.after = []int{t.eos}
	}
}

func (b *builder) ggufByteLevel(m metadata, v *ggufVocab) error {
	stages, llama3, err := ggufSplitter(m.text("pre"))
	if err != nil {
		return err
	}
	merges := make([][2]string, len(v.merges))
	for i, line := range v.merges {
		left, right, ok := strings.Cut(line, " ")
		if !ok || left == "" || right == "" || strings.Contains(right, " ") {
			return fmt.Errorf("tokenizer.ggml.merges[%d] is %q, not a pair of tokens", i, line)
		}
		merges[i] = [2]string{left, right}
	}
	p := &bpe{byteLevel: true, unk: -1, ignoreMerges: llama3}
	p.vocab, merges = byteVocabulary(v.byText(), merges)
	if err := p.setMerges(merges); err != nil {
		return err
	}
	p.finish()
	t := b.t
	t.model = p.wrap("")
	if m.flag("add_space_prefix", false) {
		t.stages = append(t.stages, stage{rewrite: prefixSpace})
	}
	t.stages = append(t.stages, stages...)
	t.decoders, t.byteLevel = []decodeStep{decodeBytes}, true
	t.bos, t.eos = m.id("bos_token_id", -1), m.id("eos_token_id", -1)
	t.ends(m, llama3, false)
	return nil
}

// ggufSplitter returns the pre-tokenizer that llama.cpp's name stands for, and whether it is Llama 3's, whose models also
// take a word that is a token as that token and begin texts with BOS.
func ggufSplitter(name string) (stages []stage, llama3 bool, err error) {
	c := chars()
	gpt2 := stage{splitter: gpt2Scanner{c}}
	switch name {
	case "gpt-2", "phi-2", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de", "roberta-bpe", "olmo", "mpt":
		return []stage{gpt2}, false, nil
	case "smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b":
		return []stage{{splitter: delimited{inClass{c, number}, isolated}}, gpt2}, false, nil
	case "llama-bpe", "llama3", "llama-v3":
		return []stage{{splitter: llama3Scanner{c, 3}}}, true, nil
	case "qwen2", "deepseek-r1-qwen":
		return []stage{{splitter: llama3Scanner{c, 1}}}, false, nil
	case "", "default":
		return []stage{{splitter: punctuationRuns{}}, gpt2, {splitter: delimited{inClass{c, number}, contiguous}},
			{splitter: digitTriples{}}}, false, nil
	}
	return nil, false, fmt.Errorf(`unknown tokenizer.ggml.pre %q (known are "default", "gpt-2", "smollm", "llama-bpe", "qwen2" and their synonyms)`, name)
}

func (b *builder) ggufSentencePiece(m metadata, v *ggufVocab) error {
	if v.scores == nil {
		return errors.New("tokenizer.ggml.scores is missing, which a llama tokenizer merges by")
	}
	t := b.t
	unk := m.id("unknown_token_id", 0)
	if unk >= len(v.tokens) {
		return fmt.Errorf("tokenizer.ggml.unknown_token_id is %d in a vocabulary of %d tokens", unk, len(v.tokens))
	}
	p := &bpe{vocab: v.byText(), unk: int32(unk), byteFallback: true}
	p.finish()
	usable := func(id int) bool {
		k := v.typeOf(id)
		return k == typeNormal || k == typeUser || k == typeUnused
	}
	if err := p.setScores(v.tokens, v.scores, usable); err != nil {
		return err
	}
	p.finish()
	t.model = p.wrap("▁")
	t.stages = []stage{{rewrite: escapeSpaces}}
	t.decoders = []decodeStep{perToken(func(s string, _ bool) string { return strings.ReplaceAll(s, "▁", " ") }), byteFallback, fuse}
	if m.flag("add_space_prefix", true) {
		t.stages = []stage{{rewrite: spaceThenEscape}}
		t.decoders = append(t.decoders, stripEnds(" ", 1, 0))
	}
	t.bos, t.eos = m.id("bos_token_id", 1), m.id("eos_token_id", 2)
	t.ends(m, true, false)
	return nil
}

func (b *builder) ggufWordPiece(m metadata, v *ggufVocab) error {
	t := b.t
	vocab := make(map[string]int32, len(v.tokens))
	for id, tok := range v.tokens {
		k := v.typeOf(id)
		if word, ok := strings.CutPrefix(tok, "▁"); ok {
			tok = word
		} else if k == typeNormal && !(strings.HasPrefix(tok, "[") && strings.HasSuffix(tok, "]")) {
			tok = "##" + tok
		}
		if _, ok := vocab[tok]; !ok {
			vocab[tok] = int32(id)
		}
		t.tokens[id] = tok
	}
	clear(t.byText)
	for tok, id := range vocab {
		t.byText[tok] = int(id)
	}
	v.tokens = t.tokens
	cls, sep := m.id("cls_token_id", m.id("bos_token_id", 101)), m.id("seperator_token_id", m.id("eos_token_id", 102))
	unk := m.id("unknown_token_id", 100)
	for _, id := range []int{cls, sep, unk} {
		if id < 0 || id >= len(v.tokens) {
			return fmt.Errorf("a special token has id %d in a vocabulary of %d tokens", id, len(v.tokens))
		}
	}
	if err := b.setWordPiece(vocab, "##", v.tokens[unk], 100); err != nil {
		return err
	}
	c := chars()
	t.normalisers = []normaliser{newBert(true, true, true, true).normalise}
	t.stages = []stage{{splitter: delimited{inClass{c, space}, removed}}, {splitter: delimited{inClass{c, punct}, isolated}}}
	t.decoders = []decodeStep{joinWordPieces("##", true)}
	t.bos, t.eos = cls, sep
	t.before, t.after = []int{cls}, []int{sep}
	return nil
}

// escapeSpaces writes spaces as SentencePiece does.
func escapeSpaces(s string, _ bool) string { return strings.ReplaceAll(s, " ", "▁") }

// spaceThenEscape puts a space before the piece, even where one is, as llama.cpp does.
func spaceThenEscape(s string, _ bool) string { return "▁" + escapeSpaces(s, false) }
