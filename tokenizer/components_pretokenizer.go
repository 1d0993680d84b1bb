package tokenizer

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

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
		preOptions
		Pretokenizers  []json.RawMessage `json:"pretokenizers"`
		AddPrefixSpace *bool             `json:"add_prefix_space"`
		TrimOffsets    bool              `json:"trim_offsets"`
		UseRegex       *bool             `json:"use_regex"`
		Replacement    string            `json:"replacement"`
		PrependScheme  string            `json:"prepend_scheme"`
		Split          *bool             `json:"split"`
		StrRep         string            `json:"str_rep"`
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
	switch {
	case p.byteLevel:
		return fmt.Errorf("%s after ByteLevel is not supported", kind)
	case kind == "ByteLevel":
		p.addByteLevel(o.AddPrefixSpace, o.UseRegex)
		return nil
	case kind == "Metaspace":
		return p.addMetaspace(o.Replacement, o.PrependScheme, o.AddPrefixSpace, o.Split)
	}
	splitters, err := splittersOf(kind, o.preOptions)
	for _, s := range splitters {
		p.stages = append(p.stages, stage{splitter: s})
	}
	return err
}

// preOptions are the options of pre-tokenizers that only split.
type preOptions struct {
	Pattern          pattern `json:"pattern"`
	Behavior         string  `json:"behavior"`
	Invert           bool    `json:"invert"`
	IndividualDigits bool    `json:"individual_digits"`
}

// splittersOf returns the splitters, to be run one after the other, of a pre-tokenizer that only splits.
func splittersOf(kind string, o preOptions) ([]splitter, error) {
	c := chars()
	white := delimited{inClass{c, space}, removed}
	switch kind {
	case "Split":
		s, err := splitOf(o.Pattern, o.Behavior, o.Invert)
		if err != nil {
			return nil, fmt.Errorf("in Split: %w", err)
		}
		return []splitter{s}, nil
	case "Digits":
		if o.IndividualDigits {
			return []splitter{delimited{inClass{c, numeric}, isolated}}, nil
		}
		return []splitter{delimited{inClass{c, numeric}, contiguous}}, nil
	case "Punctuation":
		b, ok := behaviours[o.Behavior]
		if !ok && o.Behavior != "" {
			return nil, fmt.Errorf("in Punctuation: unknown behavior %q", o.Behavior)
		}
		return []splitter{delimited{inClass{c, punct}, b}}, nil
	case "BertPreTokenizer":
		return []splitter{white, delimited{inClass{c, punct}, isolated}}, nil
	case "Whitespace":
		return []splitter{words{c}}, nil
	case "WhitespaceSplit":
		return []splitter{white}, nil
	}
	return nil, fmt.Errorf("unknown type %q", kind)
}

// addByteLevel adds GPT-2's splitter and the space before a piece, both unless they are switched off.
func (p *preTokenizer) addByteLevel(prefix, regex *bool) {
	p.byteLevel = true
	var st stage
	if prefix == nil || *prefix {
		st.rewrite = prefixSpace
	}
	if regex == nil || *regex {
		st.splitter = gpt2Scanner{chars()}
	}
	if st.rewrite != nil || st.splitter != nil {
		p.stages = append(p.stages, st)
	}
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
		return fmt.Errorf("in Metaspace: replacement %q is not one character", mark)
	}
	if scheme == "" {
		scheme = "always"
	}
	if scheme != "always" && scheme != "first" && scheme != "never" {
		return fmt.Errorf("in Metaspace: unknown prepend_scheme %q", scheme)
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
