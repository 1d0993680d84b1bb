package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

const maxTokenizer = 256 << 20 // tokenizer.json of the largest vocabularies is some 30 MB

// hfTokenizer is what is read of tokenizer.json.
type hfTokenizer struct {
	Added         []hfAddedToken `json:"added_tokens"`
	Normalizer    *hfComponent   `json:"normalizer"`
	PreTokenizer  *hfComponent   `json:"pre_tokenizer"`
	PostProcessor *hfComponent   `json:"post_processor"`
	Model         struct {
		Type         string         `json:"type"`
		Vocab        map[string]int `json:"vocab"`
		Merges       []hfMerge      `json:"merges"`
		UnkToken     *string        `json:"unk_token"`
		ByteFallback bool           `json:"byte_fallback"`
	} `json:"model"`
}

type hfAddedToken struct {
	ID      int    `json:"id"`
	Content string `json:"content"`
	Special bool   `json:"special"`
}

// hfComponent is a normalizer, pre-tokenizer or post-processor: a type and what the types we know may have.
type hfComponent struct {
	Type             string         `json:"type"`
	Normalizers      []*hfComponent `json:"normalizers"`
	Pretokenizers    []*hfComponent `json:"pretokenizers"`
	Processors       []*hfComponent `json:"processors"`
	Prepend          string         `json:"prepend"`
	PrependScheme    string         `json:"prepend_scheme"`
	AddPrefixSpace   *bool          `json:"add_prefix_space"`
	UseRegex         *bool          `json:"use_regex"`
	IndividualDigits bool           `json:"individual_digits"`
	Behavior         string         `json:"behavior"`
	Invert           bool           `json:"invert"`
	Pattern          struct {
		Regex  string `json:"Regex"`
		String string `json:"String"`
	} `json:"pattern"`
	Single []struct {
		SpecialToken *struct {
			ID string `json:"id"`
		} `json:"SpecialToken"`
	} `json:"single"`
}

// flat returns the steps of a component, a sequence's being its parts.
func (c *hfComponent) flat() []*hfComponent {
	if c == nil {
		return nil
	}
	if c.Type != "Sequence" {
		return []*hfComponent{c}
	}
	var steps []*hfComponent
	for _, part := range slices.Concat(c.Normalizers, c.Pretokenizers, c.Processors) {
		steps = append(steps, part.flat()...)
	}
	return steps
}

// hfMerge is "left right" or ["left", "right"]. Spaces inside a part are written as GGUF writes them, 'Ġ'.
type hfMerge string

func (m *hfMerge) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*m = hfMerge(one)
		return nil
	}
	var pair []string
	if err := json.Unmarshal(text, &pair); err != nil || len(pair) != 2 {
		return errors.New("merges: expected \"left right\" or [left, right]")
	}
	for i := range pair {
		pair[i] = strings.ReplaceAll(pair[i], " ", "Ġ")
	}
	*m = hfMerge(pair[0] + " " + pair[1])
	return nil
}

// hfTokenizerConfig is what is read of tokenizer_config.json.
type hfTokenizerConfig struct {
	BOS          hfToken         `json:"bos_token"`
	EOS          hfToken         `json:"eos_token"`
	UNK          hfToken         `json:"unk_token"`
	PAD          hfToken         `json:"pad_token"`
	AddBOS       *bool           `json:"add_bos_token"`
	AddEOS       *bool           `json:"add_eos_token"`
	ChatTemplate json.RawMessage `json:"chat_template"`
}

// hfToken is a token's text, given as a string, as an object with "content", or as null.
type hfToken string

func (t *hfToken) UnmarshalJSON(text []byte) error {
	var s string
	if json.Unmarshal(text, &s) == nil {
		*t = hfToken(s)
		return nil
	}
	var o struct {
		Content string `json:"content"`
	}
	if err := json.Unmarshal(text, &o); err != nil {
		return errors.New("a special token: expected a string or an object with content")
	}
	*t = hfToken(o.Content)
	return nil
}

// vocabularyFromHF reads tokenizer.json and what stands beside it; nil without error when there is none.
func vocabularyFromHF(dir string, c Config) (*vocabulary, error) {
	path := filepath.Join(dir, "tokenizer.json")
	text, err := readLimited(path, maxTokenizer)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var t hfTokenizer
	if err := json.Unmarshal(text, &t); err != nil {
		return nil, failf(path, "%w", err)
	}
	v, err := t.vocabulary(c.Vocab)
	if err != nil {
		return nil, failf(path, "%w", err)
	}
	var config hfTokenizerConfig
	path = filepath.Join(dir, "tokenizer_config.json")
	if text, err = readLimited(path, maxConfig); err == nil {
		err = json.Unmarshal(text, &config)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, failf(path, "%w", err)
	}
	v.setSpecial(config, c)
	v.setPostProcessor(t.PostProcessor, config)
	v.chatTemplate, err = chatTemplate(dir, config.ChatTemplate)
	return v, err
}

