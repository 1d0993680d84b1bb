package backend

import (
	"cmp"
	"math"
	"math/bits"
	"unsafe"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
)

// kernel computes n elements of an element-wise operation: dst[i] = f(a[i], b[i], c[i]); unused operands are nil. dst may be
// the same memory as an operand of equal element size.
type kernel func(dst, a, b, c unsafe.Pointer, n int)

// kernelKey selects a kernel by operation, the operand's type (the last operand's for Where) and, for conversions, the
// result's type.
type kernelKey struct {
	op       compute.OpType
	from, to dtypes.DType
}

// costs are the operations that take far longer than an addition, in additions.
var costs = map[compute.OpType]int{
	compute.OpTypeExp: 8, compute.OpTypeExpm1: 8, compute.OpTypeLog: 8, compute.OpTypeLog1p: 8, compute.OpTypeLogistic: 8,
	compute.OpTypeTanh: 8, compute.OpTypeErf: 8, compute.OpTypeSin: 16, compute.OpTypeCos: 16, compute.OpTypePow: 32,
	compute.OpTypeAtan2: 32, compute.OpTypeRem: 16, compute.OpTypeFusedGelu: 8, opGeluTanh: 8, opSilu: 8,
}

type (
	signed   interface{ int8 | int16 | int32 | int64 }
	unsigned interface {
		uint8 | uint16 | uint32 | uint64
	}
	integer interface{ signed | unsigned }
	float   interface{ float32 | float64 }
	number  interface{ integer | float }
)

var kernels = makeKernels()

func makeKernels() map[kernelKey]kernel {
	k := map[kernelKey]kernel{}
	addSigned[int8](k, dtypes.Int8)
	addSigned[int16](k, dtypes.Int16)
	addSigned[int32](k, dtypes.Int32)
	addSigned[int64](k, dtypes.Int64)
	addUnsigned[uint8](k, dtypes.Uint8)
	addUnsigned[uint16](k, dtypes.Uint16)
	addUnsigned[uint32](k, dtypes.Uint32)
	addUnsigned[uint64](k, dtypes.Uint64)
	addFloat[float32](k, dtypes.Float32)
	addFloat[float64](k, dtypes.Float64)
	addTotalOrder(k, dtypes.Float32, func(x float32) int32 {
		b := int32(math.Float32bits(x))
		return b ^ int32(uint32(b>>31)>>1)
	})
	addTotalOrder(k, dtypes.Float64, func(x float64) int64 {
		b := int64(math.Float64bits(x))
		return b ^ int64(uint64(b>>63)>>1)
	})
	addBool(k)
	addVector32(k)
	addConversions(k)
	return k
}

// at returns n elements from p.
func at[T any](p unsafe.Pointer, n int) []T { return unsafe.Slice((*T)(p), n) }

// lift1 and lift2 apply a scalar function to each element.
func lift1[T, R any](f func(x T) R) kernel {
	return func(dst, a, _, _ unsafe.Pointer, n int) {
		d, x := at[R](dst, n), at[T](a, n)
		for i := range d {
			d[i] = f(x[i])
		}
	}
}

func lift2[T, R any](f func(x, y T) R) kernel {
	return func(dst, a, b, _ unsafe.Pointer, n int) {
		d, x, y := at[R](dst, n), at[T](a, n), at[T](b, n)
		for i := range d {
			d[i] = f(x[i], y[i])
		}
	}
}

// The loops of the most frequent operations are written out, because a call for each element would dominate them.

func addLoop[T number](dst, a, b, _ unsafe.Pointer, n int) {
	d, x, y := at[T](dst, n), at[T](a, n), at[T](b, n)
	for i := range d {
		d[i] = x[i] + y[i]
	}
}

func subLoop[T number](dst, a, b, _ unsafe.Pointer, n int) {
	d, x, y := at[T](dst, n), at[T](a, n), at[T](b, n)
	for i := range d {
		d[i] = x[i] - y[i]
	}
}

