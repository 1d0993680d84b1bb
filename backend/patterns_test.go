package backend

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// graphOps writes expressions without an error check at every node: the first error is kept.
type graphOps struct {
	f   compute.Function
	err error
}

func (g *graphOps) ok(v compute.Value, err error) compute.Value {
	if err != nil && g.err == nil {
		g.err = err
	}
	return v
}
func (g *graphOps) shape(v compute.Value) shapes.Shape {
	s, err := g.f.Shape(v)
	g.ok(nil, err)
	return s
}
func (g *graphOps) mul(a, b compute.Value) compute.Value { return g.ok(g.f.Mul(a, b)) }
func (g *graphOps) div(a, b compute.Value) compute.Value { return g.ok(g.f.Div(a, b)) }
func (g *graphOps) add(a, b compute.Value) compute.Value { return g.ok(g.f.Add(a, b)) }
func (g *graphOps) sub(a, b compute.Value) compute.Value { return g.ok(g.f.Sub(a, b)) }
func (g *graphOps) neg(a compute.Value) compute.Value    { return g.ok(g.f.Neg(a)) }

// number is a scalar constant of x's type.
func (g *graphOps) number(x compute.Value, v float64) compute.Value {
	if g.shape(x).DType == dtypes.Float64 {
		return g.ok(g.f.Constant([]float64{v}))
	}
	return g.ok(g.f.Constant([]float32{float32(v)}))
}

// half is half i of x's last axis.
func (g *graphOps) half(x compute.Value, i int) compute.Value {
	s := g.shape(x)
	starts, limits := make([]int, s.Rank()), slices.Clone(s.Dimensions)
	last := s.Rank() - 1
	starts[last] = i * s.Dimensions[last] / 2
	limits[last] = (i + 1) * s.Dimensions[last] / 2
	return g.ok(g.f.Slice(x, starts, limits, nil))
}

func (g *graphOps) join(a, b compute.Value) compute.Value {
	return g.ok(g.f.Concatenate(g.shape(a).Rank()-1, a, b))
}

// meanSquare is mean(x²) over the last axis with the axis kept, as a sum times 1/n or divided by n.
func (g *graphOps) meanSquare(x compute.Value, divide bool) compute.Value {
	s := g.shape(x)
	last := s.Rank() - 1
	n := float64(s.Dimensions[last])
	sum := g.ok(g.f.ReduceSum(g.mul(x, x), last))
	if divide {
		sum = g.div(sum, g.number(x, n))
	} else {
		sum = g.mul(sum, g.number(x, 1/n))
	}
	return g.ok(g.f.Reshape(sum, append(slices.Clone(s.Dimensions[:last]), 1)...))
}

// pattern is a decomposed operation, what it compiles to, and nothing else.
type pattern struct {
	name  string
	in    [][]int
	build func(g *graphOps, in []compute.Value) compute.Value
	steps []string
}

