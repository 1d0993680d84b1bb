package backend

import (
	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapeinference"
	"github.com/gomlx/compute/shapes"
	"github.com/pkg/errors"
)

// unary adds an element-wise operation on one operand.
func (f *Function) unary(op compute.OpType, x compute.Value) (compute.Value, error) {
	in, err := f.check(op.String(), x)
	if err != nil {
		return nil, err
	}
	shape, err := shapeinference.UnaryOp(op, in[0].shape)
	if err != nil {
		return nil, err
	}
	return f.elementwise(op, shape, in...), nil
}

// elementwise adds a node whose result has the given shape, doing half-precision arithmetic in float32.
func (f *Function) elementwise(op compute.OpType, shape shapes.Shape, in ...*node) *node {
	if !half(in[len(in)-1].shape.DType) {
		return f.add(op, shape.Clone(), nil, in...)
	}
	for i := range in {
		in[i] = f.widen(in[i])
	}
	if !half(shape.DType) {
		return f.add(op, shape.Clone(), nil, in...)
	}
	wide := shape.Clone()
	wide.DType = dtypes.Float32
	return f.convert(f.add(op, wide, nil, in...), shape.DType)
}

func (f *Function) binary(op compute.OpType, lhs, rhs compute.Value) (compute.Value, error) {
	in, err := f.check(op.String(), lhs, rhs)
	if err != nil {
		return nil, err
	}
	shape, err := shapeinference.BinaryOp(op, in[0].shape, in[1].shape)
	if err != nil {
		return nil, err
	}
	return f.elementwise(op, shape, in...), nil
}

func (f *Function) comparison(op compute.OpType, lhs, rhs compute.Value) (compute.Value, error) {
	in, err := f.check(op.String(), lhs, rhs)
	if err != nil {
		return nil, err
	}
	shape, err := shapeinference.ComparisonOp(op, in[0].shape, in[1].shape)
	if err != nil && in[0].shape.DType == dtypes.Bool && in[1].shape.DType == dtypes.Bool {
		// Booleans compare as false < true; shape inference is asked with a number type in their place.
		a, b := in[0].shape.Clone(), in[1].shape.Clone()
		a.DType, b.DType = dtypes.Uint8, dtypes.Uint8
		shape, err = shapeinference.ComparisonOp(op, a, b)
	}
	if err != nil {
		return nil, err
	}
	return f.elementwise(op, shape, in...), nil
}

// predicate adds a test of each element, with boolean results.
func (f *Function) predicate(op compute.OpType, x compute.Value) (compute.Value, error) {
	in, err := f.check(op.String(), x)
	if err != nil {
		return nil, err
	}
	if !in[0].shape.DType.IsFloat() {
		return nil, errors.Errorf("backend: %s: operand %s is not a float", op, in[0].shape)
	}
	shape := in[0].shape.Clone()
	shape.DType = dtypes.Bool
	return f.elementwise(op, shape, in[0]), nil
}

// ConvertDType converts each element. Floats become integers by truncation, numbers become booleans by comparison with zero.
func (f *Function) ConvertDType(x compute.Value, dtype dtypes.DType) (compute.Value, error) {
	in, err := f.check("ConvertDType", x)
	if err != nil {
		return nil, err
	}
	if !supported[dtype] {
		return nil, errors.Wrapf(compute.ErrNotImplemented, "backend: ConvertDType from %s to %s", in[0].shape.DType, dtype)
	}
	from := in[0].shape.DType
	if half(from) && dtype != dtypes.Float32 && dtype != from || half(dtype) && from != dtypes.Float32 && dtype != from {
		return f.convert(f.convert(in[0], dtypes.Float32), dtype), nil
	}
	return f.convert(in[0], dtype), nil
}

