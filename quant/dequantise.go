package quant

import (
	"encoding/binary"
	"fmt"
	"math"
	"unsafe"

	"github.com/eckart-go/eckart/internal/pool"
	"github.com/eckart-go/eckart/internal/simd"
)

// grainValues is how many values a piece of parallel work has: a multiple of every block size, some tens of microseconds.
const grainValues = 1 << 15

// Dequantise sets dst to the float32 values of src, little-endian data of type t. F32, F16 and BF16 are exact (an F16 NaN
// becomes quiet), integers and F64 are rounded to nearest even, and block formats give the bits that ggml's reference
// code gives. Any bytes are valid input. It is an error when src is not exactly as long as len(dst) values take.
func Dequantise(t Type, dst []float32, src []byte) error {
	if err := checkLengths("dequantise", t, len(dst), len(src)); err != nil {
		return err
	}
	size, bytes := t.BlockSize(), t.BlockBytes()
	if len(dst) <= grainValues {
		dequantise(t, dst, src)
		return nil
	}
	pool.Ranges(len(dst), grainValues, func(lo, hi int) {
		dequantise(t, dst[lo:hi], src[lo/size*bytes:hi/size*bytes])
	})
	return nil
}

// checkLengths returns an error unless bytes is what n values of type t take.
func checkLengths(verb string, t Type, n, bytes int) error {
	want, err := t.RowBytes(n)
	if err != nil {
		return err
	}
	if bytes != want {
		return fmt.Errorf("quant: %s %v: %d values take %d bytes, got %d", verb, t, n, want, bytes)
	}
	return nil
}

// dequantise is Dequantise for lengths that have been checked.
func dequantise(t Type, dst []float32, src []byte) {
	switch t {
	case F32:
		copyFloats(dst, src)
	case F16:
		convertHalves(dst, src, simd.F16ToF32)
	case BF16:
		convertHalves(dst, src, simd.BF16ToF32)
	case F64:
		for i := range dst {
			dst[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(src[8*i:])))
		}
	case I8:
		for i := range dst {
			dst[i] = float32(int8(src[i]))
		}
	case I16:
		for i := range dst {
			dst[i] = float32(int16(binary.LittleEndian.Uint16(src[2*i:])))
		}
	case I32:
		for i := range dst {
			dst[i] = float32(int32(binary.LittleEndian.Uint32(src[4*i:])))
		}
	case I64:
		for i := range dst {
			dst[i] = float32(int64(binary.LittleEndian.Uint64(src[8*i:])))
		}
	default:
		dequantiseBlocks(t, dst, src)
	}
}

func dequantiseBlocks(t Type, dst []float32, src []byte) {
	switch t {
	case Q4_0:
		simd.DequantiseQ4_0(dst, src)
	case Q4_1:
		simd.DequantiseQ4_1(dst, src)
	case Q5_0:
		simd.DequantiseQ5_0(dst, src)
	case Q5_1:
		simd.DequantiseQ5_1(dst, src)
	case Q8_0:
		simd.DequantiseQ8_0(dst, src)
	case Q2_K:
		simd.DequantiseQ2_K(dst, src)
	case Q3_K:
		simd.DequantiseQ3_K(dst, src)
	case Q4_K:
		simd.DequantiseQ4_K(dst, src)
	case Q5_K:
		simd.DequantiseQ5_K(dst, src)
	case Q6_K:
		simd.DequantiseQ6_K(dst, src)
	default:
		panic("quant: no dequantiser for " + t.String())
	}
}

// littleEndian is whether numbers lie in memory as they do in files.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// floatsIn returns the memory of b as float32 values, at whatever address; only for littleEndian machines.
func floatsIn(b []byte) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/4)
}

// halvesIn returns the memory of b as 16-bit values, at whatever address; only for littleEndian machines.
func halvesIn(b []byte) []uint16 {
	return unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/2)
}

func copyFloats(dst []float32, src []byte) {
	if littleEndian {
		copy(dst, floatsIn(src))
		return
	}
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
	}
}

func convertHalves(dst []float32, src []byte, convert func([]float32, []uint16)) {
	if littleEndian {
		convert(dst, halvesIn(src))
		return
	}
	halves := make([]uint16, len(dst))
	for i := range halves {
		halves[i] = binary.LittleEndian.Uint16(src[2*i:])
	}
	convert(dst, halves)
}