var patterns = []pattern{
	{"rms norm", [][]int{{2, 7, 48}, {48}}, func(g *graphOps, in []compute.Value) compute.Value {
		x := in[0]
		scale := g.ok(g.f.Rsqrt(g.add(g.meanSquare(x, false), g.number(x, 1e-5))))
		return g.mul(g.mul(x, scale), g.ok(g.f.Reshape(in[1], 1, 1, 48)))
	}, []string{"RMSNorm"}},
	{"rms norm, weight first and broadcast", [][]int{{2, 7, 48}, {48}}, func(g *graphOps, in []compute.Value) compute.Value {
		x := in[0]
		scale := g.ok(g.f.Rsqrt(g.add(g.number(x, 1e-5), g.meanSquare(x, true))))
		scale = g.ok(g.f.BroadcastInDim(scale, g.shape(x), []int{0, 1, 2}))
		return g.mul(g.ok(g.f.BroadcastInDim(in[1], g.shape(x), []int{2})), g.mul(scale, x))
	}, []string{"RMSNorm"}},
	{"rms norm by division", [][]int{{9, 33}, {1, 33}}, func(g *graphOps, in []compute.Value) compute.Value {
		x := in[0]
		return g.mul(g.div(x, g.ok(g.f.Sqrt(g.add(g.meanSquare(x, true), g.number(x, 1e-6))))), in[1])
	}, []string{"RMSNorm"}},
	{"norm weighted by rows", [][]int{{8, 8}, {8, 1}}, func(g *graphOps, in []compute.Value) compute.Value {
		scale := g.ok(g.f.Rsqrt(g.add(g.meanSquare(in[0], false), g.number(in[0], 1e-5))))
		return g.mul(g.mul(in[0], scale), in[1])
	}, []string{"RMSNorm", "Mul"}},
	{"swiglu", [][]int{{5, 300}, {5, 300}}, func(g *graphOps, in []compute.Value) compute.Value {
		return g.mul(g.mul(in[0], g.ok(g.f.Logistic(in[0]))), in[1])
	}, []string{"Mul"}},
	{"rotary, signed sines", [][]int{{2, 5, 3, 16}, {5, 16}, {5, 16}}, func(g *graphOps, in []compute.Value) compute.Value {
		x := in[0]
		cos, sin := g.ok(g.f.Reshape(in[1], 1, 5, 1, 16)), g.ok(g.f.Reshape(in[2], 1, 5, 1, 16))
		return g.add(g.mul(x, cos), g.mul(g.join(g.half(x, 1), g.half(x, 0)), sin))
	}, []string{"Rotary"}},
	{"rotary, negated half", [][]int{{2, 3, 5, 16}, {5, 16}, {5, 16}}, func(g *graphOps, in []compute.Value) compute.Value {
		x := in[0]
		cos, sin := g.ok(g.f.Reshape(in[1], 1, 1, 5, 16)), g.ok(g.f.Reshape(in[2], 1, 1, 5, 16))
		return g.add(g.mul(g.join(g.neg(g.half(x, 1)), g.half(x, 0)), sin), g.mul(cos, x))
	}, []string{"Rotary"}},
	{"rotary by halves", [][]int{{2, 5, 3, 16}, {1, 5, 1, 8}, {1, 5, 1, 8}}, func(g *graphOps, in []compute.Value) compute.Value {
		x1, x2 := g.half(in[0], 0), g.half(in[0], 1)
		return g.join(g.sub(g.mul(x1, in[1]), g.mul(x2, in[2])), g.add(g.mul(x1, in[2]), g.mul(x2, in[1])))
	}, []string{"Rotary"}},
}

// lookalikes differ from a pattern in one place that changes the result.
var lookalikes = []pattern{
	{"norm over another axis", [][]int{{8, 8}}, func(g *graphOps, in []compute.Value) compute.Value {
		x := in[0]
		sum := g.mul(g.ok(g.f.ReduceSum(g.mul(x, x), 0)), g.number(x, 1.0/8))
		return g.mul(x, g.ok(g.f.Rsqrt(g.add(g.ok(g.f.Reshape(sum, 8, 1)), g.number(x, 1e-5)))))
	}, nil},
	{"norm scaled by columns", [][]int{{8, 8}}, func(g *graphOps, in []compute.Value) compute.Value {
		x := in[0]
		mean := g.mul(g.ok(g.f.ReduceSum(g.mul(x, x), 1)), g.number(x, 1.0/8))
		scale := g.ok(g.f.Rsqrt(g.add(mean, g.number(x, 1e-5))))
		return g.mul(x, g.ok(g.f.BroadcastInDim(scale, g.shape(x), []int{1})))
	}, nil},
	{"norm with another factor", [][]int{{8, 8}}, func(g *graphOps, in []compute.Value) compute.Value {
		x := in[0]
		sum := g.mul(g.ok(g.f.ReduceSum(g.mul(x, x), 1)), g.number(x, 1.0/7))
		return g.mul(x, g.ok(g.f.Rsqrt(g.add(g.ok(g.f.Reshape(sum, 8, 1)), g.number(x, 1e-5)))))
	}, nil},
	{"norm of another tensor", [][]int{{8, 8}, {8, 8}}, func(g *graphOps, in []compute.Value) compute.Value {
		scale := g.ok(g.f.Rsqrt(g.add(g.meanSquare(in[1], false), g.number(in[0], 1e-5))))
		return g.mul(in[0], scale)
	}, nil},
	{"gate of another tensor", [][]int{{5, 30}, {5, 30}}, func(g *graphOps, in []compute.Value) compute.Value {
		return g.mul(in[0], g.ok(g.f.Logistic(in[1])))
	}, nil},
	{"rotation without exchange", [][]int{{4, 16}, {4, 16}, {4, 16}}, func(g *graphOps, in []compute.Value) compute.Value {
		x := in[0]
		return g.add(g.mul(x, in[1]), g.mul(g.join(g.half(x, 0), g.half(x, 1)), in[2]))
	}, nil},
	{"rotation of two tensors", [][]int{{4, 16}, {4, 16}, {4, 16}}, func(g *graphOps, in []compute.Value) compute.Value {
		return g.add(g.mul(in[0], in[1]), g.mul(g.join(g.half(in[2], 1), g.half(in[2], 0)), in[1]))
	}, nil},
	{"halves with other signs", [][]int{{4, 16}, {4, 8}, {4, 8}}, func(g *graphOps, in []compute.Value) compute.Value {
		x1, x2 := g.half(in[0], 0), g.half(in[0], 1)
		return g.join(g.sub(g.mul(x1, in[1]), g.mul(x2, in[2])), g.add(g.mul(x1, in[1]), g.mul(x2, in[2])))
	}, nil},
}

