package tokenizer

import (
	"encoding/json"
	"fmt"

	"golang.org/x/text/unicode/norm"
)

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
			return fmt.Errorf("in Replace: %w", err)
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
