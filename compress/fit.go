package compress

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"

	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/compress/calib"
	"github.com/eckart-go/eckart/internal/pool"
	"github.com/eckart-go/eckart/lowrank"
	"github.com/eckart-go/eckart/model"
	"github.com/eckart-go/eckart/quant"
	"github.com/eckart-go/eckart/structure"
)

// block is what fitting one block of the model needs: the inputs of its layers. Several goroutines may use it.
type block struct {
	run      *run
	index    int
	inputs   map[string]*layerInput // by capture point
	rounding quant.Type             // of stored factors
}

// layerInput is what layers with the same input share.
type layerInput struct {
	moments  *calib.Moments // without their Gram matrix once there is a whitener
	once     sync.Once
	whitener *lowrank.Whitener // made when first asked for
	err      error
}

func (r *run) openBlock(i int) (*block, error) {
	moments, err := r.stats.Block(i)
	if err != nil {
		return nil, err
	}
	b := &block{run: r, index: i, inputs: map[string]*layerInput{}, rounding: r.rounding()}
	for name, m := range moments {
		b.inputs[name] = &layerInput{moments: m}
	}
	return b, nil
}

// rounding returns the element type that factors are rounded to: the stored one, where factors are stored.
func (r *run) rounding() quant.Type {
	if r.opts.Target != Factors {
		return quant.F32
	}
	t, err := factorType(r.opts)
	if err != nil {
		panic(err) // newPlan has asked for it before
	}
	return t
}

// input returns the moments of a layer's inputs.
func (b *block) input(l linear) (*calib.Moments, error) {
	in := b.inputs[model.CaptureOf(l.name)]
	if in == nil || in.moments.Width() != l.n {
		return nil, fmt.Errorf("compress: %s: no statistics of %d inputs: is the calibration cache damaged?", l.module, l.n)
	}
	return in.moments, nil
}

// whitener returns the whitener of a layer's inputs, about zero or, for Affine, about the mean.
func (b *block) whitener(l linear) (*lowrank.Whitener, error) {
	m, err := b.input(l)
	if err != nil {
		return nil, err
	}
	in := b.inputs[model.CaptureOf(l.name)]
	in.once.Do(func() {
		if b.run.opts.Method.Objective == Affine {
			in.whitener, in.err = lowrank.NewCentredWhitener(m.TakeMoment(), m.Mean())
		} else {
			in.whitener, in.err = lowrank.NewWhitener(m.TakeMoment())
		}
	})
	if in.err != nil {
		return nil, fmt.Errorf("compress: inputs of %s: %w", l.module, in.err)
	}
	return in.whitener, nil
}

// weight returns the dense matrix of a layer in float64, in dst if that holds m*n numbers.
func (b *block) weight(l linear, dst []float64) (*mat.Dense, error) {
	size := l.m * l.n
	buffer := narrow.Get(size)
	defer narrow.Put(buffer)
	values, err := b.run.model.Source().Float32(l.module+".weight", *buffer)
	if err != nil {
		return nil, err
	}
	if cap(dst) < size {
		dst = make([]float64, size)
	}
	dst = dst[:size]
	for i, v := range values {
		dst[i] = float64(v)
	}
	return mat.NewDense(l.m, l.n, dst), nil
}

// narrow and wide recycle weights as they are read and as they are worked on.
var (
	narrow pool.Buffers[float32]
	wide   pool.Buffers[float64]
)

// asvdExponent and asvdFloor are ASVD's scale: (mean |x|)^0.5 + 1e-6.
const (
	asvdExponent = 0.5
	asvdFloor    = 1e-6
)

// spectrum returns the decomposition of w in the method's norm.
func (b *block) spectrum(l linear, w *mat.Dense, maxRank int) (*lowrank.Spectrum, error) {
	opts := lowrank.Options{}
	switch b.run.opts.Method.Objective {
	case Plain:
		return lowrank.NewSpectrum(w, maxRank, opts)
	case Scaled:
		m, err := b.input(l)
		if err != nil {
			return nil, err
		}
		scale := m.MeanAbs()
		for i, v := range scale {
			scale[i] = math.Pow(v, asvdExponent) + asvdFloor
		}
		return lowrank.NewScaledSpectrum(w, scale, maxRank, opts)
	}
	h, err := b.whitener(l)
	if err != nil {
		return nil, err
	}
	return h.Spectrum(w, maxRank, opts)
}

