package matfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

const parquetMagic = "PAR1"

// parseParquet reads the numeric columns of a table (truth values are numbers too). Columns of other types are left out and
// listed; a value that is missing is an error.
func parseParquet(data []byte, limit int64) (m *Matrix, err error) {
	defer func() { // the library checks files less than we promise to
		if v := recover(); v != nil {
			m, err = nil, fmt.Errorf("parquet: damaged: %v", v)
		}
	}()
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, fmt.Errorf("parquet: %w", err)
	}
	m = &Matrix{Format: "parquet"}
	var columns []int // of the file, in the matrix's order
	for _, path := range f.Schema().Columns() {
		leaf, ok := f.Schema().Lookup(path...)
		name := strings.Join(path, ".")
		if !ok || leaf.MaxRepetitionLevel > 0 || !isNumeric(leaf.Node.Type()) {
			m.Omitted = append(m.Omitted, name)
			continue
		}
		m.Names, columns = append(m.Names, name), append(columns, leaf.ColumnIndex)
	}
	if len(columns) == 0 {
		return nil, fmt.Errorf("parquet: no column of numbers among %d (%s)", len(m.Omitted), strings.Join(m.Omitted[:min(10, len(m.Omitted))], ", "))
	}
	if f.NumRows() < 1 {
		return nil, errors.New("parquet: the table has no rows")
	}
	n, ok := cells(int(f.NumRows()), len(columns))
	if !ok || n > limit/8 {
		return nil, fmt.Errorf("parquet: %d rows of %d numbers take more than %d bytes: raise the limit if it is what it claims to be", f.NumRows(), len(columns), limit)
	}
	m.Rows, m.Cols = int(f.NumRows()), len(columns)
	return m, m.readColumns(f, columns)
}

// isNumeric reports whether values of type t are numbers as they are stored.
func isNumeric(t parquet.Type) bool {
	switch t.Kind() {
	case parquet.Boolean, parquet.Int32, parquet.Int64, parquet.Float, parquet.Double:
	default:
		return false
	}
	l := t.LogicalType()
	if l == nil || l.Value == nil {
		return true
	}
	_, ok := l.Value.(*format.IntType) // a scaled decimal or a date is more than its integer
	return ok
}

// readColumns reads all row groups. Elements grow with what is there, whatever the number of rows announced.
func (m *Matrix) readColumns(f *parquet.File, columns []int) error {
	first := 0
	for _, group := range f.RowGroups() {
		rows := int(group.NumRows())
		if rows < 0 || rows > m.Rows-first {
			return fmt.Errorf("parquet: row groups have more than the %d rows announced", m.Rows)
		}
		chunks := group.ColumnChunks()
		for j, column := range columns {
			values, err := readChunk(chunks[column], rows)
			if err != nil {
				var at *valueError
				if errors.As(err, &at) {
					return fmt.Errorf("parquet: row %d, column %q: %s", first+at.row, m.Names[j], at.what)
				}
				return fmt.Errorf("parquet: column %q: %w", m.Names[j], err)
			}
			if j == 0 {
				m.Elements = append(m.Elements, make([]float64, rows*m.Cols)...)
			}
			for i, v := range values {
				m.Elements[(first+i)*m.Cols+j] = v
			}
		}
		first += rows
	}
	if first != m.Rows {
		return fmt.Errorf("parquet: row groups have %d of the %d rows announced", first, m.Rows)
	}
	return nil
}

// valueError says what is wrong with a value.
type valueError struct {
	row  int
	what string
}

func (e *valueError) Error() string { return fmt.Sprintf("row %d: %s", e.row, e.what) }

// readChunk reads the values of one column in one row group.
func readChunk(chunk parquet.ColumnChunk, rows int) ([]float64, error) {
	unsigned := false
	if l := chunk.Type().LogicalType(); l != nil {
		if t, ok := l.Value.(*format.IntType); ok {
			unsigned = !t.IsSigned
		}
	}
	pages := chunk.Pages()
	defer pages.Close()
	var out []float64
	buffer := make([]parquet.Value, 1024)
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		values := page.Values()
		for {
			n, err := values.ReadValues(buffer)
			for _, v := range buffer[:n] {
				x, what := numberOf(v, unsigned)
				if what != "" {
					return nil, &valueError{len(out), what}
				}
				if len(out) == rows {
					return nil, fmt.Errorf("more than the %d values of its row group", rows)
				}
				out = append(out, x)
			}
			if errors.Is(err, io.EOF) || err == nil && n == 0 {
				break
			}
			if err != nil {
				return nil, err
			}
		}
		parquet.Release(page)
	}
	if len(out) != rows {
		return nil, fmt.Errorf("%d values in a row group of %d rows", len(out), rows)
	}
	return out, nil
}

// numberOf returns a value as float64, or what is wrong with it.
func numberOf(v parquet.Value, unsigned bool) (x float64, what string) {
	if v.IsNull() {
		return 0, "no value; expected a number (fill missing values first)"
	}
	switch v.Kind() {
	case parquet.Boolean:
		if v.Boolean() {
			x = 1
		}
	case parquet.Int32:
		if x = float64(v.Int32()); unsigned {
			x = float64(v.Uint32())
		}
	case parquet.Int64:
		i := v.Int64()
		if i > exact || i < -exact { // an unsigned one beyond 2^63 is negative here
			return 0, "an integer beyond ±2^53: it has no exact float64"
		}
		if unsigned && i < 0 {
			return 0, "an integer beyond 2^53: it has no exact float64"
		}
		x = float64(i)
	case parquet.Float:
		x = float64(v.Float())
	case parquet.Double:
		x = v.Double()
	}
	return x, ""
}
