package model

import (
	"math"
	"slices"
	"testing"
)

func TestGreedyIsTheFirstLargest(t *testing.T) {
	nan := float32(math.NaN())
	inf := float32(math.Inf(1))
	for _, tc := range []struct {
		logits []float32
		want   int
	}{{[]float32{1, 3, 3, 2}, 1}, {[]float32{nan, -5, nan}, 1}, {[]float32{nan, nan}, 0}, {[]float32{0, inf, inf}, 1}, {[]float32{-inf, -inf}, 0}} {
		var s Sampler
		if got := s.Next(tc.logits); got != tc.want {
			t.Errorf("%v: %d, want %d", tc.logits, got, tc.want)
		}
	}
}

// TestSamplingFollowsTheDistribution draws often and compares frequencies with probabilities worked out by hand.
func TestSamplingFollowsTheDistribution(t *testing.T) {
	ln := func(p float64) float32 { return float32(math.Log(p)) }
	logits := []float32{ln(0.1), ln(0.4), ln(0.2), ln(0.3), float32(math.NaN()), float32(math.Inf(-1))}
	for _, tc := range []struct {
		name    string
		sampler Sampler
		want    []float64
	}{
		{"as it is", Sampler{Temperature: 1}, []float64{0.1, 0.4, 0.2, 0.3, 0, 0}},
		{"hot", Sampler{Temperature: 2}, normalised(math.Sqrt(0.1), math.Sqrt(0.4), math.Sqrt(0.2), math.Sqrt(0.3), 0, 0)},
		{"top 2", Sampler{Temperature: 1, TopK: 2}, []float64{0, 4. / 7, 0, 3. / 7, 0, 0}},
		{"nucleus 0.8", Sampler{Temperature: 1, TopP: 0.8}, normalised(0, 0.4, 0.2, 0.3, 0, 0)},
		{"nucleus 0.65 of the top 3", Sampler{Temperature: 1, TopK: 3, TopP: 0.65}, normalised(0, 0.4, 0, 0.3, 0, 0)},
		{"nucleus below the first", Sampler{Temperature: 1, TopP: 0.01}, []float64{0, 1, 0, 0, 0, 0}},
	} {
		const n = 20000
		tc.sampler.Seed = 7
		counts := make([]int, len(logits))
		for range n {
			counts[tc.sampler.Next(logits)]++
		}
		for id, p := range tc.want {
			// Five standard deviations of a binomial count: one failure in a million draws of the seed.
			if tol := 5 * math.Sqrt(n*p*(1-p)); !(math.Abs(float64(counts[id])-n*p) <= tol) {
				t.Errorf("%s: token %d drawn %d times, want %.0f within %.0f", tc.name, id, counts[id], n*p, tol)
			}
		}
	}
}

func normalised(p ...float64) []float64 {
	sum := 0.0
	for _, v := range p {
		sum += v
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

func TestSeedFixesTheText(t *testing.T) {
	logits := []float32{0, 1, 2, 1, 0}
	draw := func(seed uint64) []int {
		s := Sampler{Temperature: 1, Seed: seed}
		out := make([]int, 50)
		for i := range out {
			out[i] = s.Next(logits)
		}
		return out
	}
	if !slices.Equal(draw(1), draw(1)) {
		t.Error("the same seed draws different tokens")
	}
	if slices.Equal(draw(1), draw(2)) {
		t.Error("different seeds draw the same 50 tokens")
	}
}

func TestSamplingWithoutNumbersChoosesSomething(t *testing.T) {
	for _, v := range []float64{math.NaN(), math.Inf(-1), math.Inf(1)} {
		s := Sampler{Temperature: 1, TopP: 0.5}
		if got := s.Next([]float32{float32(v), float32(v)}); got < 0 || got > 1 {
			t.Errorf("%v: token %d", v, got)
		}
	}
}
