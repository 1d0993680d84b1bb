package matfile_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/linop/linoptest"
	"github.com/eckart-go/eckart/matfile"
)

// Every .npy file that is a matrix is the same operator by passes over the file as it is in memory, whatever its type, byte order
// and order of elements, for blocks of one line and more.
func TestFilesAreOperators(t *testing.T) {
	for _, file := range strings.Fields("little-f8.npy big-f8.npy little-f4.npy big-f4.npy little-f2.npy little-i8.npy big-i4.npy i1.npy bool.npy unsigned.npy fortran.npy version2.npy version3.npy vector.npy") {
		path := filepath.Join("testdata", file)
		m, err := matfile.Read(path, matfile.Options{})
		if err != nil {
			t.Fatal(err)
		}
		want, err := m.Dense()
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range []int{1, 100, 0} {
			f, err := matfile.Open(path, matfile.Options{Block: block})
			if err != nil {
				t.Fatal(err)
			}
			a, stream := f.Operator()
			t.Run(file, func(t *testing.T) { linoptest.Run(t, a, want, 0) })
			if stream.Passes() == 0 {
				t.Errorf("%s: no pass was counted", file)
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// An array of an archive that is not compressed is read where it lies.
func TestArrayOfAnArchiveByRows(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	want := mat.NewDense(50, 7, nil)
	for i := range 50 {
		for j := range 7 {
			want.Set(i, j, rng.NormFloat64())
		}
	}
	path := filepath.Join(t.TempDir(), "two.npz")
	if err := matfile.Save(path, matfile.NewArray("other", mat.NewDense(1, 1, nil)), matfile.NewArray("w", want)); err != nil {
		t.Fatal(err)
	}
	f, err := matfile.Open(path, matfile.Options{Array: "w", Block: 1000})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	a, _ := f.Operator()
	linoptest.Run(t, a, want, 0)
	if _, err := matfile.Open(path, matfile.Options{}); !errors.Is(err, matfile.ErrNotRows) || !strings.Contains(err.Error(), "several") {
		t.Errorf("without a name: %v", err)
	}
}

func TestWhatOpenRefuses(t *testing.T) {
	for _, file := range strings.Fields("one.npz csr.npz commas.csv coordinate.mtx.gz snappy.parquet") {
		if _, err := matfile.Open(filepath.Join("testdata", file), matfile.Options{}); !errors.Is(err, matfile.ErrNotRows) {
			t.Errorf("%s: %v", file, err)
		}
	}
	dir := t.TempDir()
	for name, tc := range map[string]struct{ data, want string }{
		"short":  {npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }", "12345678"), "takes 48 bytes, 8 follow"},
		"empty":  {npy("{'descr': '<f8', 'fortran_order': False, 'shape': (0, 3), }", ""), "0 x 3"},
		"text":   {npy("{'descr': '|S3', 'fortran_order': False, 'shape': (1,), }", "abc"), "the elements are text"},
		"cube":   {npy("{'descr': '|i1', 'fortran_order': False, 'shape': (1, 1, 1), }", "a"), "3 dimensions"},
		"header": {"\x93NUMPY\x02\x00\xff\xff\xff\xff{'descr", "4294967295 bytes is announced"},
		"cut":    {"\x93NUMPY\x01", "ends within its header"},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(tc.data), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := matfile.Open(path, matfile.Options{}); err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v; want %q", name, err, tc.want)
		}
	}
}

// An error in a pass names the file and the place: a file that has become shorter, an integer without an exact float64; an
// error of the caller comes back, and the goroutine that reads ahead ends with the pass.
func TestPassesThatFail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.npy")
	data := npy("{'descr': '<i8', 'fortran_order': False, 'shape': (4, 1), }", strings.Repeat("\x01\x00\x00\x00\x00\x00\x00\x00", 3)+"\x01\x00\x00\x00\x00\x00\x20\x00")
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := matfile.Open(path, matfile.Options{Block: 8})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	blocks := 0
	count := func(int, blas64.General) error { blocks++; return nil }
	if err := f.EachBlock(count); err == nil || !strings.Contains(err.Error(), "element 3 is beyond") || !strings.Contains(err.Error(), path) || blocks != 3 {
		t.Errorf("%v after %d blocks", err, blocks)
	}
	if err := os.Truncate(path, int64(len(data)-20)); err != nil {
		t.Fatal(err)
	}
	if err := f.EachBlock(count); err == nil || !strings.Contains(err.Error(), "unexpected EOF") {
		t.Errorf("a file that has become shorter: %v", err)
	}
	before := runtime.NumGoroutine()
	enough := errors.New("enough")
	for range 20 {
		if err := f.EachBlock(func(int, blas64.General) error { return enough }); err != enough {
			t.Fatal(err)
		}
	}
	for i := 0; runtime.NumGoroutine() > before+2; i++ { // the pool's workers may have come up meanwhile
		if runtime.Gosched(); i > 1e6 {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}
