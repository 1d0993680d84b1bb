package simd

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// format describes a block format to the tests.
type format struct {
	name          string
	values, bytes int
	f16           []int // offsets of the F16 fields
	dequant       func(k quantKernels) func([]float32, []byte)
	dot           func(k quantKernels) DotKernel
	// parts splits value i of a block into a and c, value = a - c, both exact in float64.
	parts func(block []byte, i int) (a, c float64)
}

func nibble(qs []byte, i int) float64 { return float64(qs[i%16] >> (4 * (i / 16)) & 15) }

var formats = []format{
	{"q4_0", 32, 18, []int{0}, func(k quantKernels) func([]float32, []byte) { return k.dequantQ4_0 },
		func(k quantKernels) DotKernel { return k.dotQ4_0 },
		func(b []byte, i int) (a, c float64) {
			d := float64(f16At(b))
			return d * nibble(b[2:], i), 8 * d
		}},
	{"q4_1", 32, 20, []int{0, 2}, func(k quantKernels) func([]float32, []byte) { return k.dequantQ4_1 },
		func(k quantKernels) DotKernel { return k.dotQ4_1 },
		func(b []byte, i int) (a, c float64) {
			return float64(f16At(b)) * nibble(b[4:], i), -float64(f16At(b[2:]))
		}},
	{"q8_0", 32, 34, []int{0}, func(k quantKernels) func([]float32, []byte) { return k.dequantQ8_0 },
		func(k quantKernels) DotKernel { return k.dotQ8_0 },
		func(b []byte, i int) (a, c float64) { return float64(f16At(b)) * float64(int8(b[2+i])), 0 }},
	{"q4_K", 256, 144, []int{0, 2}, func(k quantKernels) func([]float32, []byte) { return k.dequantQ4_K },
		func(k quantKernels) DotKernel { return k.dotQ4_K },
		func(b []byte, i int) (a, c float64) {
			s, m := scaleMinK(b[4:16], i/32)
			q := b[16+i/64*32+i%32] >> (4 * (i / 32 % 2)) & 15
			return float64(f16At(b)) * float64(s) * float64(q), float64(f16At(b[2:])) * float64(m)
		}},
	{"q6_K", 256, 210, []int{208}, func(k quantKernels) func([]float32, []byte) { return k.dequantQ6_K },
		func(k quantKernels) DotKernel { return k.dotQ6_K },
		func(b []byte, i int) (a, c float64) {
			return float64(f16At(b[208:])) * float64(int8(b[192+i/16])) * float64(q6(b, i)), 0
		}},
	{"q5_0", 32, 22, []int{0}, func(k quantKernels) func([]float32, []byte) { return k.dequantQ5_0 },
		func(k quantKernels) DotKernel { return k.dotQ5_0 },
		func(b []byte, i int) (a, c float64) {
			d := float64(f16At(b))
			return d * (nibble(b[6:], i) + 16*float64(b[2+i/8]>>(i%8)&1)), 16 * d
		}},
	{"q5_1", 32, 24, []int{0, 2}, func(k quantKernels) func([]float32, []byte) { return k.dequantQ5_1 },
		func(k quantKernels) DotKernel { return k.dotQ5_1 },
		func(b []byte, i int) (a, c float64) {
			return float64(f16At(b)) * (nibble(b[8:], i) + 16*float64(b[4+i/8]>>(i%8)&1)), -float64(f16At(b[2:]))
		}},
	{"q2_K", 256, 84, []int{80, 82}, func(k quantKernels) func([]float32, []byte) { return k.dequantQ2_K }, nil, nil},
	{"q3_K", 256, 110, []int{108}, func(k quantKernels) func([]float32, []byte) { return k.dequantQ3_K }, nil, nil},
	{"q5_K", 256, 176, []int{0, 2}, func(k quantKernels) func([]float32, []byte) { return k.dequantQ5_K }, nil, nil},
}

// eachSet runs f for every implementation; those that the CPU cannot run are skipped.
func eachSet[K any](t *testing.T, sets []kernelSet[K], f func(t *testing.T, k K)) {
	for _, s := range sets {
		t.Run(s.isa.String(), func(t *testing.T) {
			if s.isa > bestISA() {
				t.Skip("not on this CPU")
			}
			f(t, s.kernels)
		})
	}
}

// randomBlocks returns n blocks at an odd address: random bytes, F16 fields normally distributed.
func randomBlocks(rng *rand.Rand, f format, n int) []byte {
	b := make([]byte, 1+n*f.bytes)[1:]
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	for i := range n {
		for _, o := range f.f16 {
			binary.LittleEndian.PutUint16(b[i*f.bytes+o:], ToF16(float32(rng.NormFloat64())))
		}
	}
	return b
}

