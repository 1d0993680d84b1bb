package quant

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/eckart-go/eckart/internal/simd"
)

// stored is a matrix in blocks.
type stored struct {
	t          Type
	rows, cols int
	data       []byte
}

// scaleOffsets lists where a type's block has its F16 scales.
var scaleOffsets = map[Type][]int{Q4_0: {0}, Q4_1: {0, 2}, Q5_0: {0}, Q5_1: {0, 2}, Q8_0: {0}, Q2_K: {80, 82}, Q3_K: {108},
	Q4_K: {0, 2}, Q5_K: {0, 2}, Q6_K: {208}, F16: {0}}

// randomMatrix returns a matrix of random bytes with finite, normally distributed scales.
func randomMatrix(rng *rand.Rand, t Type, rows, cols int) stored {
	rowBytes, err := t.RowBytes(cols)
	if err != nil {
		panic(err)
	}
	data := make([]byte, rows*rowBytes)
	if t == F32 {
		for i := 0; i < len(data); i += 4 {
			binary.LittleEndian.PutUint32(data[i:], math.Float32bits(float32(rng.NormFloat64())))
		}
	} else {
		for i := 0; i+8 <= len(data); i += 8 {
			binary.LittleEndian.PutUint64(data[i:], rng.Uint64())
		}
	}
	for i := 0; i < len(data); i += t.BlockBytes() {
		for _, o := range scaleOffsets[t] {
			binary.LittleEndian.PutUint16(data[i+o:], simd.ToF16(float32(rng.NormFloat64())/16))
		}
	}
	return stored{t, rows, cols, data}
}

func (m stored) values(t testing.TB) []float32 {
	w := make([]float32, m.rows*m.cols)
	if err := Dequantise(m.t, w, m.data); err != nil {
		t.Fatal(err)
	}
	return w
}

func randomVectors(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

// MulTo differs from the product in float64 by the rounding of X to 8 bits, and by rounding of sums.
func TestMulToErrorBound(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for _, typ := range []Type{Q4_0, Q4_1, Q8_0, Q4_K, Q6_K, Q5_0, Q5_1, Q2_K, Q3_K, Q5_K, F16, F32} {
		for _, rows := range []int{1, 8, 21} {
			for _, tokens := range []int{1, 3, 8, 9, 17} {
				m := randomMatrix(rng, typ, rows, 512)
				checkProductOf(t, rng, m, tokens)
			}
		}
	}
}

func checkProductOf(t *testing.T, rng *rand.Rand, m stored, tokens int) {
	t.Helper()
	ldx, ldd := m.cols+5, m.rows+3
	x, dst := randomVectors(rng, tokens*ldx), make([]float32, tokens*ldd)
	for i := range dst {
		dst[i] = float32(math.NaN())
	}
	if err := MulTo(m.t, dst, ldd, m.data, m.rows, m.cols, x, ldx, tokens, nil); err != nil {
		t.Fatal(err)
	}
	w := m.values(t)
	rounded := dotKernel(m.t) != nil && tokens <= fewTokens
	for i := range tokens {
		for r := range m.rows {
			want, size, bound, terms := 0.0, 0.0, 0.0, 0.0
			for b := 0; b < m.cols; b += 32 {
				top, absW, absX := 0.0, 0.0, 0.0
				for j := b; j < b+32; j++ {
					a, v := float64(w[r*m.cols+j]), float64(x[i*ldx+j])
					want += a * v
					size += math.Abs(a * v)
					top, absW, absX = max(top, math.Abs(v)), absW+math.Abs(a), absX+math.Abs(v)
				}
				bound += top / 254 * absW
				terms += largest(m.t, m.data[(r*m.cols+b)/m.t.BlockSize()*m.t.BlockBytes():]) * absX
			}
			// In float32: any order of n products (Higham 2002, 3.5). From blocks: the rounding of X, 1/2 of 1/127 of each block's
			// top; and n/32 terms, which keep level and minimum apart, each rounded a few times and added up.
			tol := 1.01 * float64(m.cols) * 0x1p-24 * size
			if rounded {
				tol = bound + 1.01*float64(m.cols/32+16)*0x1p-24*terms
			}
			if got := float64(dst[i*ldd+r]); !(math.Abs(got-want) <= tol) {
				t.Fatalf("%v %dx%d, %d tokens: token %d row %d: got %v, want %v within %.2g",
					m.t, m.rows, m.cols, tokens, i, r, got, want, tol)
			}
		}
		for r := m.rows; r < ldd; r++ {
			if v := dst[i*ldd+r]; v == v {
				t.Fatalf("%v: wrote into the gap between rows", m.t)
			}
		}
	}
}

// largest returns a bound of |level| + |minimum or offset| in a block of a type that MulTo multiplies as stored.
func largest(t Type, block []byte) float64 {
	scale := func(offset int) float64 {
		return math.Abs(float64(simd.FromF16(binary.LittleEndian.Uint16(block[offset:]))))
	}
	switch t {
	case Q4_0:
		return (15 + 8) * scale(0)
	case Q4_1:
		return 15*scale(0) + scale(2)
	case Q5_0:
		return (31 + 16) * scale(0)
	case Q5_1:
		return 31*scale(0) + scale(2)
	case Q8_0:
		return 128 * scale(0)
	case Q4_K:
		return 15*63*scale(0) + 63*scale(2)
	case Q6_K:
		return 32 * 128 * scale(208)
	}
	return 0
}

func TestMulToSameForAnyThreads(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	for _, typ := range []Type{Q4_1, Q8_0, Q6_K, Q5_K} {
		m := randomMatrix(rng, typ, 517, 1536)
		for _, tokens := range []int{1, 3, 12} {
			x := randomVectors(rng, tokens*m.cols)
			var want []float32
			for _, procs := range []int{1, 2, 5} {
				old := runtime.GOMAXPROCS(procs)
				dst := make([]float32, tokens*m.rows)
				err := MulTo(typ, dst, m.rows, m.data, m.rows, m.cols, x, m.cols, tokens, nil)
				runtime.GOMAXPROCS(old)
				if err != nil {
					t.Fatal(err)
				}
				if want == nil {
					want = dst
				}
				if !slices.Equal(dst, want) {
					t.Errorf("%v, %d tokens: GOMAXPROCS=%d changes the result", typ, tokens, procs)
				}
			}
		}
	}
}

// A token's result must not depend on its neighbours in the batch, as long as the path is the same.
func TestMulToTokensAreIndependent(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	m := randomMatrix(rng, Q4_1, 64, 576)
	x := randomVectors(rng, 4*m.cols)
	all, one := make([]float32, 4*m.rows), make([]float32, m.rows)
	x[2*m.cols+7] = float32(math.Inf(1))
	var ws Workspace
	if err := MulTo(m.t, all, m.rows, m.data, m.rows, m.cols, x, m.cols, 4, &ws); err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		if err := MulTo(m.t, one, m.rows, m.data, m.rows, m.cols, x[i*m.cols:], m.cols, 1, &ws); err != nil {
			t.Fatal(err)
		}
		for r, v := range one {
			if got := all[i*m.rows+r]; got != v && i != 2 || i == 2 && (got == got || v == v) {
				t.Fatalf("token %d row %d: %v in a batch, %v alone", i, r, got, v)
			}
		}
	}
}

func TestMulToAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("sync.Pool drops jobs at random under the race detector")
	}
	rng := rand.New(rand.NewPCG(5, 5))
	for _, typ := range []Type{Q4_1, Q8_0, F16} {
		m := randomMatrix(rng, typ, 200, 576)
		x, dst := randomVectors(rng, 4*m.cols), make([]float32, 4*m.rows)
		var ws Workspace
		run := func() {
			if err := MulTo(typ, dst, m.rows, m.data, m.rows, m.cols, x, m.cols, 4, &ws); err != nil {
				t.Fatal(err)
			}
		}
		run()
		if n := testing.AllocsPerRun(50, run); n > 0.5 { // the pool may lose its job to a collection now and then
			t.Errorf("%v: %v allocations a call", typ, n)
		}
	}
}

func TestMulToRejects(t *testing.T) {
	w, x, dst := make([]byte, 8*360), make([]float32, 576), make([]float32, 8)
	for name, call := range map[string]func() error{
		"unknown type":    func() error { return MulTo(4, dst, 8, w, 8, 576, x, 576, 1, nil) },
		"partial block":   func() error { return MulTo(Q4_1, dst, 8, w, 8, 570, x, 576, 1, nil) },
		"short matrix":    func() error { return MulTo(Q4_1, dst, 8, w[1:], 8, 576, x, 576, 1, nil) },
		"short input":     func() error { return MulTo(Q4_1, dst, 8, w, 8, 576, x[1:], 576, 1, nil) },
		"short output":    func() error { return MulTo(Q4_1, dst[1:], 8, w, 8, 576, x, 576, 1, nil) },
		"second token":    func() error { return MulTo(Q4_1, dst, 8, w, 8, 576, x, 576, 2, nil) },
		"input stride":    func() error { return MulTo(Q4_1, dst, 8, w, 8, 576, x, 575, 1, nil) },
		"output stride":   func() error { return MulTo(Q4_1, dst, 7, w, 8, 576, x, 576, 1, nil) },
		"negative rows":   func() error { return MulTo(Q4_1, dst, 8, w, -1, 576, x, 576, 1, nil) },
		"negative tokens": func() error { return MulTo(Q4_1, dst, 8, w, 8, 576, x, 576, -1, nil) },
	} {
		if err := call(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for name, call := range map[string]func() error{
		"no rows":   func() error { return MulTo(Q4_1, nil, 0, nil, 0, 576, x, 576, 1, nil) },
		"no tokens": func() error { return MulTo(Q4_1, nil, 8, w, 8, 576, nil, 576, 0, nil) },
		"exact fit": func() error { return MulTo(Q4_1, dst, 8, w, 8, 576, x, 576, 1, nil) },
	} {
		if err := call(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range dst {
		dst[i] = 1
	}
	for _, typ := range []Type{Q8_0, F16} {
		if err := MulTo(typ, dst, 8, nil, 8, 0, nil, 0, 1, nil); err != nil || slices.Max(dst) != 0 {
			t.Errorf("%v without columns: %v, %v; want zeros", typ, dst, err)
		}
	}
}
