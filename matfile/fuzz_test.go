package matfile_test

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"testing"

	"github.com/eckart-go/eckart/matfile"
)

func gzipped(t testing.TB, data []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// fuzz gives Parse what begins like the files that match, and checks what it accepts.
func fuzz(f *testing.F, pattern string) {
	files, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(files) == 0 {
		f.Fatalf("%d files for %s, %v", len(files), pattern, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := matfile.Parse(data, matfile.Options{Limit: 1 << 20})
		if err != nil {
			return
		}
		if m.Rows < 1 || m.Cols < 1 || !m.Sparse() && len(m.Elements) != m.Rows*m.Cols {
			t.Fatalf("%d x %d with %d elements", m.Rows, m.Cols, len(m.Elements))
		}
		if m.Sparse() {
			if r, c := m.CSR.Dims(); r != m.Rows || c != m.Cols {
				t.Fatalf("a sparse matrix of %d x %d, announced as %d x %d", r, c, m.Rows, m.Cols)
			}
		}
		d, err := m.Dense()
		if err != nil {
			return
		}
		var b bytes.Buffer // what was read is written, and read again, unchanged
		if err := matfile.WriteNPY(&b, matfile.NewArray("m", d)); err != nil {
			t.Fatal(err)
		}
		again, err := matfile.Parse(b.Bytes(), matfile.Options{})
		if err != nil || again.Rows != m.Rows || again.Cols != m.Cols {
			t.Fatalf("written and read again: %v", err)
		}
	})
}

func FuzzNPY(f *testing.F)          { fuzz(f, "*.npy") }
func FuzzNPZ(f *testing.F)          { fuzz(f, "*.npz") }
func FuzzMatrixMarket(f *testing.F) { fuzz(f, "*.mtx*") }
func FuzzText(f *testing.F)         { fuzz(f, "*.?s[vt]*") }
