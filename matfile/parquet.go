package matfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

const parquetMagic = "PAR1"

// parseParquet reads the numeric columns of a table (truth values are numbers too). Columns of other types are left out and
// listed; a value that is missing is an error.
//
// The schema is the Parquet library's. It is not made for files that lie, so what it decodes has been walked over by
// checkThrift, and pages are read by parquetChunk, which trusts no size.
func parseParquet(data []byte, limit int64) (m *Matrix, err error) {
	if err := checkFooter(data); err != nil {
		return nil, fmt.Errorf("parquet: %w", err)
	}
	defer func() {
		if v := recover(); v != nil { // the library's
			m, err = nil, fmt.Errorf("parquet: damaged: %v", v)
		}
	}()
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, fmt.Errorf("parquet: %w", err)
	}
	m = &Matrix{Format: "parquet"}
	columns := m.chooseColumns(f)
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
	if err := m.readColumns(data, f, columns, limit); err != nil {
		return nil, fmt.Errorf("parquet: %w", err)
	}
	return m, nil
}

// checkFooter walks over the metadata at the end of the file: its length and the magic are the last eight bytes.
func checkFooter(data []byte) error {
	const last = 8
	if len(data) < len(parquetMagic)+last || string(data[len(data)-4:]) != parquetMagic {
		return errors.New("the file does not end with its magic: truncated?")
	}
	size := int64(binary.LittleEndian.Uint32(data[len(data)-last:]))
	room := int64(len(data) - last - len(parquetMagic))
	if size > room {
		return fmt.Errorf("metadata of %d bytes is announced, %d are in the file", size, room)
	}
	_, err := checkThrift(data[len(data)-last-int(size) : len(data)-last])
	return err
}

// parquetColumn is a column of the file that becomes one of the matrix.
type parquetColumn struct {
	index    int // among all columns
	kind     parquet.Kind
	unsigned bool
	optional bool
}

// chooseColumns sets the names of the columns that are numbers, and of those that are not.
func (m *Matrix) chooseColumns(f *parquet.File) []parquetColumn {
	var columns []parquetColumn
	for _, path := range f.Schema().Columns() {
		leaf, ok := f.Schema().Lookup(path...)
		name := strings.Join(path, ".")
		if !ok || leaf.MaxRepetitionLevel > 0 || leaf.MaxDefinitionLevel > 1 || !isNumeric(leaf.Node.Type()) {
			m.Omitted = append(m.Omitted, name)
			continue
		}
		c := parquetColumn{index: leaf.ColumnIndex, kind: leaf.Node.Type().Kind(), optional: leaf.MaxDefinitionLevel == 1}
		if l := leaf.Node.Type().LogicalType(); l != nil {
			if t, ok := l.Value.(*format.IntType); ok {
				c.unsigned = !t.IsSigned
			}
		}
		m.Names, columns = append(m.Names, name), append(columns, c)
	}
	return columns
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

// readColumns reads all row groups. Room is made for the rows of a group when its first column has been read.
func (m *Matrix) readColumns(data []byte, f *parquet.File, columns []parquetColumn, limit int64) error {
	first := 0
	left := limit // bytes that pages may still expand to
	for _, group := range f.Metadata().RowGroups {
		rows := int(group.NumRows)
		if rows < 0 || rows > m.Rows-first {
			return fmt.Errorf("row groups have more than the %d rows announced", m.Rows)
		}
		for j, column := range columns {
			if column.index >= len(group.Columns) {
				return fmt.Errorf("column %q is missing in a row group", m.Names[j])
			}
			chunk := parquetChunk{column: column, codec: group.Columns[column.index].MetaData.Codec, rows: rows, left: &left}
			values, err := chunk.read(data, &group.Columns[column.index].MetaData)
			if err != nil {
				if at := (*valueError)(nil); errors.As(err, &at) {
					return fmt.Errorf("row %d, column %q: %s", first+at.row, m.Names[j], at.what)
				}
				return fmt.Errorf("column %q: %w", m.Names[j], err)
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
		return fmt.Errorf("row groups have %d of the %d rows announced", first, m.Rows)
	}
	return nil
}
