package matfile

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/eckart-go/eckart/sparse"
)

// MatrixMarket's exchange format (Boisvert, Pozo, Remington, NISTIR 5935): a header line, comments, a line of sizes, and
// either entries "row column value" counted from 1 or all values by columns.
const mtxMagic = "%%matrixmarket"

// market is a MatrixMarket file under way.
type market struct {
	lines      lines
	pattern    bool // entries without values: ones
	integer    bool
	symmetry   string // general, symmetric or skew-symmetric
	coordinate bool
	list       []sparse.Triplet[float64]
	m          *Matrix
}

func parseMTX(data []byte) (*Matrix, error) {
	p := &market{lines: lines{rest: data}, m: &Matrix{Format: "mtx"}}
	if err := p.header(); err != nil {
		return nil, err
	}
	sizes, err := p.sizes()
	if err != nil {
		return nil, err
	}
	if p.coordinate {
		err = p.entries(sizes[2])
	} else {
		err = p.array()
	}
	if err != nil {
		return nil, err
	}
	if fields := p.lines.fields("%"); fields != nil {
		return nil, p.lines.failf("%q follows the last entry", strings.Join(fields[:min(4, len(fields))], " "))
	}
	if p.coordinate {
		err = p.m.setEntries(p.list, len(data))
	}
	return p.m, err
}

// header reads the first line: %%MatrixMarket matrix coordinate real general.
func (p *market) header() error {
	words := strings.Fields(strings.ToLower(string(p.lines.next())))
	if len(words) != 5 || words[1] != "matrix" {
		return p.lines.failf("expected %%%%MatrixMarket matrix FORMAT FIELD SYMMETRY")
	}
	p.coordinate = words[2] == "coordinate"
	if !p.coordinate && words[2] != "array" {
		return p.lines.failf("format %q; expected coordinate or array", words[2])
	}
	switch words[3] {
	case "real", "double":
	case "integer":
		p.integer = true
	case "pattern":
		p.pattern = true
	default:
		return p.lines.failf("field %q; expected real, integer or pattern", words[3])
	}
	p.symmetry = words[4]
	if !slices.Contains([]string{"general", "symmetric", "skew-symmetric"}, p.symmetry) {
		return p.lines.failf("symmetry %q; expected general, symmetric or skew-symmetric", p.symmetry)
	}
	if p.pattern && (!p.coordinate || p.symmetry == "skew-symmetric") {
		return p.lines.failf("a pattern cannot be %s %s", words[2], p.symmetry)
	}
	return nil
}

// sizes reads rows, columns and, of coordinates, the number of entries.
func (p *market) sizes() ([]int, error) {
	names := []string{"rows", "columns", "entries"}
	if !p.coordinate {
		names = names[:2]
	}
	fields := p.lines.fields("%")
	if len(fields) != len(names) {
		return nil, p.lines.failf("%d numbers; expected %s", len(fields), strings.Join(names, ", "))
	}
	out := make([]int, len(names))
	for i, name := range names {
		var err error
		if out[i], err = parseCount(fields[i]); err != nil {
			return nil, p.lines.failf("%s: %w", name, err)
		}
	}
	p.m.Rows, p.m.Cols = out[0], out[1]
	if p.symmetry != "general" && p.m.Rows != p.m.Cols {
		return nil, p.lines.failf("a %s matrix of %d x %d; expected a square one", p.symmetry, p.m.Rows, p.m.Cols)
	}
	return out, nil
}

// entries reads n entries.
func (p *market) entries(n int) error {
	const shortest = len("1 1\n")
	p.list = make([]sparse.Triplet[float64], 0, min(n, len(p.lines.rest)/shortest+1))
	want := 3
	if p.pattern {
		want = 2
	}
	for k := range n {
		fields := p.lines.fields("%")
		if fields == nil {
			return p.lines.failf("the file ends after %d of %d entries", k, n)
		}
		if len(fields) != want {
			return p.lines.failf("%d numbers in an entry; expected %d", len(fields), want)
		}
		e := sparse.Triplet[float64]{Value: 1}
		var err error
		if e.Row, err = p.index(fields[0], p.m.Rows, "row"); err != nil {
			return err
		}
		if e.Col, err = p.index(fields[1], p.m.Cols, "column"); err != nil {
			return err
		}
		if !p.pattern {
			if e.Value, err = p.value(fields[2]); err != nil {
				return err
			}
		}
		if err := p.add(e); err != nil {
			return err
		}
	}
	return nil
}

