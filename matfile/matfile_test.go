package matfile_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/matfile"
)

// value is element (i, j) of the fixtures' 7 x 5 matrix: the formula of testdata/make.py.
func value(i, j int) float64 { return float64((3*i+5*j)%11 - 4) }

const rows, cols = 7, 5

// What NumPy and SciPy wrote is read to the bit, whatever the format.
func TestReadsWhatNumPyAndSciPyWrote(t *testing.T) {
	symmetric := func(i, j int) float64 { return value(i, j) + value(j, i) }
	skew := func(i, j int) float64 { return value(i, j) - value(j, i) }
	nonzero := func(v float64) float64 {
		if v != 0 {
			return 1
		}
		return 0
	}
	for _, tc := range []struct {
		files      string
		rows, cols int
		sparse     bool
		want       func(i, j int) float64
	}{
		{"little-f8.npy big-f8.npy little-f4.npy big-f4.npy little-f2.npy little-i8.npy big-i4.npy little-i2.npy i1.npy", rows, cols, false, value},
		{"fortran.npy version1.npy version2.npy version3.npy one.npz array.mtx", rows, cols, false, value},
		{"commas.csv commas.csv.gz tabs.tsv blanks.txt", rows, cols, false, value},
		{"csr.npz csc.npz coo.npz coordinate.mtx coordinate.mtx.gz integer.mtx one.svm one.svm.gz zero.svm", rows, cols, true, value},
		{"snappy.parquet pages2.parquet", rows, cols, false, value},
		{"kinds.parquet", 2, 2, false, func(i, j int) float64 { return []float64{1, 1, 0, 1<<32 - 1}[2*i+j] }},
		{"unsigned.npy", rows, cols, false, func(i, j int) float64 { return value(i, j) + 4 }},
		{"bool.npy", rows, cols, false, func(i, j int) float64 { return nonzero(max(0, value(i, j))) }},
		{"pattern.mtx", rows, cols, true, func(i, j int) float64 { return nonzero(value(i, j)) }},
		{"vector.npy", rows, 1, false, value},
		{"symmetric.mtx", cols, cols, true, symmetric},
		{"symmetric-array.mtx", cols, cols, false, symmetric},
		{"skew.mtx", cols, cols, true, skew},
		{"skew-array.mtx", cols, cols, false, skew},
	} {
		for _, file := range strings.Fields(tc.files) {
			m, err := matfile.Read(filepath.Join("testdata", file), matfile.Options{})
			if err != nil {
				t.Error(err)
				continue
			}
			d, err := m.Dense()
			if err != nil {
				t.Errorf("%s: %v", file, err)
				continue
			}
			if m.Sparse() != tc.sparse {
				t.Errorf("%s: sparse is %v", file, m.Sparse())
			}
			if r, c := d.Dims(); r != tc.rows || c != tc.cols {
				t.Errorf("%s: %d x %d, want %d x %d", file, r, c, tc.rows, tc.cols)
				continue
			}
			for i := range tc.rows {
				for j := range tc.cols {
					if got, want := d.At(i, j), tc.want(i, j); got != want {
						t.Errorf("%s: element (%d, %d) is %v, want %v", file, i, j, got, want)
					}
				}
			}
		}
	}
}

// An archive with several arrays is asked by name.
func TestArrayOfAnArchive(t *testing.T) {
	path := filepath.Join("testdata", "two.npz")
	m, err := matfile.Read(path, matfile.Options{Array: "b"})
	if err != nil {
		t.Fatal(err)
	}
	if m.Rows != cols || m.Cols != rows || m.Elements[1] != value(1, 0) {
		t.Errorf("got %d x %d, element 1 %v", m.Rows, m.Cols, m.Elements[1])
	}
	for name, want := range map[string]string{"": "2 arrays (a, b)", "c": `no array "c"; there are a, b`} {
		if _, err := matfile.Read(path, matfile.Options{Array: name}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("array %q: %v, want %q", name, err, want)
		}
	}
}

