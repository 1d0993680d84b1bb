package model

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Sampler chooses the next token from logits. Its zero value is greedy: the token of the largest logit, the first of several.
type Sampler struct {
	Temperature float64 // logits are divided by it; 0 means greedy
	TopK        int     // only the k most likely tokens are drawn from; 0 means all
	TopP        float64 // only the smallest set of most likely tokens with this probability; 0 or 1 means all (Holtzman et al., arXiv 1904.09751)
	Seed        uint64  // of the PCG that draws; equal seeds and logits give equal tokens

	rng        *rand.Rand
	candidates []candidate
}

type candidate struct {
	id int
	p  float64
}

// Next returns the token chosen from logits, which it does not modify. NaN is never chosen as long as a number is there.
func (s *Sampler) Next(logits []float32) int {
	if s.Temperature <= 0 {
		return argMax(logits)
	}
	if s.rng == nil {
		s.rng = rand.New(rand.NewPCG(s.Seed, 0))
	}
	c := s.likeliest(logits)
	total := 0.0
	for _, x := range c {
		total += x.p
	}
	draw := s.rng.Float64() * total
	for _, x := range c {
		if draw -= x.p; draw < 0 {
			return x.id
		}
	}
	return c[len(c)-1].id
}

// likeliest returns the tokens to draw from, most likely first, with unnormalised probabilities.
func (s *Sampler) likeliest(logits []float32) []candidate {
	top := float64(logits[argMax(logits)])
	c := s.candidates[:0]
	for id, v := range logits {
		if p := math.Exp((float64(v) - top) / s.Temperature); p > 0 { // false for NaN
			c = append(c, candidate{id, p})
		}
	}
	s.candidates = c
	if len(c) == 0 {
		return []candidate{{argMax(logits), 1}}
	}
	if s.TopK <= 0 && !(s.TopP > 0 && s.TopP < 1) {
		return c // no need to sort
	}
	slices.SortFunc(c, func(a, b candidate) int {
		switch {
		case a.p > b.p:
			return -1
		case a.p < b.p:
			return 1
		}
		return a.id - b.id
	})
	if s.TopK > 0 && s.TopK < len(c) {
		c = c[:s.TopK]
	}
	if s.TopP > 0 && s.TopP < 1 {
		c = c[:nucleus(c, s.TopP)]
	}
	return c
}

// nucleus returns the length of the shortest prefix that holds the share p of the probability.
func nucleus(c []candidate, p float64) int {
	total := 0.0
	for _, x := range c {
		total += x.p
	}
	sum := 0.0
	for i, x := range c {
		if sum += x.p; sum >= p*total {
			return i + 1
		}
	}
	return len(c)
}

// argMax returns the index of the first largest number; 0 when all are NaN.
func argMax(x []float32) int {
	best := -1
	for i, v := range x {
		if v == v && (best < 0 || v > x[best]) {
			best = i
		}
	}
	return max(best, 0)
}