// add keeps an entry, and its mirror image if the matrix is symmetric.
func (p *market) add(e sparse.Triplet[float64]) error {
	p.list = append(p.list, e)
	if p.symmetry == "general" {
		return nil
	}
	skew := p.symmetry == "skew-symmetric"
	if e.Row < e.Col || skew && e.Row == e.Col {
		return p.lines.failf("an entry at row %d, column %d; a %s matrix is given by its part below the diagonal", e.Row+1, e.Col+1, p.symmetry)
	}
	if e.Row != e.Col {
		mirror := sparse.Triplet[float64]{Row: e.Col, Col: e.Row, Value: e.Value}
		if skew {
			mirror.Value = -e.Value
		}
		p.list = append(p.list, mirror)
	}
	return nil
}

// array reads all elements by columns, or those on and below the diagonal.
func (p *market) array() error {
	rows, cols := p.m.Rows, p.m.Cols
	n, ok := cells(rows, cols)
	const shortest = len("1\n")
	least := n
	if p.symmetry != "general" {
		least = n / 2 // less the diagonal
		if rows > 0 {
			least -= int64(rows)
		}
	}
	if !ok || least > int64(len(p.lines.rest)/shortest+1) {
		return p.lines.failf("%d x %d elements are announced, %d bytes follow: truncated?", rows, cols, len(p.lines.rest))
	}
	p.m.Elements = make([]float64, n)
	for j := range cols {
		first := 0
		switch p.symmetry {
		case "symmetric":
			first = j
		case "skew-symmetric":
			first = j + 1
		}
		for i := first; i < rows; i++ {
			fields := p.lines.fields("%")
			if len(fields) != 1 {
				return p.lines.failf("%d numbers; expected the element of row %d, column %d", len(fields), i+1, j+1)
			}
			v, err := p.value(fields[0])
			if err != nil {
				return err
			}
			p.m.Elements[i*cols+j] = v
			switch {
			case p.symmetry == "symmetric":
				p.m.Elements[j*cols+i] = v
			case p.symmetry == "skew-symmetric":
				p.m.Elements[j*cols+i] = -v
			}
		}
	}
	return nil
}

// index reads a position that counts from 1.
func (p *market) index(s string, n int, what string) (int, error) {
	i, err := strconv.Atoi(s)
	if err != nil || i < 1 || i > n {
		return 0, p.lines.failf("%s %.24q; expected 1 to %d", what, s, n)
	}
	return i - 1, nil
}

func (p *market) value(s string) (float64, error) {
	v, err := parseNumber(s)
	if err != nil {
		return 0, p.lines.failf("%w", err)
	}
	if p.integer && v != math.Trunc(v) {
		return 0, p.lines.failf("%q in a matrix of integers", s)
	}
	return v, nil
}

// parseNumber reads a finite number.
func parseNumber(s string) (float64, error) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, fmt.Errorf("expected a finite number, found %.24q", s)
	}
	return v, nil
}

// lines reads a text line by line, and counts them.
type lines struct {
	rest []byte
	n    int // lines read so far
}

// next returns the next line without its end.
func (l *lines) next() []byte {
	line, rest, _ := bytes.Cut(l.rest, []byte("\n"))
	l.rest = rest
	l.n++
	return line
}

// fields returns the words of the next line that has any and is no comment; nil at the end.
func (l *lines) fields(comment string) []string {
	for len(l.rest) > 0 {
		line := strings.TrimSpace(string(l.next()))
		if line != "" && !strings.HasPrefix(line, comment) {
			return strings.Fields(line)
		}
	}
	return nil
}

func (l *lines) failf(format string, args ...any) error {
	return fmt.Errorf("line %d: %w", l.n, fmt.Errorf(format, args...))
}
