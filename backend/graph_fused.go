package backend

import (
	"math"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/pkg/errors"
)

// FusedSoftmax computes softmax along one axis.
func (f *Function) FusedSoftmax(x compute.Value, axis int) (compute.Value, error) {
	in, err := f.check("FusedSoftmax", x)
	if err != nil {
		return nil, err
	}
	rank := in[0].shape.Rank()
	if axis < 0 || axis >= rank {
		return nil, errors.Errorf("backend: FusedSoftmax: axis %d does not fit %s", axis, in[0].shape)
	}
	if !in[0].shape.DType.IsFloat() {
		return nil, errors.Errorf("backend: FusedSoftmax: operand %s is not a float", in[0].shape)
	}
	wide := f.widen(in[0])
	last, back := lastAxes(rank, []int{axis})
	out := f.transpose(wide, last)
	out = f.add(compute.OpTypeFusedSoftmax, out.shape.Clone(), nil, out)
	return f.convert(f.transpose(out, back), in[0].shape.DType), nil
}

// lastAxes returns the permutation that moves axes behind the others and its inverse.
func lastAxes(rank int, axes []int) (permutation, inverse []int) {
	permutation = append(freeAxes(rank, axes, nil), axes...)
	inverse = make([]int, rank)
	for i, axis := range permutation {
		inverse[axis] = i
	}
	return permutation, inverse
}

// FusedGelu is x P(N < x), N a standard normal, or its tanh approximation.
func (f *Function) FusedGelu(x compute.Value, exact bool) (compute.Value, error) {
	in, err := f.check("FusedGelu", x)
	if err != nil {
		return nil, err
	}
	if !in[0].shape.DType.IsFloat() {
		return nil, errors.Errorf("backend: FusedGelu: operand %s is not a float", in[0].shape)
	}
	op := opGeluTanh
	if exact {
		op = compute.OpTypeFusedGelu
	}
	return f.elementwise(op, in[0].shape, in[0]), nil
}

// FusedLayerNorm normalises x over the given axes, then scales by gamma and shifts by beta, either of which may be nil.
func (f *Function) FusedLayerNorm(x compute.Value, axes []int, epsilon float64, gamma, beta compute.Value) (compute.Value, error) {
	in, err := f.check("FusedLayerNorm", x)
	if err != nil {
		return nil, err
	}
	shape := in[0].shape
	if !shape.DType.IsFloat() {
		return nil, errors.Errorf("backend: FusedLayerNorm: operand %s is not a float", shape)
	}
	if shape.DType == dtypes.Float64 {
		return nil, errors.Wrap(compute.ErrNotImplemented, "backend: FusedLayerNorm of Float64")
	}
	axes = slices.Clone(axes)
	slices.Sort(axes)
	if len(axes) == 0 || axes[0] < 0 || axes[len(axes)-1] >= shape.Rank() || len(slices.Compact(slices.Clone(axes))) != len(axes) {
		return nil, errors.Errorf("backend: FusedLayerNorm: axes %v do not fit %s", axes, shape)
	}
	width := sizeOf(in[0], axes)
	permutation, inverse := lastAxes(shape.Rank(), axes)
	last := f.transpose(f.widen(in[0]), permutation)
	operands := []*node{last}
	for i, v := range []compute.Value{gamma, beta} {
		if v == nil {
			operands = append(operands, f.broadcast(f.scalar(dtypes.Float32, float64(1-i)), width))
			continue
		}
		w, err := f.check("FusedLayerNorm", v)
		if err != nil {
			return nil, err
		}
		if w[0].shape.Size() != width || w[0].shape.DType != shape.DType {
			return nil, errors.Errorf("backend: FusedLayerNorm: gamma or beta %s does not fit axes %v of %s", w[0].shape, axes, shape)
		}
		operands = append(operands, f.reshape(f.widen(w[0]), width))
	}
	out := f.add(compute.OpTypeFusedLayerNorm, last.shape.Clone(), normAttr{width: width, epsilon: epsilon}, operands...)
	return f.convert(f.transpose(out, inverse), shape.DType), nil
}

// broadcast repeats a scalar into a vector.
func (f *Function) broadcast(x *node, n int) *node {
	return f.add(compute.OpTypeBroadcastInDim, shapes.Make(x.shape.DType, n), []int(nil), x)
}

// normAttr is the row width and epsilon of a layer or RMS norm.
type normAttr struct {
	width    int
	epsilon  float64
	weighted bool // an RMS norm's second input is not all ones
}

