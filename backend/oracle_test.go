package backend

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/compute/shapes"
)

// The oracle of these tests is compute's own Go backend. Where arithmetic rounds, it computes in float64 what is tested in
// float32, and the tolerance is a bound on our rounding.

// tensor is an input or result: a flat slice and its shape.
type tensor struct {
	flat  any
	shape shapes.Shape
}

func (t tensor) at(i int) float64 {
	v := reflect.ValueOf(t.flat).Index(i)
	switch {
	case v.Kind() == reflect.Bool:
		if v.Bool() {
			return 1
		}
		return 0
	case v.CanFloat():
		return v.Float()
	case v.CanInt():
		return float64(v.Int())
	}
	return float64(v.Uint())
}

// as returns the same values in another type.
func (t tensor) as(d dtypes.DType) tensor {
	out := reflect.MakeSlice(reflect.SliceOf(d.GoType()), t.shape.Size(), t.shape.Size())
	for i := range t.shape.Size() {
		if d == dtypes.Bool {
			out.Index(i).SetBool(t.at(i) != 0)
			continue
		}
		out.Index(i).Set(reflect.ValueOf(t.at(i)).Convert(d.GoType()))
	}
	return tensor{out.Interface(), shapes.Make(d, t.shape.Dimensions...)}
}

// random returns a tensor of small integers divided by 8, exact in every float type, or of small integers.
func random(rng *rand.Rand, d dtypes.DType, dims ...int) tensor {
	shape := shapes.Make(d, dims...)
	x := make([]float64, shape.Size())
	for i := range x {
		switch {
		case d.IsUnsigned():
			x[i] = float64(rng.IntN(9))
		case d.IsInt():
			x[i] = float64(rng.IntN(17) - 8)
		default:
			x[i] = float64(rng.IntN(129)-64) / 8
		}
	}
	return tensor{x, shapes.Make(dtypes.Float64, dims...)}.as(d)
}

type buildFn func(f compute.Function, in []compute.Value) ([]compute.Value, error)

// execute builds, compiles and runs a computation. donate may be nil.
func execute(be compute.Backend, in []tensor, donate []bool, build buildFn) ([]tensor, error) {
	builder := be.Builder("test")
	f := builder.Main()
	var params []compute.Value
	var buffers []compute.Buffer
	for i, x := range in {
		p, err := f.Parameter(fmt.Sprint("x", i), x.shape, nil)
		if err != nil {
			return nil, err
		}
		b, err := be.BufferFromFlatData(0, x.flat, x.shape)
		if err != nil {
			return nil, err
		}
		params, buffers = append(params, p), append(buffers, b)
	}
	values, err := build(f, params)
	if err != nil {
		return nil, err
	}
	if err := f.Return(values, nil); err != nil {
		return nil, err
	}
	exe, err := builder.Compile()
	if err != nil {
		return nil, err
	}
	defer exe.Finalize()
	outputs, err := exe.Execute(buffers, donate, 0)
	if err != nil {
		return nil, err
	}
	var out []tensor
	for _, b := range outputs {
		shape, _ := b.Shape()
		t := tensor{dtypes.MakeAnySlice(shape.DType, shape.Size()), shape}
		if shape.Size() > 0 {
			if err := b.ToFlatData(t.flat); err != nil {
				return nil, err
			}
		}
		out = append(out, t)
		if err := b.Finalize(); err != nil {
			return nil, err
		}
	}
	for i, b := range buffers {
		if donate == nil || !donate[i] {
			if got, _ := b.Data(); !bytes.Equal(dtypes.UnsafeByteSliceFromAny(got), dtypes.UnsafeByteSliceFromAny(in[i].flat)) {
				return nil, fmt.Errorf("input %d, which was not donated, was overwritten", i)
			}
			b.Finalize()
		}
	}
	return out, nil
}

var (
	ours = New()
	// reference runs operations one by one: its fused ones are other code than the definitions.
	reference = gobackend.GetBackend()
)

// both runs a computation here and on the reference.
func both(t *testing.T, in []tensor, build buildFn) (got, want []tensor) {
	t.Helper()
	got, err := execute(ours, in, nil, build)
	if err != nil {
		t.Fatalf("ours: %v", err)
	}
	if want, err = execute(reference, in, nil, build); err != nil {
		t.Fatalf("reference: %v", err)
	}
	return got, want
}

