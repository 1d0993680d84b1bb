package simd

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

const u = 0x1p-24 // unit roundoff of float32

// unaryCase is a function with its value in float64 and the relative error allowed at x. Allowed on top is the rounding of
// results below the smallest normal number: 2^-149, times |x| where the function multiplies by x.
type unaryCase struct {
	name   string
	kernel func(k vecKernels) func(dst, x []float32)
	want   func(x float64) float64
	rel    func(x float64) float64
	timesX bool
}

func fixed(units float64) func(float64) float64 { return func(float64) float64 { return units * u } }

var unaryCases = []unaryCase{
	// Below 2 ulp, which is 2 * 2^-23 relative to a number just above a power of two.
	{"Exp", func(k vecKernels) func(dst, x []float32) { return k.exp }, math.Exp, fixed(4), false},
	// The exponential, 1 + e and the quotient: 4 + 1 + 1 units.
	{"Sigmoid", func(k vecKernels) func(dst, x []float32) { return k.sigmoid }, sigmoid, fixed(6), false},
	// exp(2x) - 1 is a sum of two terms of which one, at most 2.5 times the sum, has 2 units; then two roundings.
	{"Tanh", func(k vecKernels) func(dst, x []float32) { return k.tanh }, math.Tanh, fixed(8), false},
	{"Silu", func(k vecKernels) func(dst, x []float32) { return k.silu }, func(x float64) float64 { return x * sigmoid(x) }, fixed(7), true},
	// The inner polynomial t has 4 units, which exp turns into 4|t|.
	{"GeluTanh", func(k vecKernels) func(dst, x []float32) { return k.geluTanh },
		func(x float64) float64 { return x * sigmoid(geluTanhInner*(x+0.044715*x*x*x)) },
		func(x float64) float64 {
			return (7 + 4*math.Min(104, math.Abs(geluTanhInner*(x+0.044715*x*x*x)))) * u
		}, true},
	// exp: 4, its argument: 2. The polynomial of degree 9 in y: its terms' magnitudes add up to at most 4 times its value,
	// two roundings each: 8; y's own error of u times p'/p < 3: 3. Three products, fit and coefficients: 4.
	{"Gelu", func(k vecKernels) func(dst, x []float32) { return k.gelu },
		func(x float64) float64 { return x / 2 * math.Erfc(-x/math.Sqrt2) }, fixed(21), true},
}

// hostileFloats returns values of every magnitude and sign, dense where exp neither over- nor underflows, at an address
// that is no multiple of 32.
func hostileFloats(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n+1)[1:]
	for i := range x {
		switch i % 4 {
		case 0:
			x[i] = math.Float32frombits(rng.Uint32())
		case 1:
			x[i] = float32(rng.Float64()*220 - 115)
		case 2:
			x[i] = float32(rng.NormFloat64() * 3)
		case 3:
			x[i] = float32(math.Ldexp(rng.Float64()-0.5, -rng.IntN(30)))
		}
	}
	special := []float64{0, math.Copysign(0, -1), 1, -1, math.Inf(1), math.Inf(-1), math.NaN(), math.MaxFloat32, -math.MaxFloat32,
		math.SmallestNonzeroFloat32, 0x1p-126, -0x1p-126, 88.72283, 88.72284, -87.33654, -103.97207, -103.97208, -104, 89, 10, -10, 15, -15}
	for i, v := range special {
		if i < n {
			x[i] = float32(v)
		}
	}
	return x
}

func TestUnaryAccuracy(t *testing.T) {
	eachSet(t, vecSets, func(t *testing.T, k vecKernels) {
		x := hostileFloats(rand.New(rand.NewPCG(1, 1)), 400_003)
		got := make([]float32, len(x))
		for _, c := range unaryCases {
			c.kernel(k)(got, x)
			worst := 0.0
			for i, v := range x {
				want, tol := c.want(float64(v)), c.rel(float64(v))
				tiny := 0x1p-149
				if c.timesX {
					tiny *= 1 + math.Abs(float64(v))
				}
				switch g := float64(got[i]); {
				case math.IsNaN(want):
					if !math.IsNaN(g) {
						t.Fatalf("%s(%v) = %v, want NaN", c.name, v, g)
					}
				case math.Abs(want) > math.MaxFloat32*(1-tol):
					if !(g*math.Copysign(1, want) >= math.MaxFloat32*(1-2*tol)) {
						t.Fatalf("%s(%v) = %v, want %v", c.name, v, g, want)
					}
				default:
					if !(math.Abs(g-want) <= tol*math.Abs(want)+tiny) {
						t.Fatalf("%s(%v) = %v, want %v: off by %.3g of the tolerance", c.name, v, g, want, math.Abs(g-want)/(tol*math.Abs(want)+tiny))
					}
					if math.Abs(want) > 0x1p-120 {
						worst = max(worst, math.Abs(g-want)/(tol*math.Abs(want)))
					}
				}
			}
			t.Logf("%s: largest error %.2f of the tolerance", c.name, worst)
		}
	})
}

