package tokenizer

import "strings"

// A splitter cuts words off the front of a text. next returns the length, above zero, of the first piece of s, which is not
// empty and valid UTF-8, and whether the piece is kept (white space often is not).
type splitter interface {
	next(s string) (n int, keep bool)
}

// The published patterns the scanners stand for, as they are written in tokenizer.json.
const (
	patternGPT2   = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
	patternLlama3 = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	patternQwen2  = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// scannerFor returns the scanner equal to a published pattern. Each of these patterns matches at every position, so the
// pieces are the matches.
func scannerFor(pattern string) (splitter, bool) {
	switch pattern {
	case patternGPT2, `'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`:
		return gpt2Scanner{chars()}, true
	case patternLlama3:
		return llama3Scanner{chars(), 3}, true
	case patternQwen2:
		return llama3Scanner{chars(), 1}, true
	}
	return nil, false
}

// gpt2Scanner scans as patternGPT2 does.
type gpt2Scanner struct{ c *characters }

func (g gpt2Scanner) next(s string) (int, bool) {
	c := g.c
	if s[0] == '\'' {
		if n := contraction(s); n > 0 {
			return n, true
		}
	}
	i := 0
	if s[0] == ' ' && len(s) > 1 {
		i = 1
	}
	k, n := c.at(s[i:])
	switch {
	case k&letter != 0:
		return c.run(s, i+n, letter, 0), true
	case k&number != 0:
		return c.run(s, i+n, number, 0), true
	case k&space == 0:
		return c.run(s, i+n, 0, space|letter|number), true
	}
	return c.blanks(s), true
}

// blanks matches \s+(?!\S)|\s+ at the start of s, which is white space: the whole run at the end of the text, else all but
// its last character, else that one character.
func (c *characters) blanks(s string) int {
	last, end := 0, 0
	for end < len(s) {
		k, n := c.at(s[end:])
		if k&space == 0 {
			if last > 0 {
				return last
			}
			return end
		}
		last = end
		end += n
	}
	return end
}

// contraction returns the length of 's, 't, 'm, 'd, 're, 've or 'll at the start of s, or zero.
func contraction(s string) int {
	if len(s) < 2 {
		return 0
	}
	switch s[1] {
	case 's', 't', 'm', 'd':
		return 2
	case 'r', 'v':
		if len(s) > 2 && s[2] == 'e' {
			return 3
		}
	case 'l':
		if len(s) > 2 && s[2] == 'l' {
			return 3
		}
	}
	return 0
}

// llama3Scanner scans as patternLlama3 does (digits 3) and as patternQwen2 does (digits 1).
type llama3Scanner struct {
	c      *characters
	digits int // longest run of \p{N} in a piece
}

func (l llama3Scanner) next(s string) (int, bool) {
	c := l.c
	if s[0] == '\'' {
		if n := foldedContraction(s); n > 0 {
			return n, true
		}
	}
	k, n := c.at(s)
	switch {
	case k&letter != 0:
		return c.run(s, n, letter, 0), true
	case k&number != 0:
		for i := 1; i < l.digits && n < len(s); i++ {
			k, m := c.at(s[n:])
			if k&number == 0 {
				break
			}
			n += m
		}
		return n, true
	}
	next, m := class(0), 0
	if n < len(s) {
		next, m = c.at(s[n:])
	}
	newline := s[0] == '\r' || s[0] == '\n'
	switch {
	case !newline && next&letter != 0:
		return c.run(s, n+m, letter, 0), true
	case k&space == 0:
		return newlines(s, c.run(s, n, 0, space|letter|number)), true
	case s[0] == ' ' && m > 0 && next&(space|letter|number) == 0:
		return newlines(s, c.run(s, n+m, 0, space|letter|number)), true
	}
	run := s[:c.run(s, 0, space, 0)]
	if at := strings.LastIndexAny(run, "\r\n"); at >= 0 { // \s*[\r\n]+ gives back what follows the last newline
		return at + 1, true
	}
	return c.blanks(s), true
}

// newlines returns the end of the run of \r and \n at s[i].
func newlines(s string, i int) int {
	for i < len(s) && (s[i] == '\r' || s[i] == '\n') {
		i++
	}
	return i
}

// foldedContraction is contraction without regard to case; long s (U+017F) folds to s as well.
func foldedContraction(s string) int {
	if strings.HasPrefix(s[1:], "\u017F") {
		return 3
	}
	if len(s) < 2 {
		return 0
	}
	switch s[1] | 0x20 {
	case 's', 't', 'm', 'd':
		return 2
	case 'r', 'v':
		if len(s) > 2 && s[2]|0x20 == 'e' {
			return 3
		}
	case 'l':
		if len(s) > 2 && s[2]|0x20 == 'l' {
			return 3
		}
	}
	return 0
}
