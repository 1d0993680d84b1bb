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
	"github.com/gomlx/gomlx/core/graph"
)

// llamaBlock is a transformer block of SmolLM2-135M's shapes as package model writes it, for benchmarks and as a test of what
// is fused: D the width, F that of the MLP, H query and K key-value heads of d.
type llamaBlock struct {
	tokens, d, f, heads, kvHeads int
	cache                        int // > 0: keys and values live in a cache of that many positions
}

var smolLM2 = llamaBlock{tokens: 512, d: 576, f: 1536, heads: 9, kvHeads: 3}

func (b llamaBlock) headDim() int { return b.d / b.heads }

// weights are the shapes of the linear layers' weights, outputs x inputs, and of the two norms.
func (b llamaBlock) weights() [][]int {
	kv := b.kvHeads * b.headDim()
	return [][]int{{b.d, b.d}, {kv, b.d}, {kv, b.d}, {b.d, b.d}, {b.f, b.d}, {b.f, b.d}, {b.d, b.f}, {b.d}, {b.d}}
}

// inputs are the shapes of all parameters: x, cos, sin, the weights, and with a cache keys, values, used and length.
func (b llamaBlock) inputs() []shapes.Shape {
	all := []shapes.Shape{shapes.Make(dtypes.Float32, 1, b.tokens, b.d), shapes.Make(dtypes.Float32, b.tokens, b.headDim()),
		shapes.Make(dtypes.Float32, b.tokens, b.headDim())}
	for _, w := range b.weights() {
		all = append(all, shapes.Make(dtypes.Float32, w...))
	}
	if b.cache > 0 {
		kv := shapes.Make(dtypes.Float32, 1, b.cache, b.kvHeads, b.headDim())
		all = append(all, kv, kv, shapes.Make(dtypes.Int32), shapes.Make(dtypes.Int32, 1))
	}
	return all
}

func (b llamaBlock) matmuls() (flops float64) {
	for _, w := range b.weights()[:7] {
		flops += 2 * float64(b.tokens*w[0]*w[1])
	}
	return flops
}

func (b llamaBlock) build(in []*graph.Node) []*graph.Node {
	x, cos, sin, w := in[0], in[1], in[2], in[3:12]
	dense := func(x, w *graph.Node) *graph.Node {
		return graph.BackendFusedDense(x, w, nil, compute.DenseConfig{WeightLayout: compute.DenseLayoutOutputsInput})
	}
	norm := func(x, w *graph.Node) *graph.Node {
		mean := graph.ReduceAndKeep(graph.Mul(x, x), graph.ReduceMean, -1)
		scale := graph.Rsqrt(graph.AddScalar(mean, 1e-5))
		return graph.Mul(graph.Mul(x, scale), graph.ExpandLeftToRank(w, x.Rank()))
	}
	rotate := func(x *graph.Node) *graph.Node {
		d := b.headDim()
		first := graph.SliceAxis(x, 3, graph.AxisRange(0, d/2))
		second := graph.SliceAxis(x, 3, graph.AxisRange(d/2, d))
		swapped := graph.Concatenate([]*graph.Node{second, first}, 3)
		return graph.Add(graph.Mul(x, graph.Reshape(cos, 1, b.tokens, 1, d)), graph.Mul(swapped, graph.Reshape(sin, 1, b.tokens, 1, d)))
	}
	h := norm(x, w[7])
	q := rotate(graph.Reshape(dense(h, w[0]), 1, b.tokens, b.heads, b.headDim()))
	k := rotate(graph.Reshape(dense(h, w[1]), 1, b.tokens, b.kvHeads, b.headDim()))
	v := graph.Reshape(dense(h, w[2]), 1, b.tokens, b.kvHeads, b.headDim())
	cfg := &compute.ScaledDotProductAttentionConfig{Causal: b.cache == 0}
	var caches []*graph.Node
	if b.cache > 0 {
		zero := graph.ScalarZero(x.Graph(), dtypes.Int32)
		start := []*graph.Node{zero, in[14], zero, zero}
		k, v = graph.DynamicUpdateSlice(in[12], k, start), graph.DynamicUpdateSlice(in[13], v, start)
		caches = []*graph.Node{k, v}
		cfg.QuerySeqLen = graph.InternalBackendOutputs(graph.Const(x.Graph(), []int32{1}))[0]
		cfg.KeyValueSeqLen = graph.InternalBackendOutputs(in[15])[0]
	}
	a, _ := graph.BackendFusedScaledDotProductAttention(q, k, v, compute.AttentionAxesLayoutBSHD, cfg)
	x = graph.Add(x, dense(graph.Reshape(a, 1, b.tokens, b.d), w[3]))
	n := norm(x, w[8])
	gate := dense(n, w[4])
	m := graph.Mul(graph.Mul(gate, graph.Sigmoid(gate)), dense(n, w[5]))
	return append([]*graph.Node{graph.Add(x, dense(m, w[6]))}, caches...)
}

// compile builds the block for a backend.
func (b llamaBlock) compile(tb testing.TB, be compute.Backend) compute.Executable {
	g := graph.NewGraph(be, "block")
	var in []*graph.Node
	for i, s := range b.inputs() {
		in = append(in, graph.Parameter(g, fmt.Sprint("in", i), s))
	}
	if err := g.Compile(b.build(in)...); err != nil {
		tb.Fatal(err)
	}
	return g.Executable()
}

// buffers returns random inputs, the same for a given seed; weights have the scale that keeps activations near 1.
func (b llamaBlock) buffers(tb testing.TB, be compute.Backend, seed uint64) []compute.Buffer {
	rng := rand.New(rand.NewPCG(seed, 1))
	var out []compute.Buffer
	for i, s := range b.inputs() {
		var flat any
		if s.DType == dtypes.Int32 {
			flat = []int32{int32(b.cache/2 + i - 14)} // used, then length = used + 1
		} else {
			scale := 1.0
			if s.Rank() == 2 && i > 2 {
				scale = 1 / math.Sqrt(float64(s.Dimensions[1]))
			}
			flat = normal(rng, s.Size(), scale)
		}
		buf, err := be.BufferFromFlatData(0, flat, s)
		if err != nil {
			tb.Fatal(err)
		}
		out = append(out, buf)
	}
	return out
}

func normal(rng *rand.Rand, n int, scale float64) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64() * scale)
	}
	return x
}

// TestBlockFusesItsParts holds the compiled block to the kernels that it needs: a pattern that stops matching shows here.
func TestBlockFusesItsParts(t *testing.T) {
	be := New()
	got := smolLM2.compile(t, be).(*Executable).Steps()
	want := []string{"RMSNorm", "DotGeneral", "Rotary", "DotGeneral", "Rotary", "DotGeneral", "Attention", "DotGeneral", "Add",
		"RMSNorm", "DotGeneral", "DotGeneral", "Mul", "DotGeneral", "Add"}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the block compiles to %v, want %v", got, want)
	}
}
