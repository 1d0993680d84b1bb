package tokenizer

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// DecodeOptions tunes DecodeWith; its zero value is what Decode does.
type DecodeOptions struct {
	// Special writes special tokens out instead of leaving them away.
	Special bool
}

// Decode returns the text of ids without special tokens, as Hugging Face's decode does by default. Ids outside the
// vocabulary are skipped.
func (t *Tokenizer) Decode(ids []int) string { return t.DecodeWith(ids, DecodeOptions{}) }

// DecodeWith is Decode with options.
func (t *Tokenizer) DecodeWith(ids []int, opts DecodeOptions) string {
	parts := make([]string, 0, len(ids))
	for _, id := range ids {
		if text, ok := t.written(id, opts); ok {
			parts = append(parts, text)
		}
	}
	if len(t.decoders) == 0 {
		return strings.Join(parts, " ")
	}
	for _, step := range t.decoders {
		parts = step(parts)
	}
	return strings.Join(parts, "")
}

// written returns the text of an id that decoding starts from, and whether there is one to write.
func (t *Tokenizer) written(id int, opts DecodeOptions) (string, bool) {
	text, ok := t.Token(id)
	if a, added := t.added[id]; added {
		text = a.pattern // a special token that normalisation changes is not recognised as special here, as in the library
	}
	return text, ok && (opts.Special || !t.special[text])
}

// A decodeStep rewrites the list of token texts; it may change its argument.
type decodeStep func(tokens []string) []string

// perToken makes a step that treats every token by itself; first is true for the first one of a text.
func perToken(f func(token string, first bool) string) decodeStep {
	return func(tokens []string) []string {
		for i, t := range tokens {
			tokens[i] = f(t, i == 0)
		}
		return tokens
	}
}

// fuse joins all tokens.
func fuse(tokens []string) []string { return []string{strings.Join(tokens, "")} }

// decodeBytes joins byte-level tokens and decodes the bytes they stand for.
func decodeBytes(tokens []string) []string {
	var buf []byte
	for _, t := range tokens {
		buf = appendTokenBytes(buf, t)
	}
	return []string{lossy(string(buf))}
}

// appendTokenBytes appends the bytes that the characters of a byte-level token stand for, or the token itself when it has a
// character that stands for none.
func appendTokenBytes(dst []byte, token string) []byte {
	start := len(dst)
	for _, r := range token {
		b, ok := byteOf(r)
		if !ok {
			return append(dst[:start], token...)
		}
		dst = append(dst, b)
	}
	return dst
}

// byteOf inverts GPT-2's mapping of bytes to printable characters: printable Latin-1 stands for itself, the other bytes, in
// order, for the characters from U+0100 on.
func byteOf(r rune) (byte, bool) {
	switch {
	case r >= '!' && r <= '~', r >= 0xA1 && r <= 0xAC, r >= 0xAE && r <= 0xFF:
		return byte(r), true
	case r >= 0x100 && r <= 0x120: // 0x00..0x20
		return byte(r - 0x100), true
	case r >= 0x121 && r <= 0x142: // 0x7F..0xA0
		return byte(r - 0x121 + 0x7F), true
	case r == 0x143:
		return 0xAD, true
	}
	return 0, false
}

// byteFallback turns runs of <0xNN> tokens into the text their bytes spell, or, when they spell none, into a U+FFFD each.
func byteFallback(tokens []string) []string {
	out := make([]string, 0, len(tokens))
	var run []byte
	flush := func() {
		if utf8.Valid(run) {
			out = append(out, string(run))
		} else {
			out = append(out, strings.Repeat("\uFFFD", len(run)))
		}
		run = run[:0]
	}
	for _, t := range tokens {
		if b, ok := fallbackByte(t); ok {
			run = append(run, b)
			continue
		}
		if len(run) > 0 {
			flush()
		}
		out = append(out, t)
	}
	if len(run) > 0 {
		flush()
	}
	return out
}

// fallbackByte returns the byte that a token such as <0x0A> stands for.
func fallbackByte(token string) (byte, bool) {
	if len(token) != 6 || token[:3] != "<0x" || token[5] != '>' {
		return 0, false
	}
	b, err := strconv.ParseUint(token[3:5], 16, 8)
	return byte(b), err == nil
}

// stripEnds removes up to left and right copies of a character at the ends of every token.
func stripEnds(char string, left, right int) decodeStep {
	return perToken(func(t string, _ bool) string {
		for i := 0; i < left && strings.HasPrefix(t, char); i++ {
			t = t[len(char):]
		}
		for i := 0; i < right && strings.HasSuffix(t, char); i++ {
			t = t[:len(t)-len(char)]
		}
		return t
	})
}

// joinWordPieces puts a space before each token but the first and those that continue a word; tidy removes the spaces that
// English punctuation does not want.
func joinWordPieces(prefix string, tidy bool) decodeStep {
	tidier := func(s string) string { return s }
	if tidy {
		tidier = cleanUp
	}
	return perToken(func(t string, first bool) string {
		if tail, ok := strings.CutPrefix(t, prefix); ok && !first {
			t = tail
		} else if !first {
			t = " " + t
		}
		return tidier(t)
	})
}

// cleanUp applies Hugging Face's replacements one after the other, as the order matters.
func cleanUp(s string) string {
	for _, r := range [...][2]string{{" .", "."}, {" ?", "?"}, {" !", "!"}, {" ,", ","}, {" ' ", "'"}, {" n't", "n't"},
		{" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}} {
		s = strings.ReplaceAll(s, r[0], r[1])
	}
	return s
}

// decodeMetaspace writes spaces for marks; the first token has its marks removed, unless nothing is ever prepended.
func decodeMetaspace(mark string, never bool) decodeStep {
	return perToken(func(t string, first bool) string {
		if first && !never {
			return strings.ReplaceAll(t, mark, "")
		}
		return strings.ReplaceAll(t, mark, " ")
	})
}
