package backend

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

func TestMovesMatchReference(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 1))
	for range 150 {
		rank := 1 + rng.IntN(4)
		dims := make([]int, rank)
		for i := range dims {
			dims[i] = 1 + rng.IntN(9)
		}
		if rng.IntN(8) == 0 {
			dims[rng.IntN(rank)] = 70
		}
		d := []dtypes.DType{dtypes.Float32, dtypes.Float64, dtypes.Int16, dtypes.Bool}[rng.IntN(4)]
		x := random(rng, dtypes.Uint8, dims...).as(d)
		name := x.shape.String()
		run := func(op string, in []tensor, f func(f compute.Function, in []compute.Value) (compute.Value, error)) {
			t.Helper()
			got, want := both(t, in, one(f))
			compare(t, op+" of "+name, got[0], want[0], exact)
		}
		permutation := rng.Perm(rank)
		run(fmt.Sprint("Transpose ", permutation), []tensor{x}, func(f compute.Function, in []compute.Value) (compute.Value, error) {
			return f.Transpose(in[0], permutation...)
		})
		starts, limits, strides := make([]int, rank), make([]int, rank), make([]int, rank)
		sizes := make([]int, rank)
		for i, n := range dims {
			starts[i] = rng.IntN(n)
			limits[i] = starts[i] + 1 + rng.IntN(n-starts[i])
			strides[i] = 1 + rng.IntN(3)
			sizes[i] = 1 + rng.IntN(n)
		}
		run(fmt.Sprint("Slice ", starts, limits, strides), []tensor{x}, func(f compute.Function, in []compute.Value) (compute.Value, error) {
			return f.Slice(in[0], starts, limits, strides)
		})
		axes := rng.Perm(rank)[:1+rng.IntN(rank)]
		run(fmt.Sprint("Reverse ", axes), []tensor{x}, func(f compute.Function, in []compute.Value) (compute.Value, error) {
			return f.Reverse(in[0], axes...)
		})
		run("Transpose, Slice, Reverse, Reshape", []tensor{x}, func(f compute.Function, in []compute.Value) (compute.Value, error) {
			v, err := f.Slice(in[0], starts, limits, strides)
			if err != nil {
				return nil, err
			}
			if v, err = f.Transpose(v, permutation...); err != nil {
				return nil, err
			}
			if v, err = f.Reverse(v, axes...); err != nil {
				return nil, err
			}
			s, err := f.Shape(v)
			if err != nil {
				return nil, err
			}
			return f.Reshape(v, s.Size())
		})
		if d != dtypes.Bool {
			pads := make([]compute.PadAxis, rank)
			for i := range pads {
				pads[i] = compute.PadAxis{Start: rng.IntN(3), End: rng.IntN(3), Interior: rng.IntN(3)}
			}
			run(fmt.Sprint("Pad ", pads), []tensor{x, random(rng, d)}, func(f compute.Function, in []compute.Value) (compute.Value, error) {
				return f.Pad(in[0], in[1], pads...)
			})
		}
		axis := rng.IntN(rank)
		run(fmt.Sprint("Concatenate ", axis), []tensor{x}, func(f compute.Function, in []compute.Value) (compute.Value, error) {
			part, err := f.Slice(in[0], make([]int, rank), withAxis(dims, axis, limits[axis]), nil)
			if err != nil {
				return nil, err
			}
			return f.Concatenate(axis, in[0], part, in[0])
		})
		// The reference lacks dynamic slices: the oracle is a slice, or paddings, at the position that clamping gives.
		at, clamped, ends, around := make([]tensor, rank), make([]int, rank), make([]int, rank), make([]compute.PadAxis, rank)
		for i, n := range dims {
			start := rng.IntN(n+4) - 2
			at[i] = tensor{[]int32{int32(start)}, shapes.Make(dtypes.Int32)}
			clamped[i] = min(max(start, 0), n-sizes[i])
			ends[i] = clamped[i] + sizes[i]
			around[i] = compute.PadAxis{Start: clamped[i], End: n - ends[i]}
		}
		oracle := func(op string, in, known []tensor, f, g func(f compute.Function, in []compute.Value) (compute.Value, error)) {
			t.Helper()
			got, err := execute(ours, in, nil, one(f))
			if err != nil {
				t.Fatal(err)
			}
			want, err := execute(reference, known, nil, one(g))
			if err != nil {
				t.Fatal(err)
			}
			compare(t, op+" of "+name, got[0], want[0], exact)
		}
		oracle(fmt.Sprint("DynamicSlice ", clamped, sizes), append([]tensor{x}, at...), []tensor{x},
			func(f compute.Function, in []compute.Value) (compute.Value, error) {
				return f.DynamicSlice(in[0], in[1:], sizes)
			},
			func(f compute.Function, in []compute.Value) (compute.Value, error) {
				return f.Slice(in[0], clamped, ends, nil)
			})
		update := random(rng, dtypes.Uint8, sizes...).as(d)
		ones := tensor{make([]bool, product(sizes)), shapes.Make(dtypes.Bool, sizes...)}
		for i := range product(sizes) {
			ones.flat.([]bool)[i] = true
		}
		zero := random(rng, d)
		no := tensor{[]bool{false}, shapes.Make(dtypes.Bool)}
		oracle(fmt.Sprint("DynamicUpdateSlice ", clamped, sizes), append([]tensor{x, update}, at...), []tensor{x, update, ones, zero, no},
			func(f compute.Function, in []compute.Value) (compute.Value, error) {
				return f.DynamicUpdateSlice(in[0], in[1], in[2:])
			},
			func(f compute.Function, in []compute.Value) (compute.Value, error) {
				there, err := f.Pad(in[2], in[4], around...)
				if err != nil {
					return nil, err
				}
				v, err := f.Pad(in[1], in[3], around...)
				if err != nil {
					return nil, err
				}
				return f.Where(there, v, in[0])
			})
	}
}

