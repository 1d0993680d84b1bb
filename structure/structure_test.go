package structure_test

import (
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/quant"
	"github.com/eckart-go/eckart/structure"
	"github.com/eckart-go/eckart/structure/structuretest"
)

// values returns n standard normal values.
func values(rng *rand.Rand, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(rng.NormFloat64())
	}
	return v
}

func TestDense(t *testing.T) {
	structuretest.Run(t, func(rng *rand.Rand) (structure.Layer, structure.Cost) {
		m, n := 1+rng.IntN(70), 1+rng.IntN(90)
		d := structure.NewDense(m, n, values(rng, m*n), nil)
		return d, structure.Cost{Params: int64(m * n), Bits: int64(32 * m * n), MulAdds: int64(m * n)}
	})
}

func TestDenseWithBias(t *testing.T) {
	structuretest.Run(t, func(rng *rand.Rand) (structure.Layer, structure.Cost) {
		m, n := 1+rng.IntN(70), 1+rng.IntN(90)
		d := structure.NewDense(m, n, values(rng, m*n), values(rng, m))
		return d, structure.Cost{Params: int64(m*n + m), Bits: int64(32 * (m*n + m)), MulAdds: int64(m * n)}
	})
}

func TestLowRank(t *testing.T) {
	structuretest.Run(t, func(rng *rand.Rand) (structure.Layer, structure.Cost) {
		m, n, r := 1+rng.IntN(70), 1+rng.IntN(90), 1+rng.IntN(20)
		l := structure.LowRankOf(m, n, r, values(rng, m*r), values(rng, r*n), nil)
		p := int64(r * (m + n))
		return l, structure.Cost{Params: p, Bits: 32 * p, MulAdds: p}
	})
}

func TestLowRankWithBias(t *testing.T) {
	structuretest.Run(t, func(rng *rand.Rand) (structure.Layer, structure.Cost) {
		m, n, r := 1+rng.IntN(70), 1+rng.IntN(90), 1+rng.IntN(20)
		l := structure.LowRankOf(m, n, r, values(rng, m*r), values(rng, r*n), values(rng, m))
		p := int64(r * (m + n))
		return l, structure.Cost{Params: p + int64(m), Bits: 32 * (p + int64(m)), MulAdds: p}
	})
}

// The counts of the card svd-baselines: a block of SmolLM2-135M has 3,538,944 weights, and keeping 0.8 of a 1536 x 576
// matrix means rank 335.
func TestCostOfSmolLM2Block(t *testing.T) {
	var total structure.Cost
	for _, s := range [][2]int{{576, 576}, {192, 576}, {192, 576}, {576, 576}, {1536, 576}, {1536, 576}, {576, 1536}} {
		total = total.Plus(structure.NewDense(s[0], s[1], make([]float32, s[0]*s[1]), nil).Cost())
	}
	if total.Params != 3538944 || total.MulAdds != 3538944 || total.Bits != 32*3538944 {
		t.Errorf("dense block: %+v", total)
	}
	low := structure.NewLowRank(mat.NewDense(1536, 335, nil), mat.NewDense(335, 576, nil), nil)
	if got := low.Cost().Params; got != 335*(1536+576) || float64(got) > 0.8*1536*576 {
		t.Errorf("rank 335 has %d parameters", got)
	}
	if got := low.StoredAs(quant.F16).Cost().Bits; got != 16*335*(1536+576) {
		t.Errorf("rank 335 in half precision takes %d bits", got)
	}
}