// Errors say where and what.
func TestErrorsNameThePlace(t *testing.T) {
	const mm = "%%MatrixMarket matrix "
	for _, tc := range []struct{ name, data, want string }{
		{"empty", "", "empty"},
		{"binary", "\x00\x01\x02", "unknown format"},
		{"text", "1,2\n3,x\n", `line 2, column 2: expected a finite number, found "x"`},
		{"missing cell", "a,b\n1,\n", `line 2, column 2: expected a finite number, found ""`},
		{"not a number", "1 2\n3 NaN\n", `line 2, column 2: expected a finite number, found "NaN"`},
		{"not a number at first", "NaN,NA\n1,2\n", `line 1, column 1`},
		{"ragged", "1;2\n\n3;4;5\n", "line 3: 3 columns; expected 2"},
		{"quote", "1,2\n\"3,4\n", "line 2"},
		{"only a header", "a,b\n", "no row"},
		{"infinite", "1e999\n", "line 1, column 1"},
		{"header", "a,b,c\n1,2\n", "line 2: 2 columns; expected 3 as in the header"},
		{"svm columns", "1 2:3 2:4\n", "line 1: column 2 after column 2"},
		{"svm value", "1 1:1\n# c\n2 1:x\n", `line 3: column 1: expected a finite number, found "x"`},
		{"svm label", "1 1:1\n1,3 2:5\n", `line 2: label: expected a finite number, found "1,3"`},
		{"svm pair", "1 1:1 5\n", `line 1: "5"; expected column:value`},
		{"svm column", "1 1:1 2147483647:5\n", `line 1: column "2147483647"`},
		{"svm negative", "1 1:1 -2:5\n", `line 1: column "-2"`},
		{"parquet damaged", "PAR1 and nothing else PAR1", "parquet"},
		{"npy cut", "\x93NUMPY\x01", "ends within its header"},
		{"npy version", "\x93NUMPY\x09\x00\x00\x00", "version 9.0"},
		{"npy header", "\x93NUMPY\x01\x00\xff\xff{", "65535 bytes is announced, 1 are"},
		{"npy no dictionary", npy("hello", ""), "expected a dictionary"},
		{"npy structured", npy("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,), }", ""), "structured"},
		{"npy object", npy("{'descr': '|O8', 'fortran_order': False, 'shape': (1,), }", "12345678"), `type "|O8"`},
		{"npy twice", npy("{'descr': '<f8', 'descr': '<f8', }", ""), "twice"},
		{"npy key", npy("{'order': 'C', }", ""), "unknown key"},
		{"npy overflow", npy("{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", ""), "more elements than any file"},
		{"npy short", npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }", "12345678"), "takes 48 bytes, 8 follow"},
		{"npy long", npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }", "123456781"), "takes 8 bytes, 9 follow"},
		{"npy negative", npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 3), }", ""), "expected a size"},
		{"npy no elements", npy("{'descr': '<f8', 'fortran_order': False, 'shape': (0, 3), }", ""), "0 x 3"},
		{"npy scalar", npy("{'descr': '<f8', 'fortran_order': False, 'shape': (), }", "12345678"), "0 dimensions"},
		{"npy inexact", npy("{'descr': '<u8', 'fortran_order': False, 'shape': (2,), }", "\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x20\x00"), "element 1 is beyond"},
		{"npz damaged", "PK\x03\x04 and nothing", "npz: zip"},
		{"gzip damaged", "\x1f\x8b\x08", "gzip"},
		{"mm words", mm + "coordinate real\n", "line 1: expected"},
		{"mm complex", mm + "array complex general\n1 1\n1 0\n", `field "complex"`},
		{"mm hermitian", mm + "array real hermitian\n1 1\n1\n", `symmetry "hermitian"`},
		{"mm pattern", mm + "array pattern general\n1 1\n", "a pattern cannot be array"},
		{"mm sizes", mm + "coordinate real general\n% a comment\n3 3\n", "line 3: 2 numbers; expected rows, columns, entries"},
		{"mm negative", mm + "coordinate real general\n3 -3 1\n", `line 2: columns: "-3" is no size`},
		{"mm cut", mm + "coordinate real general\n3 3 2\n1 1 1\n", "ends after 1 of 2 entries"},
		{"mm outside", mm + "coordinate real general\n3 3 1\n4 1 1\n", `line 3: row "4"; expected 1 to 3`},
		{"mm zero", mm + "coordinate real general\n3 3 1\n1 0 1\n", `column "0"; expected 1 to 3`},
		{"mm columns", mm + "coordinate real general\n3 3 1\n1 1\n", "2 numbers in an entry; expected 3"},
		{"mm more", mm + "coordinate real general\n3 3 1\n1 1 5\n2 2 5\n", "line 4"},
		{"mm above", mm + "coordinate real symmetric\n3 3 1\n1 2 5\n", "below the diagonal"},
		{"mm diagonal", mm + "coordinate real skew-symmetric\n3 3 1\n2 2 5\n", "below the diagonal"},
		{"mm square", mm + "coordinate real symmetric\n3 2 1\n2 1 5\n", "expected a square one"},
		{"mm huge array", mm + "array real general\n1000000 1000000\n1\n", "truncated?"},
		{"mm overflow", mm + "array real general\n9223372036854775807 9223372036854775807\n1\n", "truncated?"},
		{"mm array cut", mm + "array real general\n2 2\n1\n2\n3\n", "expected the element of row 2, column 2"},
		{"mm integer", mm + "array integer general\n1 1\n1.5\n", `"1.5" in a matrix of integers`},
		{"mm number", mm + "array real general\n1 1\nx\n", `line 3: expected a finite number, found "x"`},
	} {
		m, err := matfile.Parse([]byte(tc.data), matfile.Options{})
		if err == nil {
			t.Errorf("%s: got %d x %d, want an error with %q", tc.name, m.Rows, m.Cols, tc.want)
		} else if !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v; want %q", tc.name, err, tc.want)
		}
	}
	for file, want := range map[string]string{"complex.npy": `type "<c16"`, "cube.npy": "3 dimensions",
		"missing.parquet": `row 2, column "b": no value`, "inexact.parquet": `row 1, column "id": an integer beyond`, "words.parquet": "no column of numbers among 1 (name)",
		"absent.npy": "absent.npy"} {
		if _, err := matfile.Read(filepath.Join("testdata", file), matfile.Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", file, err, want)
		}
	}
}

