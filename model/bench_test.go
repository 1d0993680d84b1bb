package model

import (
	"context"
	"testing"
)

// BenchmarkPrefill reads a prompt of 512 tokens in float32 into an empty session.
func BenchmarkPrefill(b *testing.B) {
	benchmarkPrefill(b, SessionOptions{Float32: true})
}

// BenchmarkPrefillBlocks does it straight from the file's blocks.
func BenchmarkPrefillBlocks(b *testing.B) {
	benchmarkPrefill(b, SessionOptions{})
}

func benchmarkPrefill(b *testing.B, opts SessionOptions) {
	s, tokens := benchmarkSession(b, opts, 512)
	for b.Loop() {
		s.Truncate(0)
		if _, err := s.Append(context.Background(), tokens); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(tokens))/b.Elapsed().Seconds(), "tokens/s")
}

// BenchmarkDecode generates single tokens at positions 64 to 255 from the file's blocks.
func BenchmarkDecode(b *testing.B) {
	benchmarkDecode(b, SessionOptions{})
}

// BenchmarkDecodeFloat32 generates with weights in float32.
func BenchmarkDecodeFloat32(b *testing.B) {
	benchmarkDecode(b, SessionOptions{Float32: true})
}

func benchmarkDecode(b *testing.B, opts SessionOptions) {
	ctx := context.Background()
	s, tokens := benchmarkSession(b, opts, 64)
	var sampler Sampler
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if n%192 == 0 {
			b.StopTimer()
			s.Truncate(0)
			logits, err := s.Append(ctx, tokens)
			if err != nil {
				b.Fatal(err)
			}
			tokens[0] = sampler.Next(logits)
			b.StartTimer()
		}
		n++
		logits, err := s.Append(ctx, tokens[:1])
		if err != nil {
			b.Fatal(err)
		}
		tokens[0] = sampler.Next(logits)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
}

// benchmarkSession returns a session of SmolLM2 and a text of n tokens, which has been read once.
func benchmarkSession(b *testing.B, opts SessionOptions, n int) (*Session, []int) {
	l, g := openSmolLM2(b)
	s, err := l.NewSession(context.Background(), opts)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.Close)
	var tokens []int
	for len(tokens) < n {
		tokens = append(tokens, g.Tokens...)
	}
	if _, err := s.Append(context.Background(), tokens[:n]); err != nil {
		b.Fatal(err)
	}
	return s, tokens[:n]
}