// Where selects onTrue or onFalse for each element.
func (f *Function) Where(condition, onTrue, onFalse compute.Value) (compute.Value, error) {
	in, err := f.check("Where", condition, onTrue, onFalse)
	if err != nil {
		return nil, err
	}
	shape, err := shapeinference.Where(in[0].shape, in[1].shape, in[2].shape)
	if err != nil {
		return nil, err
	}
	return f.add(compute.OpTypeWhere, shape.Clone(), nil, in...), nil
}

// Clamp limits each element of x to [lo, hi]: min(max(x, lo), hi). lo and hi are scalars or have x's shape.
func (f *Function) Clamp(lo, x, hi compute.Value) (compute.Value, error) {
	in, err := f.check("Clamp", lo, x, hi)
	if err != nil {
		return nil, err
	}
	for _, limit := range []*node{in[0], in[2]} {
		if limit.shape.DType != in[1].shape.DType || !limit.shape.IsScalar() && !limit.shape.EqualDimensions(in[1].shape) {
			return nil, errors.Errorf("backend: Clamp: limit %s does not fit operand %s", limit.shape, in[1].shape)
		}
	}
	raised := f.elementwise(compute.OpTypeMax, in[1].shape, in[1], in[0])
	return f.elementwise(compute.OpTypeMin, in[1].shape, raised, in[2]), nil
}

// The methods below implement compute.StandardOps; its documentation defines them.