// Exp promises 2 ulp: here in units in the last place of the result, over a dense grid.
func TestExpWithinTwoUlp(t *testing.T) {
	eachSet(t, vecSets, func(t *testing.T, k vecKernels) {
		x := make([]float32, 1<<20)
		for i := range x {
			x[i] = -87.3 + float32(i)*(176/float32(len(x)))
		}
		got := make([]float32, len(x))
		k.exp(got, x)
		worst := 0.0
		for i, v := range x {
			want := math.Exp(float64(v))
			_, e := math.Frexp(want)
			worst = max(worst, math.Abs(float64(got[i])-want)/math.Ldexp(1, e-24))
		}
		if t.Logf("largest error %.3f ulp", worst); worst > 2 {
			t.Errorf("error of %v ulp", worst)
		}
	})
}

// An element's result must not depend on the length, its position, or whether dst is x.
func TestUnaryIsPositionIndependent(t *testing.T) {
	eachSet(t, vecSets, func(t *testing.T, k vecKernels) {
		x := hostileFloats(rand.New(rand.NewPCG(2, 2)), 70)
		for _, c := range unaryCases {
			f := c.kernel(k)
			alone := make([]float32, len(x))
			for i := range x {
				f(alone[i:i+1], x[i:i+1])
			}
			for n := range len(x) + 1 {
				got := nanSlice(n + 8)
				for i := range got {
					got[i] = 7
				}
				copy(got, x[:n])
				f(got[:n], got[:n])
				for i := range n {
					if math.Float32bits(got[i]) != math.Float32bits(alone[i]) {
						t.Fatalf("%s, n=%d: element %d (%v) gives %v, alone %v", c.name, n, i, x[i], got[i], alone[i])
					}
				}
				for _, v := range got[n:] {
					if v != 7 {
						t.Fatalf("%s, n=%d: wrote past the end", c.name, n)
					}
				}
			}
		}
	})
}

