package quant

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// smolLM2 lists the matrices that one token of SmolLM2-135M needs: 30 blocks in Q4_1 and the tied embedding in Q8_0, 96 MB.
func smolLM2() []stored {
	rng := rand.New(rand.NewPCG(1, 1))
	var ms []stored
	for range 30 {
		for _, shape := range [][2]int{{576, 576}, {192, 576}, {192, 576}, {576, 576}, {1536, 576}, {1536, 576}, {576, 1536}} {
			ms = append(ms, randomMatrix(rng, Q4_1, shape[0], shape[1]))
		}
	}
	return append(ms, randomMatrix(rng, Q8_0, 49152, 576))
}

// BenchmarkSmolLM2 is all matrix products of one decoding step, in the order of the model; GB/s are of stored bytes.
func BenchmarkSmolLM2(b *testing.B) {
	ms := smolLM2()
	var bytes int64
	for _, m := range ms {
		bytes += int64(len(m.data))
	}
	for _, tokens := range []int{1, 2, 4, 8, 16, 64, 512} {
		b.Run(fmt.Sprintf("tokens=%d", tokens), func(b *testing.B) {
			x, dst := make([]float32, 1536*tokens), make([]float32, 49152*tokens)
			for i := range x {
				x[i] = float32(i%31) - 15
			}
			var ws Workspace
			b.SetBytes(bytes)
			for b.Loop() {
				for _, m := range ms {
					if err := MulTo(m.t, dst, m.rows, m.data, m.rows, m.cols, x, m.cols, tokens, &ws); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(b.Elapsed().Seconds()*1e3/float64(b.N)/float64(tokens), "ms/token")
		})
	}
}

func BenchmarkMulTo(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, t := range []Type{Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q6_K, Q5_K, F16, F32} {
		m := randomMatrix(rng, t, 16384, 1536) // beyond the caches
		for _, tokens := range []int{1, 4} {
			b.Run(fmt.Sprintf("%v/tokens=%d", t, tokens), func(b *testing.B) {
				x, dst := make([]float32, m.cols*tokens), make([]float32, m.rows*tokens)
				for i := range x {
					x[i] = float32(i%31) - 15
				}
				var ws Workspace
				b.SetBytes(int64(len(m.data)))
				for b.Loop() {
					if err := MulTo(t, dst, m.rows, m.data, m.rows, m.cols, x, m.cols, tokens, &ws); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
