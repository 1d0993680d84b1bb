package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// A matrix of 6.4 GB is decomposed with 1 GiB of memory, in two passes over the file (three, centred: one for the means), and the
// values are right. The file has holes, so it takes little of the disk, but all of its bytes are read and multiplied. It takes
// minutes, and runs where the environment variable ECKART_LARGE names a folder.
func TestFileLargerThanMemory(t *testing.T) {
	folder := os.Getenv("ECKART_LARGE")
	if folder == "" {
		t.Skip("ECKART_LARGE is not set to a folder with room for a file")
	}
	const m, n, rank, memory = 200_000, 4_000, 60, 1 << 30
	path := filepath.Join(folder, "eckart-large.npy")
	if err := writeLarge(path, m, n, rank); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(path)
	for _, tc := range []struct {
		name   string
		flags  []string
		passes int
	}{
		{"svd", []string{"-k", "20", "-o", filepath.Join(t.TempDir(), "out.npz")}, 2},
		{"pca", []string{"-k", "20", "--center"}, 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			report := runLimited(t, memory, append([]string{"svd", path, "--memory", "1024", "--json", "--quiet"}, tc.flags...))
			t.Logf("%d passes in %.1f s, peak %d MiB", report.Passes, report.Seconds, report.Peak>>20)
			if report.Passes != tc.passes || report.Peak >= memory || !report.OnDisk {
				t.Errorf("%d passes, want %d; peak memory %d, limit %d; left on disk: %v", report.Passes, tc.passes, report.Peak, memory, report.OnDisk)
			}
			var tail float64
			for i := rank; i > 20; i-- {
				tail = math.Hypot(tail, largeValue(i))
			}
			bound := math.Sqrt(1+20./29) * tail // of package lowrank's TwoPass, in the mean
			if !(report.Error <= bound && report.Error >= tail*(1-1e-3)) {
				t.Errorf("error %v, least possible %v, bound %v", report.Error, tail, bound)
			}
			for i, s := range report.Values[:5] { // an approximation's values are below the matrix's
				if want := largeValue(i + 1); !(s <= want*(1+1e-6) && s >= 0.99*want) {
					t.Errorf("value %d is %v, want %v", i+1, s, want)
				}
			}
		})
	}
}

// largeValue is singular value i of writeLarge's matrix, from 1.
func largeValue(i int) float64 { return 1000 / float64(i) }

// writeLarge writes a matrix with known singular values: rank rows, far from each other, are multiples of sine vectors, which are
// orthonormal; all others are zero and take no room on the disk.
func writeLarge(path string, m, n, rank int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	header := fmt.Sprintf("{'descr': '<f8', 'fortran_order': False, 'shape': (%d, %d), }", m, n)
	header += fmt.Sprintf("%*s\n", 128-10-1-len(header), "")
	if _, err := f.Write(append(binary.LittleEndian.AppendUint16([]byte("\x93NUMPY\x01\x00"), uint16(len(header))), header...)); err != nil {
		return err
	}
	if err := f.Truncate(128 + 8*int64(m)*int64(n)); err != nil {
		return err
	}
	for i := 1; i <= rank; i++ {
		row := make([]byte, 0, 8*n)
		for j := 1; j <= n; j++ {
			v := largeValue(i) * math.Sqrt(2/float64(n+1)) * math.Sin(math.Pi*float64(i*j)/float64(n+1))
			row = binary.LittleEndian.AppendUint64(row, math.Float64bits(v))
		}
		if _, err := f.WriteAt(row, 128+8*int64(n)*int64((i*7919)%m)); err != nil {
			return err
		}
	}
	return f.Close()
}

// runLimited runs the command in a process of its own with a soft limit of its memory.
func runLimited(t *testing.T, memory int, args []string) *svdReport {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &exec.Cmd{Path: exe, Args: append([]string{"eckart"}, args...), Env: append(os.Environ(), fmt.Sprintf("GOMEMLIMIT=%d", memory)), Stderr: os.Stderr}
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	report := new(svdReport)
	if err := json.Unmarshal(out, report); err != nil {
		t.Fatal(err)
	}
	return report
}
