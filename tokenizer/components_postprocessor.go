package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
)

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
			return fmt.Errorf("in TemplateProcessing: %w", err)
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
