package tokenizer

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxAdded bounds the length of an added token, and with it the work an adversarial text can cause per byte.
const maxAdded = 1024

// added is a token matched in the text as a whole, before the model sees it (Hugging Face's AddedToken).
type added struct {
	id                                          int
	content                                     string
	special, singleWord, lstrip, rstrip, normed bool
	pattern                                     string // content as it is matched: normalised when normed
}

// matcher finds added tokens in a text, the longest one at the leftmost place.
type matcher struct {
	tokens []added
	first  [256]bool         // bytes some token begins with
	only   int               // the one such byte, or -1
	child  map[uint64]uint32 // trie: node<<8 | byte -> node; the root is 0
	final  []int32           // node -> index into tokens, or -1
}

// newMatcher builds the trie; a later token with the same pattern replaces an earlier one.
func newMatcher(tokens []added) (*matcher, error) {
	m := &matcher{tokens: tokens, only: -1, child: map[uint64]uint32{}, final: []int32{-1}}
	for i, t := range tokens {
		if len(t.pattern) > maxAdded {
			return nil, fmt.Errorf("added token %d is %d bytes long, more than %d", t.id, len(t.pattern), maxAdded)
		}
		if t.pattern == "" {
			continue
		}
		node := uint32(0)
		for j := range len(t.pattern) {
			key := uint64(node)<<8 | uint64(t.pattern[j])
			next, ok := m.child[key]
			if !ok {
				next = uint32(len(m.final))
				m.final = append(m.final, -1)
				m.child[key] = next
			}
			node = next
		}
		m.final[node] = int32(i)
		m.first[t.pattern[0]] = true
	}
	for b, ok := range m.first {
		if ok && m.only >= 0 {
			m.only = -1
			break
		} else if ok {
			m.only = b
		}
	}
	return m, nil
}

// longest returns the index of the longest token s begins with, or -1.
func (m *matcher) longest(s string) int {
	best, node := int32(-1), uint32(0)
	for i := range len(s) {
		next, ok := m.child[uint64(node)<<8|uint64(s[i])]
		if !ok {
			break
		}
		node = next
		if m.final[node] >= 0 {
			best = m.final[node]
		}
	}
	return int(best)
}

// match is an added token found at s[lo:hi], white space it strips included.
type match struct{ lo, hi, id int }

// find appends the matches in s to dst, in order. With literal set special tokens are left alone.
func (m *matcher) find(dst []match, s string, literal bool) []match {
	if len(m.tokens) == 0 {
		return dst
	}
	c := chars()
	start := 0 // end of the last match
	for i := 0; i < len(s); {
		i = m.candidate(s, i)
		if i == len(s) {
			break
		}
		at := m.longest(s[i:])
		if at < 0 {
			i++
			continue
		}
		t := &m.tokens[at]
		lo, hi := i, i+len(t.pattern)
		i = hi
		if literal && t.special || t.singleWord && !c.alone(s, lo, hi) {
			continue
		}
		if t.lstrip {
			lo = max(start, len(strings.TrimRightFunc(s[:lo], c.white)))
		}
		if t.rstrip {
			hi = c.run(s, hi, space, 0)
		}
		dst = append(dst, match{lo, hi, t.id})
		start = hi
	}
	return dst
}

// candidate returns the first position from i on where a token may begin, or len(s).
func (m *matcher) candidate(s string, i int) int {
	if m.only >= 0 {
		if at := strings.IndexByte(s[i:], byte(m.only)); at >= 0 {
			return i + at
		}
		return len(s)
	}
	for i < len(s) && !m.first[s[i]] {
		i++
	}
	return i
}

func (c *characters) white(r rune) bool { return c.of(r)&space != 0 }

// alone reports whether no word character touches s[lo:hi].
func (c *characters) alone(s string, lo, hi int) bool {
	if r, n := utf8.DecodeLastRuneInString(s[:lo]); n > 0 && c.of(r)&wordy != 0 {
		return false
	}
	r, n := utf8.DecodeRuneInString(s[hi:])
	return n == 0 || c.of(r)&wordy == 0
}
