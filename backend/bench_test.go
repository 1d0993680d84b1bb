package backend

import (
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// BenchmarkBlock runs a block of SmolLM2-135M's shapes: a prompt of 512 tokens, and one token with a cache of 1024 positions,
// half of them used. GFLOP/s counts the seven matrix products.
func BenchmarkBlock(b *testing.B) {
	decode := smolLM2
	decode.tokens, decode.cache = 1, 1024
	b.Run("prompt512", func(b *testing.B) { benchmarkBlock(b, New(), smolLM2) })
	b.Run("decode", func(b *testing.B) { benchmarkBlock(b, New(), decode) })
}

func benchmarkBlock(b *testing.B, be compute.Backend, block llamaBlock) {
	exe := block.compile(b, be)
	in := block.buffers(b, be, 1)
	donate := make([]bool, len(in))
	if block.cache > 0 {
		donate[12], donate[13] = true, true
	}
	b.ReportAllocs()
	for b.Loop() {
		out, err := exe.Execute(in, donate, 0)
		if err != nil {
			b.Fatal(err)
		}
		out[0].Finalize()
		if block.cache > 0 {
			in[12], in[13] = out[1], out[2]
		}
	}
	b.ReportMetric(block.matmuls()/b.Elapsed().Seconds()*float64(b.N)/1e9, "GFLOP/s")
}

// BenchmarkOpOverhead runs a hundred dependent operations on eight numbers; the time divided by 100 is what an operation
// costs beyond its arithmetic. Alternating kernels keep them from fusing.
func BenchmarkOpOverhead(b *testing.B) {
	be := New()
	builder := be.Builder("overhead")
	main := builder.Main()
	x, _ := main.Parameter("x", shapes.Make(dtypes.Float32, 8), nil)
	y := x
	for range 50 {
		y, _ = main.FusedSoftmax(y, 0)
		y, _ = main.Add(y, x)
	}
	if err := main.Return([]compute.Value{y}, nil); err != nil {
		b.Fatal(err)
	}
	exe, err := builder.Compile()
	if err != nil {
		b.Fatal(err)
	}
	in, err := be.BufferFromFlatData(0, make([]float32, 8), shapes.Make(dtypes.Float32, 8))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		out, err := exe.Execute([]compute.Buffer{in}, nil, 0)
		if err != nil {
			b.Fatal(err)
		}
		out[0].Finalize()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/step")
}