// Dequantised values are fixed by the format to the last bit; the portable kernels meet package quant's fixtures.
func TestDequantiseTwinsAgree(t *testing.T) {
	eachSet(t, quantSets, func(t *testing.T, k quantKernels) {
		rng := rand.New(rand.NewPCG(1, 2))
		for _, f := range formats {
			for n := range 10 {
				blocks := randomBlocks(rng, f, n)
				if n == 9 { // any bytes at all, infinite and NaN scales too
					for i := range blocks {
						blocks[i] = byte(rng.Uint32())
					}
				}
				got, want := nanSlice(n*f.values+8), make([]float32, n*f.values)
				f.dequant(quantGeneric)(want, blocks)
				f.dequant(k)(got[:n*f.values], blocks)
				for i := range want {
					if math.Float32bits(got[i]) != math.Float32bits(want[i]) && !(isNaN(got[i]) && isNaN(want[i])) {
						t.Fatalf("%s: value %d of %d: got %x, want %x", f.name, i, len(want), got[i], want[i])
					}
				}
				if !isNaN(got[len(want)]) {
					t.Fatalf("%s: wrote past the end", f.name)
				}
			}
		}
	})
}

func isNaN(x float32) bool { return x != x }

// nanSlice returns n NaNs at an address that is no multiple of 32.
func nanSlice(n int) []float32 {
	s := make([]float32, n+1)[1:]
	for i := range s {
		s[i] = float32(math.NaN())
	}
	return s
}

func TestQuantiseVector(t *testing.T) {
	eachSet(t, quantSets, func(t *testing.T, k quantKernels) {
		rng := rand.New(rand.NewPCG(3, 4))
		const blocks = 300
		x := make([]float32, 32*blocks+1)[1:]
		for i := range x {
			x[i] = float32(rng.NormFloat64() * math.Pow(2, float64(i/32-150))) // subnormal to 2^150
		}
		clear(x[:32])
		x[33], x[65+32], x[130] = float32(math.NaN()), float32(math.Inf(-1)), float32(math.Inf(1))
		for i := 32 * 200; i < 32*201; i++ {
			x[i] = float32(i%255 - 127) // levels themselves
		}
		x[32*200] = 127
		q, scales, sums := make([]int8, len(x)), make([]float32, blocks), make([]float32, blocks)
		k.quantise(q, scales, sums, x)
		for b := range blocks {
			checkQuantised(t, b, x[32*b:32*b+32], q[32*b:32*b+32], scales[b], sums[b])
		}
	})
}

// checkQuantised checks one block against what QuantiseVector promises.
func checkQuantised(t *testing.T, b int, x []float32, q []int8, scale, total float32) {
	t.Helper()
	top, sum := 0.0, 0.0
	for i, v := range x {
		top = math.Max(top, math.Abs(float64(v))) // keeps NaN
		sum += float64(q[i])
	}
	switch {
	case math.IsNaN(top) || math.IsInf(top, 0):
		if !isNaN(scale) || !isNaN(total) || sum != 0 {
			t.Errorf("block %d is not finite: scale %v, sum %v", b, scale, total)
		}
		return
	case top < 0x1p-118:
		if scale != 0 || total != 0 || slices.ContainsFunc(q, func(v int8) bool { return v != 0 }) {
			t.Errorf("block %d is tiny: scale %v, sum %v, %v", b, scale, total, q)
		}
		return
	}
	if want := float32(top / 127); math.Abs(float64(scale/want)-1) > 0x1p-23 {
		t.Errorf("block %d: scale %v, want %v", b, scale, want)
	}
	if total != scale*float32(sum) {
		t.Errorf("block %d: sum %v, want %v", b, total, scale*float32(sum))
	}
	for i, v := range x {
		// v times 127/top, each rounded (3 roundings in all, of at most 127), is off by 127 * 3 * 2^-24 before it is
		// rounded to an integer; scale is off by 2^-24 too, again times 127.
		if e := math.Abs(float64(v) - float64(scale)*float64(q[i])); !(e <= float64(scale)*(0.5+127*5*0x1p-24)) {
			t.Errorf("block %d: %v became %v, scale %v", b, v, q[i], scale)
		}
	}
}

func TestDotsMatchExactSums(t *testing.T) {
	eachSet(t, quantSets, func(t *testing.T, k quantKernels) {
		rng := rand.New(rand.NewPCG(5, 6))
		for _, f := range formats {
			if f.dot == nil {
				continue
			}
			for _, blocks := range []int{1, 2, 3, 5, 8, 18} {
				for rows := range 19 {
					checkDot(t, rng, f, f.dot(k), rows, blocks)
				}
			}
		}
	})
}

