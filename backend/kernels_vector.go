package backend

import (
	"math"
	"unsafe"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"

	"github.com/eckart-go/eckart/internal/simd"
)

// addVector32 replaces float32 kernels by those of internal/simd.
func addVector32(k map[kernelKey]kernel) {
	unary := func(op compute.OpType, f func(dst, x []float32)) {
		k[kernelKey{op: op, from: dtypes.Float32}] = func(dst, a, _, _ unsafe.Pointer, n int) {
			f(at[float32](dst, n), at[float32](a, n))
		}
	}
	binary := func(op compute.OpType, f func(dst, x, y []float32)) {
		k[kernelKey{op: op, from: dtypes.Float32}] = func(dst, a, b, _ unsafe.Pointer, n int) {
			f(at[float32](dst, n), at[float32](a, n), at[float32](b, n))
		}
	}
	unary(compute.OpTypeExp, simd.Exp)
	unary(compute.OpTypeLogistic, simd.Sigmoid)
	unary(compute.OpTypeTanh, simd.Tanh)
	unary(opSilu, simd.Silu)
	unary(compute.OpTypeFusedGelu, simd.Gelu)
	unary(opGeluTanh, simd.GeluTanh)
	unary(compute.OpTypeSqrt, func(dst, x []float32) {
		for i, v := range x {
			dst[i] = float32(math.Sqrt(float64(v))) // compiled to one float32 square root
		}
	})
	unary(compute.OpTypeNeg, func(dst, x []float32) { simd.Scale(dst, x, -1) })
	binary(compute.OpTypeAdd, simd.Add)
	binary(compute.OpTypeSub, simd.Sub)
	binary(compute.OpTypeMul, simd.Mul)
	binary(compute.OpTypeDiv, simd.Div)
	binary(compute.OpTypeMax, simd.Max)
	binary(compute.OpTypeMin, simd.Min)
}

// addConversions registers ConvertDType between all pairs of number types and booleans, and of halves with float32.
func addConversions(k map[kernelKey]kernel) {
	convertFrom[int8](k, dtypes.Int8)
	convertFrom[int16](k, dtypes.Int16)
	convertFrom[int32](k, dtypes.Int32)
	convertFrom[int64](k, dtypes.Int64)
	convertFrom[uint8](k, dtypes.Uint8)
	convertFrom[uint16](k, dtypes.Uint16)
	convertFrom[uint32](k, dtypes.Uint32)
	convertFrom[uint64](k, dtypes.Uint64)
	convertFromFloat[float32](k, dtypes.Float32)
	convertFromFloat[float64](k, dtypes.Float64)
	for to := range supported { // a boolean is the byte 0 or 1
		if f, ok := k[kernelKey{compute.OpTypeConvertDType, dtypes.Uint8, to}]; ok && to != dtypes.Bool {
			k[kernelKey{compute.OpTypeConvertDType, dtypes.Bool, to}] = f
		}
	}
	k[kernelKey{compute.OpTypeConvertDType, dtypes.Bool, dtypes.Uint8}] = lift1(func(x uint8) uint8 { return x })
	widen := func(from dtypes.DType, f func(dst []float32, src []uint16)) {
		k[kernelKey{compute.OpTypeConvertDType, from, dtypes.Float32}] = func(dst, a, _, _ unsafe.Pointer, n int) {
			f(at[float32](dst, n), at[uint16](a, n))
		}
	}
	narrow := func(to dtypes.DType, f func(dst []uint16, src []float32)) {
		k[kernelKey{compute.OpTypeConvertDType, dtypes.Float32, to}] = func(dst, a, _, _ unsafe.Pointer, n int) {
			f(at[uint16](dst, n), at[float32](a, n))
		}
	}
	widen(dtypes.Float16, simd.F16ToF32)
	widen(dtypes.BFloat16, simd.BF16ToF32)
	narrow(dtypes.Float16, simd.F32ToF16)
	narrow(dtypes.BFloat16, simd.F32ToBF16)
}

// convertFrom registers conversions from an integer type; they wrap around where the value does not fit.
func convertFrom[A integer](k map[kernelKey]kernel, from dtypes.DType) {
	set := func(to dtypes.DType, f kernel) { k[kernelKey{compute.OpTypeConvertDType, from, to}] = f }
	set(dtypes.Int8, convertLoop[A, int8])
	set(dtypes.Int16, convertLoop[A, int16])
	set(dtypes.Int32, convertLoop[A, int32])
	set(dtypes.Int64, convertLoop[A, int64])
	set(dtypes.Uint8, convertLoop[A, uint8])
	set(dtypes.Uint16, convertLoop[A, uint16])
	set(dtypes.Uint32, convertLoop[A, uint32])
	set(dtypes.Uint64, convertLoop[A, uint64])
	set(dtypes.Float32, convertLoop[A, float32])
	set(dtypes.Float64, convertLoop[A, float64])
	set(dtypes.Bool, lift1(func(x A) bool { return x != 0 }))
}

func convertLoop[A, B number](dst, a, _, _ unsafe.Pointer, n int) {
	d, x := at[B](dst, n), at[A](a, n)
	for i := range d {
		d[i] = B(x[i])
	}
}

// convertFromFloat registers conversions from a float type. To an integer it truncates, saturates and takes NaN to 0, on
// every CPU alike.
func convertFromFloat[A float](k map[kernelKey]kernel, from dtypes.DType) {
	set := func(to dtypes.DType, f kernel) { k[kernelKey{compute.OpTypeConvertDType, from, to}] = f }
	set(dtypes.Float32, convertLoop[A, float32])
	set(dtypes.Float64, convertLoop[A, float64])
	set(dtypes.Bool, lift1(func(x A) bool { return x != 0 }))
	set(dtypes.Int8, saturate[A, int8](math.MinInt8, math.MaxInt8))
	set(dtypes.Int16, saturate[A, int16](math.MinInt16, math.MaxInt16))
	set(dtypes.Int32, saturate[A, int32](math.MinInt32, math.MaxInt32))
	set(dtypes.Int64, saturate[A, int64](math.MinInt64, math.MaxInt64))
	set(dtypes.Uint8, saturate[A, uint8](0, math.MaxUint8))
	set(dtypes.Uint16, saturate[A, uint16](0, math.MaxUint16))
	set(dtypes.Uint32, saturate[A, uint32](0, math.MaxUint32))
	set(dtypes.Uint64, saturate[A, uint64](0, math.MaxUint64))
}

func saturate[A float, B integer](lo, hi B) kernel {
	low, high := float64(lo), float64(hi) // 2^63 and 2^64 for the 64-bit types: >= catches what does not fit
	return lift1(func(x A) B {
		switch v := float64(x); {
		case v >= high:
			return hi
		case v <= low:
			return lo
		case v != v:
			return 0
		default:
			return B(v)
		}
	})
}
