package simd

import (
	"encoding/binary"
	"math"
)

var quantGeneric = quantKernels{
	dequantQ4_0: dequantQ4_0Generic, dequantQ4_1: dequantQ4_1Generic, dequantQ5_0: dequantQ5_0Generic,
	dequantQ5_1: dequantQ5_1Generic, dequantQ8_0: dequantQ8_0Generic,
	dequantQ2_K: dequantQ2_KGeneric, dequantQ3_K: dequantQ3_KGeneric, dequantQ4_K: dequantQ4_KGeneric,
	dequantQ5_K: dequantQ5_KGeneric, dequantQ6_K: dequantQ6_KGeneric,
	quantise: quantiseGeneric,
	dotQ4_0:  dotQ4_0Generic, dotQ4_1: dotQ4_1Generic, dotQ5_0: dotQ5_0Generic, dotQ5_1: dotQ5_1Generic, dotQ8_0: dotQ8_0Generic,
	dotQ4_K: dotQ4_KGeneric, dotQ6_K: dotQ6_KGeneric,
}

// f16At returns the F16 value at the start of b.
func f16At(b []byte) float32 { return FromF16(binary.LittleEndian.Uint16(b)) }

// Products and sums below are written as float32(d*q) + m so that no compiler fuses them: the format's reference rounds
// the product (where that matters at all).

func dequantQ4_0Generic(dst []float32, blocks []byte) {
	for ; len(dst) >= 32; dst, blocks = dst[32:], blocks[18:] {
		d := f16At(blocks)
		for i, b := range blocks[2:18] {
			dst[i] = d * float32(int(b&15)-8)
			dst[i+16] = d * float32(int(b>>4)-8)
		}
	}
}

func dequantQ4_1Generic(dst []float32, blocks []byte) {
	for ; len(dst) >= 32; dst, blocks = dst[32:], blocks[20:] {
		d, m := f16At(blocks), f16At(blocks[2:])
		for i, b := range blocks[4:20] {
			dst[i] = float32(d*float32(b&15)) + m
			dst[i+16] = float32(d*float32(b>>4)) + m
		}
	}
}

func dequantQ5_0Generic(dst []float32, blocks []byte) {
	for ; len(dst) >= 32; dst, blocks = dst[32:], blocks[22:] {
		d, high := f16At(blocks), binary.LittleEndian.Uint32(blocks[2:])
		for i, b := range blocks[6:22] {
			dst[i] = d * float32(int(b&15)|int(high>>i&1)<<4-16)
			dst[i+16] = d * float32(int(b>>4)|int(high>>(i+16)&1)<<4-16)
		}
	}
}

func dequantQ5_1Generic(dst []float32, blocks []byte) {
	for ; len(dst) >= 32; dst, blocks = dst[32:], blocks[24:] {
		d, m, high := f16At(blocks), f16At(blocks[2:]), binary.LittleEndian.Uint32(blocks[4:])
		for i, b := range blocks[8:24] {
			dst[i] = float32(d*float32(int(b&15)|int(high>>i&1)<<4)) + m
			dst[i+16] = float32(d*float32(int(b>>4)|int(high>>(i+16)&1)<<4)) + m
		}
	}
}

func dequantQ8_0Generic(dst []float32, blocks []byte) {
	for ; len(dst) >= 32; dst, blocks = dst[32:], blocks[34:] {
		d := f16At(blocks)
		for i, b := range blocks[2:34] {
			dst[i] = d * float32(int8(b))
		}
	}
}

func quantiseGeneric(q []int8, scales, sums, x []float32) {
	for b := range scales {
		block, out := x[32*b:32*b+32], q[32*b:32*b+32]
		var top uint32 // as integers, magnitudes order like the numbers, with infinity and NaN above them
		for _, v := range block {
			top = max(top, math.Float32bits(v)&0x7fffffff)
		}
		biggest := math.Float32frombits(top)
		switch {
		case top >= 0x7f800000:
			clear(out)
			scales[b], sums[b] = float32(math.NaN()), float32(math.NaN())
		case biggest < 0x1p-118: // 127/biggest might overflow
			clear(out)
			scales[b], sums[b] = 0, 0
		default:
			inverse, sum := 127/biggest, 0
			for i, v := range block {
				out[i] = int8(math.RoundToEven(float64(v * inverse)))
				sum += int(out[i])
			}
			scales[b] = biggest / 127
			sums[b] = scales[b] * float32(sum)
		}
	}
}

func dotQ4_0Generic(dst []float32, w []byte, stride int, q []int8, scales, sums []float32) {
	for r := range dst {
		row, acc, low := w[r*stride:], float32(0), float32(0)
		for b, scale := range scales {
			block, x := row[18*b:18*b+18], q[32*b:32*b+32]
			d := f16At(block)
			acc += d * scale * float32(dotNibbles(block[2:], x))
			low += d * sums[b]
		}
		dst[r] = acc - 8*low
	}
}

func dotQ4_1Generic(dst []float32, w []byte, stride int, q []int8, scales, sums []float32) {
	for r := range dst {
		row, acc := w[r*stride:], float32(0)
		for b, scale := range scales {
			block, x := row[20*b:20*b+20], q[32*b:32*b+32]
			acc += f16At(block)*scale*float32(dotNibbles(block[4:], x)) + f16At(block[2:])*sums[b]
		}
		dst[r] = acc
	}
}

func dotQ5_0Generic(dst []float32, w []byte, stride int, q []int8, scales, sums []float32) {
	for r := range dst {
		row, acc, low := w[r*stride:], float32(0), float32(0)
		for b, scale := range scales {
			block, x := row[22*b:22*b+22], q[32*b:32*b+32]
			d := f16At(block)
			acc += d * scale * float32(dotFiveBits(block[2:], x))
			low += d * sums[b]
		}
		dst[r] = acc - 16*low
	}
}

func dotQ5_1Generic(dst []float32, w []byte, stride int, q []int8, scales, sums []float32) {
	for r := range dst {
		row, acc := w[r*stride:], float32(0)
		for b, scale := range scales {
			block, x := row[24*b:24*b+24], q[32*b:32*b+32]
			acc += f16At(block)*scale*float32(dotFiveBits(block[4:], x)) + f16At(block[2:])*sums[b]
		}
		dst[r] = acc
	}
}

func dotQ8_0Generic(dst []float32, w []byte, stride int, q []int8, scales, sums []float32) {
	for r := range dst {
		row, acc := w[r*stride:], float32(0)
		for b, scale := range scales {
			block, x := row[34*b:34*b+34], q[32*b:32*b+32]
			sum := 0
			for i, v := range block[2:] {
				sum += int(int8(v)) * int(x[i])
			}
			acc += f16At(block) * scale * float32(sum)
		}
		dst[r] = acc
	}
}

// dotNibbles returns the sum of lower nibbles of 16 bytes times x[:16] and upper ones times x[16:32].
func dotNibbles(nibbles []byte, x []int8) (sum int) {
	_, _ = nibbles[15], x[31]
	for i, b := range nibbles[:16] {
		sum += int(b&15)*int(x[i]) + int(b>>4)*int(x[i+16])
	}
	return sum
}

// dotFiveBits is dotNibbles for four bytes of fifth bits and 16 of nibbles.
func dotFiveBits(packed []byte, x []int8) int {
	sum, high := dotNibbles(packed[4:], x), binary.LittleEndian.Uint32(packed)
	for i, v := range x[:32] {
		sum += int(high>>i&1) << 4 * int(v)
	}
	return sum
}