func mulLoop[T number](dst, a, b, _ unsafe.Pointer, n int) {
	d, x, y := at[T](dst, n), at[T](a, n), at[T](b, n)
	for i := range d {
		d[i] = x[i] * y[i]
	}
}

func divLoop[T float](dst, a, b, _ unsafe.Pointer, n int) {
	d, x, y := at[T](dst, n), at[T](a, n), at[T](b, n)
	for i := range d {
		d[i] = x[i] / y[i]
	}
}

func maxLoop[T number](dst, a, b, _ unsafe.Pointer, n int) {
	d, x, y := at[T](dst, n), at[T](a, n), at[T](b, n)
	for i := range d {
		d[i] = max(x[i], y[i])
	}
}

func minLoop[T number](dst, a, b, _ unsafe.Pointer, n int) {
	d, x, y := at[T](dst, n), at[T](a, n), at[T](b, n)
	for i := range d {
		d[i] = min(x[i], y[i])
	}
}

func equalLoop[T comparable](dst, a, b, _ unsafe.Pointer, n int) {
	d, x, y := at[bool](dst, n), at[T](a, n), at[T](b, n)
	for i := range d {
		d[i] = x[i] == y[i]
	}
}

func lessLoop[T cmp.Ordered](dst, a, b, _ unsafe.Pointer, n int) {
	d, x, y := at[bool](dst, n), at[T](a, n), at[T](b, n)
	for i := range d {
		d[i] = x[i] < y[i]
	}
}

func lessEqualLoop[T cmp.Ordered](dst, a, b, _ unsafe.Pointer, n int) {
	d, x, y := at[bool](dst, n), at[T](a, n), at[T](b, n)
	for i := range d {
		d[i] = x[i] <= y[i]
	}
}

func whereLoop[T any](dst, a, b, c unsafe.Pointer, n int) {
	d, p, x, y := at[T](dst, n), at[bool](a, n), at[T](b, n), at[T](c, n)
	for i := range d {
		if p[i] {
			d[i] = x[i]
		} else {
			d[i] = y[i]
		}
	}
}

// swap exchanges the operands of a binary kernel.
func swap(k kernel) kernel {
	return func(dst, a, b, c unsafe.Pointer, n int) { k(dst, b, a, c, n) }
}

// addNumber registers what all number types have in common.
func addNumber[T number](k map[kernelKey]kernel, t dtypes.DType) {
	set := func(op compute.OpType, f kernel) { k[kernelKey{op: op, from: t}] = f }
	set(compute.OpTypeAdd, addLoop[T])
	set(compute.OpTypeSub, subLoop[T])
	set(compute.OpTypeMul, mulLoop[T])
	set(compute.OpTypeMax, maxLoop[T])
	set(compute.OpTypeMin, minLoop[T])
	set(compute.OpTypeWhere, whereLoop[T])
	set(compute.OpTypeEqual, equalLoop[T])
	set(compute.OpTypeNotEqual, lift2(func(x, y T) bool { return x != y }))
	set(compute.OpTypeLessThan, lessLoop[T])
	set(compute.OpTypeLessOrEqual, lessEqualLoop[T])
	set(compute.OpTypeGreaterThan, swap(lessLoop[T]))
	set(compute.OpTypeGreaterOrEqual, swap(lessEqualLoop[T]))
	set(opRelu, lift1(func(x T) T { return max(x, 0) }))
}