// TestPatterns checks that decomposed operations compile to one kernel and give what the reference computes in float64. A
// result is a sum of at most two products of values that are off by at most c ulp relative to their size; the size of each
// term is at most 8*8*8 here, and c = 8 covers the norm (a root, a reciprocal, a mean in float64, two products), the logistic
// (2 ulp) and their products.
func TestPatterns(t *testing.T) {
	for i, p := range append(slices.Clone(patterns), lookalikes...) {
		rng := rand.New(rand.NewPCG(uint64(i), 30))
		var in, wide []tensor
		for _, dims := range p.in {
			x := tensor{normal(rng, product(dims), 1), shapes.Make(dtypes.Float32, dims...)}
			in, wide = append(in, x), append(wide, x.as(dtypes.Float64))
		}
		build := one(func(f compute.Function, in []compute.Value) (compute.Value, error) {
			g := &graphOps{f: f}
			v := p.build(g, in)
			return v, g.err
		})
		exe, _ := compileFor(t, ours, in, build)
		if p.steps != nil && !slices.Equal(exe.Steps(), p.steps) {
			t.Errorf("%s: compiles to %v, want %v", p.name, exe.Steps(), p.steps)
		}
		if p.steps == nil && (slices.Contains(exe.Steps(), "RMSNorm") || slices.Contains(exe.Steps(), "Rotary")) {
			t.Errorf("%s: taken for a pattern: %v", p.name, exe.Steps())
		}
		got, err := execute(ours, in, nil, build)
		if err != nil {
			t.Fatalf("%s: %v", p.name, err)
		}
		want, err := execute(reference, wide, nil, build)
		if err != nil {
			t.Fatalf("%s: reference: %v", p.name, err)
		}
		largest := 1.0
		for i := range want[0].shape.Size() {
			largest = max(largest, math.Abs(want[0].at(i)))
		}
		compare(t, p.name, got[0].as(dtypes.Float64), want[0], func(int) float64 { return 8 * 0x1p-23 * 2 * largest })
	}
}

