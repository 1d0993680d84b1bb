package backend

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// attentionCase is one configuration; dims in the order batch, heads, kvHeads, queries, keys, width.
type attentionCase struct {
	batch, heads, kvHeads, queries, keys, width int
	layout                                      compute.AttentionAxesLayout
	causal, bias, lens                          bool
	mask                                        string // "", "bool", "add", "band"; "bool4" and "add4" have a row for each head
}

func (c attentionCase) dims(heads, positions int) []int {
	if c.layout == compute.AttentionAxesLayoutBSHD {
		return []int{c.batch, positions, heads, c.width}
	}
	return []int{c.batch, heads, positions, c.width}
}

// index returns the position of element (b, h, i, 0) in a tensor of the case's layout.
func (c attentionCase) index(heads, positions, b, h, i int) int {
	if c.layout == compute.AttentionAxesLayoutBSHD {
		return ((b*positions+i)*heads + h) * c.width
	}
	return ((b*heads+h)*positions + i) * c.width
}

// inputs draws q, k, v and the optional operands.
func (c attentionCase) inputs(rng *rand.Rand) (in []tensor) {
	for _, d := range [][]int{c.dims(c.heads, c.queries), c.dims(c.kvHeads, c.keys), c.dims(c.kvHeads, c.keys)} {
		in = append(in, tensor{normal(rng, product(d), 1), shapes.Make(dtypes.Float32, d...)})
	}
	switch c.mask {
	case "bool":
		in = append(in, random(rng, dtypes.Uint8, c.queries, c.keys).as(dtypes.Bool))
	case "band": // key tiles that no query sees
		m := make([]bool, c.queries*c.keys)
		for i := range c.queries {
			for j := range c.keys {
				m[i*c.keys+j] = j > i && j < i+5
			}
		}
		in = append(in, tensor{m, shapes.Make(dtypes.Bool, c.queries, c.keys)})
	case "offset": // causal, the queries being the last positions
		m := make([]bool, c.queries*c.keys)
		for i := range m {
			m[i] = i%c.keys <= i/c.keys+c.keys-c.queries
		}
		in = append(in, tensor{m, shapes.Make(dtypes.Bool, c.queries, c.keys)})
	case "add":
		m := tensor{normal(rng, c.queries*c.keys, 1), shapes.Make(dtypes.Float32, 1, 1, c.queries, c.keys)}
		if c.layout == compute.AttentionAxesLayoutBSHD {
			m.shape = shapes.Make(dtypes.Float32, 1, c.queries, 1, c.keys)
		}
		for i, v := range m.flat.([]float32) {
			if v > 1 {
				m.flat.([]float32)[i] = float32(math.Inf(-1))
			}
		}
		in = append(in, m)
	case "bool4":
		d := []int{c.batch, c.heads, c.queries, c.keys}
		if c.layout == compute.AttentionAxesLayoutBSHD {
			d = []int{c.batch, c.queries, c.heads, c.keys}
		}
		in = append(in, random(rng, dtypes.Uint8, d...).as(dtypes.Bool))
	}
	if c.bias {
		in = append(in, tensor{normal(rng, c.heads*c.queries*c.keys, 1), shapes.Make(dtypes.Float32, 1, c.heads, c.queries, c.keys)})
	}
	if c.lens {
		q, k := make([]int32, c.batch), make([]int32, c.batch)
		for b := range q {
			q[b], k[b] = int32(rng.IntN(c.queries+2)), int32(rng.IntN(c.keys+2))
		}
		s := shapes.Make(dtypes.Int32, c.batch)
		in = append(in, tensor{q, s}, tensor{k, s})
	}
	return in
}

func (c attentionCase) build(f compute.Function, in []compute.Value) (compute.Value, error) {
	cfg := &compute.ScaledDotProductAttentionConfig{Causal: c.causal}
	rest := in[3:]
	if c.mask != "" {
		cfg.Mask, rest = rest[0], rest[1:]
	}
	if c.bias {
		cfg.Bias, rest = rest[0], rest[1:]
	}
	if c.lens {
		cfg.QuerySeqLen, cfg.KeyValueSeqLen = rest[0], rest[1]
	}
	out, _, err := f.FusedScaledDotProductAttention(in[0], in[1], in[2], c.layout, cfg)
	return out, err
}

