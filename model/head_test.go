package model

import (
	"math"
	"math/big"
	"testing"
)

func TestLogAddExp(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	for _, tc := range []struct{ a, b, want float64 }{
		{-inf, -inf, -inf}, {-inf, 3, 3}, {3, -inf, 3}, {0, 0, math.Ln2}, {1000, 1000, 1000 + math.Ln2}, {-1000, -1000, -1000 + math.Ln2},
		{700, -700, 700}, {nan, 0, nan}, {0, nan, nan}, {-inf, nan, nan}, {nan, -inf, nan},
	} {
		got := logAddExp(tc.a, tc.b)
		if math.IsNaN(tc.want) != math.IsNaN(got) || !math.IsNaN(got) && got != tc.want && !(math.Abs(got-tc.want) <= 4*0x1p-53*math.Abs(tc.want)) {
			t.Errorf("logAddExp(%v, %v) = %v, want %v", tc.a, tc.b, got, tc.want)
		}
	}
	// log(e^a + e^b) of integers is the log of a sum of powers: with base 2 it is exact in big arithmetic.
	for _, tc := range []struct{ m, n int }{{10, 3}, {40, 1}, {60, 59}, {300, 299}} {
		sum := new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), uint(tc.m)), new(big.Int).Lsh(big.NewInt(1), uint(tc.n)))
		f, _ := new(big.Float).SetInt(sum).Float64()
		got := logAddExp(float64(tc.m)*math.Ln2, float64(tc.n)*math.Ln2)
		if want := math.Log(f); !(math.Abs(got-want) <= 4*0x1p-53*want) {
			t.Errorf("log(2^%d + 2^%d) = %v, want %v", tc.m, tc.n, got, want)
		}
	}
}

// TestBatchesCoverEverySequence checks the plan for equal, different and many different lengths.
func TestBatchesCoverEverySequence(t *testing.T) {
	var many []int
	for n := range 700 {
		many = append(many, n)
	}
	for _, lengths := range [][]int{{}, {0}, {5}, {2048, 2048, 2048}, {7, 7, 7, 7, 7}, {1, 600, 1}, many} {
		seen := make([]int, len(lengths))
		shapes := map[[2]int]bool{}
		for _, b := range batches(lengths) {
			shapes[[2]int{len(b.sequences), b.tokens}] = true
			if len(b.sequences) > 1 && len(b.sequences)*b.tokens > maxBatchTokens {
				t.Errorf("a batch of %d sequences of %d tokens", len(b.sequences), b.tokens)
			}
			for _, s := range b.sequences {
				seen[s]++
				if n := lengths[s]; n > b.tokens || b.tokens-n > max(15, n/8) {
					t.Errorf("a sequence of %d tokens in a batch of %d", n, b.tokens)
				}
			}
		}
		for s, n := range lengths {
			if want := min(n, 1); seen[s] != want {
				t.Errorf("a sequence of %d tokens is in %d batches, want %d", n, seen[s], want)
			}
		}
		if len(shapes) > 150 {
			t.Errorf("%d shapes to compile for %d sequences", len(shapes), len(lengths))
		}
	}
}