func withAxis(dims []int, axis, n int) []int {
	out := append([]int(nil), dims...)
	out[axis] = n
	return out
}

func TestPadRemoves(t *testing.T) {
	// Interior padding puts the fill value -1 between elements; negative amounts then cut: worked out by hand.
	in := []tensor{{[]float32{1, 2, 3}, shapes.Make(dtypes.Float32, 3)}, {[]float32{-1}, shapes.Make(dtypes.Float32)}}
	for _, tc := range []struct {
		axis compute.PadAxis
		want []float32
	}{
		{compute.PadAxis{Start: -1, End: 0, Interior: 1}, []float32{-1, 2, -1, 3}},
		{compute.PadAxis{Start: -2, End: -1, Interior: 1}, []float32{2, -1}},
		{compute.PadAxis{Start: 1, End: -2}, []float32{-1, 1}},
		{compute.PadAxis{Start: -3, End: 2}, []float32{-1, -1}},
		{compute.PadAxis{Start: 2, End: -3}, []float32{-1, -1}},
	} {
		got, err := execute(ours, in, nil, one(func(f compute.Function, in []compute.Value) (compute.Value, error) {
			return f.Pad(in[0], in[1], tc.axis)
		}))
		if err != nil {
			t.Fatal(err)
		}
		compare(t, fmt.Sprint(tc.axis), got[0], tensor{tc.want, shapes.Make(dtypes.Float32, len(tc.want))}, exact)
	}
}

func TestGatherMatchesReference(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 1))
	for range 100 {
		rows, width := 1+rng.IntN(50), 1+rng.IntN(40)
		x := random(rng, dtypes.Float32, rows, width)
		batch := []int{1 + rng.IntN(5), 1 + rng.IntN(30)}[:1+rng.IntN(2)]
		n := product(batch)
		index := make([]int32, n)
		for i := range index {
			index[i] = int32(rng.IntN(rows+4) - 2) // also outside: clamped
		}
		in := []tensor{x, {index, shapes.Make(dtypes.Int32, append(batch, 1)...)}}
		got, want := both(t, in, one(func(f compute.Function, in []compute.Value) (compute.Value, error) {
			return f.Gather(in[0], in[1], len(batch), []int{len(batch)}, []int{0}, []int{0}, []int{1, width}, false)
		}))
		compare(t, "rows", got[0], want[0], exact)
		// Boxes of two indexed axes, the index vector first, the box's axes around the batch axis.
		h, w := 1+rng.IntN(rows), 1+rng.IntN(width)
		pairs := make([]int32, 2*n)
		for i := range pairs {
			pairs[i] = int32(rng.IntN(50) - 2)
		}
		in = []tensor{x, {pairs, shapes.Make(dtypes.Int32, 2, n)}}
		got, want = both(t, in, one(func(f compute.Function, in []compute.Value) (compute.Value, error) {
			return f.Gather(in[0], in[1], 0, []int{0, 2}, nil, []int{1, 0}, []int{h, w}, false)
		}))
		compare(t, "boxes", got[0], want[0], exact)
	}
}

func TestArgMinMaxMatchesReference(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 1))
	for range 60 {
		dims := []int{1 + rng.IntN(6), 1 + rng.IntN(50), 1 + rng.IntN(6)}
		axis, smallest := rng.IntN(3), rng.IntN(2) == 0
		got, want := both(t, []tensor{random(rng, dtypes.Float32, dims...)}, one(func(f compute.Function, in []compute.Value) (compute.Value, error) {
			return f.ArgMinMax(in[0], axis, dtypes.Int32, smallest)
		}))
		compare(t, fmt.Sprint(dims, axis, smallest), got[0], want[0], exact)
	}
}