// TestFusedMatchDefinitions compares fused operations with their definitions, computed by the reference in float64.
func TestFusedMatchDefinitions(t *testing.T) {
	rng := rand.New(rand.NewPCG(31, 1))
	for _, dims := range [][]int{{1}, {7}, {3, 1025}, {5, 4, 6}, {2, 3, 4, 33}} {
		x := tensor{normal(rng, product(dims), 3), shapes.Make(dtypes.Float32, dims...)}
		wide := []tensor{x.as(dtypes.Float64)}
		for axis := range dims {
			got, err := execute(ours, []tensor{x}, nil, one(func(f compute.Function, in []compute.Value) (compute.Value, error) {
				return f.FusedSoftmax(in[0], axis)
			}))
			if err != nil {
				t.Fatal(err)
			}
			others := freeAxes(len(dims), []int{axis}, nil)
			want, err := execute(reference, wide, nil, one(func(f compute.Function, in []compute.Value) (compute.Value, error) {
				g := &graphOps{f: f}
				shape := g.shape(in[0])
				spread := func(v compute.Value) compute.Value { return g.ok(f.BroadcastInDim(v, shape, others)) }
				e := g.ok(f.Exp(g.sub(in[0], spread(g.ok(f.ReduceMax(in[0], axis))))))
				return g.div(e, spread(g.ok(f.ReduceSum(e, axis)))), g.err
			}))
			if err != nil {
				t.Fatal(err)
			}
			// x - max is rounded (half an ulp of at most 32) before the exponential multiplies errors; 2 ulp for exp, 1 for
			// the reciprocal, 1 for the product.
			compare(t, fmt.Sprint("softmax ", dims, axis), got[0].as(dtypes.Float64), want[0], func(i int) float64 {
				return (32*0x1p-24 + 4*0x1p-23) * want[0].at(i)
			})
		}
	}
}

func TestLayerNormMatchesDefinition(t *testing.T) {
	rng := rand.New(rand.NewPCG(32, 1))
	for _, tc := range []struct {
		dims, axes []int
	}{{[]int{5, 33}, []int{1}}, {[]int{4, 3, 20}, []int{1, 2}}, {[]int{6, 5, 4}, []int{0, 2}}, {[]int{9}, []int{0}}} {
		width := 1
		var inner []int
		for _, a := range tc.axes {
			width *= tc.dims[a]
			inner = append(inner, tc.dims[a])
		}
		x := tensor{normal(rng, product(tc.dims), 2), shapes.Make(dtypes.Float32, tc.dims...)}
		gamma := tensor{normal(rng, width, 1), shapes.Make(dtypes.Float32, inner...)}
		beta := tensor{normal(rng, width, 1), shapes.Make(dtypes.Float32, inner...)}
		for _, parts := range []int{1, 2, 3} { // x; x, gamma; x, gamma, beta
			in := []tensor{x, gamma, beta}[:parts]
			pick := func(in []compute.Value, i int) compute.Value {
				if i < parts {
					return in[i]
				}
				return nil
			}
			got, err := execute(ours, in, nil, one(func(f compute.Function, in []compute.Value) (compute.Value, error) {
				return f.FusedLayerNorm(in[0], tc.axes, 1e-5, pick(in, 1), pick(in, 2))
			}))
			if err != nil {
				t.Fatal(err)
			}
			var wide []tensor
			for _, x := range in {
				wide = append(wide, x.as(dtypes.Float64))
			}
			others := freeAxes(len(tc.dims), tc.axes, nil)
			want, err := execute(reference, wide, nil, one(func(f compute.Function, in []compute.Value) (compute.Value, error) {
				g := &graphOps{f: f}
				shape := g.shape(in[0])
				mean := func(v compute.Value) compute.Value {
					sum := g.ok(f.ReduceSum(v, tc.axes...))
					return g.ok(f.BroadcastInDim(g.div(sum, g.number(in[0], float64(width))), shape, others))
				}
				centred := g.sub(in[0], mean(in[0]))
				y := g.div(centred, g.ok(f.Sqrt(g.add(mean(g.mul(centred, centred)), g.number(in[0], 1e-5)))))
				if parts > 1 {
					y = g.mul(y, g.ok(f.BroadcastInDim(in[1], shape, tc.axes)))
				}
				if parts > 2 {
					y = g.add(y, g.ok(f.BroadcastInDim(in[2], shape, tc.axes)))
				}
				return y, g.err
			}))
			if err != nil {
				t.Fatal(err)
			}
			// Mean and scale are rounded to float32 once (relative 2^-24, of values up to 8 here), then three operations.
			compare(t, fmt.Sprint("layer norm ", tc.dims, tc.axes, parts), got[0].as(dtypes.Float64), want[0], func(i int) float64 {
				return 6 * 0x1p-24 * (8 + math.Abs(want[0].at(i)))
			})
		}
	}
}

