package matfile

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// parseText reads rows of numbers, one a line. They are separated by tabs, semicolons, commas or blanks, whichever of these
// the first line has, in this order. Lines that begin with # are comments. The first row is a header, and left out, if it
// holds no number.
func parseText(data []byte) (*Matrix, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // a byte order mark
	next := rowsByBlanks(data)
	if separator := separatorOf(data); separator != ' ' {
		next = rowsBySeparator(data, separator)
	}
	m := &Matrix{Format: "text"}
	for first := true; ; first = false {
		cells, line, err := next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if first && isHeader(cells) {
			for _, cell := range cells {
				m.Names = append(m.Names, strings.TrimSpace(cell))
			}
			continue
		}
		if m.Rows > 0 && len(cells) != m.Cols {
			return nil, fmt.Errorf("line %d: %d columns; expected %d as in the lines before", line, len(cells), m.Cols)
		}
		if m.Names != nil && len(cells) != len(m.Names) {
			return nil, fmt.Errorf("line %d: %d columns; expected %d as in the header", line, len(cells), len(m.Names))
		}
		m.Cols = len(cells)
		for j, cell := range cells {
			v, err := parseNumber(strings.TrimSpace(cell))
			if err != nil {
				return nil, fmt.Errorf("line %d, column %d: %w", line, j+1, err)
			}
			m.Elements = append(m.Elements, v)
		}
		m.Rows++
	}
	if m.Rows == 0 {
		return nil, errors.New("no row of numbers")
	}
	return m, nil
}

// separatorOf finds the separator in the first line that is no comment.
func separatorOf(data []byte) rune {
	l := lines{rest: data}
	for len(l.rest) > 0 {
		line := bytes.TrimSpace(l.next())
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		for _, s := range []byte("\t;,") {
			if bytes.IndexByte(line, s) >= 0 {
				return rune(s)
			}
		}
		break
	}
	return ' '
}

// isHeader reports whether none of the cells is a number and one has text.
func isHeader(cells []string) bool {
	text := false
	for _, cell := range cells {
		cell = strings.TrimSpace(cell)
		if _, err := strconv.ParseFloat(cell, 64); !errors.Is(err, strconv.ErrSyntax) {
			return false // a number, if not always a finite one
		}
		switch strings.ToLower(cell) {
		case "na", "null", "none":
			return false // a number that is missing, not a name
		}
		text = text || cell != ""
	}
	return text
}

// rowsByBlanks returns a function that gives the next row and its line.
func rowsByBlanks(data []byte) func() ([]string, int, error) {
	l := &lines{rest: data}
	return func() ([]string, int, error) {
		fields := l.fields("#")
		if fields == nil {
			return nil, l.n, io.EOF
		}
		return fields, l.n, nil
	}
}

// rowsBySeparator does the same for separated values, which may be quoted.
func rowsBySeparator(data []byte, separator rune) func() ([]string, int, error) {
	r := csv.NewReader(bytes.NewReader(data))
	r.Comma, r.Comment, r.FieldsPerRecord, r.ReuseRecord = separator, '#', -1, true
	return func() ([]string, int, error) {
		cells, err := r.Read()
		if err != nil {
			var bad *csv.ParseError
			if errors.As(err, &bad) {
				return nil, 0, fmt.Errorf("line %d, byte %d: %w", bad.Line, bad.Column, bad.Err)
			}
			return nil, 0, err
		}
		line, _ := r.FieldPos(0)
		return cells, line, nil
	}
}
