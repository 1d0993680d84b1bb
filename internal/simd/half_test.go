package simd

import (
	"math"
	"math/rand/v2"
	"testing"
)

// halfValue is the value of a binary16 number by its definition.
func halfValue(h uint16) float64 {
	sign, exponent, fraction := 1.0, int(h>>10&31), float64(h&1023)
	if h&0x8000 != 0 {
		sign = -1
	}
	switch exponent {
	case 0:
		return sign * math.Ldexp(fraction, -24)
	case 31:
		if fraction != 0 {
			return math.NaN()
		}
		return sign * math.Inf(1)
	}
	return sign * math.Ldexp(1024+fraction, exponent-25)
}

func TestF16ToF32(t *testing.T) {
	eachSet(t, halfSets, func(t *testing.T, k halfKernels) {
		src, dst := make([]uint16, 1<<16), make([]float32, 1<<16)
		for i := range src {
			src[i] = uint16(i)
		}
		k.f16ToF32(dst, src)
		for h, got := range dst {
			want := halfValue(uint16(h))
			if math.IsNaN(want) {
				quiet := uint32(h&0x8000)<<16 | 0x7fc00000 | uint32(h&0x3ff)<<13
				if math.Float32bits(got) != quiet {
					t.Errorf("%04x: got %08x, want %08x", h, math.Float32bits(got), quiet)
				}
			} else if float64(got) != want || math.Signbit(float64(got)) != math.Signbit(want) {
				t.Errorf("%04x: got %v, want %v", h, got, want)
			}
		}
	})
}

// Between neighbours of the 16-bit format, everything below the middle goes down, above it up, and the middle to the even
// one. Both formats order like their bits.
func TestNarrowingRoundsToNearestEven(t *testing.T) {
	for _, f := range []struct {
		name   string
		narrow func(k halfKernels) func([]uint16, []float32)
		value  func(uint16) float64
		inf    uint16
	}{
		{"F16", func(k halfKernels) func([]uint16, []float32) { return k.f32ToF16 }, halfValue, 0x7c00},
		{"BF16", func(k halfKernels) func([]uint16, []float32) { return k.f32ToBF16 },
			func(h uint16) float64 { return float64(math.Float32frombits(uint32(h) << 16)) }, 0x7f80},
	} {
		t.Run(f.name, func(t *testing.T) {
			eachSet(t, halfSets, func(t *testing.T, k halfKernels) {
				var src []float32
				var want []uint16
				add := func(x float64, h uint16) {
					if float64(float32(x)) != x {
						t.Fatalf("%v is no float32", x)
					}
					src, want = append(src, float32(x), float32(-x)), append(want, h, h|0x8000)
				}
				for h := range f.inf {
					low := f.value(h)
					high := 2*low - f.value(max(h, 1)-1) // the largest number's neighbour is not infinite here
					if h+1 < f.inf {
						high = f.value(h + 1)
					}
					middle := low/2 + high/2
					if float64(float32(middle)) != middle { // below the smallest float32
						continue
					}
					add(low, h)
					add(middle, h+h&1)
					add(float64(math.Nextafter32(float32(middle), 0)), h)
					if high < math.MaxFloat32 {
						add(float64(math.Nextafter32(float32(middle), float32(high))), h+1)
					}
				}
				add(math.Inf(1), f.inf)
				got := make([]uint16, len(src))
				f.narrow(k)(got, src)
				for i := range got {
					if got[i] != want[i] {
						t.Fatalf("%v (%08x): got %04x, want %04x", src[i], math.Float32bits(src[i]), got[i], want[i])
					}
				}
			})
		})
	}
}

// The twins agree bit for bit on anything, NaN payloads too, for every tail.
func TestHalfTwinsAgree(t *testing.T) {
	eachSet(t, halfSets, func(t *testing.T, k halfKernels) {
		rng := rand.New(rand.NewPCG(1, 1))
		for n := range 70 {
			halves, floats := make([]uint16, n+1)[1:], make([]float32, n+1)[1:]
			for i := range n {
				halves[i], floats[i] = uint16(rng.Uint32()), math.Float32frombits(rng.Uint32())
				if rng.IntN(4) == 0 {
					floats[i] = math.Float32frombits(rng.Uint32() | 0x7f800000)
				}
			}
			check32 := func(name string, got, want func([]float32, []uint16)) {
				a, b := make([]float32, n+9), make([]float32, n)
				a[n] = 7
				got(a[:n], halves)
				want(b, halves)
				for i := range b {
					if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
						t.Fatalf("%s of %04x, n=%d: %08x, want %08x", name, halves[i], n, math.Float32bits(a[i]), math.Float32bits(b[i]))
					}
				}
				if a[n] != 7 {
					t.Fatalf("%s, n=%d: wrote past the end", name, n)
				}
			}
			check16 := func(name string, got, want func([]uint16, []float32)) {
				a, b := make([]uint16, n+9), make([]uint16, n)
				a[n] = 7
				got(a[:n], floats)
				want(b, floats)
				for i := range b {
					if a[i] != b[i] {
						t.Fatalf("%s of %08x, n=%d: %04x, want %04x", name, math.Float32bits(floats[i]), n, a[i], b[i])
					}
				}
				if a[n] != 7 {
					t.Fatalf("%s, n=%d: wrote past the end", name, n)
				}
			}
			check32("F16ToF32", k.f16ToF32, f16ToF32Generic)
			check32("BF16ToF32", k.bf16ToF32, bf16ToF32Generic)
			check16("F32ToF16", k.f32ToF16, f32ToF16Generic)
			check16("F32ToBF16", k.f32ToBF16, f32ToBF16Generic)
		}
	})
}

func BenchmarkHalf(b *testing.B) {
	const n = 4096
	halves, floats := make([]uint16, n), make([]float32, n)
	for name, f := range map[string]func(){
		"F16ToF32":  func() { F16ToF32(floats, halves) },
		"F32ToF16":  func() { F32ToF16(halves, floats) },
		"BF16ToF32": func() { BF16ToF32(floats, halves) },
		"F32ToBF16": func() { F32ToBF16(halves, floats) },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(6 * n)
			for b.Loop() {
				f()
			}
		})
	}
}