// FusedDense computes activation(x W + bias) or activation(x Wᵀ + bias): the product, then bias and activation in place in
// one pass.
func (f *Function) FusedDense(x, weight, bias compute.Value, options compute.DenseConfig) (compute.Value, error) {
	in, err := f.check("FusedDense", x, weight)
	if err != nil {
		return nil, err
	}
	rank, weightRank := in[0].shape.Rank(), in[1].shape.Rank()
	if rank < 1 || weightRank < 2 {
		return nil, errors.Errorf("backend: FusedDense: x %s and weight %s need at least 1 and 2 axes", in[0].shape, in[1].shape)
	}
	axis := 0
	if options.WeightLayout == compute.DenseLayoutOutputsInput {
		axis = weightRank - 1
	}
	y, err := f.DotGeneral(x, []int{rank - 1}, nil, weight, []int{axis}, nil, compute.DotGeneralConfig{})
	if err != nil {
		return nil, errors.WithMessage(err, "backend: FusedDense")
	}
	outputs := slices.Delete(slices.Clone(in[1].shape.Dimensions), axis, axis+1)
	return f.finish("FusedDense", y.(*node), outputs, bias, options.Activation)
}

// finish adds a bias over the trailing axes and an activation.
func (f *Function) finish(op string, y *node, outputs []int, bias compute.Value, activation compute.ActivationType) (compute.Value, error) {
	if bias != nil {
		b, err := f.check(op, bias)
		if err != nil {
			return nil, err
		}
		if b[0].shape.DType != y.shape.DType || !slices.Equal(b[0].shape.Dimensions, outputs) {
			return nil, errors.Errorf("backend: %s: bias %s does not fit outputs %v of %s", op, b[0].shape, outputs, y.shape.DType)
		}
		axes := make([]int, len(outputs))
		for i := range axes {
			axes[i] = y.shape.Rank() - len(outputs) + i
		}
		spread := f.add(compute.OpTypeBroadcastInDim, y.shape.Clone(), axes, b[0])
		y = f.elementwise(compute.OpTypeAdd, y.shape, y, spread)
	}
	ops := map[compute.ActivationType]compute.OpType{
		compute.ActivationGelu: compute.OpTypeFusedGelu, compute.ActivationRelu: opRelu, compute.ActivationSilu: opSilu,
		compute.ActivationHardSwish: opHardSwish, compute.ActivationTanh: compute.OpTypeTanh,
	}
	if activation == compute.ActivationNone {
		return y, nil
	}
	act, ok := ops[activation]
	if !ok {
		return nil, errors.Wrapf(compute.ErrNotImplemented, "backend: %s with activation %s", op, activation)
	}
	return f.elementwise(act, y.shape, y), nil
}

// FusedAttentionQKVProjection computes three dense layers whose weights lie side by side.
func (f *Function) FusedAttentionQKVProjection(x, wQKV, biasQ, biasK, biasV compute.Value, queryDim, keyValueDim int) (
	query, key, value compute.Value, err error) {
	in, err := f.check("FusedAttentionQKVProjection", x, wQKV)
	if err != nil {
		return nil, nil, nil, err
	}
	w := in[1].shape
	if w.Rank() != 2 || queryDim < 0 || keyValueDim < 0 || w.Dimensions[1] != queryDim+2*keyValueDim {
		return nil, nil, nil, errors.Errorf("backend: FusedAttentionQKVProjection: weight %s does not hold %d + 2*%d outputs", w, queryDim, keyValueDim)
	}
	part := func(start, width int, bias compute.Value) compute.Value {
		if err != nil {
			return nil
		}
		var columns, out compute.Value
		if columns, err = f.Slice(wQKV, []int{0, start}, []int{w.Dimensions[0], start + width}, nil); err == nil {
			out, err = f.FusedDense(x, columns, bias, compute.DenseConfig{})
		}
		return out
	}
	query = part(0, queryDim, biasQ)
	key = part(queryDim, keyValueDim, biasK)
	value = part(queryDim+keyValueDim, keyValueDim, biasV)
	return query, key, value, err
}

// attentionAttr is a fused attention's configuration. The node's inputs are query, key, value, then those of mask, bias,
// queryLen and keyLen that are present, in this order.
type attentionAttr struct {
	layout              compute.AttentionAxesLayout
	scale               float32
	causal              bool
	mask, bias, seqLens bool
}

