package tokenizer

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

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
			return fmt.Errorf("in Metaspace: replacement %q is not one character", o.Replacement)
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
			return fmt.Errorf("in Replace: %w", err)
		}
		step = perToken(func(s string, _ bool) string { return replace(old, o.Content)(s) })
	case "Strip":
		if utf8.RuneCountInString(o.Content) != 1 || o.Start < 0 || o.Stop < 0 {
			return fmt.Errorf("in Strip: content %q, start %d, stop %d: expected one character and two counts", o.Content, o.Start, o.Stop)
		}
		step = stripEnds(o.Content, o.Start, o.Stop)
	default:
		return fmt.Errorf("unknown type %q", kind)
	}
	t.decoders = append(t.decoders, step)
	return nil
}
