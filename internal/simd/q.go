package simd

import "fmt"

//go:generate go -C _asm run . q -out ../q_amd64.s -stubs ../q_stub_amd64.go -pkg simd

// Block formats of GGUF files: 32 or 256 values ("q4_0" to "q8_0", "q2_K" to "q6_K") that share half-precision scales.
// Layouts are described with the portable kernels; package quant has the types' sizes.

// quantKernels is one implementation of the kernels on blocks.
type quantKernels struct {
	// dst has a multiple of the block's values, blocks as many blocks.
	dequantQ4_0, dequantQ4_1, dequantQ5_0, dequantQ5_1, dequantQ8_0 func(dst []float32, blocks []byte)
	dequantQ2_K, dequantQ3_K, dequantQ4_K, dequantQ5_K, dequantQ6_K func(dst []float32, blocks []byte)
	quantise                                                        func(q []int8, scales, sums, x []float32)
	dotQ4_0, dotQ4_1, dotQ5_0, dotQ5_1, dotQ8_0, dotQ4_K, dotQ6_K   DotKernel
}

// DotKernel sets dst[r] to the inner product of row r of a quantised matrix with a quantised vector (see
// QuantiseVector). Row r starts at w[r*stride]; the vector has len(q) values, a multiple of the block size. Sums within 32
// values are exact integers; a result depends on its row and the vector alone.
type DotKernel func(dst []float32, w []byte, stride int, q []int8, scales, sums []float32)

var (
	quantSets = append(quantAsm(), kernelSet[quantKernels]{isaGeneric, quantGeneric})
	qk        = pick(quantSets)
)

// DequantiseQ4_0 sets dst to the values of blocks of 32: an F16 scale d, then 16 bytes whose lower nibbles are values 0
// to 15 and upper nibbles values 16 to 31; value = d (q - 8). Here and below len(dst) must be the blocks' number of
// values, and the arithmetic is that of ggml's reference, bit for bit.
func DequantiseQ4_0(dst []float32, blocks []byte) {
	qk.dequantQ4_0(checkBlocks(dst, blocks, 32, 18), blocks)
}

// DequantiseQ4_1 is for blocks of 32: F16 scale d and minimum m, 16 bytes as in Q4_0; value = d q + m.
func DequantiseQ4_1(dst []float32, blocks []byte) {
	qk.dequantQ4_1(checkBlocks(dst, blocks, 32, 20), blocks)
}

// DequantiseQ5_0 is for blocks of 32: F16 scale d, 4 bytes with bit 4 of every value, 16 bytes as in Q4_0;
// value = d (q - 16).
func DequantiseQ5_0(dst []float32, blocks []byte) {
	qk.dequantQ5_0(checkBlocks(dst, blocks, 32, 22), blocks)
}

// DequantiseQ5_1 is for blocks of 32: F16 scale d and minimum m, then as Q5_0; value = d q + m.
func DequantiseQ5_1(dst []float32, blocks []byte) {
	qk.dequantQ5_1(checkBlocks(dst, blocks, 32, 24), blocks)
}

// DequantiseQ8_0 is for blocks of 32: F16 scale d, 32 int8; value = d q.
func DequantiseQ8_0(dst []float32, blocks []byte) {
	qk.dequantQ8_0(checkBlocks(dst, blocks, 32, 34), blocks)
}

// DequantiseQ2_K is for blocks of 256: 16 bytes with a 4-bit scale and minimum for each 16 values, 64 bytes of 2-bit
// values, F16 d and dmin.
func DequantiseQ2_K(dst []float32, blocks []byte) {
	qk.dequantQ2_K(checkBlocks(dst, blocks, 256, 84), blocks)
}

// DequantiseQ3_K is for blocks of 256: 32 bytes of third bits, 64 bytes of lower bits, 12 bytes of 6-bit scales, F16 d.
func DequantiseQ3_K(dst []float32, blocks []byte) {
	qk.dequantQ3_K(checkBlocks(dst, blocks, 256, 110), blocks)
}

// DequantiseQ4_K is for blocks of 256: F16 d and dmin, 12 bytes with a 6-bit scale and minimum for each 32 values, 128
// bytes of nibbles.
func DequantiseQ4_K(dst []float32, blocks []byte) {
	qk.dequantQ4_K(checkBlocks(dst, blocks, 256, 144), blocks)
}

// DequantiseQ5_K is for blocks of 256: as Q4_K with 32 bytes of fifth bits before the nibbles.
func DequantiseQ5_K(dst []float32, blocks []byte) {
	qk.dequantQ5_K(checkBlocks(dst, blocks, 256, 176), blocks)
}