// npy puts a header before elements.
func npy(header, elements string) string {
	return "\x93NUMPY\x01\x00" + string(binary.LittleEndian.AppendUint16(nil, uint16(len(header)))) + header + elements
}

// Every file of testdata, cut anywhere, is an error or (text, whose rows are complete at every line) a smaller matrix.
func TestTruncatedFilesAreErrors(t *testing.T) {
	files, err := filepath.Glob("testdata/*.*")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		whole, err := matfile.Parse(data, matfile.Options{})
		if err != nil {
			continue // the files that must fail
		}
		for n := range data {
			m, err := matfile.Parse(data[:n], matfile.Options{})
			if err != nil {
				continue
			}
			smaller := (m.Format == "text" || m.Format == "libsvm") && m.Rows*m.Cols <= whole.Rows*whole.Cols
			onlySpaceIsMissing := m.Format == "mtx" && (len(bytes.TrimSpace(data[n:])) == 0 || lastNumberIsCut(data, n))
			if !smaller && !onlySpaceIsMissing {
				t.Errorf("%s, the first %d of %d bytes: read as %d x %d %s", file, n, len(data), m.Rows, m.Cols, m.Format)
			}
		}
	}
}

// lastNumberIsCut reports whether byte n lies in the last word: then what is left of it may be a number too.
func lastNumberIsCut(data []byte, n int) bool {
	trimmed := bytes.TrimSpace(data)
	return n > bytes.LastIndexAny(trimmed, " \n")+1
}

// A small file that claims to be large costs nothing: neither by its header nor as a bomb.
func TestMemoryIsBoundedByTheFile(t *testing.T) {
	bomb := gzipped(t, bytes.Repeat([]byte("0 "), 8<<20))
	for name, tc := range map[string]struct {
		data  []byte
		limit int64
	}{
		"npy":  {[]byte(npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000, 100000), }", "12345678")), 0},
		"mtx":  {[]byte("%%MatrixMarket matrix coordinate real general\n100000 100000 1000000000\n1 1 1\n"), 0},
		"bomb": {bomb, 1 << 20},
		"rows": {[]byte("%%MatrixMarket matrix coordinate real general\n1000000000 100 1\n1 1 1\n"), 0},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		m, err := matfile.Parse(tc.data, matfile.Options{Limit: tc.limit})
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s: read as %d x %d", name, m.Rows, m.Cols)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
			t.Errorf("%s: %d bytes allocated for a file of %d", name, used, len(tc.data))
		}
	}
	sparse, err := matfile.Parse([]byte("%%MatrixMarket matrix coordinate real general\n1000000 1000000000 1\n1 1 1\n"), matfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sparse.Dense(); err == nil || !strings.Contains(err.Error(), "take more than") {
		t.Errorf("a dense matrix of 10^15 elements: %v", err)
	}
}