// one adapts a function with one result.
func one(f func(f compute.Function, in []compute.Value) (compute.Value, error)) buildFn {
	return func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		v, err := f(fn, in)
		return []compute.Value{v}, err
	}
}

// compare checks shapes and values: |got - want| <= tolerance(i), NaN where NaN is wanted.
func compare(t *testing.T, name string, got, want tensor, tolerance func(i int) float64) {
	t.Helper()
	if got.shape.DType != want.shape.DType || !slices.Equal(got.shape.Dimensions, want.shape.Dimensions) {
		t.Errorf("%s: got shape %s, want %s", name, got.shape, want.shape)
		return
	}
	for i := range got.shape.Size() {
		g, w := got.at(i), want.at(i)
		if g == w || math.IsNaN(g) && math.IsNaN(w) {
			continue
		}
		if tol := tolerance(i); !(math.Abs(g-w) <= tol) {
			t.Errorf("%s: shape %s, element %d: got %v, want %v within %.2g", name, got.shape, i, g, w, tol)
			return
		}
	}
}

func exact(int) float64 { return 0 }

// lengths stress tails, tiles of 1024 and the division into pieces.
var lengths = []int{0, 1, 3, 17, 1023, 1025, 70001}

func TestUnaryMatchesReference(t *testing.T) {
	ops := map[string]func(f compute.Function, x compute.Value) (compute.Value, error){
		"Abs": compute.Function.Abs, "Neg": compute.Function.Neg, "Sign": compute.Function.Sign, "Ceil": compute.Function.Ceil,
		"Floor": compute.Function.Floor, "Round": compute.Function.Round, "Sqrt": compute.Function.Sqrt, "Rsqrt": compute.Function.Rsqrt,
		"Exp": compute.Function.Exp, "Expm1": compute.Function.Expm1, "Log": compute.Function.Log, "Log1p": compute.Function.Log1p,
		"Logistic": compute.Function.Logistic, "Tanh": compute.Function.Tanh, "Erf": compute.Function.Erf, "Sin": compute.Function.Sin,
		"Cos": compute.Function.Cos, "IsFinite": compute.Function.IsFinite, "IsNaN": compute.Function.IsNaN,
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for name, op := range ops {
		for _, n := range lengths {
			x := random(rng, dtypes.Float32, n)
			if n > 20 && name != "Sign" {
				v := x.flat.([]float32)
				v[0], v[1], v[2], v[3] = float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), 1e-30
			}
			build := one(func(f compute.Function, in []compute.Value) (compute.Value, error) { return op(f, in[0]) })
			got, err := execute(ours, []tensor{x}, nil, build)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			want, err := execute(reference, []tensor{x.as(dtypes.Float64)}, nil, build)
			if err != nil {
				t.Fatalf("%s: reference: %v", name, err)
			}
			w := want[0].as(got[0].shape.DType)
			// internal/simd promises 2 ulp, kernels through package math round twice; the reference adds half an ulp.
			compare(t, name, got[0], w, func(i int) float64 { return 3 * 0x1p-23 * math.Abs(w.at(i)) })
		}
	}
}

// shapePair returns two shapes that broadcast to each other: axes of size 1, or a scalar.
func shapePair(rng *rand.Rand) (a, b []int) {
	sizes := []int{1, 2, 3, 5, 17, 40}
	for range rng.IntN(5) {
		n := sizes[rng.IntN(len(sizes))]
		x, y := n, n
		switch rng.IntN(4) {
		case 0:
			x = 1
		case 1:
			y = 1
		}
		a, b = append(a, x), append(b, y)
	}
	switch rng.IntN(6) {
	case 0:
		a = nil
	case 1:
		b = nil
	}
	return a, b
}

