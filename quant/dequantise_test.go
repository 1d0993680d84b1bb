package quant

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDequantiseNumbers(t *testing.T) {
	le := binary.LittleEndian
	inf := math.Inf(1)
	for _, tc := range []struct {
		t    Type
		data []byte
		want []float32
	}{
		{I8, []byte{0, 1, 0x7f, 0x80, 0xff}, []float32{0, 1, 127, -128, -1}},
		{I16, []byte{0x34, 0x12, 0xff, 0xff}, []float32{0x1234, -1}},
		{I32, le.AppendUint32(nil, 1<<24+1), []float32{1 << 24}}, // a tie goes to even
		{I64, le.AppendUint64(nil, 1<<63), []float32{-1 << 63}},
		{F32, le.AppendUint32(nil, math.Float32bits(-0.1)), []float32{-0.1}},
		{F64, le.AppendUint64(nil, math.Float64bits(0.1)), []float32{0.1}},
		{F64, le.AppendUint64(nil, math.Float64bits(1e300)), []float32{float32(inf)}},
		{F16, []byte{0x00, 0x3c, 0x01, 0x00, 0x00, 0xfc}, []float32{1, 0x1p-24, float32(-inf)}},
		{BF16, []byte{0x80, 0x3f, 0x80, 0xff}, []float32{1, float32(-inf)}},
	} {
		got := make([]float32, len(tc.want))
		if err := Dequantise(tc.t, got, tc.data); err != nil {
			t.Error(err)
		} else if d := cmp.Diff(tc.want, got); d != "" {
			t.Errorf("%v:\n%s", tc.t, d)
		}
	}
}

func TestLengthsAreChecked(t *testing.T) {
	for _, typ := range allTypes() {
		size, bytes := typ.BlockSize(), typ.BlockBytes()
		x, b := make([]float32, 3*size), make([]byte, 3*bytes)
		if err := Dequantise(typ, x, b); err != nil {
			t.Errorf("%v: %v", typ, err)
		}
		for _, n := range []int{0, 3*bytes - 1, 2 * bytes} {
			if Dequantise(typ, x, b[:n]) == nil {
				t.Errorf("%v: no error for %d values from %d bytes", typ, len(x), n)
			}
		}
		if size > 1 && Dequantise(typ, x[1:], b) == nil {
			t.Errorf("%v: no error for a partial block", typ)
		}
		err := Quantise(typ, b, x)
		if (err == nil) != CanQuantise(typ) {
			t.Errorf("Quantise(%v): %v", typ, err)
		}
		if CanQuantise(typ) && Quantise(typ, b[1:], x) == nil {
			t.Errorf("Quantise(%v): no error for a short output", typ)
		}
	}
	if Dequantise(99, nil, nil) == nil || Quantise(99, nil, nil) == nil {
		t.Error("no error for an unknown type")
	}
}

// What the F16 scale cannot hold is refused, and what it can is accepted and comes back finite.
func TestQuantiseRange(t *testing.T) {
	for _, tc := range []struct {
		t     Type
		limit float32
	}{{Q8_0, 127 * 65504}, {Q4_0, 8 * 65504}, {Q4_1, 65504}} {
		b := make([]byte, tc.t.BlockBytes())
		above := float64(math.Nextafter32(tc.limit, math.MaxFloat32))
		for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), above, -above} {
			x := make([]float32, 32)
			x[17] = float32(bad)
			if Quantise(tc.t, b, x) == nil {
				t.Errorf("%v: no error for %v", tc.t, bad)
			}
		}
		x := make([]float32, 32)
		x[3], x[4] = tc.limit, -tc.limit
		if err := Quantise(tc.t, b, x); err != nil {
			t.Error(err)
		}
		if err := Dequantise(tc.t, x, b); err != nil {
			t.Error(err)
		}
		for i, v := range x {
			if math.IsInf(float64(v), 0) || v != v {
				t.Errorf("%v: value %d became %v", tc.t, i, v)
			}
		}
	}
}

// The error of one value is at most half a step of its block, and what F16 rounding of scale and minimum adds.
func TestQuantiseErrorBound(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const n = 3200
	x, y := make([]float32, n), make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64() * math.Exp(2*rng.NormFloat64()))
	}
	for _, tc := range []struct {
		t    Type
		step func(low, high, top float64) float64
		most float64 // half steps
	}{
		{Q8_0, func(low, high, top float64) float64 { return top / 127 }, 1},
		{Q4_0, func(low, high, top float64) float64 { return top / 8 }, 2}, // +top is a whole step above the last level
		{Q4_1, func(low, high, top float64) float64 { return (high - low) / 15 }, 1},
	} {
		b := make([]byte, n/32*tc.t.BlockBytes())
		if err := Quantise(tc.t, b, x); err != nil {
			t.Fatal(err)
		}
		if err := Dequantise(tc.t, y, b); err != nil {
			t.Fatal(err)
		}
		for i := 0; i < n; i += 32 {
			low, high := float64(slices.Min(x[i:i+32])), float64(slices.Max(x[i:i+32]))
			top := math.Max(math.Abs(low), math.Abs(high))
			// Scale and minimum have an F16 error of 2^-11 each, and levels times scale are at most top, or high - low.
			tol := tc.most*tc.step(low, high, top)/2*(1+1e-6) + 0x1p-11*(math.Abs(low)+high-low+top) + 0x1p-24
			for j := i; j < i+32; j++ {
				if e := math.Abs(float64(x[j]) - float64(y[j])); !(e <= tol) {
					t.Errorf("%v: %v became %v, tolerance %v", tc.t, x[j], y[j], tol)
				}
			}
		}
	}
}