// Every byte of Parquet files changed: an error or a table, in little memory and no time, whatever sizes and counts then say.
func TestDamagedParquetIsHarmless(t *testing.T) {
	for _, file := range []string{"snappy.parquet", "pages2.parquet", "missing.parquet"} {
		data, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		for at := range data {
			const together = 16 // bytes between looks at the memory, which stop the world
			if at%together == 0 {
				runtime.ReadMemStats(&before)
			}
			for _, v := range []byte{0xff, data[at] ^ 0x10} {
				damaged := bytes.Clone(data)
				damaged[at] = v
				if m, err := matfile.Parse(damaged, matfile.Options{Limit: 1 << 16}); err == nil && len(m.Elements) != m.Rows*m.Cols {
					t.Fatalf("%s, byte %d is %#x: %d x %d with %d elements", file, at, v, m.Rows, m.Cols, len(m.Elements))
				}
			}
			if at%together < together-1 {
				continue
			}
			runtime.ReadMemStats(&after)
			if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20 {
				t.Fatalf("%s, bytes up to %d: %d bytes allocated for a file of %d", file, at, used, len(data))
			}
		}
	}
}

// What is written is read back to the bit, NaN and infinities too.
func TestRoundTrip(t *testing.T) {
	dir := t.TempDir()
	want := mat.NewDense(3, 4, []float64{1, -0.1, math.Inf(1), 1e-310, 2, 3, 4, 5, math.Pi, 7, math.NaN(), math.Copysign(0, -1)})
	s := []float64{3, 2, 1}
	for _, path := range []string{filepath.Join(dir, "a.npz"), filepath.Join(dir, "folder")} {
		if err := matfile.Save(path, matfile.NewArray("W", want), matfile.Array{Name: "s", Shape: []int{3}, Data: s}); err != nil {
			t.Fatal(err)
		}
	}
	for _, from := range []struct{ path, array string }{{"a.npz", "W"}, {"folder/W.npy", ""}} {
		m, err := matfile.Read(filepath.Join(dir, from.path), matfile.Options{Array: from.array})
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range m.Elements {
			if math.Float64bits(v) != math.Float64bits(want.RawMatrix().Data[i]) {
				t.Errorf("%s: element %d is %v, want %v", from.path, i, v, want.RawMatrix().Data[i])
			}
		}
	}
	if err := matfile.WriteNPY(&bytes.Buffer{}, matfile.Array{Name: "x", Shape: []int{2}, Data: s}); err == nil {
		t.Error("a shape that does not match was written")
	}
}

// What belongs to rows and columns is kept: names, labels, what was left out.
func TestNamesAndLabels(t *testing.T) {
	names := []string{"x0", "x1", "x2", "x3", "x4"}
	for _, tc := range []struct {
		file           string
		names, omitted []string
		labels         []float64
	}{
		{"commas.csv", names, nil, nil},
		{"tabs.tsv", nil, nil, nil},
		{"snappy.parquet", names, []string{"name", "day"}, nil},
		{"zero.svm", nil, nil, []float64{-1, 0, 1, -1, 0, 1, -1}},
	} {
		m, err := matfile.Read(filepath.Join("testdata", tc.file), matfile.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(m.Names, tc.names) || !slices.Equal(m.Omitted, tc.omitted) || !slices.Equal(m.Labels, tc.labels) {
			t.Errorf("%s: names %q, omitted %q, labels %v", tc.file, m.Names, m.Omitted, m.Labels)
		}
	}
}

// The archives that are written have the arrays, types and shapes of those that SciPy wrote, and read back as the same matrix.
func TestSparseArchivesAreSciPys(t *testing.T) {
	m, err := matfile.Read("testdata/coo.npz", matfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, a := range map[string]matfile.SparseMatrix{"csr": m.CSR, "csc": m.CSR.CSC(), "coo": struct{ matfile.SparseMatrix }{m.CSR}} {
		path := filepath.Join(t.TempDir(), name+".npz")
		if err := matfile.SaveSparse(path, a); err != nil {
			t.Fatal(err)
		}
		again, err := matfile.Read(path, matfile.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if !again.Sparse() || !mat.Equal(again.CSR, m.CSR) {
			t.Errorf("%s: read back as another matrix", name)
		}
		got, want := arrays(t, path), arrays(t, filepath.Join("testdata", name+".npz"))
		delete(want, "_is_array.npy") // tells SciPy's sparse arrays from its matrices, which have none
		if !maps.Equal(got, want) {
			t.Errorf("%s: arrays %v, SciPy has %v", name, got, want)
		}
	}
}

// arrays returns the header of every array of an archive, without its padding.
func arrays(t *testing.T, path string) map[string]string {
	z, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	headers := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		end := bytes.IndexByte(data, '\n')
		headers[f.Name] = strings.TrimSpace(string(data[10:end]))
	}
	return headers
}
