package matfile

import (
	"archive/zip"
	"bytes"
	"fmt"
	"math"
	"strings"

	"github.com/eckart-go/eckart/sparse"
)

// archive is an .npz file: a zip archive of .npy files.
type archive struct {
	files map[string]*zip.File
	names []string // in file order, without .npy
	left  int64    // bytes that may still be expanded
	size  int      // bytes of the file and of what has been expanded
}

// parseNPZ reads the only matrix of an archive, the one that is asked for by name, or SciPy's sparse matrix.
func parseNPZ(data []byte, opts Options) (*Matrix, error) {
	a, err := openArchive(data, opts.limit())
	if err != nil {
		return nil, err
	}
	if opts.Array == "" && a.files["format"] != nil && a.files["shape"] != nil {
		return a.sparse()
	}
	name := opts.Array
	if name == "" {
		if len(a.names) != 1 {
			return nil, fmt.Errorf("npz: %d arrays (%s): say which", len(a.names), strings.Join(a.names, ", "))
		}
		name = a.names[0]
	}
	member, err := a.read(name)
	if err != nil {
		return nil, err
	}
	m, err := member.matrix("npz")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return m, nil
}

func openArchive(data []byte, limit int64) (*archive, error) {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("npz: %w", err)
	}
	a := &archive{files: map[string]*zip.File{}, left: limit, size: len(data)}
	for _, f := range z.File {
		name, ok := strings.CutSuffix(f.Name, ".npy")
		if !ok {
			continue
		}
		if a.files[name] != nil {
			return nil, fmt.Errorf("npz: array %q is there twice", name)
		}
		a.files[name] = f
		a.names = append(a.names, name)
	}
	if len(a.names) == 0 {
		return nil, fmt.Errorf("npz: the archive holds no .npy file")
	}
	return a, nil
}

// read expands and parses one array.
func (a *archive) read(name string) (*array, error) {
	f := a.files[name]
	if f == nil {
		return nil, fmt.Errorf("npz: no array %q; there are %s", name, strings.Join(a.names, ", "))
	}
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("npz: %s: %w", name, err)
	}
	defer r.Close()
	data, err := expand(r, a.left, "npz: "+name)
	if err != nil {
		return nil, err
	}
	a.left -= int64(len(data))
	a.size += len(data)
	member, err := parseArray(data)
	if err != nil {
		return nil, fmt.Errorf("npz: %s: %w", name, err)
	}
	return member, nil
}

// ints reads a one-dimensional array of integers.
func (a *archive) ints(name string) ([]int, error) {
	member, err := a.read(name)
	if err != nil {
		return nil, err
	}
	if len(member.shape) != 1 || member.kind != 'i' && member.kind != 'u' {
		return nil, fmt.Errorf("npz: %s: expected a list of integers, found shape %v of kind %q", name, member.shape, member.kind)
	}
	out := make([]int, member.shape[0])
	for i := range out {
		v, ok := member.integer(i)
		if !ok || int64(int(v)) != v {
			return nil, fmt.Errorf("npz: %s: element %d is too large", name, i)
		}
		out[i] = int(v)
	}
	return out, nil
}

// sparse reads what scipy.sparse.save_npz wrote: format csr, csc or coo.
func (a *archive) sparse() (*Matrix, error) {
	format, err := a.read("format")
	if err != nil {
		return nil, err
	}
	shape, err := a.ints("shape")
	if err != nil {
		return nil, err
	}
	if len(shape) != 2 || shape[0] < 0 || shape[1] < 0 {
		return nil, fmt.Errorf("npz: shape: %v; expected rows and columns", shape)
	}
	m := &Matrix{Format: "npz", Rows: shape[0], Cols: shape[1]}
	data, err := a.read("data")
	if err != nil {
		return nil, err
	}
	values, err := data.floats()
	if err != nil {
		return nil, fmt.Errorf("npz: data: %w", err)
	}
	if len(data.shape) != 1 {
		return nil, fmt.Errorf("npz: data: shape %v; expected a list", data.shape)
	}
	switch name := format.text(); name {
	case "csr", "csc":
		m.CSR, err = a.compressed(shape, values, name)
	case "coo":
		err = a.coordinates(m, values)
	default:
		return nil, fmt.Errorf("npz: sparse format %q; expected csr, csc or coo", name)
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

// text returns an array of characters as a string, up to the first NUL.
func (a *array) text() string {
	var b strings.Builder
	step := 1
	if a.kind == 'U' {
		step = 4
	}
	for i := 0; i+step <= len(a.data); i += step {
		c := rune(a.data[i])
		if step == 4 {
			c = rune(a.order.Uint32(a.data[i:]))
		}
		if c == 0 {
			break
		}
		b.WriteRune(c)
	}
	return b.String()
}

// compressed reads rows (of csr) or columns (of csc), one after the other: row i has the entries indptr[i] to indptr[i+1]-1.
func (a *archive) compressed(shape []int, values []float64, format string) (*sparse.CSR[float64], error) {
	columns, err := a.ints("indices")
	if err != nil {
		return nil, err
	}
	starts, err := a.ints("indptr")
	if err != nil {
		return nil, err
	}
	index := make([]int32, len(columns))
	for k, j := range columns {
		if j < 0 || j > math.MaxInt32 {
			return nil, fmt.Errorf("npz: indices: element %d is %d; expected 0 to %d", k, j, math.MaxInt32)
		}
		index[k] = int32(j)
	}
	if format == "csr" {
		return wrapped(sparse.New(shape[0], shape[1], starts, index, values))
	}
	if shape[0] > max(1<<20, a.size) {
		return nil, fmt.Errorf("npz: %d rows: more than the file has bytes", shape[0])
	}
	byColumn, err := sparse.NewCSC(shape[0], shape[1], starts, index, values)
	if err != nil {
		return nil, fmt.Errorf("npz: %w", err)
	}
	return byColumn.CSR(), nil
}

func wrapped(m *sparse.CSR[float64], err error) (*sparse.CSR[float64], error) {
	if err != nil {
		return nil, fmt.Errorf("npz: %w", err)
	}
	return m, nil
}

// coordinates reads a list of entries.
func (a *archive) coordinates(m *Matrix, values []float64) error {
	rows, err := a.ints("row")
	if err != nil {
		return err
	}
	cols, err := a.ints("col")
	if err != nil {
		return err
	}
	if len(rows) != len(values) || len(cols) != len(values) {
		return fmt.Errorf("npz: %d values, %d rows and %d columns; expected equally many", len(values), len(rows), len(cols))
	}
	entries := make([]sparse.Triplet[float64], len(values))
	for k, v := range values {
		entries[k] = sparse.Triplet[float64]{Row: rows[k], Col: cols[k], Value: v}
	}
	if err := m.setEntries(entries, a.size); err != nil {
		return fmt.Errorf("npz: %w", err)
	}
	return nil
}