// vocabulary builds the token list, whose length may not exceed the embedding's rows.
func (t *hfTokenizer) vocabulary(rows int) (*vocabulary, error) {
	v := newVocabulary()
	if t.Model.Type != "BPE" {
		return nil, fmt.Errorf("a tokenizer model %q cannot be written to GGUF; expected BPE", t.Model.Type)
	}
	for _, m := range t.Model.Merges {
		v.merges = append(v.merges, string(m))
	}
	if err := t.fillTokens(v, rows); err != nil {
		return nil, err
	}
	if t.Model.ByteFallback {
		return v, t.sentencePiece(v)
	}
	v.kind = ggufByteLevel
	var err error
	v.pre, v.spacePrefix, err = splitterOf(t.PreTokenizer)
	return v, err
}

// fillTokens places tokens by id, gaps being unused ids.
func (t *hfTokenizer) fillTokens(v *vocabulary, rows int) error {
	if err := v.resize(rows); err != nil {
		return err
	}
	for s, id := range t.Model.Vocab {
		if id < 0 || id >= rows {
			return fmt.Errorf("token %q has id %d, the embedding has %d rows", s, id, rows)
		}
		if v.types[id] != tokenUnused {
			return fmt.Errorf("tokens %q and %q share id %d", min(s, v.tokens[id]), max(s, v.tokens[id]), id)
		}
		v.tokens[id], v.types[id] = s, tokenNormal
		if t.Model.ByteFallback && isByteToken(s) {
			v.types[id] = tokenByte
		}
	}
	for _, a := range t.Added {
		if a.ID < 0 || a.ID >= rows {
			return fmt.Errorf("added token %q has id %d, the embedding has %d rows", a.Content, a.ID, rows)
		}
		v.tokens[a.ID], v.types[a.ID] = a.Content, tokenUserDefined
		if a.Special {
			v.types[a.ID] = tokenControl
		}
	}
	return nil
}

// sentencePiece completes a SentencePiece-style BPE: GGUF has scores in place of merges.
func (t *hfTokenizer) sentencePiece(v *vocabulary) error {
	v.kind = ggufSentencePiece
	for _, step := range slices.Concat(t.Normalizer.flat(), t.PreTokenizer.flat()) {
		switch {
		case step.Type == "Prepend" && step.Prepend == spaceMark:
			v.spacePrefix = true
		case step.Type == "Replace" && step.Pattern.String == " ":
		case step.Type == "Metaspace":
			v.spacePrefix = step.PrependScheme == "first" || step.PrependScheme == "always" || step.PrependScheme == "" && or(step.AddPrefixSpace, true)
		default:
			return fmt.Errorf("component %q of a SentencePiece tokenizer cannot be written to GGUF", step.Type)
		}
	}
	if t.Model.UnkToken != nil {
		v.unk = slices.Index(v.tokens, *t.Model.UnkToken)
		if v.unk >= 0 {
			v.types[v.unk] = tokenUnknown
		}
	}
	var err error
	v.scores, err = sentencePieceScores(v.tokens, v.types, v.merges)
	v.merges = nil
	return err
}

// setSpecial finds the special tokens, by text in tokenizer_config.json or else by id in config.json.
func (v *vocabulary) setSpecial(t hfTokenizerConfig, c Config) {
	find := func(text hfToken, otherwise int) int {
		if text != "" {
			if i := slices.Index(v.tokens, string(text)); i >= 0 {
				return i
			}
		}
		return otherwise
	}
	eos := -1
	if len(c.EOS) > 0 {
		eos = c.EOS[0]
	}
	v.bos, v.eos, v.pad = find(t.BOS, c.BOS), find(t.EOS, eos), find(t.PAD, c.PAD)
	v.unk = find(t.UNK, v.unk)
	for _, id := range c.EOS { // the others end a turn or a message
		switch {
		case id == v.eos:
		case v.eot < 0:
			v.eot = id
		case v.eom < 0:
			v.eom = id
		}
	}
}

// setPostProcessor finds out whether BOS and EOS are added to a text.
func (v *vocabulary) setPostProcessor(p *hfComponent, config hfTokenizerConfig) {
	v.addBOS, v.addEOS = or(config.AddBOS, false), or(config.AddEOS, false)
	for _, step := range p.flat() {
		if step.Type != "TemplateProcessing" || len(step.Single) == 0 {
			continue
		}
		first, last := step.Single[0].SpecialToken, step.Single[len(step.Single)-1].SpecialToken
		v.addBOS = first != nil && first.ID == v.token(v.bos)
		v.addEOS = last != nil && last.ID == v.token(v.eos) && len(step.Single) > 1
	}
}

// chatTemplate reads chat_template.jinja, or the template in tokenizer_config.json: a string, or a list of named ones.
func chatTemplate(dir string, inConfig json.RawMessage) (string, error) {
	text, err := readLimited(filepath.Join(dir, "chat_template.jinja"), maxConfig)
	if err == nil {
		return string(text), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	var one string
	if json.Unmarshal(inConfig, &one) == nil {
		return one, nil
	}
	var named []struct{ Name, Template string }
	if json.Unmarshal(inConfig, &named) == nil {
		for _, t := range named {
			if t.Name == "default" {
				return t.Template, nil
			}
		}
	}
	return "", nil
}
