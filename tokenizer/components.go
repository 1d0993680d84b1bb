package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxNesting bounds Sequences of Sequences.
const maxNesting = 8

// component reads the type of a component and, strictly, its options into v, which points to a struct with a Type field.
type typed struct {
	Type string `json:"type"`
}

func typeOf(raw json.RawMessage, depth int) (string, error) {
	if depth > maxNesting {
		return "", fmt.Errorf("Sequences are nested more than %d deep", maxNesting)
	}
	var c typed
	if err := json.Unmarshal(raw, &c); err != nil {
		return "", err
	}
	return c.Type, nil
}

// pattern is a string or a regular expression.
type pattern struct {
	String *string
	Regex  *string
}

func (p pattern) literal() (string, error) {
	switch {
	case p.Regex != nil:
		return "", fmt.Errorf("unknown regular expression %q", *p.Regex)
	case p.String == nil || *p.String == "":
		return "", errors.New("empty pattern")
	}
	return *p.String, nil
}

// appendNormalisers reads a normalizer and those in it.
func appendNormalisers(t *Tokenizer, raw json.RawMessage, depth int) error {
	if absent(raw) {
		return nil
	}
	kind, err := typeOf(raw, depth)
	if err != nil {
		return err
	}
	var o struct {
		typed
		Normalizers        []json.RawMessage `json:"normalizers"`
		CleanText          bool              `json:"clean_text"`
		HandleChineseChars bool              `json:"handle_chinese_chars"`
		StripAccents       *bool             `json:"strip_accents"`
		Lowercase          bool              `json:"lowercase"`
		StripLeft          bool              `json:"strip_left"`
		StripRight         bool              `json:"strip_right"`
		Prepend            string            `json:"prepend"`
		Pattern            pattern           `json:"pattern"`
		Content            string            `json:"content"`
	}
	if err := strict(raw, &o); err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	var n normaliser
	switch kind {
	case "Sequence":
		for _, r := range o.Normalizers {
			if err := appendNormalisers(t, r, depth+1); err != nil {
				return err
			}
		}
		return nil
	case "NFC":
		n = normalForm(norm.NFC)
	case "NFD":
		n = normalForm(norm.NFD)
	case "NFKC":
		n = normalForm(norm.NFKC)
	case "NFKD":
		n = normalForm(norm.NFKD)
	case "Lowercase":
		n = lowercase
	case "StripAccents":
		n = stripAccents
	case "Strip":
		n = strip(o.StripLeft, o.StripRight)
	case "Prepend":
		n = prepend(o.Prepend)
	case "Replace":
		old, err := o.Pattern.literal()
		if err != nil {
			return fmt.Errorf("Replace: %w", err)
		}
		n = replace(old, o.Content)
	case "BertNormalizer":
		accents := o.Lowercase
		if o.StripAccents != nil {
			accents = *o.StripAccents
		}
		n = newBert(o.CleanText, o.HandleChineseChars, accents, o.Lowercase).normalise
	default:
		return fmt.Errorf("unknown type %q", kind)
	}
	t.normalisers = append(t.normalisers, n)
	return nil
}

// preTokenizer collects the steps of a pre-tokenizer.
type preTokenizer struct {
	stages    []stage
	byteLevel bool
	metaspace string // the character that stands for a space, if a Metaspace says so
}

// mark returns the character that begins words in a model without byte level.
func (p preTokenizer) mark() string {
	if p.metaspace != "" {
		return p.metaspace
	}
	return "▁"
}

