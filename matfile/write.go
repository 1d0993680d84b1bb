package matfile

import (
	"archive/zip"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/internal/replace"
	"github.com/eckart-go/eckart/sparse"
)

// Array is a named array of one or two dimensions, in row order.
type Array struct {
	Name  string
	Shape []int
	Data  []float64
}

// NewArray returns a matrix as an array, in memory of its own.
func NewArray(name string, m mat.Matrix) Array {
	d := mat.DenseCopyOf(m)
	rows, cols := d.Dims()
	return Array{name, []int{rows, cols}, d.RawMatrix().Data}
}

// WriteNPY writes an array as an .npy file (version 1, little-endian float64, C order). It fails if the shape does not
// match the data, or w does.
func WriteNPY(w io.Writer, a Array) error {
	n := 1
	for _, s := range a.Shape {
		n *= s
	}
	if n != len(a.Data) || len(a.Shape) == 0 {
		return fmt.Errorf("matfile: array %q: shape %v and %d elements", a.Name, a.Shape, len(a.Data))
	}
	return writeArray(w, "<f8", a.Shape, a.Data, func(b []byte, v float64) []byte {
		return binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	})
}

// writeArray writes elements of NumPy's type descr.
func writeArray[E any](w io.Writer, descr string, shape []int, data []E, add func(b []byte, v E) []byte) error {
	var sizes strings.Builder // as Python writes a tuple: (), (3,), (3, 4)
	for i, s := range shape {
		if i > 0 {
			sizes.WriteString(", ")
		}
		fmt.Fprint(&sizes, s)
	}
	if len(shape) == 1 {
		sizes.WriteString(",")
	}
	header := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, sizes.String())
	const before = 10                                                       // magic, version, length
	header += strings.Repeat(" ", (64-(before+len(header)+1)%64)%64) + "\n" // elements begin at a multiple of 64
	buf := binary.LittleEndian.AppendUint16([]byte(npyMagic+"\x01\x00"), uint16(len(header)))
	buf = append(buf, header...)
	for _, v := range data {
		if len(buf) >= 1<<16 {
			if _, err := w.Write(buf); err != nil {
				return err
			}
			buf = buf[:0]
		}
		buf = add(buf, v)
	}
	_, err := w.Write(buf)
	return err
}

// WriteNPZ writes arrays as an .npz file, not compressed. Equal arrays give equal bytes.
func WriteNPZ(w io.Writer, arrays ...Array) error {
	z := zip.NewWriter(w)
	for _, a := range arrays {
		f, err := z.CreateHeader(&zip.FileHeader{Name: a.Name + ".npy", Method: zip.Store})
		if err != nil {
			return err
		}
		if err := WriteNPY(f, a); err != nil {
			return err
		}
	}
	return z.Close()
}

// WriteSparseNPZ writes a matrix as scipy.sparse.save_npz does, not compressed: format csr of a sparse.CSR, csc of a sparse.CSC
// and coo of anything else. Equal matrices give equal bytes.
func WriteSparseNPZ(w io.Writer, a SparseMatrix) error {
	switch a := a.(type) {
	case *sparse.CSR[float64]:
		starts, index, values := a.Arrays()
		return writeSparse(w, "csr", a, indices("indices", index), indices("indptr", starts), floats(values))
	case *sparse.CSC[float64]:
		starts, index, values := a.Arrays()
		return writeSparse(w, "csc", a, indices("indices", index), indices("indptr", starts), floats(values))
	}
	var rows, cols []int
	var values []float64
	a.DoNonZero(func(i, j int, v float64) {
		rows, cols, values = append(rows, i), append(cols, j), append(values, v)
	})
	return writeSparse(w, "coo", a, indices("row", rows), indices("col", cols), floats(values))
}

// SparseMatrix is a matrix that lists its entries: sparse.CSR and sparse.CSC, and gonum's banded and triangular matrices.
type SparseMatrix interface {
	mat.NonZeroDoer
	Dims() (m, n int)
}

// SaveSparse writes a matrix to the .npz file at path, which is replaced when it is complete.
func SaveSparse(path string, a SparseMatrix) error {
	if err := replace.File(path, func(w io.Writer) error { return WriteSparseNPZ(w, a) }); err != nil {
		return fmt.Errorf("matfile: %w", err)
	}
	return nil
}

// member writes one array of an archive.
type member struct {
	name  string
	write func(w io.Writer) error
}

// indices are int32 where SciPy's are: if all of them fit.
func indices[E int | int32](name string, data []E) member {
	return member{name, func(w io.Writer) error {
		if len(data) > 0 && int64(slices.Max(data)) > math.MaxInt32 {
			return writeArray(w, "<i8", []int{len(data)}, data, func(b []byte, v E) []byte { return binary.LittleEndian.AppendUint64(b, uint64(v)) })
		}
		return writeArray(w, "<i4", []int{len(data)}, data, func(b []byte, v E) []byte { return binary.LittleEndian.AppendUint32(b, uint32(v)) })
	}}
}

func floats(values []float64) member {
	return member{"data", func(w io.Writer) error {
		return WriteNPY(w, Array{Name: "data", Shape: []int{len(values)}, Data: values})
	}}
}

func writeSparse(w io.Writer, format string, a SparseMatrix, arrays ...member) error {
	m, n := a.Dims()
	z := zip.NewWriter(w)
	arrays = append(arrays, member{"format", func(w io.Writer) error {
		return writeArray(w, fmt.Sprintf("|S%d", len(format)), nil, []string{format}, func(b []byte, v string) []byte { return append(b, v...) })
	}}, member{"shape", func(w io.Writer) error {
		return writeArray(w, "<i8", []int{2}, []int{m, n}, func(b []byte, v int) []byte { return binary.LittleEndian.AppendUint64(b, uint64(v)) })
	}})
	for _, a := range arrays {
		f, err := z.CreateHeader(&zip.FileHeader{Name: a.name + ".npy", Method: zip.Store})
		if err != nil {
			return err
		}
		if err := a.write(f); err != nil {
			return err
		}
	}
	return z.Close()
}

// Save writes arrays to one .npz file if path ends so, else to .npy files named after them in the folder path, which is made
// if it does not exist. Every file is replaced when it is complete.
func Save(path string, arrays ...Array) error {
	if strings.EqualFold(filepath.Ext(path), ".npz") {
		if err := replace.File(path, func(w io.Writer) error { return WriteNPZ(w, arrays...) }); err != nil {
			return fmt.Errorf("matfile: %w", err)
		}
		return nil
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return fmt.Errorf("matfile: %w", err)
	}
	for _, a := range arrays {
		if err := replace.File(filepath.Join(path, a.Name+".npy"), func(w io.Writer) error { return WriteNPY(w, a) }); err != nil {
			return fmt.Errorf("matfile: %w", err)
		}
	}
	return nil
}
