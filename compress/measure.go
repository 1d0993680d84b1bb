package compress

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/compress/calib"
	"github.com/eckart-go/eckart/model"
	"github.com/eckart-go/eckart/structure"
)

// OutputErrors returns, for every linear layer whose weight differs between two models of the same shape, the relative
// error ||Y - Ŷ||_F / ||Y||_F of its outputs on the inputs that stats were taken of: original's own, on a text of the
// caller's choice. Biases count. Keys are layers' names, such as "model.layers.3.mlp.up_proj".
func OutputErrors(original, compressed *model.Llama, stats *calib.Statistics) (map[string]float64, error) {
	errs := map[string]float64{}
	for i := range original.Config().Layers {
		moments, err := stats.Block(i)
		if err != nil {
			return nil, err
		}
		for _, name := range model.Linears() {
			module := fmt.Sprintf("model.layers.%d.%s", i, name)
			m := moments[model.CaptureOf(name)]
			w, bias, err := denseOf(original, i, name)
			if err != nil {
				return nil, err
			}
			v, shifted, err := denseOf(compressed, i, name)
			if err != nil {
				return nil, err
			}
			if _, n := w.Dims(); m == nil || m.Width() != n {
				return nil, fmt.Errorf("compress: %s: no statistics of %d inputs", module, n)
			}
			if e := outputError(w, v, bias, shifted, m); e > 0 {
				errs[module] = e
			}
		}
	}
	return errs, nil
}

// denseOf returns a linear layer of m as a float64 matrix and bias (zeros if it has none).
func denseOf(m *model.Llama, block int, name string) (*mat.Dense, *mat.VecDense, error) {
	layer, err := m.Layer(block, name)
	if err != nil {
		return nil, nil, err
	}
	rows, _ := layer.Dims()
	bias := mat.NewVecDense(rows, nil)
	for i, v := range layer.Bias() {
		bias.SetVec(i, float64(v))
	}
	return structure.Float64(layer), bias, nil
}

// outputError returns the relative error of v x + shifted against w x + bias: with R = W - V and d = b - b̂,
// E ||R x + d||² = tr(R G Rᵀ) + 2 dᵀ R x̄ + ||d||².
func outputError(w, v *mat.Dense, bias, shifted *mat.VecDense, m *calib.Moments) float64 {
	var r mat.Dense
	var d mat.VecDense
	r.Sub(w, v)
	d.SubVec(bias, shifted)
	moment, mean := m.Moment(), mat.NewVecDense(m.Width(), m.Mean())
	diff, norm := energy(&r, &d, moment, mean), energy(w, bias, moment, mean)
	if diff <= 0 || norm <= 0 {
		return 0
	}
	return math.Sqrt(diff / norm)
}

// energy returns E ||A x + b||² for inputs of the given second moment and mean.
func energy(a *mat.Dense, b *mat.VecDense, moment *mat.SymDense, mean *mat.VecDense) float64 {
	var ag mat.Dense
	ag.Mul(a, moment)
	var sum float64
	rows, _ := a.Dims()
	for i := range rows {
		sum += mat.Dot(ag.RowView(i), a.RowView(i))
	}
	var at mat.VecDense
	at.MulVec(a, mean)
	return sum + 2*mat.Dot(b, &at) + mat.Dot(b, b)
}