func TestBinaryMatchesReference(t *testing.T) {
	type op = func(f compute.Function, x, y compute.Value) (compute.Value, error)
	everywhere := map[string]op{
		"Add": compute.Function.Add, "Sub": compute.Function.Sub, "Mul": compute.Function.Mul, "Max": compute.Function.Max,
		"Min": compute.Function.Min, "Equal": compute.Function.Equal, "NotEqual": compute.Function.NotEqual,
		"LessThan": compute.Function.LessThan, "LessOrEqual": compute.Function.LessOrEqual,
		"GreaterThan": compute.Function.GreaterThan, "GreaterOrEqual": compute.Function.GreaterOrEqual,
	}
	floats := map[string]op{"Div": compute.Function.Div, "Rem": compute.Function.Rem, "Pow": compute.Function.Pow, "Atan2": compute.Function.Atan2}
	ints := map[string]op{"BitwiseAnd": compute.Function.BitwiseAnd, "BitwiseOr": compute.Function.BitwiseOr,
		"BitwiseXor": compute.Function.BitwiseXor}
	rng := rand.New(rand.NewPCG(2, 1))
	check := func(ops map[string]op, types ...dtypes.DType) {
		for name, op := range ops {
			for _, d := range types {
				for range 12 {
					a, b := shapePair(rng)
					in := []tensor{random(rng, d, a...), random(rng, d, b...)}
					got, want := both(t, in, one(func(f compute.Function, in []compute.Value) (compute.Value, error) { return op(f, in[0], in[1]) }))
					tol := exact
					if name == "Pow" || name == "Atan2" { // through float64 on both sides, where the last bit is free
						tol = func(i int) float64 { return 0x1p-23 * math.Abs(want[0].at(i)) }
					}
					compare(t, fmt.Sprintf("%s of %s and %s", name, in[0].shape, in[1].shape), got[0], want[0], tol)
				}
			}
		}
	}
	all := []dtypes.DType{dtypes.Float32, dtypes.Float64, dtypes.Int8, dtypes.Int32, dtypes.Int64, dtypes.Uint8, dtypes.Uint32}
	check(everywhere, all...)
	check(floats, dtypes.Float32, dtypes.Float64)
	check(ints, all[2:]...)
}

func TestConvertMatchesReference(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	types := []dtypes.DType{dtypes.Bool, dtypes.Int8, dtypes.Int16, dtypes.Int32, dtypes.Int64, dtypes.Uint8, dtypes.Uint16,
		dtypes.Uint32, dtypes.Uint64, dtypes.Float32, dtypes.Float64}
	for _, from := range types {
		for _, to := range types {
			x := random(rng, dtypes.Uint8, 1030).as(from)
			got, want := both(t, []tensor{x}, one(func(f compute.Function, in []compute.Value) (compute.Value, error) {
				return f.ConvertDType(in[0], to)
			}))
			compare(t, fmt.Sprintf("%s to %s", from, to), got[0], want[0], exact)
		}
	}
}

func TestReduceMatchesReference(t *testing.T) {
	type op = func(f compute.Function, x compute.Value, axes ...int) (compute.Value, error)
	ops := map[string]op{"Sum": compute.Function.ReduceSum, "Max": compute.Function.ReduceMax, "Min": compute.Function.ReduceMin,
		"Product": compute.Function.ReduceProduct}
	rng := rand.New(rand.NewPCG(4, 1))
	for name, op := range ops {
		for _, d := range []dtypes.DType{dtypes.Float32, dtypes.Float64, dtypes.Int32, dtypes.Uint8} {
			for range 25 {
				dims := []int{1 + rng.IntN(9), 1 + rng.IntN(70), 1 + rng.IntN(20), 1 + rng.IntN(6)}[:1+rng.IntN(4)]
				axes := rng.Perm(len(dims))[:1+rng.IntN(len(dims))]
				permutation := rng.Perm(len(dims))
				x := random(rng, d, dims...)
				n := 1
				for _, a := range axes {
					n *= dims[permutation[a]]
				}
				// The operand is a transposed view, so strides take every order.
				got, want := both(t, []tensor{x}, one(func(f compute.Function, in []compute.Value) (compute.Value, error) {
					v, err := f.Transpose(in[0], permutation...)
					if err != nil {
						return nil, err
					}
					return op(f, v, axes...)
				}))
				tol := exact
				if d.IsFloat() && name == "Product" { // n roundings on either side
					eps := 0x1p-23
					if d == dtypes.Float64 {
						eps = 0x1p-52
					}
					tol = func(i int) float64 { return float64(n) * eps * math.Abs(want[0].at(i)) }
				}
				compare(t, fmt.Sprintf("%s of %s over %v after %v", name, x.shape, axes, permutation), got[0], want[0], tol)
			}
		}
	}
}