// Long slices are split; results are those of one piece.
func TestLongSlicesInPieces(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	for _, typ := range []Type{F16, Q4_0, Q3_K} {
		m := randomMatrix(rng, typ, 1, 3*grainValues+256)
		got, want := make([]float32, m.cols), make([]float32, m.cols)
		dequantise(typ, want, m.data)
		if err := Dequantise(typ, got, m.data); err != nil || !slices.Equal(got, want) {
			t.Errorf("%v: pieces differ: %v", typ, err)
		}
		if !CanQuantise(typ) {
			continue
		}
		a, b := make([]byte, len(m.data)), make([]byte, len(m.data))
		quantise(typ, a, want)
		if err := Quantise(typ, b, want); err != nil || !slices.Equal(a, b) {
			t.Errorf("%v: quantised pieces differ: %v", typ, err)
		}
	}
}

// Any bytes are valid blocks: no panic, and MulTo agrees with Dequantise on which results are finite in float32 products.
func FuzzDequantise(f *testing.F) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // the same input covers the same code, which the fuzzer relies on
	for _, t := range blockTypes {
		f.Add(uint32(t), fixture(f, t.String()+".blocks"))
	}
	f.Add(uint32(F16), []byte{0, 0x7c, 1, 0x7c})
	f.Add(uint32(4), []byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, number uint32, data []byte) {
		typ := Type(number)
		if !typ.Known() {
			if Dequantise(typ, nil, data) == nil {
				t.Fatalf("%v: no error", typ)
			}
			return
		}
		n := len(data) / typ.BlockBytes() * typ.BlockSize()
		x := make([]float32, n)
		whole := data[:n/typ.BlockSize()*typ.BlockBytes()]
		if err := Dequantise(typ, x, whole); err != nil {
			t.Fatal(err)
		}
		if len(whole) < len(data) && Dequantise(typ, x, data) == nil {
			t.Fatalf("%v: no error for %d trailing bytes", typ, len(data)-len(whole))
		}
		// The same blocks as one row times the vector of ones, which 8 bits hold exactly.
		ones, y := slices.Repeat([]float32{1}, n), []float32{0}
		if err := MulTo(typ, y, 1, whole, 1, n, ones, n, 1, nil); err != nil {
			t.Fatal(err)
		}
		sum, size := 0.0, 0.0
		for i, v := range x {
			sum += float64(v)
			size += math.Abs(float64(v))
			if dotKernel(typ) != nil && i%32 == 0 {
				size += 32 * largest(typ, whole[i/typ.BlockSize()*typ.BlockBytes():])
			}
		}
		if math.IsNaN(size) || size > 1e37 { // not finite, or near overflow
			return
		}
		if got := float64(y[0]); !(math.Abs(got-sum) <= 1.01*float64(n+16)*0x1p-24*size) {
			t.Fatalf("%v: values sum to %v, product with ones is %v", typ, sum, got)
		}
	})
}

func BenchmarkDequantise(b *testing.B) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, t := range append([]Type{F16, BF16}, blockTypes...) {
		b.Run(t.String(), func(b *testing.B) {
			m := randomMatrix(rng, t, 1024, 1536)
			dst := make([]float32, m.rows*m.cols)
			b.SetBytes(int64(4 * len(dst)))
			for b.Loop() {
				if err := Dequantise(t, dst, m.data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkQuantise(b *testing.B) {
	rng := rand.New(rand.NewPCG(7, 8))
	x := randomVectors(rng, 1<<20)
	for _, t := range []Type{F16, BF16, Q8_0, Q4_0, Q4_1} {
		b.Run(t.String(), func(b *testing.B) {
			size, _ := t.RowBytes(len(x))
			dst := make([]byte, size)
			b.SetBytes(int64(4 * len(x)))
			for b.Loop() {
				if err := Quantise(t, dst, x); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// roundAway against the standard library on everything near a half, and on the smallest numbers.
func TestRoundAway(t *testing.T) {
	for k := -254; k <= 254; k++ {
		half := float32(k) / 2
		for _, v := range []float32{half, math.Nextafter32(half, 200), math.Nextafter32(half, -200)} {
			if got, want := float64(roundAway(v)), math.Round(float64(v)); got != want {
				t.Errorf("%v rounds to %v, want %v", v, got, want)
			}
		}
	}
}