// Operations with one rounding are exact to the bit; AddScaled may fuse, affine has up to four roundings.
func TestArithmetic(t *testing.T) {
	eachSet(t, vecSets, func(t *testing.T, k vecKernels) {
		rng := rand.New(rand.NewPCG(3, 3))
		const a, mean = 1.7, 0.3
		for n := range 70 {
			x, y, z := hostileFloats(rng, n), hostileFloats(rng, n), hostileFloats(rng, n)
			slices.Reverse(y)
			for _, op := range []struct {
				name   string
				do     func(dst []float32)
				want   func(i int) float64
				fused  bool
				rounds func(i int) float64 // magnitude that the extra roundings are relative to
			}{
				{"add", func(dst []float32) { k.add(dst, dst, y) }, func(i int) float64 { return float64(x[i] + y[i]) }, false, nil},
				{"sub", func(dst []float32) { k.sub(dst, dst, y) }, func(i int) float64 { return float64(x[i] - y[i]) }, false, nil},
				{"mul", func(dst []float32) { k.mul(dst, dst, y) }, func(i int) float64 { return float64(x[i] * y[i]) }, false, nil},
				{"div", func(dst []float32) { k.div(dst, dst, y) }, func(i int) float64 { return float64(x[i] / y[i]) }, false, nil},
				{"max", func(dst []float32) { k.max(dst, dst, y) }, func(i int) float64 { return float64(max(x[i], y[i])) }, false, nil},
				{"min", func(dst []float32) { k.min(dst, dst, y) }, func(i int) float64 { return float64(min(x[i], y[i])) }, false, nil},
				{"scale", func(dst []float32) { k.scale(dst, dst, a) }, func(i int) float64 { return float64(x[i] * a) }, false, nil},
				{"shift", func(dst []float32) { k.shift(dst, dst, a) }, func(i int) float64 { return float64(x[i] + a) }, false, nil},
				{"addScaled", func(dst []float32) { k.addScaled(dst, dst, a, y) },
					func(i int) float64 { return float64(x[i]) + float64(float32(a))*float64(y[i]) }, true,
					func(i int) float64 { return math.Abs(float64(x[i])) + 2*a*math.Abs(float64(y[i])) }},
				{"mulScaled", func(dst []float32) { k.mulScaled(dst, dst, y, a) },
					func(i int) float64 { return float64(x[i] * a * y[i]) }, false, nil},
				{"affine", func(dst []float32) { k.affine(dst, dst, y, z, mean, a) },
					func(i int) float64 {
						return (float64(x[i])-float64(float32(mean)))*float64(float32(a))*float64(y[i]) + float64(z[i])
					}, true,
					func(i int) float64 {
						return 4*math.Abs((math.Abs(float64(x[i]))+mean)*a*float64(y[i])) + math.Abs(float64(z[i]))
					}},
			} {
				got := append(slices.Clone(x), 7)
				op.do(got[:n])
				for i := range n {
					want, g := op.want(i), float64(got[i])
					same := g == want || math.IsNaN(g) && math.IsNaN(want)
					if op.fused && !same {
						// float32 may overflow on the way where float64 does not.
						size := op.rounds(i)
						same = math.Abs(g-want) <= size*u+0x1p-149*(1+math.Abs(float64(y[i]))) || size > 0x1p126 || math.IsNaN(size)
					}
					if !same {
						t.Fatalf("%s, n=%d, element %d of %v, %v: got %v, want %v", op.name, n, i, x[i], y[i], g, want)
					}
				}
				if got[n] != 7 {
					t.Fatalf("%s, n=%d: wrote past the end", op.name, n)
				}
			}
		}
	})
}

func TestReductions(t *testing.T) {
	eachSet(t, vecSets, func(t *testing.T, k vecKernels) {
		rng := rand.New(rand.NewPCG(4, 4))
		for n := range 100 {
			x := make([]float32, n+1)[1:]
			sum, abs, squares, top := 0.0, 0.0, 0.0, math.Inf(-1)
			const shift = 0.25
			for i := range x {
				x[i] = float32(rng.NormFloat64() - 2)
				v := float64(x[i])
				sum, abs, squares, top = sum+v, abs+math.Abs(v), squares+(v-shift)*(v-shift), max(top, v)
			}
			tol := 1.01 * float64(n+2) * 0x1p-53 // both sides in float64, any order, and two more roundings for squares
			if got := k.sum(x); !(math.Abs(got-sum) <= 2*tol*abs) {
				t.Errorf("sum of %d: %v, want %v", n, got, sum)
			}
			if got := k.sumsq(x, shift); !(math.Abs(got-squares) <= 2*tol*squares) {
				t.Errorf("sum of %d squares: %v, want %v", n, got, squares)
			}
			if got := k.maxOf(x); float64(got) != top {
				t.Errorf("maximum of %d: %v, want %v", n, got, top)
			}
			for i := range x { // a NaN anywhere is found
				old := x[i]
				x[i] = float32(math.NaN())
				if got := k.maxOf(x); !isNaN(got) {
					t.Errorf("maximum of %d with a NaN at %d: %v", n, i, got)
				}
				x[i] = old
			}
		}
	})
}

