package tokenizer

import (
	_ "embed"
	"encoding/binary"
	"sync"
	"unicode/utf8"
)

// class is a set of character properties, one bit each, in the order of testdata/make_unicode.py.
type class uint16

const (
	letter  class = 1 << iota // \p{L}
	number                    // \p{N} as the regular expressions see it
	space                     // \s
	numeric                   // Rust's char::is_numeric, used by Digits: \p{N} of a newer Unicode version
	punct                     // what BertPreTokenizer isolates: ASCII punctuation and \p{P}
	control                   // what BertNormalizer removes as not printable
	accent                    // what BertNormalizer removes as an accent: \p{Mn}
	mark                      // what StripAccents removes: \p{M}
	wordy                     // \w
)

//go:embed unicode.bin
var unicodeBin string

// characters holds the class of every code point in blocks of 256, equal blocks shared, and the lower-case mapping.
type characters struct {
	ascii  [utf8.RuneSelf]class
	index  [0x1100]uint16
	blocks [][256]class
	lower  map[rune]rune
}

// chars decodes the embedded tables at their first use.
var chars = sync.OnceValue(func() *characters {
	c := &characters{}
	data := []byte(unicodeBin)
	next := func() uint64 {
		v, n := binary.Uvarint(data)
		data = data[n:]
		return v
	}
	all := make([]class, 0, 0x110000)
	for range next() {
		length, bits := next(), class(next())
		for range length {
			all = append(all, bits)
		}
	}
	seen := map[[256]class]uint16{}
	for i := range c.index {
		block := [256]class(all[i*256:])
		at, ok := seen[block]
		if !ok {
			at = uint16(len(c.blocks))
			seen[block] = at
			c.blocks = append(c.blocks, block)
		}
		c.index[i] = at
	}
	copy(c.ascii[:], all)
	c.lower = map[rune]rune{}
	last := rune(0)
	for range next() {
		last += rune(next())
		c.lower[last] = rune(next())
	}
	return c
})

// of returns the class of r, which must be a code point.
func (c *characters) of(r rune) class {
	return c.blocks[c.index[r>>8]][r&255]
}

// at returns the class of the first character of s, which is not empty, and its length in bytes.
func (c *characters) at(s string) (class, int) {
	if b := s[0]; b < utf8.RuneSelf {
		return c.ascii[b], 1
	}
	r, n := utf8.DecodeRuneInString(s)
	return c.of(r), n
}

// run returns the end of the longest run from s[i] on whose characters have (want non-zero: any bit of want) and lack any
// bit of not.
func (c *characters) run(s string, i int, want, not class) int {
	for i < len(s) {
		var k class
		n := 1
		if b := s[i]; b < utf8.RuneSelf {
			k = c.ascii[b]
		} else {
			k, n = c.at(s[i:])
		}
		if want != 0 && k&want == 0 || k&not != 0 {
			break
		}
		i += n
	}
	return i
}

// lossy returns text with each maximal ill-formed part replaced by U+FFFD (Unicode 15, section 3.9, U+FFFD substitution of
// maximal subparts), which is text itself when it is valid.
func lossy(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	return string(appendLossy(make([]byte, 0, len(text)+16), text))
}

// appendLossy appends text to dst as lossy returns it.
func appendLossy(dst []byte, text string) []byte {
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError && n == 1 {
			n = subpart(text[i:])
			dst = append(dst, "\uFFFD"...)
		} else {
			dst = append(dst, text[i:i+n]...)
		}
		i += n
	}
	return dst
}

// subpart returns the length of the maximal subpart of an ill-formed sequence at the start of s: the longest beginning of
// some well-formed sequence, or one byte.
func subpart(s string) int {
	lo, hi, want := byte(0x80), byte(0xBF), 0
	switch b := s[0]; {
	case b >= 0xC2 && b <= 0xDF:
		want = 1
	case b >= 0xE0 && b <= 0xEF:
		want = 2
		if b == 0xE0 {
			lo = 0xA0
		} else if b == 0xED {
			hi = 0x9F
		}
	case b >= 0xF0 && b <= 0xF4:
		want = 3
		if b == 0xF0 {
			lo = 0x90
		} else if b == 0xF4 {
			hi = 0x8F
		}
	}
	n := 1
	for ; n <= want && n < len(s) && s[n] >= lo && s[n] <= hi; n++ {
		lo, hi = 0x80, 0xBF
	}
	return n
}

// incomplete returns how many bytes at the end of s begin a well-formed UTF-8 sequence without finishing it.
func incomplete(s string) int {
	for n := 1; n <= min(3, len(s)); n++ {
		tail := s[len(s)-n:]
		if !utf8.RuneStart(tail[0]) {
			continue
		}
		if !utf8.FullRuneInString(tail) && subpart(tail) == n {
			return n
		}
		return 0
	}
	return 0
}