// brute computes row (b, h, i) in float64, and a bound on the error of float32 arithmetic: scores are dot products of width
// terms, so they are off by at most delta = (width+3) u sum|q k| scale + 2 u |score| + 4u (bias, subtraction of the maximum,
// exponential); weights are then off by a factor within 1 +- 2 delta, and the sum over keys adds keys u, relative to
// sum w |v|. Both bounds are first order; the factor 1.1 covers the rest.
func (c attentionCase) brute(in []tensor, b, h, i int) (row, tolerance []float64) {
	const u = 0x1p-24
	q, k, v := in[0].flat.([]float32), in[1].flat.([]float32), in[2].flat.([]float32)
	row, tolerance = make([]float64, c.width), make([]float64, c.width)
	rest := in[3:]
	visible := func(j int) (add float64, ok bool) {
		r := rest
		ok = !c.causal || j <= i
		at := i*c.keys + j
		switch c.mask {
		case "bool", "band", "offset":
			ok = ok && r[0].flat.([]bool)[at]
		case "add":
			add += float64(r[0].flat.([]float32)[at])
		case "bool4":
			if c.layout == compute.AttentionAxesLayoutBSHD {
				ok = ok && r[0].flat.([]bool)[((b*c.queries+i)*c.heads+h)*c.keys+j]
			} else {
				ok = ok && r[0].flat.([]bool)[((b*c.heads+h)*c.queries+i)*c.keys+j]
			}
		}
		if c.mask != "" {
			r = r[1:]
		}
		if c.bias {
			add += float64(r[0].flat.([]float32)[h*c.queries*c.keys+at])
			r = r[1:]
		}
		if c.lens {
			ok = ok && i < int(r[0].flat.([]int32)[b]) && j < int(r[1].flat.([]int32)[b])
		}
		return add, ok && !math.IsInf(add, -1)
	}
	scale := 1 / math.Sqrt(float64(c.width))
	kv := h / (c.heads / c.kvHeads)
	qi := c.index(c.heads, c.queries, b, h, i)
	scores := make([]float64, c.keys)
	top, delta := math.Inf(-1), 0.0
	for j := range scores {
		scores[j] = math.Inf(-1)
		if add, ok := visible(j); ok {
			kj := c.index(c.kvHeads, c.keys, b, kv, j)
			dot, size := 0.0, 0.0
			for d := range c.width {
				x := float64(q[qi+d]) * float64(k[kj+d]) * scale
				dot, size = dot+x, size+math.Abs(x)
			}
			scores[j] = dot + add
			top = max(top, scores[j])
			delta = max(delta, (float64(c.width)+3)*u*size+2*u*(math.Abs(dot)+math.Abs(add))+4*u)
		}
	}
	if math.IsInf(top, -1) {
		return row, tolerance // nothing visible: zero
	}
	sum := 0.0
	for j := range scores {
		scores[j] = math.Exp(scores[j] - top)
		sum += scores[j]
	}
	for j, w := range scores {
		vj := c.index(c.kvHeads, c.keys, b, kv, j)
		for d := range c.width {
			row[d] += w / sum * float64(v[vj+d])
			tolerance[d] += 1.1 * (2*delta + float64(c.keys+8)*u) * w / sum * math.Abs(float64(v[vj+d]))
		}
	}
	return row, tolerance
}

func TestAttentionMatchesBruteForce(t *testing.T) {
	bhsd, bshd := compute.AttentionAxesLayoutBHSD, compute.AttentionAxesLayoutBSHD
	cases := []attentionCase{
		{2, 4, 2, 5, 7, 8, bhsd, false, false, false, ""},
		{1, 1, 1, 1, 1, 1, bhsd, true, false, false, ""},
		{1, 9, 3, 130, 130, 64, bshd, true, false, false, ""},   // several tiles of queries and keys
		{2, 6, 1, 33, 33, 5, bshd, true, false, false, ""},      // all heads share one
		{1, 9, 3, 1, 1030, 64, bshd, false, false, true, ""},    // a decode step: two tiles of keys
		{1, 4, 2, 2, 1500, 8, bhsd, false, true, false, "bool"}, // keys are split
		{2, 3, 1, 1, 1300, 16, bshd, false, false, false, "band"},
		{3, 2, 2, 10, 12, 16, bshd, false, false, true, ""}, // padded batches
		{2, 2, 1, 70, 9, 4, bhsd, true, false, true, ""},    // causal and padded, more queries than keys
		{1, 4, 2, 65, 300, 16, bhsd, false, false, false, "bool"},
		{1, 2, 2, 40, 1500, 16, bshd, false, false, false, "band"},
		{1, 4, 2, 100, 300, 16, bshd, false, false, false, "offset"},
		{1, 3, 1, 20, 200, 7, bshd, false, false, false, "add"},
		{1, 3, 1, 20, 200, 7, bhsd, false, false, false, "add"},
		{2, 4, 2, 6, 30, 8, bshd, false, false, false, "bool4"},
		{2, 4, 2, 6, 30, 8, bhsd, false, true, false, "bool4"},
		{1, 4, 4, 50, 50, 8, bhsd, true, true, false, ""},
	}
	for seed, c := range cases {
		in := c.inputs(rand.New(rand.NewPCG(uint64(seed), 20)))
		got, err := execute(ours, in, nil, one(c.build))
		if err != nil {
			t.Errorf("%+v: %v", c, err)
			continue
		}
		out := got[0].flat.([]float32)
		for b := range c.batch {
			for h := range c.heads {
				for i := range c.queries {
					want, tol := c.brute(in, b, h, i)
					at := c.index(c.heads, c.queries, b, h, i)
					for d := range want {
						if g := float64(out[at+d]); !(math.Abs(g-want[d]) <= tol[d]) {
							t.Fatalf("%+v: batch %d head %d query %d element %d: got %v, want %v within %.2g", c, b, h, i, d, g, want[d], tol[d])
						}
					}
				}
			}
		}
	}
}