func TestSoftmax(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	for _, n := range []int{1, 2, 7, 8, 9, 31, 64, 1000} {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(rng.NormFloat64()*20 + 500) // exp(x) itself would overflow
		}
		x[n-1] = float32(math.Inf(-1))
		if n == 1 {
			x[0] = 3
		}
		top := float64(slices.Max(x))
		sum := 0.0
		for _, v := range x {
			sum += math.Exp(float64(v) - top)
		}
		got := slices.Clone(x)
		Softmax(got, got)
		for i, v := range x {
			// x - max is rounded once: a relative error of u |x - max| in the exponential, which has 4 units; the sum is as
			// accurate as its terms, of which the largest is exact; scaling twice more.
			d := float64(v) - top
			want := math.Exp(d) / sum
			tol := (2*math.Min(104, math.Abs(d)) + 12) * u * want
			if !(math.Abs(float64(got[i])-want) <= tol+0x1p-149) {
				t.Errorf("n=%d: softmax of %v: got %v, want %v", n, v, got[i], want)
			}
		}
		scratch := make([]float32, n)
		if got, want := LogSumExp(scratch, x), top+math.Log(sum); !(math.Abs(got-want) <= 16*u) {
			t.Errorf("n=%d: LogSumExp %v, want %v", n, got, want)
		}
	}
	inf := float32(math.Inf(-1))
	row := []float32{inf, inf, inf}
	if Softmax(row, row); !isNaN(row[0]) {
		t.Errorf("softmax of a row of -Inf: %v, want NaN", row)
	}
	Softmax(nil, nil)
	if got := LogSumExp(nil, nil); !math.IsInf(got, -1) {
		t.Errorf("LogSumExp of nothing: %v", got)
	}
}

func TestNorms(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 6))
	for _, n := range []int{1, 3, 8, 17, 576} {
		x, w, b, got := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
		sum, squares := 0.0, 0.0
		for i := range x {
			x[i], w[i], b[i] = float32(rng.NormFloat64()*3+2), float32(rng.NormFloat64()), float32(rng.NormFloat64())
			sum += float64(x[i])
			squares += float64(x[i]) * float64(x[i])
		}
		const eps = 1e-5
		mean, variance := sum/float64(n), 0.0
		for _, v := range x {
			variance += (float64(v) - mean) * (float64(v) - mean) / float64(n)
		}
		e := float64(float32(eps))
		RMSNorm(got, x, w, eps)
		for i, v := range x { // the scale and two products are rounded
			want := float64(v) * float64(w[i]) / math.Sqrt(squares/float64(n)+e)
			if !(math.Abs(float64(got[i])-want) <= 4*u*math.Abs(want)) {
				t.Errorf("RMSNorm, n=%d: got %v, want %v", n, got[i], want)
			}
		}
		LayerNorm(got, x, w, b, eps)
		for i, v := range x { // mean, difference, scale, two products, the sum
			scale := float64(w[i]) / math.Sqrt(variance+e)
			want := (float64(v)-mean)*scale + float64(b[i])
			size := (math.Abs(float64(v))+math.Abs(mean))*math.Abs(scale) + math.Abs(float64(b[i]))
			if !(math.Abs(float64(got[i])-want) <= 6*u*size) {
				t.Errorf("LayerNorm, n=%d: got %v, want %v", n, got[i], want)
			}
		}
	}
}

func BenchmarkVec(b *testing.B) {
	const n = 4096
	x, y, dst := make([]float32, n), make([]float32, n), make([]float32, n)
	for i := range x {
		x[i], y[i] = float32(i%37)/4-4, float32(i%11)+1
	}
	for _, c := range []struct {
		name  string
		bytes int64
		f     func()
	}{
		{"Exp", 8, func() { Exp(dst, x) }}, {"Sigmoid", 8, func() { Sigmoid(dst, x) }}, {"Tanh", 8, func() { Tanh(dst, x) }},
		{"Silu", 8, func() { Silu(dst, x) }}, {"GeluTanh", 8, func() { GeluTanh(dst, x) }}, {"Gelu", 8, func() { Gelu(dst, x) }},
		{"Softmax", 8, func() { Softmax(dst, x) }}, {"RMSNorm", 8, func() { RMSNorm(dst, x, y, 1e-5) }},
		{"LayerNorm", 8, func() { LayerNorm(dst, x, y, y, 1e-5) }}, {"Add", 12, func() { Add(dst, x, y) }},
		{"Mul", 12, func() { Mul(dst, x, y) }}, {"Div", 12, func() { Div(dst, x, y) }}, {"Max", 12, func() { Max(dst, x, y) }},
		{"AddScaled", 12, func() { AddScaled(dst, x, 2, y) }}, {"Sum", 4, func() { Sum(x) }},
	} {
		b.Run(fmt.Sprintf("%s/%d", c.name, n), func(b *testing.B) {
			b.SetBytes(c.bytes * n)
			for b.Loop() {
				c.f()
			}
		})
	}
}