// add reads a pre-tokenizer and those in it.
func (p *preTokenizer) add(raw json.RawMessage, depth int) error {
	if absent(raw) {
		return nil
	}
	kind, err := typeOf(raw, depth)
	if err != nil {
		return err
	}
	var o struct {
		typed
		Pretokenizers    []json.RawMessage `json:"pretokenizers"`
		AddPrefixSpace   *bool             `json:"add_prefix_space"`
		TrimOffsets      bool              `json:"trim_offsets"`
		UseRegex         *bool             `json:"use_regex"`
		Pattern          pattern           `json:"pattern"`
		Behavior         string            `json:"behavior"`
		Invert           bool              `json:"invert"`
		IndividualDigits bool              `json:"individual_digits"`
		Replacement      string            `json:"replacement"`
		PrependScheme    string            `json:"prepend_scheme"`
		Split            *bool             `json:"split"`
		StrRep           string            `json:"str_rep"`
	}
	if err := strict(raw, &o); err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	if kind == "Sequence" {
		for _, r := range o.Pretokenizers {
			if err := p.add(r, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	if p.byteLevel {
		return fmt.Errorf("%s after ByteLevel is not supported", kind)
	}
	c := chars()
	var st stage
	switch kind {
	case "ByteLevel":
		p.byteLevel = true
		if o.AddPrefixSpace == nil || *o.AddPrefixSpace {
			st.rewrite = prefixSpace
		}
		if o.UseRegex == nil || *o.UseRegex {
			st.splitter = gpt2Scanner{c}
		}
		if st.rewrite == nil && st.splitter == nil {
			return nil
		}
	case "Split":
		if st.splitter, err = splitOf(o.Pattern, o.Behavior, o.Invert); err != nil {
			return fmt.Errorf("Split: %w", err)
		}
	case "Digits":
		b := contiguous
		if o.IndividualDigits {
			b = isolated
		}
		st.splitter = delimited{inClass{c, numeric}, b}
	case "Punctuation":
		b, ok := behaviours[o.Behavior]
		if !ok && o.Behavior != "" {
			return fmt.Errorf("Punctuation: unknown behavior %q", o.Behavior)
		}
		st.splitter = delimited{inClass{c, punct}, b}
	case "Metaspace":
		return p.addMetaspace(o.Replacement, o.PrependScheme, o.AddPrefixSpace, o.Split)
	case "BertPreTokenizer":
		p.stages = append(p.stages, stage{splitter: delimited{inClass{c, space}, removed}})
		st.splitter = delimited{inClass{c, punct}, isolated}
	case "Whitespace":
		st.splitter = words{c}
	case "WhitespaceSplit":
		st.splitter = delimited{inClass{c, space}, removed}
	default:
		return fmt.Errorf("unknown type %q", kind)
	}
	p.stages = append(p.stages, st)
	return nil
}

// splitOf returns the splitter of a Split. A known expression matches everywhere, so that cutting out its matches and
// dropping what lies between them (inverted, removed) is the same as isolating them.
func splitOf(p pattern, behave string, invert bool) (splitter, error) {
	b, ok := behaviours[behave]
	if !ok {
		return nil, fmt.Errorf("unknown behavior %q", behave)
	}
	if p.Regex != nil {
		s, ok := scannerFor(*p.Regex)
		switch {
		case !ok:
			return nil, fmt.Errorf("unknown regular expression %q", *p.Regex)
		case !invert && b == isolated, invert && b == removed:
			return s, nil
		}
		return nil, fmt.Errorf("behavior %q (invert %v) is not supported for the expression %q", behave, invert, *p.Regex)
	}
	text, err := p.literal()
	if err != nil {
		return nil, err
	}
	if invert {
		return nil, fmt.Errorf("invert is not supported for the string %q", text)
	}
	return delimited{literal(text), b}, nil
}

func (p *preTokenizer) addMetaspace(mark, scheme string, prefixSpace, split *bool) error {
	if utf8.RuneCountInString(mark) != 1 {
		return fmt.Errorf("Metaspace: replacement %q is not one character", mark)
	}
	if scheme == "" {
		scheme = "always"
	}
	if scheme != "always" && scheme != "first" && scheme != "never" {
		return fmt.Errorf("Metaspace: unknown prepend_scheme %q", scheme)
	}
	if prefixSpace != nil && !*prefixSpace {
		scheme = "never"
	}
	st := stage{rewrite: metaspace(mark, scheme)}
	if split == nil || *split {
		st.splitter = delimited{literal(mark), mergedWithNext}
	}
	p.metaspace = mark
	p.stages = append(p.stages, st)
	return nil
}

// addPostProcessor reads a post-processor and those in it: the ids they put around a single text.
func (t *Tokenizer) addPostProcessor(raw json.RawMessage, depth int) error {
	if absent(raw) {
		return nil
	}
	kind, err := typeOf(raw, depth)
	if err != nil {
		return err
	}
	var o struct {
		typed
		Processors     []json.RawMessage `json:"processors"`
		Single         json.RawMessage   `json:"single"`
		Pair           json.RawMessage   `json:"pair"`
		SpecialTokens  json.RawMessage   `json:"special_tokens"`
		Sep            json.RawMessage   `json:"sep"`
		Cls            json.RawMessage   `json:"cls"`
		AddPrefixSpace bool              `json:"add_prefix_space"`
		TrimOffsets    bool              `json:"trim_offsets"`
		UseRegex       bool              `json:"use_regex"`
	}
	if err := strict(raw, &o); err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	switch kind {
	case "Sequence":
		for _, r := range o.Processors {
			if err := t.addPostProcessor(r, depth+1); err != nil {
				return err
			}
		}
		return nil
	case "ByteLevel": // moves offsets, which are not kept here
		return nil
	case "TemplateProcessing":
		before, after, err := template(o.Single, o.SpecialTokens)
		if err != nil {
			return fmt.Errorf("TemplateProcessing: %w", err)
		}
		return t.surround(before, after)
	case "BertProcessing", "RobertaProcessing":
		cls, err := tokenID(o.Cls)
		if err != nil {
			return fmt.Errorf("%s: cls: %w", kind, err)
		}
		sep, err := tokenID(o.Sep)
		if err != nil {
			return fmt.Errorf("%s: sep: %w", kind, err)
		}
		return t.surround([]int{cls}, []int{sep})
	}
	return fmt.Errorf("unknown type %q", kind)
}

// surround adds ids outside those that are there.
func (t *Tokenizer) surround(before, after []int) error {
	for _, id := range append(append([]int(nil), before...), after...) {
		if id < 0 || id >= len(t.tokens) {
			return fmt.Errorf("id %d is outside the vocabulary of %d", id, len(t.tokens))
		}
	}
	t.before = append(before, t.before...)
	t.after = append(t.after, after...)
	return nil
}

// tokenID reads a token written as ["[SEP]", 102].
func tokenID(raw json.RawMessage) (int, error) {
	var parts []json.RawMessage
	if err := json.Unmarshal(raw, &parts); err != nil || len(parts) != 2 {
		return 0, fmt.Errorf("%s is not a pair of token and id", raw)
	}
	var id int
	err := json.Unmarshal(parts[1], &id)
	return id, err
}

// templateItem is a piece of a template: a special token, or the text.
type templateItem struct {
	SpecialToken *struct {
		ID string `json:"id"`
	}
	Sequence *struct {
		ID string `json:"id"`
	}
}

// template returns the ids before and after the text in the template of a single text.
func template(single, specials json.RawMessage) (before, after []int, err error) {
	var items []templateItem
	if err := json.Unmarshal(single, &items); err != nil {
		return nil, nil, err
	}
	known := map[string]struct {
		IDs []int `json:"ids"`
	}{}
	if !absent(specials) {
		if err := json.Unmarshal(specials, &known); err != nil {
			return nil, nil, err
		}
	}
	seen := false
	for _, it := range items {
		switch {
		case it.Sequence != nil && (seen || it.Sequence.ID != "A"):
			return nil, nil, errors.New("the template of a single text must contain Sequence A once and no other")
		case it.Sequence != nil:
			seen = true
		case it.SpecialToken != nil:
			tok, ok := known[it.SpecialToken.ID]
			if !ok {
				return nil, nil, fmt.Errorf("%q is not among special_tokens", it.SpecialToken.ID)
			}
			if seen {
				after = append(after, tok.IDs...)
			} else {
				before = append(before, tok.IDs...)
			}
		default:
			return nil, nil, errors.New("a piece of the template is neither Sequence nor SpecialToken")
		}
	}
	if !seen {
		return nil, nil, errors.New("the template of a single text lacks Sequence A")
	}
	return before, after, nil
}

// addDecoder reads a decoder and those in it.
func (t *Tokenizer) addDecoder(raw json.RawMessage, depth int) error {
	if absent(raw) {
		return nil
	}
	kind, err := typeOf(raw, depth)
	if err != nil {
		return err
	}
	var o struct {
		typed
		Decoders       []json.RawMessage `json:"decoders"`
		AddPrefixSpace *bool             `json:"add_prefix_space"`
		TrimOffsets    bool              `json:"trim_offsets"`
		UseRegex       bool              `json:"use_regex"`
		Prefix         string            `json:"prefix"`
		Cleanup        bool              `json:"cleanup"`
		Replacement    string            `json:"replacement"`
		PrependScheme  string            `json:"prepend_scheme"`
		Split          bool              `json:"split"`
		StrRep         string            `json:"str_rep"`
		Pattern        pattern           `json:"pattern"`
		Content        string            `json:"content"`
		Start          int               `json:"start"`
		Stop           int               `json:"stop"`
	}
	if err := strict(raw, &o); err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	var step decodeStep
	switch kind {
	case "Sequence":
		for _, r := range o.Decoders {
			if err := t.addDecoder(r, depth+1); err != nil {
				return err
			}
		}
		return nil
	case "ByteLevel":
		t.byteLevel = len(t.decoders) == 0
		step = decodeBytes
	case "Metaspace":
		if utf8.RuneCountInString(o.Replacement) != 1 {
			return fmt.Errorf("Metaspace: replacement %q is not one character", o.Replacement)
		}
		never := o.PrependScheme == "never" || o.AddPrefixSpace != nil && !*o.AddPrefixSpace
		step = decodeMetaspace(o.Replacement, never)
	case "WordPiece":
		step = joinWordPieces(o.Prefix, o.Cleanup)
	case "ByteFallback":
		step = byteFallback
	case "Fuse":
		step = fuse
	case "Replace":
		old, err := o.Pattern.literal()
		if err != nil {
			return fmt.Errorf("Replace: %w", err)
		}
		step = perToken(func(s string, _ bool) string { return replace(old, o.Content)(s) })
	case "Strip":
		if utf8.RuneCountInString(o.Content) != 1 || o.Start < 0 || o.Stop < 0 {
			return fmt.Errorf("Strip: content %q, start %d, stop %d: expected one character and two counts", o.Content, o.Start, o.Stop)
		}
		step = stripEnds(o.Content, o.Start, o.Stop)
	default:
		return fmt.Errorf("unknown type %q", kind)
	}
	t.decoders = append(t.decoders, step)
	return nil
}