// TestAttentionKeepsNoScores: memory does not grow with queries times keys.
func TestAttentionKeepsNoScores(t *testing.T) {
	c := attentionCase{batch: 1, heads: 4, kvHeads: 4, queries: 8192, keys: 8192, width: 8, layout: compute.AttentionAxesLayoutBSHD, causal: true}
	b := New().Builder("attention")
	f := b.Main()
	var in []compute.Value
	for range 3 {
		p, err := f.Parameter("x", shapes.Make(dtypes.Float32, c.dims(4, 8192)...), nil)
		if err != nil {
			t.Fatal(err)
		}
		in = append(in, p)
	}
	v, err := c.build(f, in)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Return([]compute.Value{v}, nil); err != nil {
		t.Fatal(err)
	}
	exe, err := b.Compile()
	if err != nil {
		t.Fatal(err)
	}
	if got := exe.(*Executable).TemporaryBytes(); got != 0 {
		t.Errorf("%d bytes of temporaries, want none", got)
	}
}

func TestAttentionRejectsShapes(t *testing.T) {
	be := New()
	f := be.Builder("bad").Main()
	p := func(d dtypes.DType, dims ...int) compute.Value {
		v, err := f.Parameter("x", shapes.Make(d, dims...), nil)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	q, k := p(dtypes.Float32, 1, 4, 5, 8), p(dtypes.Float32, 1, 2, 5, 8)
	for name, c := range map[string]struct {
		q, k, v compute.Value
		cfg     compute.ScaledDotProductAttentionConfig
	}{
		"heads not divisible": {q, p(dtypes.Float32, 1, 3, 5, 8), p(dtypes.Float32, 1, 3, 5, 8), compute.ScaledDotProductAttentionConfig{}},
		"another width":       {q, p(dtypes.Float32, 1, 2, 5, 4), p(dtypes.Float32, 1, 2, 5, 4), compute.ScaledDotProductAttentionConfig{}},
		"values differ":       {q, k, p(dtypes.Float32, 1, 2, 6, 8), compute.ScaledDotProductAttentionConfig{}},
		"mask too wide":       {q, k, k, compute.ScaledDotProductAttentionConfig{Mask: p(dtypes.Bool, 5, 6)}},
		"one length":          {q, k, k, compute.ScaledDotProductAttentionConfig{QuerySeqLen: p(dtypes.Int32, 1)}},
		"float64":             {p(dtypes.Float64, 1, 4, 5, 8), p(dtypes.Float64, 1, 2, 5, 8), p(dtypes.Float64, 1, 2, 5, 8), compute.ScaledDotProductAttentionConfig{}},
	} {
		_, _, err := f.FusedScaledDotProductAttention(c.q, c.k, c.v, compute.AttentionAxesLayoutBHSD, &c.cfg)
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
		if got := compute.IsNotImplemented(err); got != (name == "float64") {
			t.Errorf("%s: not-implemented is %v for %v", name, got, err)
		}
	}
}

// BenchmarkAttention reports GFLOP/s of the two products, counting masked scores as well.
func BenchmarkAttention(b *testing.B) {
	for _, c := range []attentionCase{
		{1, 9, 3, 512, 512, 64, compute.AttentionAxesLayoutBSHD, true, false, false, ""},
		{1, 9, 3, 512, 2048, 64, compute.AttentionAxesLayoutBSHD, false, false, false, "offset"},
		{1, 9, 3, 1, 256, 64, compute.AttentionAxesLayoutBSHD, false, false, false, ""},
		{1, 9, 3, 1, 2048, 64, compute.AttentionAxesLayoutBSHD, false, false, false, ""},
	} {
		b.Run(fmt.Sprintf("%dx%d%s", c.queries, c.keys, c.mask), func(b *testing.B) {
			in := c.inputs(rand.New(rand.NewPCG(1, 1)))
			exe, buffers := compileFor(b, ours, in, one(c.build))
			for b.Loop() {
				out, err := exe.Execute(buffers, nil, 0)
				if err != nil {
					b.Fatal(err)
				}
				out[0].Finalize()
			}
			flops := 4 * float64(c.batch*c.heads*c.queries*c.keys*c.width)
			b.ReportMetric(flops*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
}

func compileFor(tb testing.TB, be *Backend, in []tensor, build buildFn) (*Executable, []compute.Buffer) {
	tb.Helper()
	builder := be.Builder("test")
	f := builder.Main()
	var params []compute.Value
	var buffers []compute.Buffer
	for i, x := range in {
		p, err := f.Parameter(fmt.Sprint("x", i), x.shape, nil)
		if err != nil {
			tb.Fatal(err)
		}
		buf, err := be.BufferFromFlatData(0, x.flat, x.shape)
		if err != nil {
			tb.Fatal(err)
		}
		params, buffers = append(params, p), append(buffers, buf)
	}
	values, err := build(f, params)
	if err == nil {
		err = f.Return(values, nil)
	}
	if err != nil {
		tb.Fatal(err)
	}
	exe, err := builder.Compile()
	if err != nil {
		tb.Fatal(err)
	}
	return exe.(*Executable), buffers
}