// energy returns the squares of the singular values of a layer's weight in the method's norm.
func (b *block) energy(l linear) ([]float64, error) {
	buffer := wide.Get(l.m * l.n)
	defer wide.Put(buffer)
	w, err := b.weight(l, *buffer)
	if err != nil {
		return nil, err
	}
	s, err := b.spectrum(l, w, 1)
	if err != nil {
		return nil, fmt.Errorf("compress: %s: %w", l.module, err)
	}
	squares := make([]float64, len(s.Values()))
	for j, v := range s.Values() {
		squares[j] = v * v
	}
	return squares, nil
}

// fitBlock fits all layers of block b that take part.
func (r *run) fitBlock(ctx context.Context, b *block, path *compressedPath) (*fitted, error) {
	if err := path.capture(ctx, b.index); err != nil {
		return nil, err
	}
	at := r.plan.block(b.index)
	layers, reports, errs := make([]structure.Layer, len(at)), make([]Layer, len(at)), make([]error, len(at))
	b.each(at, func(j int, l linear) {
		if r.dense(at[j]) {
			reports[j] = Layer{Name: l.module, M: l.m, N: l.n}
			return
		}
		if errs[j] = ctx.Err(); errs[j] == nil {
			layers[j], reports[j], errs[j] = b.fit(l, r.ranks[at[j]], path)
		}
	})
	f := &fitted{layers: map[string]structure.Layer{}, reports: reports}
	for j, k := range at {
		module := r.plan.linears[k].module
		if errs[j] != nil {
			return nil, fmt.Errorf("compress: %s: %w", module, errs[j])
		}
		if layers[j] != nil {
			f.layers[module] = layers[j]
		}
	}
	return f, nil
}

// each calls f for the linears at the given positions of the plan, with indices of at. They are independent of each other,
// so they are worked on at the same time: the kernels inside find no idle worker then and do not split their work, which
// suits matrices of this size. The longest work comes first, so that all workers finish at about the same time.
func (b *block) each(at []int, f func(j int, l linear)) {
	linears := b.run.plan.linears
	order := make([]int, len(at))
	for j := range order {
		order[j] = j
	}
	work := func(j int) int { // in the order of flops: whitening, products, decomposition
		l := linears[at[j]]
		return l.n*l.n*(l.n/3+2*l.m) + 4*min(l.m, l.n)*min(l.m, l.n)*min(l.m, l.n)
	}
	slices.SortStableFunc(order, func(i, j int) int { return work(j) - work(i) })
	pool.Run(len(order), func(i int) { f(order[i], linears[at[order[i]]]) })
}

// fit returns the factors of one layer as they will be stored, and what is known about them.
func (b *block) fit(l linear, rank int, path *compressedPath) (structure.Layer, Layer, error) {
	report := Layer{Name: l.module, M: l.m, N: l.n}
	buffer := wide.Get(l.m * l.n)
	defer wide.Put(buffer)
	w, err := b.weight(l, *buffer)
	if err != nil {
		return nil, report, err
	}
	s, err := b.spectrum(l, w, rank)
	if err != nil {
		return nil, report, err
	}
	report.Spectrum = thinned(s.Values())
	var layer *structure.LowRank
	if path.active {
		layer, err = b.refitted(l, w, s, rank, path, &report)
	} else {
		layer, err = b.cut(l, s, rank)
	}
	if err != nil {
		return nil, report, err
	}
	report.Certificate, err = b.certify(l, w, s, layer)
	return layer, report, err
}

// cut returns the layer of a spectrum's best factors with the dense layer's bias, rounded to the type in which it is
// written.
func (b *block) cut(l linear, s *lowrank.Spectrum, rank int) (*structure.LowRank, error) {
	f, err := s.FactorsFloat32(rank)
	if err != nil {
		return nil, err
	}
	return b.layer(l, f.B.Data, f.A.Data, f.Shift)
}

