package structure_test

import (
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/backend"
	"github.com/eckart-go/eckart/checkpoint"
	"github.com/eckart-go/eckart/lowrank"
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

func TestHalfPrecision(t *testing.T) {
	structuretest.Run(t, func(rng *rand.Rand) (structure.Layer, structure.Cost) {
		m, n, r := 1+rng.IntN(70), 1+rng.IntN(90), 1+rng.IntN(20)
		p := int64(r * (m + n))
		cost := structure.Cost{Params: p, Bits: 16 * p, MulAdds: p}
		l := structure.LowRankOf(m, n, r, positive(rng, m*r), positive(rng, r*n), nil)
		if rng.IntN(2) == 0 {
			return l.StoredAs(quant.F16), cost
		}
		return l.StoredAs(quant.BF16), cost
	})
}

// positive returns n values between 1 and 2, all normal numbers in half precision.
func positive(rng *rand.Rand, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = 1 + rng.Float32()
	}
	return v
}

// Q4_1, Q8_0 and others, run by Eckart's backend. Where inputs are rounded to 8 bits with one scale for 32 values, a block's
// error is at most sqrt(32) max|x|/254 in norm, and its scale may be rounded to half precision.
func TestQuantised(t *testing.T) {
	b := backend.New()
	defer b.Finalize()
	for _, typ := range []quant.Type{quant.Q4_0, quant.Q4_1, quant.Q8_0, quant.F16} {
		suite := structuretest.Suite{InputRounding: math.Sqrt(32) * (1.0/254 + 0x1p-11), Backend: b}
		suite.Run(t, func(rng *rand.Rand) (structure.Layer, structure.Cost) {
			m, blocks := 1+rng.IntN(70), 1+rng.IntN(4)
			n := 32 * blocks
			row, err := typ.RowBytes(n)
			if err != nil {
				t.Fatal(err)
			}
			data := make([]byte, m*row)
			if err := quant.Quantise(typ, data, values(rng, m*n)); err != nil {
				t.Fatal(err)
			}
			cost := structure.Cost{Params: int64(m * n), Bits: int64(8 * m * row), MulAdds: int64(m * n)}
			var bias []float32
			if rng.IntN(2) == 0 {
				bias = values(rng, m)
				cost.Params += int64(m)
				cost.Bits += int64(32 * m)
			}
			q, err := structure.NewQuantised(typ, m, n, data, bias)
			if err != nil {
				t.Fatal(err)
			}
			return q, cost
		})
	}
}

func TestQuantisedRejectsWrongSizes(t *testing.T) {
	for name, call := range map[string]func() (*structure.Quantised, error){
		"cols not a multiple of 32": func() (*structure.Quantised, error) {
			return structure.NewQuantised(quant.Q4_1, 2, 33, make([]byte, 40), nil)
		},
		"a byte too few": func() (*structure.Quantised, error) {
			return structure.NewQuantised(quant.Q4_1, 2, 32, make([]byte, 39), nil)
		},
		"a byte too many": func() (*structure.Quantised, error) {
			return structure.NewQuantised(quant.Q4_1, 2, 32, make([]byte, 41), nil)
		},
		"no rows":      func() (*structure.Quantised, error) { return structure.NewQuantised(quant.Q4_1, 0, 32, nil, nil) },
		"unknown type": func() (*structure.Quantised, error) { return structure.NewQuantised(99, 2, 32, make([]byte, 40), nil) },
		"wrong bias": func() (*structure.Quantised, error) {
			return structure.NewQuantised(quant.Q4_1, 2, 32, make([]byte, 40), make([]float32, 3))
		},
	} {
		if q, err := call(); err == nil || q != nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// A description that does not fit the tensors is an error that names them, never a panic.
func TestLoadRejectsWrongDescriptions(t *testing.T) {
	layer := structure.LowRankOf(4, 6, 2, make([]float32, 8), make([]float32, 12), nil)
	infos, err := structure.Infos("l", layer)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "l.safetensors")
	w, err := checkpoint.CreateSafetensors(path, infos, map[string]string{structure.MetadataKey: "{"})
	if err != nil {
		t.Fatal(err)
	}
	if err := structure.Save(w, "l", layer); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := checkpoint.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := structure.ReadIndex(c); err == nil {
		t.Error("metadata that is no JSON was accepted")
	}
	for _, d := range []structure.Description{
		{Kind: "lowrank", Rows: 4, Cols: 6, Rank: 3},
		{Kind: "lowrank", Rows: 4, Cols: 6},
		{Kind: "lowrank", Rows: -4, Cols: 6, Rank: 2},
		{Kind: "lowrank", Rows: 4, Cols: 6, Rank: 2, Bias: true},
		{Kind: "dense", Rows: 4, Cols: 6},
		{Kind: "quantised", Rows: 4, Cols: 6},
		{Kind: "monarch", Rows: 4, Cols: 6},
		{},
	} {
		if _, err := structure.Load(c, "l", d); err == nil || !strings.Contains(err.Error(), "l") {
			t.Errorf("%+v: error %v", d, err)
		}
	}
	if _, err := structure.Load(c, "l", structure.Describe(layer)); err != nil {
		t.Errorf("the right description: %v", err)
	}
}

// Factors keep their product and get the shifted bias.
func TestFromFactors(t *testing.T) {
	f := &lowrank.Factors{
		B: mat.NewDense(2, 1, []float64{1, 2}), A: mat.NewDense(1, 3, []float64{3, 4, 5}), Shift: []float64{10, 20},
	}
	l := structure.FromFactors(f, []float64{1, 1})
	dense := blas32.General{Rows: 2, Cols: 3, Stride: 3, Data: make([]float32, 6)}
	l.DenseTo(dense)
	if want := []float32{3, 4, 5, 6, 8, 10}; !slices.Equal(dense.Data, want) || !slices.Equal(l.Bias(), []float32{11, 21}) {
		t.Errorf("dense form %v, want %v; bias %v, want [11 21]", dense.Data, want, l.Bias())
	}
	f.Shift = nil
	if l := structure.FromFactors(f, nil); l.Bias() != nil || l.Rank() != 1 {
		t.Errorf("bias %v, rank %d", l.Bias(), l.Rank())
	}
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

func TestFloat64IsTheMatrixWithoutItsBias(t *testing.T) {
	l := structure.LowRankOf(2, 3, 1, []float32{1, 2}, []float32{3, 4, 5}, []float32{9, 9})
	if got, want := structure.Float64(l), mat.NewDense(2, 3, []float64{3, 4, 5, 6, 8, 10}); !mat.Equal(got, want) {
		t.Errorf("Float64 = %v, want %v", mat.Formatted(got), mat.Formatted(want))
	}
	inside := blas32.General{Rows: 2, Cols: 1, Stride: 3, Data: []float32{7, 0, 0, 8}}
	if got, want := structure.Widened(inside), mat.NewDense(2, 1, []float64{7, 8}); !mat.Equal(got, want) {
		t.Errorf("Widened with a stride = %v", mat.Formatted(got))
	}
}