func TestFusedDenseMatchesDefinition(t *testing.T) {
	rng := rand.New(rand.NewPCG(33, 1))
	x := random(rng, dtypes.Float32, 2, 5, 12)
	for _, layout := range []compute.DenseLayout{compute.DenseLayoutInputOutputs, compute.DenseLayoutOutputsInput} {
		w := random(rng, dtypes.Float32, 12, 4, 6)
		if layout == compute.DenseLayoutOutputsInput {
			w = random(rng, dtypes.Float32, 4, 6, 12)
		}
		bias := random(rng, dtypes.Float32, 4, 6)
		product := func(f compute.Function, in []compute.Value) (compute.Value, error) {
			g := &graphOps{f: f}
			axis := 0
			if layout == compute.DenseLayoutOutputsInput {
				axis = 2
			}
			y := g.ok(f.DotGeneral(in[0], []int{2}, nil, in[1], []int{axis}, nil, compute.DotGeneralConfig{}))
			return g.add(y, g.ok(f.BroadcastInDim(in[2], g.shape(y), []int{2, 3}))), g.err
		}
		for activation, apply := range map[compute.ActivationType]func(x float64) float64{
			compute.ActivationNone:      func(x float64) float64 { return x },
			compute.ActivationRelu:      func(x float64) float64 { return max(x, 0) },
			compute.ActivationSilu:      func(x float64) float64 { return x / (1 + math.Exp(-x)) },
			compute.ActivationTanh:      math.Tanh,
			compute.ActivationGelu:      func(x float64) float64 { return x / 2 * math.Erfc(-x/math.Sqrt2) },
			compute.ActivationHardSwish: func(x float64) float64 { return x * min(max(x+3, 0), 6) / 6 },
		} {
			got, err := execute(ours, []tensor{x, w, bias}, nil, one(func(f compute.Function, in []compute.Value) (compute.Value, error) {
				return f.FusedDense(in[0], in[1], in[2], compute.DenseConfig{Activation: activation, WeightLayout: layout})
			}))
			if err != nil {
				t.Fatal(err)
			}
			want, err := execute(reference, []tensor{x.as(dtypes.Float64), w.as(dtypes.Float64), bias.as(dtypes.Float64)}, nil, one(product))
			if err != nil {
				t.Fatal(err)
			}
			y := want[0].flat.([]float64)
			for i := range y {
				y[i] = apply(y[i])
			}
			// The sums are exact (multiples of 1/64 below 2^10); activations promise 2 ulp, and Gelu loses relative
			// accuracy in its tail, where it is below 2^-20 of x: an absolute part.
			compare(t, fmt.Sprint(layout, " ", activation), got[0].as(dtypes.Float64), want[0], func(i int) float64 {
				return 4*0x1p-23*math.Abs(y[i]) + 0x1p-40
			})
		}
	}
}

// TestRowsAreNotOverwrittenWhileNeeded: a norm whose weight is a row of its own operand, and a rotation whose table is, give
// the same whether or not the operand may be overwritten.
func TestRowsAreNotOverwrittenWhileNeeded(t *testing.T) {
	rng := rand.New(rand.NewPCG(34, 1))
	x := tensor{normal(rng, 4*8, 1), shapes.Make(dtypes.Float32, 4, 8)}
	for name, op := range map[string]func(g *graphOps, y, row compute.Value) compute.Value{
		"layer norm": func(g *graphOps, y, row compute.Value) compute.Value {
			return g.ok(g.f.FusedLayerNorm(y, []int{1}, 1e-5, g.ok(g.f.Reshape(row, 8)), nil))
		},
		"rotary": func(g *graphOps, y, row compute.Value) compute.Value {
			return g.add(g.mul(y, row), g.mul(g.join(g.half(y, 1), g.half(y, 0)), row))
		},
	} {
		run := func(keep bool) tensor {
			out, err := execute(ours, []tensor{x}, nil, func(f compute.Function, in []compute.Value) ([]compute.Value, error) {
				g := &graphOps{f: f}
				y := g.add(in[0], in[0])
				results := []compute.Value{op(g, y, g.ok(f.Slice(y, []int{1, 0}, []int{2, 8}, nil)))}
				if keep {
					results = append(results, y)
				}
				return results, g.err
			})
			if err != nil {
				t.Fatal(err)
			}
			return out[0]
		}
		compare(t, name, run(false), run(true), exact)
	}
}