// refitted is cut with B fitted again to the inputs of the compressed path.
func (b *block) refitted(l linear, w *mat.Dense, s *lowrank.Spectrum, rank int, path *compressedPath, report *Layer) (*structure.LowRank, error) {
	f, err := s.Factors(rank)
	if err != nil {
		return nil, err
	}
	if f, err = path.refit(l, w, f, report); err != nil {
		return nil, err
	}
	layer := structure.NewLowRank(f.B, f.A, nil)
	return b.layer(l, layer.B().Data, layer.A().Data, f.Shift)
}

// layer returns the layer of factors b0 (m x r) and a0 (r x n), which it rounds to the type in which they are written, with
// the dense layer's bias and shift.
func (b *block) layer(l linear, b0, a0 []float32, shift []float64) (*structure.LowRank, error) {
	bias, err := b.bias(l, shift)
	if err != nil {
		return nil, err
	}
	for _, values := range [][]float32{b0, a0} {
		if err := round(b.rounding, values); err != nil {
			return nil, err
		}
	}
	return structure.LowRankOf(l.m, l.n, len(b0)/l.m, b0, a0, bias).StoredAs(b.rounding), nil
}

// bias returns the dense layer's bias and shift (m values, or nil), added; nil if there is neither.
func (b *block) bias(l linear, shift []float64) ([]float32, error) {
	var bias []float32
	if source := b.run.model.Source(); source.Has(l.module + ".bias") {
		var err error
		if bias, err = source.Float32(l.module+".bias", nil); err != nil {
			return nil, err
		}
	}
	if shift != nil && bias == nil {
		bias = make([]float32, l.m)
	}
	for i, v := range shift {
		bias[i] = float32(float64(bias[i]) + v)
	}
	return bias, nil
}

// round rounds values in place to type t, which must hold them.
func round(t quant.Type, values []float32) error {
	if t != quant.F32 {
		raw := make([]byte, len(values)*t.BlockBytes())
		if err := quant.Quantise(t, raw, values); err != nil {
			return err
		}
		if err := quant.Dequantise(t, values, raw); err != nil {
			return err
		}
	}
	for _, v := range values {
		if math.IsInf(float64(v), 0) || math.IsNaN(float64(v)) {
			return fmt.Errorf("a factor has a number that %v cannot hold: choose f32 or bf16", t)
		}
	}
	return nil
}

// certify measures the stored layer against w in the norm of the outputs. own is the spectrum that it was cut from.
func (b *block) certify(l linear, w *mat.Dense, own *lowrank.Spectrum, layer *structure.LowRank) (lowrank.Certificate, error) {
	outputs := own // already in that norm, unless
	if o := b.run.opts.Method.Objective; o == Plain || o == Scaled {
		h, err := b.whitener(l)
		if err != nil {
			return lowrank.Certificate{}, err
		}
		if outputs, err = h.Spectrum(w, 1, lowrank.Options{}); err != nil {
			return lowrank.Certificate{}, err
		}
	}
	cert, err := outputs.CertifyFloat32(layer.B(), layer.A())
	if err != nil {
		return cert, err
	}
	if b.run.opts.Method.Objective == Affine {
		if err := b.addMean(l, w, &cert); err != nil {
			return cert, err
		}
	}
	cost := layer.Cost()
	cert.Params, cert.MulAdds = cost.Params, cost.MulAdds
	return cert, nil
}

// addMean turns the norm of W about the mean input into that about zero, so that relative errors of all methods have the
// same denominator: ||W G^(1/2)||² = ||W C^(1/2)||² + ||W x̄||² for G = C + x̄ x̄ᵀ.
func (b *block) addMean(l linear, w *mat.Dense, cert *lowrank.Certificate) error {
	m, err := b.input(l)
	if err != nil {
		return err
	}
	var at mat.VecDense
	at.MulVec(w, mat.NewVecDense(l.n, m.Mean()))
	cert.WeightedNorm = math.Hypot(cert.WeightedNorm, mat.Norm(&at, 2))
	return nil
}

// thinned returns at most 64 of values, evenly spaced, the first and the last among them.
func thinned(values []float64) []float64 {
	const most = 64
	if len(values) <= most {
		return values
	}
	out := make([]float64, most)
	for i := range out {
		out[i] = values[i*(len(values)-1)/(most-1)]
	}
	return out
}
