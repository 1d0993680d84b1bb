package matfile

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// dictionary is the header of an .npy file.
type dictionary struct {
	descr   string
	fortran bool
	shape   []int
}

// parseDictionary reads the part of Python's syntax that NumPy writes: {'descr': '<f8', 'fortran_order': False, 'shape': (3,
// 4), }, keys in any order.
func parseDictionary(s string) (dictionary, error) {
	var d dictionary
	seen := map[string]bool{}
	p := &scanner{rest: s}
	if !p.take("{") {
		return d, fmt.Errorf("expected a dictionary, found %.20q", s)
	}
	for !p.take("}") {
		key, err := p.text()
		if err != nil {
			return d, err
		}
		if seen[key] {
			return d, fmt.Errorf("%q is there twice", key)
		}
		seen[key] = true
		if !p.take(":") {
			return d, fmt.Errorf("expected ':' after %q, found %.20q", key, p.rest)
		}
		switch key {
		case "descr":
			d.descr, err = p.text()
		case "fortran_order":
			d.fortran, err = p.truth()
		case "shape":
			d.shape, err = p.tuple()
		default:
			err = fmt.Errorf("unknown key %.40q; expected descr, fortran_order and shape", key)
		}
		if err != nil {
			return d, err
		}
		if !p.take(",") && !strings.HasPrefix(p.rest, "}") {
			return d, fmt.Errorf("expected ',' or '}', found %.20q", p.rest)
		}
	}
	if p.space(); p.rest != "" {
		return d, fmt.Errorf("%.20q follows the dictionary", p.rest)
	}
	if len(seen) != 3 {
		return d, errors.New("expected descr, fortran_order and shape")
	}
	return d, nil
}

// scanner reads a text from left to right.
type scanner struct{ rest string }

func (p *scanner) space() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

// take skips space and then s, and reports whether s was there; space before it is skipped in any case, and after it too.
func (p *scanner) take(s string) bool {
	p.space()
	rest, ok := strings.CutPrefix(p.rest, s)
	if ok {
		p.rest = rest
		p.space()
	}
	return ok
}

// text reads a quoted string without escapes.
func (p *scanner) text() (string, error) {
	p.space()
	if p.rest == "" || p.rest[0] != '\'' && p.rest[0] != '"' {
		return "", fmt.Errorf("expected a quoted name, found %.20q (structured types are not matrices)", p.rest)
	}
	s, rest, ok := strings.Cut(p.rest[1:], p.rest[:1])
	if !ok || strings.Contains(s, `\`) {
		return "", fmt.Errorf("a string does not end: %.20q", p.rest)
	}
	p.rest = rest
	return s, nil
}

func (p *scanner) truth() (bool, error) {
	switch {
	case p.take("True"):
		return true, nil
	case p.take("False"):
		return false, nil
	}
	return false, fmt.Errorf("expected True or False, found %.20q", p.rest)
}

// tuple reads (), (3,), (3, 4) and so on.
func (p *scanner) tuple() ([]int, error) {
	if !p.take("(") {
		return nil, fmt.Errorf("expected a shape in parentheses, found %.20q", p.rest)
	}
	var out []int
	for !p.take(")") {
		p.space()
		end := strings.IndexFunc(p.rest, func(r rune) bool { return r < '0' || r > '9' })
		if end <= 0 || len(out) == 32 { // NumPy 1 has at most 32 dimensions
			return nil, fmt.Errorf("expected a size, found %.20q", p.rest)
		}
		n, err := parseCount(p.rest[:end])
		if err != nil {
			return nil, err
		}
		out = append(out, n)
		p.rest = strings.TrimPrefix(p.rest[end:], "L") // as Python 2 wrote long integers
		if !p.take(",") && !strings.HasPrefix(p.rest, ")") {
			return nil, fmt.Errorf("expected ',' or ')', found %.20q", p.rest)
		}
	}
	return out, nil
}

// parseCount reads a whole number that is not negative.
func parseCount(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%.24q is no size; expected a whole number from 0 up", s)
	}
	return n, nil
}
