package compress

import (
	"fmt"

	"github.com/eckart-go/eckart/compress/calib"
	"github.com/eckart-go/eckart/lowrank"
	"github.com/eckart-go/eckart/model"
	"github.com/eckart-go/eckart/structure"
)

// Fitter fits single layers of a model with one method, outside of a run: for studies that choose ranks themselves.
type Fitter struct {
	run  *run
	held *block
}

// NewFitter returns a fitter for m and the statistics of its inputs. The method's Share and Update are not used.
func NewFitter(m *model.Llama, stats *calib.Statistics, method Method) *Fitter {
	return &Fitter{run: &run{model: m, stats: stats, opts: Options{Method: method}}}
}

// Spectrum returns the decomposition of a linear layer (one of model.Linears) in the method's norm, to be cut at any rank
// up to maxRank. Blocks are best visited in order: what layers of a block share is computed once.
func (f *Fitter) Spectrum(index int, name string, maxRank int) (*lowrank.Spectrum, error) {
	l, err := f.linear(index, name)
	if err != nil {
		return nil, err
	}
	if f.held == nil || f.held.index != index {
		if f.held, err = f.run.openBlock(index); err != nil {
			return nil, err
		}
	}
	w, err := f.held.weight(l, nil)
	if err != nil {
		return nil, err
	}
	return f.held.spectrum(l, w, maxRank)
}

// Layer returns the layer that factors of a linear layer make, with the layer's own bias.
func (f *Fitter) Layer(index int, name string, factors *lowrank.Factors) (*structure.LowRank, error) {
	l, err := f.linear(index, name)
	if err != nil {
		return nil, err
	}
	bias, err := (&block{run: f.run}).bias(l, factors.Shift)
	if err != nil {
		return nil, err
	}
	layer := structure.NewLowRank(factors.B, factors.A, nil)
	return structure.LowRankOf(l.m, l.n, layer.Rank(), layer.B().Data, layer.A().Data, bias), nil
}

func (f *Fitter) linear(index int, name string) (linear, error) {
	l := linear{block: index, name: name, module: fmt.Sprintf("model.layers.%d.%s", index, name)}
	info, ok := f.run.model.Source().Info(l.module + ".weight")
	if !ok || len(info.Shape) != 2 {
		return l, fmt.Errorf("compress: %s has no dense weight in this model", l.module)
	}
	l.m, l.n = info.Shape[0], info.Shape[1]
	return l, nil
}