func addInteger[T integer](k map[kernelKey]kernel, t dtypes.DType) {
	addNumber[T](k, t)
	addTotalOrder(k, t, func(x T) T { return x })
	set := func(op compute.OpType, f kernel) { k[kernelKey{op: op, from: t}] = f }
	width := 8 * int(unsafe.Sizeof(T(0)))
	mask := uint64(1)<<(width-1)<<1 - 1
	set(compute.OpTypeDiv, lift2(func(x, y T) T {
		if y == 0 {
			return ^T(0) // as XLA does
		}
		return x / y
	}))
	set(compute.OpTypeRem, lift2(func(x, y T) T {
		if y == 0 {
			return x
		}
		return x % y
	}))
	set(compute.OpTypePow, lift2(powInteger[T]))
	set(compute.OpTypeBitwiseAnd, lift2(func(x, y T) T { return x & y }))
	set(compute.OpTypeBitwiseOr, lift2(func(x, y T) T { return x | y }))
	set(compute.OpTypeBitwiseXor, lift2(func(x, y T) T { return x ^ y }))
	set(compute.OpTypeBitwiseNot, lift1(func(x T) T { return ^x }))
	set(compute.OpTypeBitCount, lift1(func(x T) T { return T(bits.OnesCount64(uint64(x) & mask)) }))
	set(compute.OpTypeClz, lift1(func(x T) T { return T(bits.LeadingZeros64(uint64(x)&mask) - 64 + width) }))
	set(compute.OpTypeShiftLeft, lift2(func(x, y T) T { return x << uint64(y) }))
	set(compute.OpTypeShiftRightArithmetic, lift2(func(x, y T) T { return x >> uint64(y) }))
	set(compute.OpTypeShiftRightLogical, lift2(func(x, y T) T { return T(uint64(x) & mask >> uint64(y)) }))
}

// powInteger is x^y by squaring, modulo the type's size; x^y for negative y is the integer part of the true value.
func powInteger[T integer](x, y T) T {
	if y < 0 {
		switch {
		case x == 1:
			return 1
		case x == ^T(0): // -1: only signed types have a negative y
			return 1 - 2*(y&1)
		}
		return 0
	}
	r := T(1)
	for ; y > 0; y >>= 1 {
		if y&1 == 1 {
			r *= x
		}
		x *= x
	}
	return r
}

func addSigned[T signed](k map[kernelKey]kernel, t dtypes.DType) {
	addInteger[T](k, t)
	set := func(op compute.OpType, f kernel) { k[kernelKey{op: op, from: t}] = f }
	set(compute.OpTypeNeg, lift1(func(x T) T { return -x }))
	set(compute.OpTypeAbs, lift1(func(x T) T { return max(x, -x) }))
	set(compute.OpTypeSign, lift1(func(x T) T { return T(cmp.Compare(x, 0)) }))
}

func addUnsigned[T unsigned](k map[kernelKey]kernel, t dtypes.DType) {
	addInteger[T](k, t)
	set := func(op compute.OpType, f kernel) { k[kernelKey{op: op, from: t}] = f }
	set(compute.OpTypeAbs, lift1(func(x T) T { return x }))
	set(compute.OpTypeSign, lift1(func(x T) T { return min(x, 1) }))
}

func addFloat[T float](k map[kernelKey]kernel, t dtypes.DType) {
	addNumber[T](k, t)
	set := func(op compute.OpType, f kernel) { k[kernelKey{op: op, from: t}] = f }
	unary := func(op compute.OpType, f func(float64) float64) {
		set(op, lift1(func(x T) T { return T(f(float64(x))) }))
	}
	set(compute.OpTypeDiv, divLoop[T])
	set(compute.OpTypeNeg, lift1(func(x T) T { return -x }))
	set(compute.OpTypeIsNaN, lift1(func(x T) bool { return x != x }))
	set(compute.OpTypeIsFinite, lift1(func(x T) bool { return x-x == 0 }))
	set(compute.OpTypeSign, lift1(func(x T) T {
		switch {
		case x > 0:
			return 1
		case x < 0:
			return -1
		}
		return x // a signed zero or NaN
	}))
	set(compute.OpTypeRem, lift2(func(x, y T) T { return T(math.Mod(float64(x), float64(y))) }))
	set(compute.OpTypePow, lift2(func(x, y T) T { return T(math.Pow(float64(x), float64(y))) }))
	set(compute.OpTypeAtan2, lift2(func(x, y T) T { return T(math.Atan2(float64(x), float64(y))) }))
	unary(compute.OpTypeAbs, math.Abs)
	unary(compute.OpTypeCeil, math.Ceil)
	unary(compute.OpTypeFloor, math.Floor)
	unary(compute.OpTypeRound, math.RoundToEven)
	unary(compute.OpTypeSqrt, math.Sqrt)
	unary(compute.OpTypeRsqrt, func(x float64) float64 { return 1 / math.Sqrt(x) })
	unary(compute.OpTypeExp, math.Exp)
	unary(compute.OpTypeExpm1, math.Expm1)
	unary(compute.OpTypeLog, math.Log)
	unary(compute.OpTypeLog1p, math.Log1p)
	unary(compute.OpTypeSin, math.Sin)
	unary(compute.OpTypeCos, math.Cos)
	unary(compute.OpTypeTanh, math.Tanh)
	unary(compute.OpTypeErf, math.Erf)
	unary(compute.OpTypeLogistic, logistic)
	unary(opSilu, func(x float64) float64 { return x * logistic(x) })
	unary(opHardSwish, func(x float64) float64 { return x * min(max(x+3, 0), 6) / 6 })
	unary(compute.OpTypeFusedGelu, func(x float64) float64 { return x / 2 * math.Erfc(-x/math.Sqrt2) })
	unary(opGeluTanh, func(x float64) float64 {
		return x / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
	})
}