// FusedScaledDotProductAttention computes softmax(scale Q Kᵀ + bias + mask) V for each head, without a matrix of scores. It
// returns no states: gradients go through the decomposition. Float32 and half precision; QuantizedMatmuls is ignored.
func (f *Function) FusedScaledDotProductAttention(query, key, value compute.Value, layout compute.AttentionAxesLayout,
	options *compute.ScaledDotProductAttentionConfig) (compute.Value, []compute.Value, error) {
	const op = "FusedScaledDotProductAttention"
	in, err := f.check(op, query, key, value)
	if err != nil {
		return nil, nil, err
	}
	if options == nil {
		options = &compute.ScaledDotProductAttentionConfig{}
	}
	if err := checkAttention(in[0].shape, in[1].shape, in[2].shape, layout); err != nil {
		return nil, nil, err
	}
	dtype := in[0].shape.DType
	attr := attentionAttr{layout: layout, scale: float32(options.Scale), causal: options.Causal}
	if options.Scale == 0 {
		attr.scale = float32(1 / math.Sqrt(float64(max(1, in[0].shape.Dimensions[3]))))
	}
	for i := range in {
		in[i] = f.widen(in[i])
	}
	q, k := in[0].shape.Dimensions, in[1].shape.Dimensions
	scores := []int{q[0], q[layout.HeadsAxis()], q[layout.SeqAxis()], k[layout.SeqAxis()]}
	for i, v := range []compute.Value{options.Mask, options.Bias} {
		if v == nil {
			continue
		}
		m, err := f.scoresOperand(op, v, layout, scores, i == 0, dtype)
		if err != nil {
			return nil, nil, err
		}
		in = append(in, m)
		if i == 0 {
			attr.mask = true
		} else {
			attr.bias = true
		}
	}
	if (options.QuerySeqLen == nil) != (options.KeyValueSeqLen == nil) {
		return nil, nil, errors.Errorf("backend: %s: QuerySeqLen and KeyValueSeqLen must both be given or neither", op)
	}
	if options.QuerySeqLen != nil {
		lens, err := f.check(op, options.QuerySeqLen, options.KeyValueSeqLen)
		if err != nil {
			return nil, nil, err
		}
		for _, n := range lens {
			if n.shape.DType != dtypes.Int32 || !slices.Equal(n.shape.Dimensions, []int{q[0]}) {
				return nil, nil, errors.Errorf("backend: %s: sequence lengths %s are not an int32 for each of %d sequences", op, n.shape, q[0])
			}
		}
		in = append(in, lens...)
		attr.seqLens = true
	}
	out := f.add(compute.OpTypeFusedScaledDotProductAttention, in[0].shape.Clone(), attr, in...)
	return f.convert(out, dtype), nil, nil
}

func checkAttention(q, k, v shapes.Shape, layout compute.AttentionAxesLayout) error {
	const op = "FusedScaledDotProductAttention"
	if q.Rank() != 4 || k.Rank() != 4 || v.Rank() != 4 {
		return errors.Errorf("backend: %s: query %s, key %s and value %s need 4 axes", op, q, k, v)
	}
	if q.DType != k.DType || q.DType != v.DType || q.DType != dtypes.Float32 && !half(q.DType) {
		return errors.Wrapf(compute.ErrNotImplemented, "backend: %s of %s, %s and %s", op, q.DType, k.DType, v.DType)
	}
	heads, kvHeads := q.Dimensions[layout.HeadsAxis()], k.Dimensions[layout.HeadsAxis()]
	if kvHeads == 0 || heads%kvHeads != 0 || q.Dimensions[0] != k.Dimensions[0] || q.Dimensions[3] != k.Dimensions[3] ||
		!slices.Equal(k.Dimensions, v.Dimensions) {
		return errors.Errorf("backend: %s: query %s does not fit key %s and value %s", op, q, k, v)
	}
	return nil
}

// scoresOperand returns a mask or bias as a view of shape [batch, heads, queries, keys]. A boolean mask stays boolean.
func (f *Function) scoresOperand(op string, v compute.Value, layout compute.AttentionAxesLayout, scores []int, mask bool, dtype dtypes.DType) (*node, error) {
	in, err := f.check(op, v)
	if err != nil {
		return nil, err
	}
	m := in[0]
	switch {
	case mask && m.shape.DType == dtypes.Bool:
	case m.shape.DType == dtype || m.shape.DType == dtypes.Float32:
		m = f.widen(m)
	default:
		return nil, errors.Wrapf(compute.ErrNotImplemented, "backend: %s with a mask or bias of %s", op, m.shape)
	}
	rank := m.shape.Rank()
	if rank > 4 {
		return nil, errors.Errorf("backend: %s: mask or bias %s has more than 4 axes", op, m.shape)
	}
	if rank == 4 && mask && layout == compute.AttentionAxesLayoutBSHD { // its axes are [batch, queries, heads, keys]
		m = f.transpose(m, []int{0, 2, 1, 3})
	}
	return f.broadcastScores(op, m, scores)
}

// broadcastScores maps a right-aligned mask to the scores' shape; a mask of rank 3 is [batch, queries, keys].
func (f *Function) broadcastScores(op string, m *node, scores []int) (*node, error) {
	rank := m.shape.Rank()
	axes := []int{0, 1, 2, 3}[4-rank:]
	if rank == 3 {
		axes = []int{0, 2, 3}
	}
	for i, axis := range axes {
		if d := m.shape.Dimensions[i]; d != 1 && d != scores[axis] {
			return nil, errors.Errorf("backend: %s: mask or bias %s does not broadcast to the scores' shape %v", op, m.shape, scores)
		}
	}
	return f.add(compute.OpTypeBroadcastInDim, shapes.Make(m.shape.DType, scores...), axes, m), nil
}
