package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// behaviour says what becomes of the delimiters a splitter finds (Hugging Face's SplitDelimiterBehavior).
type behaviour int

const (
	isolated behaviour = iota
	removed
	mergedWithPrevious
	mergedWithNext
	contiguous
)

var behaviours = map[string]behaviour{
	"Isolated": isolated, "Removed": removed, "MergedWithPrevious": mergedWithPrevious, "MergedWithNext": mergedWithNext,
	"Contiguous": contiguous,
}

// A finder finds delimiters: find returns the first one in s as s[lo:hi], or lo < 0.
type finder interface {
	find(s string) (lo, hi int)
}

// delimited splits at delimiters.
type delimited struct {
	finder
	behaviour behaviour
}

// next implements splitter. What it needs to know of the text before s is nothing: pieces end where delimiters begin or end.
func (d delimited) next(s string) (int, bool) {
	lo, hi := d.find(s)
	if lo < 0 {
		return len(s), true
	}
	switch d.behaviour {
	case removed:
		if lo == 0 {
			return hi, false
		}
	case mergedWithPrevious:
		return hi, true
	case mergedWithNext:
		if lo == 0 {
			if next, _ := d.find(s[hi:]); next >= 0 {
				return hi + next, true
			}
			return len(s), true
		}
	case contiguous:
		if lo == 0 {
			for hi < len(s) {
				next, end := d.find(s[hi:])
				if next != 0 {
					break
				}
				hi += end
			}
		}
	}
	if lo == 0 {
		return hi, true
	}
	return lo, true
}

// literal finds a string.
type literal string

func (l literal) find(s string) (int, int) {
	at := strings.Index(s, string(l))
	return at, at + len(l)
}

// inClass finds single characters of a class.
type inClass struct {
	c    *characters
	want class
}

func (f inClass) find(s string) (int, int) {
	i := f.c.run(s, 0, 0, f.want)
	if i == len(s) {
		return -1, -1
	}
	_, n := f.c.at(s[i:])
	return i, i + n
}

// words splits as \w+|[^\w\s]+ does, dropping the white space between (pre-tokenizer Whitespace).
type words struct{ c *characters }

func (w words) next(s string) (int, bool) {
	switch k, n := w.c.at(s); {
	case k&wordy != 0:
		return w.c.run(s, n, wordy, 0), true
	case k&space == 0:
		return w.c.run(s, n, 0, wordy|space), true
	default:
		return w.c.run(s, n, space, wordy), false
	}
}

// punctuationRuns isolates runs of \p{P} and of $ + < = > ^ ~ |, the first step of llama.cpp's "default" splitter.
type punctuationRuns struct{}

func (punctuationRuns) next(s string) (int, bool) {
	in := func(r rune) bool { return unicode.IsPunct(r) || strings.ContainsRune("$+<=>^~|", r) }
	first, n := utf8.DecodeRuneInString(s)
	want := in(first)
	for n < len(s) {
		r, m := utf8.DecodeRuneInString(s[n:])
		if in(r) != want {
			break
		}
		n += m
	}
	return n, true
}

// digitTriples cuts runs of ASCII digits into threes from the left, the last step of llama.cpp's "default" splitter: what
// is left over, one or two digits, stays with the text that follows it.
type digitTriples struct{}

func (digitTriples) next(s string) (int, bool) {
	for i := 0; i+3 <= len(s); i++ {
		if isDigit(s[i]) && isDigit(s[i+1]) && isDigit(s[i+2]) {
			if i == 0 {
				return 3, true
			}
			return i, true
		}
	}
	return len(s), true
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

// A stage is one step of the pre-tokenizer: rewrite the piece, then split it. Either part may be absent.
type stage struct {
	rewrite  func(s string, atStart bool) string // atStart: the piece begins where the text begins
	splitter splitter
}

// prefixSpace prepends a space to a piece that does not begin with one (ByteLevel's add_prefix_space).
func prefixSpace(s string, _ bool) string {
	if s == "" || s[0] == ' ' {
		return s
	}
	return " " + s
}

// metaspace returns the rewriting half of Metaspace: spaces become mark, and mark is prepended to pieces without it.
func metaspace(mark, scheme string) func(string, bool) string {
	return func(s string, atStart bool) string {
		if s == "" {
			return s
		}
		prepend := scheme == "always" || scheme == "first" && atStart
		if prepend && s[0] != ' ' && !strings.HasPrefix(s, mark) {
			s = " " + s
		}
		return strings.ReplaceAll(s, " ", mark)
	}
}
