package backend

import (
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapeinference"
	"github.com/gomlx/compute/shapes"
	"github.com/pkg/errors"
)

type sliceAttr struct{ starts, strides []int }

// Identity returns a value equal to x.
func (f *Function) Identity(x compute.Value) (compute.Value, error) {
	in, err := f.check("Identity", x)
	if err != nil {
		return nil, err
	}
	return f.add(compute.OpTypeIdentity, in[0].shape.Clone(), nil, in[0]), nil
}

// OptimizationBarrier returns its operands. Kernels are fused only where that changes nothing that a barrier protects.
func (f *Function) OptimizationBarrier(operands ...compute.Value) ([]compute.Value, error) {
	out := make([]compute.Value, len(operands))
	for i, x := range operands {
		var err error
		if out[i], err = f.Identity(x); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// SchedulingBarrier returns operand, ordered after the dependencies.
func (f *Function) SchedulingBarrier(operand compute.Value, dependencies ...compute.Value) (compute.Value, error) {
	in, err := f.check("SchedulingBarrier", append([]compute.Value{operand}, dependencies...)...)
	if err != nil {
		return nil, err
	}
	return f.add(compute.OpTypeIdentity, in[0].shape.Clone(), nil, in...), nil
}

// Reshape returns x's values, in row-major order, under other dimensions.
func (f *Function) Reshape(x compute.Value, dims ...int) (compute.Value, error) {
	in, err := f.check("Reshape", x)
	if err != nil {
		return nil, err
	}
	shape, err := shapeinference.Reshape(in[0].shape, dims)
	if err != nil {
		return nil, err
	}
	return f.reshape(in[0], shape.Dimensions...), nil
}

func (f *Function) reshape(x *node, dims ...int) *node {
	return f.add(compute.OpTypeReshape, shapes.Make(x.shape.DType, dims...), nil, x)
}

// Bitcast reinterprets x's bits.
func (f *Function) Bitcast(x compute.Value, to dtypes.DType) (compute.Value, error) {
	in, err := f.check("Bitcast", x)
	if err != nil {
		return nil, err
	}
	if !supported[to] {
		return nil, errors.Wrapf(compute.ErrNotImplemented, "backend: Bitcast from %s to %s", in[0].shape, to)
	}
	if in[0].shape.IsScalar() && to.Size() > in[0].shape.DType.Size() {
		return nil, errors.Errorf("backend: Bitcast: the scalar %s is too small for a %s", in[0].shape, to)
	}
	shape, err := shapeinference.Bitcast(in[0].shape, to)
	if err != nil {
		return nil, err
	}
	return f.add(compute.OpTypeBitcast, shapes.Make(to, shape.Dimensions...), nil, in[0]), nil
}

// Transpose permutes axes.
func (f *Function) Transpose(x compute.Value, permutation ...int) (compute.Value, error) {
	in, err := f.check("Transpose", x)
	if err != nil {
		return nil, err
	}
	shape, err := shapeinference.Transpose(in[0].shape, permutation)
	if err != nil {
		return nil, err
	}
	return f.add(compute.OpTypeTranspose, shape, slices.Clone(permutation), in[0]), nil
}

func (f *Function) transpose(x *node, permutation []int) *node {
	dims := make([]int, len(permutation))
	for i, axis := range permutation {
		dims[i] = x.shape.Dimensions[axis]
	}
	return f.add(compute.OpTypeTranspose, shapes.Make(x.shape.DType, dims...), permutation, x)
}

// BroadcastInDim repeats x along new axes and along axes of size 1.
func (f *Function) BroadcastInDim(x compute.Value, outputShape shapes.Shape, axes []int) (compute.Value, error) {
	in, err := f.check("BroadcastInDim", x)
	if err != nil {
		return nil, err
	}
	if err := shapeinference.BroadcastInDim(in[0].shape, outputShape, axes, nil); err != nil {
		return nil, err
	}
	shape := shapes.Make(in[0].shape.DType, outputShape.Dimensions...)
	return f.add(compute.OpTypeBroadcastInDim, shape, slices.Clone(axes), in[0]), nil
}

// Slice takes a box, with strides.
func (f *Function) Slice(x compute.Value, starts, limits, strides []int) (compute.Value, error) {
	in, err := f.check("Slice", x)
	if err != nil {
		return nil, err
	}
	if strides == nil {
		strides = slices.Repeat([]int{1}, in[0].shape.Rank())
	}
	shape, err := shapeinference.Slice(in[0].shape, starts, limits, strides)
	if err != nil {
		return nil, err
	}
	return f.add(compute.OpTypeSlice, shape, sliceAttr{slices.Clone(starts), slices.Clone(strides)}, in[0]), nil
}

// Reverse reverses the order along axes.
func (f *Function) Reverse(x compute.Value, axes ...int) (compute.Value, error) {
	in, err := f.check("Reverse", x)
	if err != nil {
		return nil, err
	}
	for i, axis := range axes {
		if axis < 0 || axis >= in[0].shape.Rank() || slices.Contains(axes[:i], axis) {
			return nil, errors.Errorf("backend: Reverse: axes %v do not fit %s", axes, in[0].shape)
		}
	}
	return f.add(compute.OpTypeReverse, in[0].shape.Clone(), slices.Clone(axes), in[0]), nil
}

// Iota counts from zero along an axis. Only the counting sequence itself is stored.
func (f *Function) Iota(shape shapes.Shape, axis int) (compute.Value, error) {
	if axis < 0 || axis >= shape.Rank() || shape.IsDynamic() {
		return nil, errors.Errorf("backend: Iota: axis %d does not fit %s", axis, shape)
	}
	dtype := shape.DType
	if !dtype.IsInt() && !dtype.IsFloat() {
		return nil, errors.Wrapf(compute.ErrNotImplemented, "backend: Iota of %s", shape)
	}
	count := make([]int64, shape.Dimensions[axis])
	for i := range count {
		count[i] = int64(i)
	}
	c, err := f.Constant(count, len(count))
	if err != nil {
		return nil, err
	}
	if c, err = f.ConvertDType(c, dtype); err != nil {
		return nil, err
	}
	return f.BroadcastInDim(c, shape, []int{axis})
}

// Concatenate joins operands along an axis.
func (f *Function) Concatenate(axis int, operands ...compute.Value) (compute.Value, error) {
	in, err := f.check("Concatenate", operands...)
	if err != nil {
		return nil, err
	}
	all := make([]shapes.Shape, len(in))
	for i, n := range in {
		all[i] = n.shape
	}
	shape, err := shapeinference.Concatenate(all, axis)
	if err != nil {
		return nil, err
	}
	if len(in) == 1 {
		return in[0], nil
	}
	return f.add(compute.OpTypeConcatenate, shape.Clone(), axis, in...), nil
}

// Pad adds fillValue around and between the elements of x; negative amounts remove elements.
func (f *Function) Pad(x, fillValue compute.Value, axes ...compute.PadAxis) (compute.Value, error) {
	in, err := f.check("Pad", x, fillValue)
	if err != nil {
		return nil, err
	}
	if !in[1].shape.IsScalar() || in[1].shape.DType != in[0].shape.DType {
		return nil, errors.Errorf("backend: Pad: fill value %s is not a scalar of %s", in[1].shape, in[0].shape.DType)
	}
	shape, err := shapeinference.Pad(in[0].shape, axes...)
	if err != nil {
		return nil, err
	}
	full := make([]compute.PadAxis, in[0].shape.Rank())
	copy(full, axes)
	return f.add(compute.OpTypePad, shape, full, in...), nil
}

// DynamicSlice takes a box of fixed size at a position that is computed.
func (f *Function) DynamicSlice(x compute.Value, starts []compute.Value, sizes []int) (compute.Value, error) {
	in, err := f.check("DynamicSlice", append([]compute.Value{x}, starts...)...)
	if err != nil {
		return nil, err
	}
	shape, err := shapeinference.DynamicSlice(in[0].shape, sizes)
	if err != nil {
		return nil, err
	}
	if err := checkStarts("DynamicSlice", in[0], in[1:]); err != nil {
		return nil, err
	}
	return f.add(compute.OpTypeDynamicSlice, shapes.Make(shape.DType, shape.Dimensions...), nil, in...), nil
}

// DynamicUpdateSlice returns x with update pasted at a computed position; in place when x is not needed afterwards and its
// memory is the execution's own or donated.
func (f *Function) DynamicUpdateSlice(x, update compute.Value, starts []compute.Value) (compute.Value, error) {
	in, err := f.check("DynamicUpdateSlice", append([]compute.Value{x, update}, starts...)...)
	if err != nil {
		return nil, err
	}
	shape, err := shapeinference.DynamicUpdateSlice(in[0].shape, in[1].shape)
	if err != nil {
		return nil, err
	}
	for axis, dim := range in[1].shape.Dimensions {
		if dim > in[0].shape.Dimensions[axis] {
			return nil, errors.Errorf("backend: DynamicUpdateSlice: update %s is larger than %s", in[1].shape, in[0].shape)
		}
	}
	if err := checkStarts("DynamicUpdateSlice", in[0], in[2:]); err != nil {
		return nil, err
	}
	return f.add(compute.OpTypeDynamicUpdateSlice, shape, nil, in...), nil
}

func checkStarts(op string, x *node, starts []*node) error {
	if len(starts) != x.shape.Rank() {
		return errors.Errorf("backend: %s: %d start indices for %s", op, len(starts), x.shape)
	}
	for _, s := range starts {
		if !s.shape.DType.IsInt() || s.shape.Size() != 1 {
			return errors.Errorf("backend: %s: start index %s is not an integer scalar", op, s.shape)
		}
	}
	return nil
}

// gatherAttr is Gather's index arithmetic.
type gatherAttr struct {
	indexAxis             int
	offsetAxes, collapsed []int
	startIndexMap, sizes  []int
}

// Gather collects slices of operand at computed positions, which are clamped to the operand.
func (f *Function) Gather(operand, startIndices compute.Value, indexVectorAxis int, offsetOutputAxes, collapsedSliceAxes,
	startIndexMap, sliceSizes []int, indicesAreSorted bool) (compute.Value, error) {
	in, err := f.check("Gather", operand, startIndices)
	if err != nil {
		return nil, err
	}
	if !in[1].shape.DType.IsInt() {
		return nil, errors.Errorf("backend: Gather: indices %s are not integers", in[1].shape)
	}
	shape, err := shapeinference.Gather(in[0].shape, in[1].shape, indexVectorAxis, offsetOutputAxes, collapsedSliceAxes,
		startIndexMap, sliceSizes, indicesAreSorted)
	if err != nil {
		return nil, err
	}
	attr := gatherAttr{indexAxis: indexVectorAxis, offsetAxes: slices.Clone(offsetOutputAxes),
		collapsed: slices.Clone(collapsedSliceAxes), startIndexMap: slices.Clone(startIndexMap), sizes: slices.Clone(sliceSizes)}
	return f.add(compute.OpTypeGather, shapes.Make(shape.DType, shape.Dimensions...), attr, in...), nil
}

// dotAttr names DotGeneral's axes.
type dotAttr struct{ lhsContract, lhsBatch, rhsContract, rhsBatch []int }

// DotGeneral is a batched product of matrices in any axis order.
func (f *Function) DotGeneral(lhs compute.Value, lhsContract, lhsBatch []int, rhs compute.Value, rhsContract, rhsBatch []int,
	config compute.DotGeneralConfig) (compute.Value, error) {
	in, err := f.check("DotGeneral", lhs, rhs)
	if err != nil {
		return nil, err
	}
	shape, err := shapeinference.DotGeneral(in[0].shape, lhsContract, lhsBatch, in[1].shape, rhsContract, rhsBatch, config)
	if err != nil {
		return nil, err
	}
	dtype := in[0].shape.DType
	accumulator, output := config.AccumulatorDType, shape.DType
	if accumulator == dtypes.InvalidDType {
		accumulator = dtype
	}
	if dtype == dtypes.Bool || !supported[accumulator] || !supported[output] {
		return nil, errors.Wrapf(compute.ErrNotImplemented, "backend: DotGeneral of %s in %s to %s", dtype, accumulator, output)
	}
	if half(accumulator) { // products of halves are summed in float32 and rounded once
		accumulator = dtypes.Float32
	}
	wide := shapes.Make(accumulator, shape.Dimensions...)
	attr := dotAttr{slices.Clone(lhsContract), slices.Clone(lhsBatch), slices.Clone(rhsContract), slices.Clone(rhsBatch)}
	dot := f.add(compute.OpTypeDotGeneral, wide, attr, f.via32(in[0], accumulator), f.via32(in[1], accumulator))
	return f.via32(dot, output), nil
}

// via32 converts in one or two steps: halves convert to and from float32 only.
func (f *Function) via32(n *node, to dtypes.DType) *node {
	if half(n.shape.DType) && to != n.shape.DType || half(to) && n.shape.DType != to {
		n = f.convert(n, dtypes.Float32)
	}
	return f.convert(n, to)
}

type argMinMaxAttr struct {
	axis int
	min  bool
}

// ArgMinMax returns the position of the smallest or largest element along an axis, the first among equals; NaN wins.
func (f *Function) ArgMinMax(x compute.Value, axis int, dtype dtypes.DType, isMin bool) (compute.Value, error) {
	in, err := f.check("ArgMinMax", x)
	if err != nil {
		return nil, err
	}
	shape, err := shapeinference.ArgMinMax(in[0].shape, axis, dtype)
	if err != nil {
		return nil, err
	}
	if in[0].shape.Dimensions[axis] == 0 {
		return nil, errors.Errorf("backend: ArgMinMax: axis %d of %s is empty", axis, in[0].shape)
	}
	return f.add(compute.OpTypeArgMinMax, shapes.Make(dtype, shape.Dimensions...), argMinMaxAttr{axis, isMin}, f.widen(in[0])), nil
}

func (f *Function) reduce(op compute.OpType, x compute.Value, axes []int) (compute.Value, error) {
	in, err := f.check(op.String(), x)
	if err != nil {
		return nil, err
	}
	if len(axes) == 0 {
		axes = make([]int, in[0].shape.Rank())
		for i := range axes {
			axes[i] = i
		}
	}
	for i, axis := range axes {
		if slices.Contains(axes[:i], axis) {
			return nil, errors.Errorf("backend: %s: axis %d is repeated", op, axis)
		}
	}
	dtype := in[0].shape.DType
	if !reducible(op, dtype) {
		return nil, errors.Errorf("backend: %s does not apply to %s", op, in[0].shape)
	}
	if len(axes) == 0 { // a scalar
		return in[0], nil
	}
	shape, err := shapeinference.Reduce(in[0].shape, axes)
	if err != nil {
		return nil, err
	}
	wide := f.widen(in[0])
	out := f.add(op, shapes.Make(wide.shape.DType, shape.Dimensions...), slices.Clone(axes), wide)
	return f.convert(out, dtype), nil
}

func reducible(op compute.OpType, t dtypes.DType) bool {
	switch op {
	case compute.OpTypeReduceLogicalAnd, compute.OpTypeReduceLogicalOr, compute.OpTypeReduceLogicalXor:
		return t == dtypes.Bool
	case compute.OpTypeReduceBitwiseAnd, compute.OpTypeReduceBitwiseOr, compute.OpTypeReduceBitwiseXor:
		return t.IsInt()
	default:
		return t.IsInt() || t.IsFloat()
	}
}

// The methods below implement compute.StandardOps; its documentation defines them.

func (f *Function) ReduceSum(x compute.Value, axes ...int) (compute.Value, error) {
	return f.reduce(compute.OpTypeReduceSum, x, axes)
}
func (f *Function) ReduceProduct(x compute.Value, axes ...int) (compute.Value, error) {
	return f.reduce(compute.OpTypeReduceProduct, x, axes)
}
func (f *Function) ReduceMax(x compute.Value, axes ...int) (compute.Value, error) {
	return f.reduce(compute.OpTypeReduceMax, x, axes)
}
func (f *Function) ReduceMin(x compute.Value, axes ...int) (compute.Value, error) {
	return f.reduce(compute.OpTypeReduceMin, x, axes)
}
func (f *Function) ReduceLogicalAnd(x compute.Value, axes ...int) (compute.Value, error) {
	return f.reduce(compute.OpTypeReduceLogicalAnd, x, axes)
}
func (f *Function) ReduceLogicalOr(x compute.Value, axes ...int) (compute.Value, error) {
	return f.reduce(compute.OpTypeReduceLogicalOr, x, axes)
}
func (f *Function) ReduceLogicalXor(x compute.Value, axes ...int) (compute.Value, error) {
	return f.reduce(compute.OpTypeReduceLogicalXor, x, axes)
}
func (f *Function) ReduceBitwiseAnd(x compute.Value, axes ...int) (compute.Value, error) {
	return f.reduce(compute.OpTypeReduceBitwiseAnd, x, axes)
}
func (f *Function) ReduceBitwiseOr(x compute.Value, axes ...int) (compute.Value, error) {
	return f.reduce(compute.OpTypeReduceBitwiseOr, x, axes)
}
func (f *Function) ReduceBitwiseXor(x compute.Value, axes ...int) (compute.Value, error) {
	return f.reduce(compute.OpTypeReduceBitwiseXor, x, axes)
}
