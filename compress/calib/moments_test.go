package calib

import (
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/internal/simd"
	"github.com/eckart-go/eckart/lowrank"
)

// inputs returns tokens x n numbers with a mean and one outlier channel.
func inputs(tokens, n int, seed uint64) []float32 {
	rng := rand.New(rand.NewPCG(seed, 1))
	x := make([]float32, tokens*n)
	for i := range x {
		x[i] = float32(rng.NormFloat64() + 0.25)
		if i%n == 3 {
			x[i] *= 1000
		}
	}
	return x
}

// gramError bounds the error of a Gram matrix of k tokens relative to the sum of |x_i x_j|: the bound of simd.DsyrkS.
func gramError(k int) float64 {
	const d = simd.GramDepth
	return d*0x1p-24/(1-d*0x1p-24) + float64((k+d-1)/d+2)*0x1p-53
}

func TestMomentsEqualDirectSums(t *testing.T) {
	const n = 19
	for _, tokens := range []int{1, 127, 128, 129, 300} {
		x := inputs(tokens, n, uint64(tokens))
		m := NewMoments(n)
		m.Add(x, tokens)
		for i := range n {
			var s, a float64
			for p := range tokens {
				s += float64(x[p*n+i])
				a += math.Abs(float64(x[p*n+i]))
			}
			eps := float64(tokens) * 0x1p-53 // relative error of a sum of this length in any order (Higham 2002, 4.4)
			if math.Abs(m.Sum[i]-s) > 2*eps*a || math.Abs(m.Abs[i]-a) > 2*eps*a {
				t.Errorf("tokens=%d channel %d: sums %v, %v; want %v, %v", tokens, i, m.Sum[i], m.Abs[i], s, a)
			}
			for j := range n {
				var g, abs float64
				for p := range tokens {
					v := float64(x[p*n+i]) * float64(x[p*n+j])
					g += v
					abs += math.Abs(v)
				}
				if math.Abs(m.Gram.At(i, j)-g) > (gramError(tokens)+2*eps)*abs {
					t.Errorf("tokens=%d: Gram(%d, %d) = %v, want %v", tokens, i, j, m.Gram.At(i, j), g)
				}
			}
		}
	}
}

func TestCovarianceIsCentred(t *testing.T) {
	const n, tokens = 7, 500
	x := inputs(tokens, n, 9)
	m := NewMoments(n)
	m.Add(x, tokens)
	cov, mean := m.Covariance(), m.Mean()
	for i := range n {
		for j := range n {
			var want float64
			for p := range tokens {
				want += (float64(x[p*n+i]) - mean[i]) * (float64(x[p*n+j]) - mean[j])
			}
			want /= tokens
			scale := math.Sqrt(m.Gram.At(i, i)*m.Gram.At(j, j)) / tokens // E[x²]: cancellation is relative to this
			if d := math.Abs(cov.At(i, j) - want); d > (gramError(tokens)+4*tokens*0x1p-53)*scale {
				t.Errorf("covariance(%d, %d) = %v, want %v", i, j, cov.At(i, j), want)
			}
		}
	}
}

// What rounding in the moments costs: factors whitened by them are as good as those whitened by moments in float64, where
// outlier channels make the condition 1e7.
func TestMomentsAreAccurateEnough(t *testing.T) {
	const n, m, tokens = 60, 40, 1500
	x := inputs(tokens, n, 11)
	got := NewMoments(n)
	got.Add(x, tokens)
	exact := mat.NewSymDense(n, nil)
	for i := range n {
		for j := i; j < n; j++ {
			var sum float64
			for p := range tokens {
				sum += float64(x[p*n+i]) * float64(x[p*n+j])
			}
			exact.SetSym(i, j, sum)
		}
	}
	rng := rand.New(rand.NewPCG(12, 1))
	w := mat.NewDense(m, n, nil)
	for i := range m {
		for j := range n {
			w.Set(i, j, rng.NormFloat64())
		}
	}
	judge, err := lowrank.NewWhitener(exact)
	if err != nil {
		t.Fatal(err)
	}
	s, err := judge.Spectrum(w, 0, lowrank.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if c := judge.Condition(); c < 1e6 {
		t.Errorf("condition %.3g: the inputs are too easy", c)
	}
	for _, k := range []int{1, 10, 30} {
		f, err := lowrank.Whitened(w, got.Gram, k, lowrank.Options{})
		if err != nil {
			t.Fatal(err)
		}
		c, err := s.Certify(f.B, f.A)
		if err != nil {
			t.Fatal(err)
		}
		// The loss is of second order in the perturbation of G, some 1e-7 of it.
		if loss := c.Weighted/c.Optimum - 1; !(loss < 1e-10) {
			t.Errorf("rank %d: error %.3g above the optimum", k, loss)
		}
	}
}

func TestMomentsDoNotDependOnThreads(t *testing.T) {
	const n, tokens = 150, 700
	x := inputs(tokens, n, 4)
	var first []float64
	for _, procs := range []int{1, 2, 5} {
		old := runtime.GOMAXPROCS(procs)
		m := NewMoments(n)
		m.Add(x, tokens)
		runtime.GOMAXPROCS(old)
		data := m.Gram.RawSymmetric().Data
		if first == nil {
			first = data
		}
		for i := range data {
			if data[i] != first[i] {
				t.Fatalf("GOMAXPROCS=%d changes element %d", procs, i)
			}
		}
	}
}

func TestCheckNamesTheChannel(t *testing.T) {
	x := inputs(4, 5, 1)
	x[2*5+3] = float32(math.NaN())
	m := NewMoments(5)
	if err := m.Check(); err == nil || !strings.Contains(err.Error(), "no token") {
		t.Errorf("empty moments: %v", err)
	}
	m.Add(x, 4)
	if err := m.Check(); err == nil || !strings.Contains(err.Error(), "channel 3") {
		t.Errorf("NaN in channel 3: %v", err)
	}
}
