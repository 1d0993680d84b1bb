package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// FromJSON reads a Hugging Face tokenizer.json. That file does not say which tokens are BOS and EOS nor has it a chat
// template; Open finds them in the files beside it.
func FromJSON(r io.Reader) (*Tokenizer, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	t, err := parseJSON(data)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: tokenizer.json: %w", err)
	}
	return t, nil
}

// file is the top level of tokenizer.json. Truncation and padding are left out: they shape batches.
type file struct {
	AddedTokens   []addedJSON     `json:"added_tokens"`
	Normalizer    json.RawMessage `json:"normalizer"`
	PreTokenizer  json.RawMessage `json:"pre_tokenizer"`
	PostProcessor json.RawMessage `json:"post_processor"`
	Decoder       json.RawMessage `json:"decoder"`
	Model         json.RawMessage `json:"model"`
}

type addedJSON struct {
	ID         int    `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	Lstrip     bool   `json:"lstrip"`
	Rstrip     bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"`
}

// modelJSON has the fields of the BPE and WordPiece models.
type modelJSON struct {
	Type         string            `json:"type"`
	Vocab        map[string]int32  `json:"vocab"`
	Merges       []json.RawMessage `json:"merges"`
	Dropout      *float64          `json:"dropout"`
	Unk          *string           `json:"unk_token"`
	Prefix       *string           `json:"continuing_subword_prefix"`
	Suffix       *string           `json:"end_of_word_suffix"`
	FuseUnk      bool              `json:"fuse_unk"`
	ByteFallback bool              `json:"byte_fallback"`
	IgnoreMerges bool              `json:"ignore_merges"`
	MaxChars     *int              `json:"max_input_chars_per_word"`
}

func parseJSON(data []byte) (*Tokenizer, error) {
	var f file
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, err
	}
	if absent(f.Model) {
		return nil, errors.New(`no "model": not a tokenizer.json?`)
	}
	b := newBuilder()
	t := b.t
	if err := appendNormalisers(t, f.Normalizer, 0); err != nil {
		return nil, fmt.Errorf("normalizer: %w", err)
	}
	pre := preTokenizer{}
	if err := pre.add(f.PreTokenizer, 0); err != nil {
		return nil, fmt.Errorf("pre_tokenizer: %w", err)
	}
	t.stages = pre.stages
	if err := b.readModel(f.Model, len(f.AddedTokens), pre); err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	for _, a := range f.AddedTokens {
		err := b.add(added{id: a.ID, content: a.Content, special: a.Special, singleWord: a.SingleWord, lstrip: a.Lstrip,
			rstrip: a.Rstrip, normed: a.Normalized})
		if err != nil {
			return nil, err
		}
	}
	if err := t.addPostProcessor(f.PostProcessor, 0); err != nil {
		return nil, fmt.Errorf("post_processor: %w", err)
	}
	if err := t.addDecoder(f.Decoder, 0); err != nil {
		return nil, fmt.Errorf("decoder: %w", err)
	}
	return b.finish()
}

func absent(raw json.RawMessage) bool {
	return len(raw) == 0 || bytes.Equal(bytes.TrimSpace(raw), []byte("null"))
}