// randomProgram builds a graph of exact operations on float32 tensors: sums and products of small multiples of 1/8 are kept
// small by clamping, so both backends must agree bit for bit, however operations are fused, placed in memory or ordered.
func randomProgram(rng *rand.Rand, size int) buildFn {
	return func(f compute.Function, in []compute.Value) (outputs []compute.Value, err error) {
		values := append([]compute.Value(nil), in...)
		must := func(v compute.Value, e error) compute.Value {
			if e != nil && err == nil {
				err = e
			}
			return v
		}
		lo, hi := must(f.Constant([]float32{-4})), must(f.Constant([]float32{4}))
		for range size {
			x, y := values[rng.IntN(len(values))], values[rng.IntN(len(values))]
			sx, sy := shapeOf(f, x), shapeOf(f, y)
			same := sx.Equal(sy)
			var v compute.Value
			switch op := rng.IntN(16); {
			case op < 2 && same:
				v = must(f.Add(x, y))
			case op < 4 && same:
				v = must(f.Sub(x, y))
			case op < 5 && same:
				v = must(f.Max(x, y))
			case op < 6 && same:
				v = must(f.Where(must(f.LessThan(x, y)), y, must(f.Neg(x))))
			case op < 7:
				v = must(f.Transpose(x, rng.Perm(sx.Rank())...))
			case op < 8:
				dims := append([]int(nil), sx.Dimensions...)
				rng.Shuffle(len(dims), func(i, j int) { dims[i], dims[j] = dims[j], dims[i] })
				v = must(f.Reshape(x, dims...))
			case op < 9: // row maxima, broadcast again
				axis := rng.IntN(sx.Rank())
				rest := append(append([]int(nil), 0, 1, 2)[:axis], []int{0, 1, 2}[axis+1:]...)
				v = must(f.BroadcastInDim(must(f.ReduceMax(x, axis)), sx, rest))
			case op < 10:
				v = must(f.Reverse(x, rng.IntN(sx.Rank())))
			case op < 11: // halves exchanged
				axis := rng.IntN(sx.Rank())
				cut := withAxis(make([]int, sx.Rank()), axis, rng.IntN(sx.Dimensions[axis]))
				a := must(f.Slice(x, make([]int, sx.Rank()), withAxis(sx.Dimensions, axis, cut[axis]), nil))
				b := must(f.Slice(x, cut, sx.Dimensions, nil))
				v = must(f.Concatenate(axis, b, a))
			case op < 12:
				v = must(pasteCorner(f, x, sx))
			case op < 13:
				v = must(f.ConvertDType(must(f.ConvertDType(x, dtypes.Int32)), dtypes.Float32))
			case op < 14 && same:
				v = must(f.Add(x, must(f.ConvertDType(must(f.GreaterOrEqual(x, y)), dtypes.Float32))))
			default:
				v = must(f.Identity(x))
			}
			if err != nil {
				return nil, err
			}
			values = append(values, must(f.Clamp(lo, v, hi)))
			if rng.IntN(3) == 0 {
				values = append(values, v)
			}
		}
		for range 1 + rng.IntN(4) {
			outputs = append(outputs, values[rng.IntN(len(values))])
		}
		return append(outputs, values[len(values)-1]), err
	}
}

// pasteCorner copies the first element of x over its element (1, 1, 1); the reference, which lacks dynamic slices, selects.
func pasteCorner(f compute.Function, x compute.Value, s shapes.Shape) (compute.Value, error) {
	corner, err := f.Slice(x, []int{0, 0, 0}, []int{1, 1, 1}, nil)
	if err != nil {
		return nil, err
	}
	if _, mine := f.(*Function); mine {
		one, err := f.Constant([]int32{1})
		if err != nil {
			return nil, err
		}
		return f.DynamicUpdateSlice(x, corner, []compute.Value{one, one, one})
	}
	there := make([]bool, s.Size())
	there[(s.Dimensions[1]+1)*s.Dimensions[2]+1] = true
	mask, err := f.Constant(there, s.Dimensions...)
	if err != nil {
		return nil, err
	}
	if corner, err = f.BroadcastInDim(corner, s, []int{0, 1, 2}); err != nil {
		return nil, err
	}
	return f.Where(mask, corner, x)
}

func shapeOf(f compute.Function, v compute.Value) shapes.Shape {
	s, err := f.Shape(v)
	if err != nil {
		panic(err)
	}
	return s
}

func TestRandomProgramsMatchReference(t *testing.T) {
	for seed := range uint64(400) {
		rng := rand.New(rand.NewPCG(seed, 10))
		a, b, c := 2+rng.IntN(6), 3+rng.IntN(20), 2+rng.IntN(9)
		if seed%40 == 0 {
			b = 3000 // several pieces
		}
		in := []tensor{random(rng, dtypes.Float32, a, b, c), random(rng, dtypes.Float32, a, b, c), random(rng, dtypes.Float32, b, c, a)}
		size := 3 + rng.IntN(40)
		donate := []bool{rng.IntN(2) == 0, rng.IntN(2) == 0, rng.IntN(2) == 0}
		got, err := execute(ours, in, donate, randomProgram(rand.New(rand.NewPCG(seed, 11)), size))
		if err != nil {
			t.Fatalf("seed %d: ours: %v", seed, err)
		}
		want, err := execute(reference, in, nil, randomProgram(rand.New(rand.NewPCG(seed, 11)), size))
		if err != nil {
			t.Fatalf("seed %d: reference: %v", seed, err)
		}
		for i := range got {
			compare(t, fmt.Sprintf("seed %d, output %d", seed, i), got[i], want[i], exact)
		}
		if t.Failed() {
			return
		}
	}
}
