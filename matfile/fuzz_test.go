package matfile_test

import (
	"bytes"
	"compress/gzip"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"

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

// addFiles makes the files that match seeds.
func addFiles(f *testing.F, pattern string) {
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
}

// fuzz gives Parse what begins like the files that match, and checks what it accepts.
func fuzz(f *testing.F, pattern string) {
	addFiles(f, pattern)
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
func FuzzLIBSVM(f *testing.F)       { fuzz(f, "*.svm*") }
func FuzzParquet(f *testing.F)      { fuzz(f, "*.parquet") }

// FuzzOpen opens files of any content: what is accepted by Open is a matrix that Read reads too, and both give the same elements.
func FuzzOpen(f *testing.F) {
	addFiles(f, "*.npy")
	addFiles(f, "*.npz")
	path := filepath.Join(f.TempDir(), "m")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := matfile.Open(path, matfile.Options{Block: 64})
		if err != nil {
			return
		}
		defer file.Close()
		var elements []float64
		passErr := file.EachBlock(func(_ int, block blas64.General) error {
			elements = append(elements, block.Data...)
			return nil
		})
		m, err := matfile.Parse(data, matfile.Options{})
		if passErr != nil || err != nil {
			if passErr == nil && len(elements) > 0 && bytes.HasPrefix(data, []byte("\x93")) {
				t.Fatalf("read by rows, but not at once: %v", err)
			}
			return
		}
		want := append([]float64(nil), m.Elements...)
		if file.Transposed() {
			want = mat.DenseCopyOf(mat.NewDense(m.Rows, m.Cols, want).T()).RawMatrix().Data
		}
		if !slices.EqualFunc(elements, want, func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }) {
			t.Fatal("read by rows, the elements are others than at once")
		}
	})
}
