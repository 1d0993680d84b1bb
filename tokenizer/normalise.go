package tokenizer

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// A normaliser rewrites valid UTF-8 text to valid UTF-8 text.
type normaliser func(string) string

func prepend(prefix string) normaliser {
	return func(s string) string {
		if s == "" {
			return s
		}
		return prefix + s
	}
}

func replace(old, with string) normaliser {
	return func(s string) string { return strings.ReplaceAll(s, old, with) }
}

// strip trims white space at the chosen ends.
func strip(left, right bool) normaliser {
	c := chars()
	return func(s string) string {
		if left {
			s = strings.TrimLeftFunc(s, c.white)
		}
		if right {
			s = strings.TrimRightFunc(s, c.white)
		}
		return s
	}
}

// stripAccents removes combining marks; it decomposes nothing.
func stripAccents(s string) string { return chars().without(s, mark) }

// without returns s without the characters of a class.
func (c *characters) without(s string, drop class) string {
	i := c.run(s, 0, 0, drop)
	if i == len(s) {
		return s
	}
	out := append(make([]byte, 0, len(s)), s[:i]...)
	for i < len(s) {
		_, n := c.at(s[i:])
		end := c.run(s, i+n, 0, drop)
		out = append(out, s[i+n:end]...)
		i = end
	}
	return string(out)
}

func lowercase(s string) string { return string(chars().appendLower(make([]byte, 0, len(s)), s)) }

// appendLower appends s in lower case, character by character (no final sigma), as Rust's char::to_lowercase does.
func (c *characters) appendLower(dst []byte, s string) []byte {
	for i := 0; i < len(s); {
		if b := s[i]; b < utf8.RuneSelf {
			if b >= 'A' && b <= 'Z' {
				b += 'a' - 'A'
			}
			dst = append(dst, b)
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		i += n
		switch low, ok := c.lower[r]; {
		case ok:
			dst = utf8.AppendRune(dst, low)
		case r == 0x130: // capital I with a dot is the one letter whose lower case is two characters
			dst = append(dst, "i\u0307"...)
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return dst
}

// bert is Hugging Face's BertNormalizer, after BERT's BasicTokenizer (arXiv 1810.04805): clean, isolate CJK ideographs,
// decompose and drop accents, lower-case, each step optional.
type bert struct {
	c                              *characters
	clean, isolate, accents, lower bool
	ascii                          [utf8.RuneSelf]byte // what an ASCII character becomes; 0 means nothing
}

func newBert(clean, isolate, accents, lower bool) *bert {
	b := &bert{c: chars(), clean: clean, isolate: isolate, accents: accents, lower: lower}
	for i := range b.ascii {
		out := byte(i)
		switch {
		case clean && b.c.ascii[i]&control != 0:
			out = 0
		case clean && b.c.ascii[i]&space != 0:
			out = ' '
		case lower && i >= 'A' && i <= 'Z':
			out += 'a' - 'A'
		}
		b.ascii[i] = out
	}
	return b
}

// normalise treats runs of ASCII with a table: no ASCII character takes part in a composition or a reordering across the
// run's borders, since every one of them is a starter that decomposes to itself.
func (b *bert) normalise(s string) string {
	out := make([]byte, 0, len(s)+len(s)/16)
	for i := 0; i < len(s); {
		if k := s[i]; k < utf8.RuneSelf {
			if k = b.ascii[k]; k != 0 || !b.clean {
				out = append(out, k)
			}
			i++
			continue
		}
		end := i + 1
		for end < len(s) && s[end] >= utf8.RuneSelf {
			end++
		}
		out = b.appendOther(out, s[i:end])
		i = end
	}
	return string(out)
}

// appendOther appends the normal form of s, in which no character is ASCII.
func (b *bert) appendOther(dst []byte, s string) []byte {
	var buf []byte
	for _, r := range s {
		k := b.c.of(r)
		switch {
		case b.clean && k&control != 0:
		case b.clean && k&space != 0:
			buf = append(buf, ' ')
		case b.isolate && ideograph(r):
			buf = append(utf8.AppendRune(append(buf, ' '), r), ' ')
		default:
			buf = utf8.AppendRune(buf, r)
		}
	}
	s = string(buf)
	if b.accents {
		s = b.c.without(normalForm(norm.NFD)(s), accent)
	}
	if b.lower {
		return b.c.appendLower(dst, s)
	}
	return append(dst, s...)
}

// ideograph reports whether r lies in the blocks that BERT sets apart as Chinese characters.
func ideograph(r rune) bool {
	switch {
	case r >= 0x4E00 && r <= 0x9FFF, r >= 0x3400 && r <= 0x4DBF, r >= 0x20000 && r <= 0x2A6DF, r >= 0x2A700 && r <= 0x2B73F,
		r >= 0x2B740 && r <= 0x2B81F, r >= 0x2B920 && r <= 0x2CEAF, r >= 0xF900 && r <= 0xFAFF, r >= 0x2F800 && r <= 0x2FA1F:
		return true
	}
	return false
}