// DequantiseQ6_K is for blocks of 256: 128 bytes of lower nibbles, 64 bytes of upper bit pairs, 16 int8 scales, F16 d.
func DequantiseQ6_K(dst []float32, blocks []byte) {
	qk.dequantQ6_K(checkBlocks(dst, blocks, 256, 210), blocks)
}

// checkBlocks panics unless blocks holds exactly len(dst) values in blocks of values and bytes; it returns dst.
func checkBlocks(dst []float32, blocks []byte, values, bytes int) []float32 {
	if len(dst)%values != 0 || len(blocks) != len(dst)/values*bytes {
		panic(fmt.Sprintf("simd: %d values and %d bytes: expected blocks of %d values in %d bytes",
			len(dst), len(blocks), values, bytes))
	}
	return dst
}

// QuantiseVector rounds x to int8 in blocks of 32: x ~ scales[b] q, with scales[b] = max |x| / 127, and sets sums[b] to
// scales[b] times the sum of the block's q. len(x) is a multiple of 32. A block without a value of 2^-118 or more becomes
// 0; a block that has an infinity or NaN gets the scale NaN, and so do the results of every product with it.
func QuantiseVector(q []int8, scales, sums, x []float32) {
	n := len(x)
	if n%32 != 0 {
		panic(fmt.Sprintf("simd: a vector of %d values: expected a multiple of 32", n))
	}
	qk.quantise(q[:n], scales[:n/32], sums[:n/32], x)
}

// DotQ4_0 is the DotKernel for rows in Q4_0. Its inputs are checked, as are those of the kernels below.
func DotQ4_0(dst []float32, w []byte, stride int, q []int8, scales, sums []float32) {
	dot(qk.dotQ4_0, 32, 18, dst, w, stride, q, scales, sums)
}

// DotQ4_1 is the DotKernel for rows in Q4_1.
func DotQ4_1(dst []float32, w []byte, stride int, q []int8, scales, sums []float32) {
	dot(qk.dotQ4_1, 32, 20, dst, w, stride, q, scales, sums)
}

// DotQ5_0 is the DotKernel for rows in Q5_0.
func DotQ5_0(dst []float32, w []byte, stride int, q []int8, scales, sums []float32) {
	dot(qk.dotQ5_0, 32, 22, dst, w, stride, q, scales, sums)
}

// DotQ5_1 is the DotKernel for rows in Q5_1.
func DotQ5_1(dst []float32, w []byte, stride int, q []int8, scales, sums []float32) {
	dot(qk.dotQ5_1, 32, 24, dst, w, stride, q, scales, sums)
}

// DotQ8_0 is the DotKernel for rows in Q8_0.
func DotQ8_0(dst []float32, w []byte, stride int, q []int8, scales, sums []float32) {
	dot(qk.dotQ8_0, 32, 34, dst, w, stride, q, scales, sums)
}

// DotQ4_K is the DotKernel for rows in Q4_K.
func DotQ4_K(dst []float32, w []byte, stride int, q []int8, scales, sums []float32) {
	dot(qk.dotQ4_K, 256, 144, dst, w, stride, q, scales, sums)
}

// DotQ6_K is the DotKernel for rows in Q6_K.
func DotQ6_K(dst []float32, w []byte, stride int, q []int8, scales, sums []float32) {
	dot(qk.dotQ6_K, 256, 210, dst, w, stride, q, scales, sums)
}

// dot checks shapes, so that no kernel can read or write outside its slices, and calls kernel.
func dot(kernel DotKernel, values, bytes int, dst []float32, w []byte, stride int, q []int8, scales, sums []float32) {
	n := len(q)
	row := n / values * bytes
	if n%values != 0 || len(scales) < n/32 || len(sums) < n/32 || stride < row {
		panic(fmt.Sprintf("simd: vector of %d values, %d scales, %d sums: expected a multiple of %d values, one scale "+
			"and sum for every 32; row stride %d, expected at least %d", n, len(scales), len(sums), values, stride, row))
	}
	if len(dst) == 0 {
		return
	}
	if need := (len(dst)-1)*stride + row; len(w) < need {
		panic(fmt.Sprintf("simd: %d rows of %d bytes, stride %d: matrix has %d bytes, expected %d",
			len(dst), row, stride, len(w), need))
	}
	if n == 0 {
		clear(dst)
		return
	}
	kernel(dst, w, stride, q, scales[:n/32], sums[:n/32])
}
