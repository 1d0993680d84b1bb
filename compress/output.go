package compress

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"gonum.org/v1/gonum/blas/blas32"

	"github.com/eckart-go/eckart/checkpoint"
	"github.com/eckart-go/eckart/model"
	"github.com/eckart-go/eckart/quant"
	"github.com/eckart-go/eckart/structure"
)

// runKey is where an output's metadata says how it was made.
const runKey = "eckart.compress"

// replacement is where the writer of an output finds the tensors that take the place of the model's: in the files of the
// finished blocks, one block in memory at a time.
type replacement struct {
	run     *run
	modules map[string][]checkpoint.Info
	homes   map[string]home // by tensor
	held    int             // the block in memory, -1 for none
	block   *fitted
}

// home is the layer that a tensor belongs to.
type home struct {
	linear linear
	part   string // "weight", "bias", "A", "B"
}

// write turns the finished blocks into the output.
func (r *run) write(ctx context.Context) error {
	w := &replacement{run: r, modules: map[string][]checkpoint.Info{}, homes: map[string]home{}, held: -1}
	index, err := w.describe()
	if err != nil {
		return err
	}
	metadata, err := r.metadata(index)
	if err != nil {
		return err
	}
	return r.model.Source().Convert(ctx, r.output, checkpoint.ConvertOptions{
		Type: r.opts.Type, ShardSize: r.opts.ShardSize, Weights: w, Modules: w.modules, Metadata: metadata,
		Progress: r.opts.Progress("write", "bytes"),
	})
}

// metadata describes the run in the output's file: its settings, every layer's certificate and, for factors, how they are
// stored.
func (r *run) metadata(index structure.Index) (map[string]string, error) {
	settings, err := json.Marshal(map[string]any{
		"method": r.opts.Method.Name, "allocation": r.opts.Share.String(), "budget": r.opts.Budget.String(), "keep": r.report.Keep,
		"calibration": r.report.Calibration.Fingerprint, "weighted_error": r.report.WeightedError, "optimum_error": r.report.OptimumError,
	})
	if err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	bare := make([]Layer, len(r.report.Layers))
	for i, l := range r.report.Layers {
		l.Spectrum = nil
		bare[i] = l
	}
	certificates, err := json.Marshal(bare)
	if err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	metadata := map[string]string{runKey: string(settings), reportsKey: string(certificates)}
	if r.opts.Target == Factors {
		metadata[structure.MetadataKey] = index.Metadata()
	}
	return metadata, nil
}

// describe lists the tensors of every compressed layer.
func (w *replacement) describe() (structure.Index, error) {
	index := structure.Index{}
	for _, l := range w.run.plan.linears {
		if err := w.hold(l.block); err != nil {
			return nil, err
		}
		layer := w.block.layers[l.module]
		if layer == nil {
			continue
		}
		parts, err := w.parts(l, layer)
		if err != nil {
			return nil, err
		}
		w.modules[l.module] = parts
		for _, p := range parts {
			w.homes[p.Name] = home{l, strings.TrimPrefix(p.Name, l.module+".")}
		}
		index[l.module] = structure.Describe(layer)
	}
	if w.run.opts.Method.Objective == Affine && w.run.opts.Target != Factors {
		return index, w.addZeroBiases()
	}
	return index, nil
}

// zeroBias is the part of a home that is the bias of a layer without one.
const zeroBias = "zero bias"

// addZeroBiases gives all other linear layers a bias of zeros: other runtimes know models with biases in all layers, or in
// none.
func (w *replacement) addZeroBiases() error {
	source := w.run.model.Source()
	for i := range w.run.model.Config().Layers {
		for _, name := range model.Linears() {
			l := linear{block: i, name: name, module: fmt.Sprintf("model.layers.%d.%s", i, name)}
			weight, ok := source.Info(l.module + ".weight")
			if !ok || w.modules[l.module] != nil || source.Has(l.module+".bias") {
				continue
			}
			l.m, l.n = weight.Shape[0], weight.Shape[1]
			bias, err := checkpoint.NewInfo(l.module+".bias", quant.F32, l.m)
			if err != nil {
				return err
			}
			w.modules[l.module] = []checkpoint.Info{weight, bias}
			w.homes[bias.Name] = home{l, zeroBias}
		}
	}
	return nil
}

// parts lists the tensors of one layer: its factors, or the product of them.
func (w *replacement) parts(l linear, layer structure.Layer) ([]checkpoint.Info, error) {
	if w.run.opts.Target == Factors {
		return structure.Infos(l.module, layer)
	}
	weight, err := checkpoint.NewInfo(l.module+".weight", w.storedType(l), l.m, l.n)
	if err != nil || layer.Bias() == nil {
		return []checkpoint.Info{weight}, err
	}
	bias, err := checkpoint.NewInfo(l.module+".bias", quant.F32, l.m)
	return []checkpoint.Info{weight, bias}, err
}

// storedType is the type that the dense weight has in the source, which OutAuto goes by.
func (w *replacement) storedType(l linear) quant.Type {
	info, _ := w.run.model.Source().Info(l.module + ".weight")
	return info.Type
}

// hold brings a block into memory.
func (w *replacement) hold(i int) error {
	if w.held == i {
		return nil
	}
	f, err := w.run.work.loadBlock(i)
	if err != nil {
		return err
	}
	if f == nil {
		return fmt.Errorf("compress: %s is missing", w.run.work.blockFile(i))
	}
	w.held, w.block = i, f
	return nil
}

// Has implements checkpoint.Weights.
func (w *replacement) Has(name string) bool {
	_, ok := w.homes[name]
	return ok
}

// Float32 implements checkpoint.Weights.
func (w *replacement) Float32(name string, dst []float32) ([]float32, error) {
	at, ok := w.homes[name]
	if !ok {
		return nil, fmt.Errorf("compress: no tensor %q among the compressed layers", name)
	}
	if at.part == zeroBias {
		return make([]float32, at.linear.m), nil
	}
	if err := w.hold(at.linear.block); err != nil {
		return nil, err
	}
	layer := w.block.layers[at.linear.module]
	if at.part == "weight" {
		size := at.linear.m * at.linear.n
		if cap(dst) < size {
			dst = make([]float32, size)
		}
		dst = dst[:size]
		layer.DenseTo(blas32.General{Rows: at.linear.m, Cols: at.linear.n, Stride: at.linear.n, Data: dst})
		return dst, nil
	}
	for _, p := range layer.Parts() {
		if p.Name == at.part {
			return append(dst[:0], p.Float32...), nil
		}
	}
	return nil, fmt.Errorf("compress: %s has no part %q", at.linear.module, at.part)
}
