package quant

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/eckart-go/eckart/internal/pool"
	"github.com/eckart-go/eckart/internal/simd"
)

// CanQuantise reports whether Quantise writes t: F32, F16, BF16, Q8_0, Q4_0 and Q4_1.
func CanQuantise(t Type) bool {
	switch t {
	case F32, F16, BF16, Q8_0, Q4_0, Q4_1:
		return true
	}
	return false
}

// Quantise sets dst to the values of src as type t, one of CanQuantise. F16 and BF16 round to nearest even and overflow to
// infinity. Blocks are bit for bit those of ggml's reference code: Q8_0 scales by the largest magnitude over 127; Q4_0 by
// the value of largest magnitude over -8, so that this value is met up to the scale's own rounding; Q4_1 spreads 16 levels
// from minimum to maximum. It is an error when dst has not the length that RowBytes gives, when t cannot be written, and,
// for block types, when src has a value that is not finite or too large for the F16 scale, since one such value would
// spoil its block without a trace.
func Quantise(t Type, dst []byte, src []float32) error {
	if !CanQuantise(t) {
		return fmt.Errorf("quant: quantise %v: cannot be written; expected F32, F16, BF16, Q8_0, Q4_0 or Q4_1", t)
	}
	if err := checkLengths("quantise", t, len(src), len(dst)); err != nil {
		return err
	}
	if t.BlockSize() > 1 {
		if err := checkRange(t, src); err != nil {
			return err
		}
	}
	size, bytes := t.BlockSize(), t.BlockBytes()
	if len(src) <= grainValues {
		quantise(t, dst, src)
		return nil
	}
	pool.Ranges(len(src), grainValues, func(lo, hi int) {
		quantise(t, dst[lo/size*bytes:hi/size*bytes], src[lo:hi])
	})
	return nil
}

// checkRange returns an error for the first value that the block type t cannot hold. F16 ends at 65504: a Q8_0 block
// reaches 127 times that, Q4_0 8 times, and Q4_1 has its minimum in F16 and its maximum at most 15 F16 scales above.
func checkRange(t Type, src []float32) error {
	const largest = 65504
	limit := float32(largest)
	switch t {
	case Q8_0:
		limit *= 127
	case Q4_0:
		limit *= 8
	}
	most := math.Float32bits(limit)
	for i, v := range src { // as integers, magnitudes order like the numbers, with infinity and NaN above them
		if math.Float32bits(v)&^(1<<31) > most {
			return fmt.Errorf("quant: quantise %v: value %d is %v, expected a magnitude of at most %v", t, i, v, limit)
		}
	}
	return nil
}

func quantise(t Type, dst []byte, src []float32) {
	switch t {
	case F32:
		putFloats(dst, src)
	case F16:
		putHalves(dst, src, simd.F32ToF16)
	case BF16:
		putHalves(dst, src, simd.F32ToBF16)
	case Q8_0:
		quantiseQ8_0(dst, src)
	case Q4_0:
		quantiseQ4_0(dst, src)
	case Q4_1:
		quantiseQ4_1(dst, src)
	}
}

func putFloats(dst []byte, src []float32) {
	if littleEndian {
		copy(floatsIn(dst), src)
		return
	}
	for i, v := range src {
		binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(v))
	}
}

func putHalves(dst []byte, src []float32, convert func([]uint16, []float32)) {
	if littleEndian {
		convert(halvesIn(dst), src)
		return
	}
	halves := make([]uint16, len(src))
	convert(halves, src)
	for i, h := range halves {
		binary.LittleEndian.PutUint16(dst[2*i:], h)
	}
}

func quantiseQ8_0(dst []byte, src []float32) {
	for ; len(src) >= 32; dst, src = dst[34:], src[32:] {
		block, top := src[:32], uint32(0)
		for _, v := range block {
			top = max(top, math.Float32bits(v)&^(1<<31))
		}
		d := math.Float32frombits(top) / 127
		inverse := reciprocal(d)
		binary.LittleEndian.PutUint16(dst, simd.ToF16(d))
		for i, v := range block {
			dst[2+i] = byte(roundAway(v * inverse))
		}
	}
}

func quantiseQ4_0(dst []byte, src []float32) {
	for ; len(src) >= 32; dst, src = dst[18:], src[32:] {
		block := src[:32]
		top := block[0] // the first of the values of largest magnitude, with its sign
		for _, v := range block[1:] {
			if abs(v) > abs(top) {
				top = v
			}
		}
		d := top / -8
		inverse := reciprocal(d)
		binary.LittleEndian.PutUint16(dst, simd.ToF16(d))
		level := func(v float32) byte { return level4(float32(v*inverse) + 8.5) }
		for i := range 16 {
			dst[2+i] = level(block[i]) | level(block[i+16])<<4
		}
	}
}

func quantiseQ4_1(dst []byte, src []float32) {
	for ; len(src) >= 32; dst, src = dst[20:], src[32:] {
		block := src[:32]
		low, high := block[0], block[0]
		for _, v := range block[1:] {
			if v < low {
				low = v
			}
			if v > high {
				high = v
			}
		}
		d := (high - low) / 15
		inverse := reciprocal(d)
		binary.LittleEndian.PutUint16(dst, simd.ToF16(d))
		binary.LittleEndian.PutUint16(dst[2:], simd.ToF16(low))
		level := func(v float32) byte { return level4(float32((v-low)*inverse) + 0.5) }
		for i := range 16 {
			dst[4+i] = level(block[i]) | level(block[i+16])<<4
		}
	}
}

func abs(v float32) float32 { return math.Float32frombits(math.Float32bits(v) &^ (1 << 31)) }

// reciprocal returns 1/d, and 0 where that overflows: the F16 scale is then 0 and the levels do not matter.
func reciprocal(d float32) float32 {
	if r := 1 / d; abs(r) <= math.MaxFloat32 {
		return r
	}
	return 0
}

// roundAway rounds to nearest, half away from zero, for |v| <= 127; in float64 the sum is exact where it matters.
func roundAway(v float32) int8 { return int8(float64(v) + math.Copysign(0.5, float64(v))) }

// level4 truncates v to one of 0 to 15.
func level4(v float32) byte { return byte(min(max(int(v), 0), 15)) }
