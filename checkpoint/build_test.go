package checkpoint

import (
	"encoding/binary"
	"flag"
	"math"
	"os"
	"runtime"
	"testing"

	"github.com/eckart-go/eckart/quant"
)

// TestMain lowers the number of random cases, each of which waits for the disk several times. -rapid.checks overrides it.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "30"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// buildSafetensors returns a file with one F32 tensor of n values 0, 1, 2...
func buildSafetensors(t testing.TB, name string, n int) []byte {
	t.Helper()
	info, err := NewInfo(name, quant.F32, n)
	if err != nil {
		t.Fatal(err)
	}
	l, err := layoutSafetensors([]Info{info}, map[string]string{"made": "by a test"})
	if err != nil {
		t.Fatal(err)
	}
	b := l.header
	for i := range n {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(i)))
	}
	return b
}

func writeTestFile(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
}

// allocatedBy returns how many bytes f allocates on the heap, freed or not.
func allocatedBy(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// allocationLimit is what reading n bytes may allocate: descriptions of tensors and boxed metadata values take tens of
// bytes for each byte in the densest files that one can build; growing slices and maps double it. The constant covers
// buffers and error texts.
func allocationLimit(n int) uint64 { return 1<<18 + 64*uint64(n) }