// strict decodes raw into v and refuses fields that v does not have: an option this package does not know may change ids.
func strict(raw json.RawMessage, v any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

// readModel reads the model and its vocabulary.
func (b *builder) readModel(raw json.RawMessage, extra int, pre preTokenizer) error {
	var kind struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(raw, &kind); err != nil {
		return err
	}
	switch kind.Type {
	case "BPE", "WordPiece", "":
	case "Unigram":
		return errors.New("the type Unigram is not supported (byte-level BPE, SentencePiece-style BPE and WordPiece are)")
	default:
		return fmt.Errorf("unknown type %q (BPE and WordPiece are known)", kind.Type)
	}
	var m modelJSON
	if err := strict(raw, &m); err != nil {
		return err
	}
	if err := b.setTokens(m.Vocab, extra); err != nil {
		return err
	}
	switch {
	case kind.Type == "BPE", kind.Type == "" && m.Merges != nil:
		return b.readBPE(m, pre)
	case kind.Type == "WordPiece", m.MaxChars != nil:
		return b.readWordPiece(m)
	}
	return errors.New(`"type" is missing, and the fields are not those of BPE or WordPiece`)
}

func (b *builder) readBPE(m modelJSON, pre preTokenizer) error {
	if m.Dropout != nil && *m.Dropout != 0 {
		return fmt.Errorf("dropout is %v: encoding would be random; set it to null", *m.Dropout)
	}
	merges, err := readMerges(m.Merges)
	if err != nil {
		return err
	}
	p := &bpe{vocab: m.Vocab, byteLevel: pre.byteLevel, unk: -1, fuseUnk: m.FuseUnk, byteFallback: m.ByteFallback,
		ignoreMerges: m.IgnoreMerges, prefix: deref(m.Prefix), suffix: deref(m.Suffix)}
	if m.Unk != nil {
		id, ok := m.Vocab[*m.Unk]
		if !ok && p.byteLevel { // every byte is known, so that it is never needed
			id = -1
		} else if !ok {
			return fmt.Errorf("unk_token %q is not in the vocabulary", *m.Unk)
		}
		p.unk = id
	}
	if p.byteLevel {
		if p.prefix != "" || p.suffix != "" {
			return errors.New("continuing_subword_prefix and end_of_word_suffix are not supported with ByteLevel")
		}
		p.vocab, merges = byteVocabulary(m.Vocab, merges)
	}
	if err := p.setMerges(merges); err != nil {
		return err
	}
	p.finish()
	b.t.model = p.wrap(pre.mark())
	return nil
}

// byteVocabulary rewrites a byte-level vocabulary and its merges from printable characters to the bytes they stand for.
// Tokens with other characters (special tokens mostly) can not come out of a merge of bytes and are left out.
func byteVocabulary(vocab map[string]int32, merges [][2]string) (map[string]int32, [][2]string) {
	raw := func(token string) (string, bool) {
		buf := make([]byte, 0, len(token))
		for _, r := range token {
			c, ok := byteOf(r)
			if !ok {
				return "", false
			}
			buf = append(buf, c)
		}
		return string(buf), true
	}
	out := make(map[string]int32, len(vocab))
	for token, id := range vocab {
		if s, ok := raw(token); ok {
			out[s] = id
		}
	}
	for i, m := range merges {
		for k := range m {
			if s, ok := raw(m[k]); ok {
				merges[i][k] = s
			}
		}
	}
	return out, merges
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// readMerges reads merges written as "a b" or as ["a", "b"].
func readMerges(list []json.RawMessage) ([][2]string, error) {
	out := make([][2]string, 0, len(list))
	for i, raw := range list {
		var text string
		var parts []string
		if len(raw) > 0 && raw[0] == '[' {
			if err := json.Unmarshal(raw, &parts); err != nil {
				return nil, fmt.Errorf("merge %d: %w", i, err)
			}
		} else if err := json.Unmarshal(raw, &text); err != nil {
			return nil, fmt.Errorf("merge %d: %w", i, err)
		} else if strings.HasPrefix(text, "#version") {
			continue
		} else {
			parts = strings.Split(text, " ")
		}
		if len(parts) != 2 || parts[0] == "" || parts[1] == "" {
			return nil, fmt.Errorf("merge %d: %s is not a pair of tokens", i, raw)
		}
		out = append(out, [2]string{parts[0], parts[1]})
	}
	return out, nil
}

// Limits of WordPiece; they keep the work for a word from growing with the square of what a hostile file asks for.
const (
	maxWordPiece = 256   // bytes of a token
	maxWordChars = 10000 // max_input_chars_per_word; BERT has 100
)

func (b *builder) readWordPiece(m modelJSON) error {
	prefix, unk, chars := "##", "[UNK]", 100
	if m.Prefix != nil {
		prefix = *m.Prefix
	}
	if m.Unk != nil {
		unk = *m.Unk
	}
	if m.MaxChars != nil {
		chars = *m.MaxChars
	}
	return b.setWordPiece(m.Vocab, prefix, unk, chars)
}

func (b *builder) setWordPiece(vocab map[string]int32, prefix, unk string, chars int) error {
	id, ok := vocab[unk]
	if !ok {
		return fmt.Errorf("unk_token %q is not in the vocabulary", unk)
	}
	if chars < 0 || chars > maxWordChars {
		return fmt.Errorf("max_input_chars_per_word is %d, expected 0 to %d", chars, maxWordChars)
	}
	for token, id := range vocab {
		if len(token) > maxWordPiece {
			return fmt.Errorf("token %d is %d bytes long, more than %d", id, len(token), maxWordPiece)
		}
		if !utf8.ValidString(token) {
			return fmt.Errorf("token %d is not UTF-8", id)
		}
	}
	b.t.model = remembered{newCache(), newWordPiece(vocab, prefix, id, chars)}
	return nil
}