func (f *Function) Abs(x compute.Value) (compute.Value, error) { return f.unary(compute.OpTypeAbs, x) }
func (f *Function) Neg(x compute.Value) (compute.Value, error) { return f.unary(compute.OpTypeNeg, x) }
func (f *Function) Sign(x compute.Value) (compute.Value, error) {
	return f.unary(compute.OpTypeSign, x)
}
func (f *Function) Ceil(x compute.Value) (compute.Value, error) {
	return f.unary(compute.OpTypeCeil, x)
}
func (f *Function) Floor(x compute.Value) (compute.Value, error) {
	return f.unary(compute.OpTypeFloor, x)
}
func (f *Function) Round(x compute.Value) (compute.Value, error) {
	return f.unary(compute.OpTypeRound, x)
}
func (f *Function) Sqrt(x compute.Value) (compute.Value, error) {
	return f.unary(compute.OpTypeSqrt, x)
}
func (f *Function) Rsqrt(x compute.Value) (compute.Value, error) {
	return f.unary(compute.OpTypeRsqrt, x)
}
func (f *Function) Exp(x compute.Value) (compute.Value, error) { return f.unary(compute.OpTypeExp, x) }
func (f *Function) Expm1(x compute.Value) (compute.Value, error) {
	return f.unary(compute.OpTypeExpm1, x)
}
func (f *Function) Log(x compute.Value) (compute.Value, error) { return f.unary(compute.OpTypeLog, x) }
func (f *Function) Log1p(x compute.Value) (compute.Value, error) {
	return f.unary(compute.OpTypeLog1p, x)
}
func (f *Function) Logistic(x compute.Value) (compute.Value, error) {
	return f.unary(compute.OpTypeLogistic, x)
}
func (f *Function) Tanh(x compute.Value) (compute.Value, error) {
	return f.unary(compute.OpTypeTanh, x)
}
func (f *Function) Erf(x compute.Value) (compute.Value, error) { return f.unary(compute.OpTypeErf, x) }
func (f *Function) Sin(x compute.Value) (compute.Value, error) { return f.unary(compute.OpTypeSin, x) }
func (f *Function) Cos(x compute.Value) (compute.Value, error) { return f.unary(compute.OpTypeCos, x) }
func (f *Function) BitwiseNot(x compute.Value) (compute.Value, error) {
	return f.unary(compute.OpTypeBitwiseNot, x)
}
func (f *Function) BitCount(x compute.Value) (compute.Value, error) {
	return f.unary(compute.OpTypeBitCount, x)
}
func (f *Function) Clz(x compute.Value) (compute.Value, error) { return f.unary(compute.OpTypeClz, x) }
func (f *Function) LogicalNot(x compute.Value) (compute.Value, error) {
	return f.unary(compute.OpTypeLogicalNot, x)
}
func (f *Function) IsFinite(x compute.Value) (compute.Value, error) {
	return f.predicate(compute.OpTypeIsFinite, x)
}
func (f *Function) IsNaN(x compute.Value) (compute.Value, error) {
	return f.predicate(compute.OpTypeIsNaN, x)
}
func (f *Function) Add(a, b compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeAdd, a, b)
}
func (f *Function) Sub(a, b compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeSub, a, b)
}
func (f *Function) Mul(a, b compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeMul, a, b)
}
func (f *Function) Div(a, b compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeDiv, a, b)
}
func (f *Function) Rem(a, b compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeRem, a, b)
}
func (f *Function) Pow(a, b compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypePow, a, b)
}
func (f *Function) Atan2(a, b compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeAtan2, a, b)
}
func (f *Function) Max(a, b compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeMax, a, b)
}
func (f *Function) Min(a, b compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeMin, a, b)
}
func (f *Function) BitwiseAnd(a, b compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeBitwiseAnd, a, b)
}
func (f *Function) BitwiseOr(a, b compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeBitwiseOr, a, b)
}
func (f *Function) BitwiseXor(a, b compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeBitwiseXor, a, b)
}
func (f *Function) LogicalAnd(a, b compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeLogicalAnd, a, b)
}
func (f *Function) LogicalOr(a, b compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeLogicalOr, a, b)
}
func (f *Function) LogicalXor(a, b compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeLogicalXor, a, b)
}
func (f *Function) ShiftLeft(a, b compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeShiftLeft, a, b)
}
func (f *Function) ShiftRightArithmetic(a, b compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeShiftRightArithmetic, a, b)
}
func (f *Function) ShiftRightLogical(a, b compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeShiftRightLogical, a, b)
}
func (f *Function) Equal(a, b compute.Value) (compute.Value, error) {
	return f.comparison(compute.OpTypeEqual, a, b)
}
func (f *Function) NotEqual(a, b compute.Value) (compute.Value, error) {
	return f.comparison(compute.OpTypeNotEqual, a, b)
}
func (f *Function) GreaterThan(a, b compute.Value) (compute.Value, error) {
	return f.comparison(compute.OpTypeGreaterThan, a, b)
}
func (f *Function) GreaterOrEqual(a, b compute.Value) (compute.Value, error) {
	return f.comparison(compute.OpTypeGreaterOrEqual, a, b)
}
func (f *Function) LessThan(a, b compute.Value) (compute.Value, error) {
	return f.comparison(compute.OpTypeLessThan, a, b)
}
func (f *Function) LessOrEqual(a, b compute.Value) (compute.Value, error) {
	return f.comparison(compute.OpTypeLessOrEqual, a, b)
}
func (f *Function) EqualTotalOrder(a, b compute.Value) (compute.Value, error) {
	return f.comparison(compute.OpTypeEqualTotalOrder, a, b)
}
func (f *Function) NotEqualTotalOrder(a, b compute.Value) (compute.Value, error) {
	return f.comparison(compute.OpTypeNotEqualTotalOrder, a, b)
}
func (f *Function) GreaterThanTotalOrder(a, b compute.Value) (compute.Value, error) {
	return f.comparison(compute.OpTypeGreaterThanTotalOrder, a, b)
}
func (f *Function) GreaterOrEqualTotalOrder(a, b compute.Value) (compute.Value, error) {
	return f.comparison(compute.OpTypeGreaterOrEqualTotalOrder, a, b)
}
func (f *Function) LessThanTotalOrder(a, b compute.Value) (compute.Value, error) {
	return f.comparison(compute.OpTypeLessThanTotalOrder, a, b)
}
func (f *Function) LessOrEqualTotalOrder(a, b compute.Value) (compute.Value, error) {
	return f.comparison(compute.OpTypeLessOrEqualTotalOrder, a, b)
}
