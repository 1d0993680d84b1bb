package matfile

import (
	"archive/zip"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"

	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/internal/replace"
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
	sizes := make([]string, len(a.Shape))
	for i, s := range a.Shape {
		n *= s
		sizes[i] = fmt.Sprint(s)
	}
	if n != len(a.Data) || len(a.Shape) == 0 {
		return fmt.Errorf("matfile: array %q: shape %v and %d elements", a.Name, a.Shape, len(a.Data))
	}
	shape := strings.Join(sizes, ", ")
	if len(sizes) == 1 {
		shape += ","
	}
	header := fmt.Sprintf("{'descr': '<f8', 'fortran_order': False, 'shape': (%s), }", shape)
	const before = 10                                                       // magic, version, length
	header += strings.Repeat(" ", (64-(before+len(header)+1)%64)%64) + "\n" // elements begin at a multiple of 64
	buf := binary.LittleEndian.AppendUint16([]byte(npyMagic+"\x01\x00"), uint16(len(header)))
	buf = append(buf, header...)
	for _, v := range a.Data {
		if len(buf) >= 1<<16 {
			if _, err := w.Write(buf); err != nil {
				return err
			}
			buf = buf[:0]
		}
		buf = binary.LittleEndian.AppendUint64(buf, math.Float64bits(v))
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
