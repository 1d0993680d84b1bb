package simd

import "math"

//go:generate go -C _asm run . half -out ../half_amd64.s -stubs ../half_stub_amd64.go -pkg simd

// halfKernels is one implementation of the conversions between half precision and float32. In each the lengths agree.
type halfKernels struct {
	f16ToF32  func(dst []float32, src []uint16)
	f32ToF16  func(dst []uint16, src []float32)
	bf16ToF32 func(dst []float32, src []uint16)
	f32ToBF16 func(dst []uint16, src []float32)
}

var (
	halfSets = append(halfAsm(), kernelSet[halfKernels]{isaGeneric, halfKernels{
		f16ToF32Generic, f32ToF16Generic, bf16ToF32Generic, f32ToBF16Generic}})
	half = pick(halfSets)
)

// F16ToF32 converts IEEE binary16 to float32, which is exact; a NaN keeps its payload and becomes quiet. dst must be at
// least as long as src.
func F16ToF32(dst []float32, src []uint16) { half.f16ToF32(dst[:len(src)], src) }

// F32ToF16 converts to IEEE binary16, rounding to nearest even; values from 65520 on become infinite, and a NaN keeps
// what fits of its payload and becomes quiet. dst must be at least as long as src.
func F32ToF16(dst []uint16, src []float32) { half.f32ToF16(dst[:len(src)], src) }

// BF16ToF32 converts bfloat16, the upper half of a float32, to float32; every bit is kept. dst must be at least as long
// as src.
func BF16ToF32(dst []float32, src []uint16) { half.bf16ToF32(dst[:len(src)], src) }

// F32ToBF16 converts to bfloat16, rounding to nearest even; a NaN keeps what fits of its payload and becomes quiet. dst
// must be at least as long as src.
func F32ToBF16(dst []uint16, src []float32) { half.f32ToBF16(dst[:len(src)], src) }

// FromF16 is F16ToF32 for one value.
func FromF16(h uint16) float32 {
	sign, mag := uint32(h&0x8000)<<16, uint32(h&0x7fff)
	switch {
	case mag > 0x7c00:
		return math.Float32frombits(sign | 0x7fc00000 | mag<<13)
	case mag == 0x7c00:
		return math.Float32frombits(sign | 0x7f800000)
	case mag >= 0x0400:
		return math.Float32frombits(sign | (mag<<13 + (127-15)<<23))
	}
	return math.Float32frombits(sign | math.Float32bits(float32(mag)*0x1p-24)) // subnormal: an integer times 2^-24
}

// ToF16 is F32ToF16 for one value.
func ToF16(x float32) uint16 {
	bits := math.Float32bits(x)
	sign, mag := uint16(bits>>16&0x8000), bits&0x7fffffff
	switch {
	case mag > 0x7f800000:
		return sign | 0x7e00 | uint16(mag>>13&0x3ff)
	case mag >= 0x477ff000: // 65520, half way between the largest finite value and 2^16
		return sign | 0x7c00
	case mag < 0x38800000: // below 2^-14: adding 1/2, whose ulp is 2^-24, rounds to the grid of subnormals
		return sign | uint16(math.Float32bits(math.Float32frombits(mag)+0.5)-math.Float32bits(0.5))
	}
	mag += 0xfff + mag>>13&1
	return sign | uint16(mag>>13-(127-15)<<10)
}

// ToBF16 is F32ToBF16 for one value.
func ToBF16(x float32) uint16 {
	bits := math.Float32bits(x)
	if bits&0x7fffffff > 0x7f800000 {
		return uint16(bits>>16) | 0x40
	}
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}

func f16ToF32Generic(dst []float32, src []uint16) {
	for i, h := range src {
		dst[i] = FromF16(h)
	}
}

func f32ToF16Generic(dst []uint16, src []float32) {
	for i, x := range src {
		dst[i] = ToF16(x)
	}
}

func bf16ToF32Generic(dst []float32, src []uint16) {
	for i, h := range src {
		dst[i] = math.Float32frombits(uint32(h) << 16)
	}
}

func f32ToBF16Generic(dst []uint16, src []float32) {
	for i, x := range src {
		dst[i] = ToBF16(x)
	}
}
