package quant

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// The fixtures are made by testdata/make_fixtures.py with the Python package gguf, the reference implementation.

var blockTypes = []Type{Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K}

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func floatsOf(data []byte) []float32 {
	x := make([]float32, len(data)/4)
	for i := range x {
		x[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return x
}

// sameBits compares bit by bit; any NaN equals any other, since the sign and payload of Inf - Inf are the machine's.
func sameBits(a, b float32) bool {
	return math.Float32bits(a) == math.Float32bits(b) || (a != a && b != b)
}

func TestDequantiseMatchesReference(t *testing.T) {
	for _, typ := range blockTypes {
		blocks, want := fixture(t, typ.String()+".blocks"), floatsOf(fixture(t, typ.String()+".f32"))
		if len(want) < 16*typ.BlockSize() {
			t.Fatalf("%v: only %d values", typ, len(want))
		}
		got := make([]float32, len(want))
		if err := Dequantise(typ, got, blocks); err != nil {
			t.Fatal(err)
		}
		for i := range want {
			if !sameBits(got[i], want[i]) {
				t.Fatalf("%v: block %d value %d: got %x, want %x", typ, i/typ.BlockSize(), i%typ.BlockSize(), got[i], want[i])
			}
		}
	}
}

func TestQuantiseMatchesReference(t *testing.T) {
	x := floatsOf(fixture(t, "quantise.f32"))
	for _, typ := range []Type{Q8_0, Q4_0, Q4_1, BF16, F16} {
		want := fixture(t, "quantise_"+typ.String()+".blocks")
		got := make([]byte, len(want))
		if err := Quantise(typ, got, x); err != nil {
			t.Fatal(err)
		}
		size := typ.BlockBytes() * 32 / typ.BlockSize()
		for i := 0; i < len(want); i += size {
			if !bytes.Equal(got[i:i+size], want[i:i+size]) {
				t.Errorf("%v: 32 values at %d (%v):\ngot  %x\nwant %x", typ, i/size*32, x[i/size*32:][:4], got[i:i+size], want[i:i+size])
			}
		}
	}
}
