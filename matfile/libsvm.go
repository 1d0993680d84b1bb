package matfile

import (
	"bytes"
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/eckart-go/eckart/sparse"
)

// LIBSVM's and SVMlight's text: a label, then "column:value" with ascending columns, one row a line; what follows # is a
// comment. Columns count from 1, unless the file has a column 0.

// isLIBSVM reports whether the first line that has more than a label has a column and a value next.
func isLIBSVM(data []byte) bool {
	for l := (lines{rest: data}); len(l.rest) > 0; {
		fields := bytes.Fields(uncommented(l.next()))
		if len(fields) < 2 {
			if len(fields) == 1 && !isNumber(string(fields[0])) {
				return false
			}
			continue
		}
		column, value, ok := strings.Cut(string(fields[1]), ":")
		if column == "qid" {
			return ok
		}
		_, err := strconv.ParseUint(column, 10, 64)
		return ok && err == nil && isNumber(value)
	}
	return false
}

// isNumber reports whether s reads as a number, finite or not.
func isNumber(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return !errors.Is(err, strconv.ErrSyntax)
}

func uncommented(line []byte) []byte {
	line, _, _ = bytes.Cut(line, []byte("#"))
	return line
}

// parseLIBSVM reads rows; "qid:number" after the label, SVMlight's query, is left out.
func parseLIBSVM(data []byte) (*Matrix, error) {
	m := &Matrix{Format: "libsvm"}
	l := &lines{rest: data}
	starts, index, values := []int{0}, []int32{}, []float64{}
	least, most := int32(math.MaxInt32), int32(0)
	for len(l.rest) > 0 {
		fields := strings.Fields(string(uncommented(l.next())))
		if len(fields) == 0 {
			continue
		}
		label, err := parseNumber(fields[0])
		if err != nil {
			return nil, l.failf("label: %w", err)
		}
		m.Labels = append(m.Labels, label)
		last := int32(-1)
		for _, field := range fields[1:] {
			column, text, ok := strings.Cut(field, ":")
			if !ok {
				return nil, l.failf("%.24q; expected column:value", field)
			}
			if column == "qid" && last < 0 {
				continue
			}
			j, err := strconv.ParseInt(column, 10, 32)
			if err != nil || j < 0 || j == math.MaxInt32 {
				return nil, l.failf("column %.24q; expected 0 to %d", column, math.MaxInt32-1)
			}
			if int32(j) <= last {
				return nil, l.failf("column %d after column %d; expected columns to ascend", j, last)
			}
			last = int32(j)
			v, err := parseNumber(text)
			if err != nil {
				return nil, l.failf("column %d: %w", j, err)
			}
			least, most = min(least, last), max(most, last)
			index, values = append(index, last), append(values, v)
		}
		starts = append(starts, len(values))
	}
	m.Rows, m.Cols = len(m.Labels), int(most)+1
	if least > 0 { // columns count from 1
		m.Cols = int(most)
		for k := range index {
			index[k]--
		}
	}
	var err error
	m.CSR, err = sparse.New(m.Rows, m.Cols, starts, index, values)
	return m, err
}