// dotCase is a random DotGeneral: batch, contracted and free axes in any order on either side.
func dotCase(rng *rand.Rand) (lhs, rhs []int, lc, lb, rc, rb []int, k int) {
	nb, nc := rng.IntN(3), rng.IntN(3)
	size := func() int { return []int{1, 2, 3, 5, 11}[rng.IntN(5)] }
	var shared []int
	k = 1
	for i := range nb + nc {
		shared = append(shared, size())
		if i >= nb {
			k *= shared[i]
		}
	}
	side := func() (dims, contract, batch []int) {
		free := rng.IntN(3)
		rank := nb + nc + free
		place := rng.Perm(rank)
		dims = make([]int, rank)
		for i := range rank {
			if i < nb+nc {
				dims[place[i]] = shared[i]
			} else {
				dims[place[i]] = size()
			}
		}
		return dims, place[nb : nb+nc], place[:nb]
	}
	lhs, lc, lb = side()
	rhs, rc, rb = side()
	return lhs, rhs, lc, lb, rc, rb, k
}

func TestDotGeneralMatchesReference(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 1))
	for range 100 {
		lhs, rhs, lc, lb, rc, rb, _ := dotCase(rng)
		for _, d := range []dtypes.DType{dtypes.Float32, dtypes.Float64, dtypes.Int32} {
			// Multiples of 1/8 below 8: products are multiples of 1/64 below 64, and sums of up to 11*11 of them are exact
			// in float32 in any order.
			in := []tensor{random(rng, d, lhs...), random(rng, d, rhs...)}
			got, want := both(t, in, one(func(f compute.Function, in []compute.Value) (compute.Value, error) {
				return f.DotGeneral(in[0], lc, lb, in[1], rc, rb, compute.DotGeneralConfig{})
			}))
			compare(t, fmt.Sprintf("DotGeneral %s %v %v by %s %v %v", in[0].shape, lc, lb, in[1].shape, rc, rb), got[0], want[0], exact)
		}
	}
}

// TestDotGeneralRounding checks products of numbers that do round against float64.
func TestDotGeneralRounding(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 1))
	for _, s := range [][3]int{{1, 1, 1}, {1, 300, 7}, {13, 1000, 1}, {37, 257, 65}, {200, 64, 300}} {
		m, k, n := s[0], s[1], s[2]
		a := tensor{normal(rng, m*k, 1), shapes.Make(dtypes.Float32, m, k)}
		b := tensor{normal(rng, n*k, 1), shapes.Make(dtypes.Float32, n, k)}
		build := one(func(f compute.Function, in []compute.Value) (compute.Value, error) {
			return f.DotGeneral(in[0], []int{1}, nil, in[1], []int{1}, nil, compute.DotGeneralConfig{})
		})
		absolute := one(func(f compute.Function, in []compute.Value) (compute.Value, error) {
			x, err := f.Abs(in[0])
			if err != nil {
				return nil, err
			}
			y, err := f.Abs(in[1])
			if err != nil {
				return nil, err
			}
			return f.DotGeneral(x, []int{1}, nil, y, []int{1}, nil, compute.DotGeneralConfig{})
		})
		got, err := execute(ours, []tensor{a, b}, nil, build)
		if err != nil {
			t.Fatal(err)
		}
		wide := []tensor{a.as(dtypes.Float64), b.as(dtypes.Float64)}
		want, err := execute(reference, wide, nil, build)
		if err != nil {
			t.Fatal(err)
		}
		size, err := execute(reference, wide, nil, absolute)
		if err != nil {
			t.Fatal(err)
		}
		compare(t, fmt.Sprint("product ", s), got[0].as(dtypes.Float64), want[0], func(i int) float64 {
			return 1.01 * float64(k) * 0x1p-24 * size[0].at(i) // any order of summation: Higham 2002, (3.5)
		})
	}
}