// checkDot compares a product with float64 sums over the same quantised vector.
func checkDot(t *testing.T, rng *rand.Rand, f format, dot DotKernel, rows, blocks int) {
	t.Helper()
	n := blocks * f.values
	w := randomBlocks(rng, f, (rows+1)*(blocks+1))
	stride := blocks*f.bytes + f.bytes/2
	for r := range rows { // blocks at the stride's odd places
		copy(w[r*stride:], randomBlocks(rng, f, blocks))
	}
	x, q := make([]float32, n), make([]int8, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	if blocks == 2 { // levels of largest magnitude
		for i := range w[:rows*stride] {
			if rng.IntN(2) == 0 {
				w[i] = 0x80
			}
		}
		for r := range rows {
			for b := range blocks {
				for _, o := range f.f16 {
					binary.LittleEndian.PutUint16(w[r*stride+b*f.bytes+o:], 0x3c00)
				}
			}
		}
		for i := range x {
			x[i] = float32(rng.IntN(2)*2 - 1)
		}
	}
	scales, sums := make([]float32, n/32), make([]float32, n/32)
	quantiseGeneric(q, scales, sums, x)
	got := nanSlice(rows + 8)
	dot(got[:rows], w, stride, q, scales, sums)
	for r := range rows {
		want, size := 0.0, 0.0
		for i := range n {
			a, c := f.parts(w[r*stride+i/f.values*f.bytes:], i%f.values)
			v := float64(scales[i/32]) * float64(q[i])
			want += (a - c) * v
			size += (math.Abs(a) + math.Abs(c)) * math.Abs(v)
		}
		// Each of n/32 blocks' terms is rounded at most four times (scales, product, sum of x) before it is added to a
		// running sum, in two running sums; the lanes take three more. Blocks' integer sums are exact.
		tol := 1.01 * float64(n/32+10) * 0x1p-24 * size
		if !(math.Abs(float64(got[r])-want) <= tol) {
			t.Fatalf("%s: row %d of %d, %d blocks: got %v, want %v within %.2g", f.name, r, rows, blocks, got[r], want, tol)
		}
		alone := nanSlice(1)
		dot(alone, w[r*stride:], stride, q, scales, sums)
		if alone[0] != got[r] {
			t.Fatalf("%s: row %d of %d gives %v, alone %v", f.name, r, rows, got[r], alone[0])
		}
	}
	if !isNaN(got[rows]) {
		t.Fatalf("%s: wrote past the end", f.name)
	}
}

func TestDotChecksShapes(t *testing.T) {
	q, scales := make([]int8, 64), make([]float32, 2)
	for i, f := range []func(){
		func() { DotQ4_1(make([]float32, 3), make([]byte, 119), 40, q, scales, scales) }, // needs 120 bytes
		func() { DotQ4_1(make([]float32, 3), make([]byte, 120), 39, q, scales, scales) },
		func() { DotQ4_1(make([]float32, 3), make([]byte, 120), 40, q, scales[:1], scales) },
		func() { DotQ8_0(make([]float32, 1), make([]byte, 120), 40, q[:33], scales, scales) },
		func() { DequantiseQ6_K(make([]float32, 256), make([]byte, 209)) },
		func() { QuantiseVector(q, scales, scales, make([]float32, 33)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("case %d: no panic", i)
				}
			}()
			f()
		}()
	}
	y := []float32{1, 2}
	DotQ4_1(y, nil, 0, nil, nil, nil)
	if y[0] != 0 || y[1] != 0 {
		t.Errorf("product with an empty vector: %v", y)
	}
}

func BenchmarkDot(b *testing.B) {
	rng := rand.New(rand.NewPCG(7, 8))
	for _, f := range formats {
		if f.dot == nil {
			continue
		}
		for _, n := range []int{512, 1536} {
			b.Run(fmt.Sprintf("%s/%d", f.name, n), func(b *testing.B) {
				const rows = 64
				w := randomBlocks(rng, f, rows*n/f.values)
				x, q := make([]float32, n), make([]int8, n)
				scales, sums, y := make([]float32, n/32), make([]float32, n/32), make([]float32, rows)
				QuantiseVector(q, scales, sums, x)
				dot := f.dot(qk)
				b.SetBytes(int64(len(w)))
				for b.Loop() {
					dot(y, w, n/f.values*f.bytes, q, scales, sums)
				}
			})
		}
	}
}

func BenchmarkDequantise(b *testing.B) {
	rng := rand.New(rand.NewPCG(9, 10))
	for _, f := range formats {
		b.Run(f.name, func(b *testing.B) {
			const n = 4096
			w, x := randomBlocks(rng, f, n/f.values), make([]float32, n)
			b.SetBytes(4 * n)
			for b.Loop() {
				f.dequant(qk)(x, w)
			}
		})
	}
}

func BenchmarkQuantiseVector(b *testing.B) {
	const n = 576
	x, q, scales, sums := make([]float32, n), make([]int8, n), make([]float32, n/32), make([]float32, n/32)
	for i := range x {
		x[i] = float32(i) - 300
	}
	b.SetBytes(4 * n)
	for b.Loop() {
		QuantiseVector(q, scales, sums, x)
	}
}