func logistic(x float64) float64 {
	if x >= 0 {
		return 1 / (1 + math.Exp(-x))
	}
	e := math.Exp(x)
	return e / (1 + e)
}

// addTotalOrder registers comparisons through a key that is ordered -NaN < -Inf < ... < -0 < +0 < ... < +Inf < +NaN.
func addTotalOrder[T any, K cmp.Ordered](k map[kernelKey]kernel, t dtypes.DType, key func(T) K) {
	set := func(op compute.OpType, f func(x, y K) bool) {
		k[kernelKey{op: op, from: t}] = lift2(func(x, y T) bool { return f(key(x), key(y)) })
	}
	set(compute.OpTypeEqualTotalOrder, func(x, y K) bool { return x == y })
	set(compute.OpTypeNotEqualTotalOrder, func(x, y K) bool { return x != y })
	set(compute.OpTypeLessThanTotalOrder, func(x, y K) bool { return x < y })
	set(compute.OpTypeLessOrEqualTotalOrder, func(x, y K) bool { return x <= y })
	set(compute.OpTypeGreaterThanTotalOrder, func(x, y K) bool { return x > y })
	set(compute.OpTypeGreaterOrEqualTotalOrder, func(x, y K) bool { return x >= y })
}

// addBool registers logic and comparisons; booleans are bytes 0 and 1 and compare as such. Where also selects halves, whose
// bits it only moves.
func addBool(k map[kernelKey]kernel) {
	set := func(op compute.OpType, f kernel) { k[kernelKey{op: op, from: dtypes.Bool}] = f }
	for _, op := range []compute.OpType{compute.OpTypeEqual, compute.OpTypeNotEqual, compute.OpTypeLessThan,
		compute.OpTypeLessOrEqual, compute.OpTypeGreaterThan, compute.OpTypeGreaterOrEqual, compute.OpTypeEqualTotalOrder,
		compute.OpTypeNotEqualTotalOrder, compute.OpTypeLessThanTotalOrder, compute.OpTypeLessOrEqualTotalOrder,
		compute.OpTypeGreaterThanTotalOrder, compute.OpTypeGreaterOrEqualTotalOrder,
		compute.OpTypeMax, compute.OpTypeMin, compute.OpTypeWhere} {
		set(op, k[kernelKey{op: op, from: dtypes.Uint8}])
	}
	set(compute.OpTypeLogicalAnd, lift2(func(x, y bool) bool { return x && y }))
	set(compute.OpTypeLogicalOr, lift2(func(x, y bool) bool { return x || y }))
	set(compute.OpTypeLogicalXor, lift2(func(x, y bool) bool { return x != y }))
	set(compute.OpTypeLogicalNot, lift1(func(x bool) bool { return !x }))
	k[kernelKey{op: compute.OpTypeWhere, from: dtypes.Float16}] = whereLoop[uint16]
	k[kernelKey{op: compute.OpTypeWhere, from: dtypes.BFloat16}] = whereLoop[uint16]
}
