package simd

// The "K" formats: blocks of 256 values in sub-blocks of 16 or 32, whose small integer scales share one or two F16
// factors.

func dequantQ2_KGeneric(dst []float32, blocks []byte) {
	for ; len(dst) >= 256; dst, blocks = dst[256:], blocks[84:] {
		scales, qs := blocks[:16], blocks[16:80]
		d, dmin := f16At(blocks[80:]), f16At(blocks[82:])
		for s := range 16 { // 128 values share 32 bytes: bits 2k of byte j hold value 32k + j
			scale, low := d*float32(scales[s]&15), dmin*float32(scales[s]>>4)
			shift, out := s/2%4*2, dst[16*s:16*s+16]
			for j, b := range qs[s/8*32+s%2*16:][:16] {
				out[j] = float32(scale*float32(b>>shift&3)) - low
			}
		}
	}
}

func dequantQ3_KGeneric(dst []float32, blocks []byte) {
	for ; len(dst) >= 256; dst, blocks = dst[256:], blocks[110:] {
		high, qs, packed, d := blocks[:32], blocks[32:96], blocks[96:108], f16At(blocks[108:])
		for s := range 16 {
			scale := d * float32(int(packed[s%8]>>(4*(s/8))&15|packed[8+s%4]>>(2*(s/4))&3<<4)-32)
			shift, out, thirds := s/2%4*2, dst[16*s:16*s+16], high[s%2*16:][:16]
			for j, b := range qs[s/8*32+s%2*16:][:16] {
				q := int(b>>shift&3) - 4*int(thirds[j]>>(s/2)&1^1) // a set bit means no offset
				out[j] = scale * float32(q)
			}
		}
	}
}

// scaleMinK returns 6-bit scale and minimum of sub-block j of 8 from the 12 packed bytes of Q4_K and Q5_K: bytes 0 to 3
// and 4 to 7 hold those of the first four in their lower six bits, bytes 8 to 11 the lower nibbles of the last four, whose
// upper bits are in bits 6 and 7 of the first eight bytes.
func scaleMinK(packed []byte, j int) (scale, low byte) {
	if j < 4 {
		return packed[j] & 63, packed[j+4] & 63
	}
	return packed[j+4]&15 | packed[j-4]>>6<<4, packed[j+4]>>4 | packed[j]>>6<<4
}

func dequantQ4_KGeneric(dst []float32, blocks []byte) {
	for ; len(dst) >= 256; dst, blocks = dst[256:], blocks[144:] {
		d, dmin := f16At(blocks), f16At(blocks[2:])
		for j := range 8 { // 32 bytes hold sub-block 2k in their lower and 2k+1 in their upper nibbles
			s, m := scaleMinK(blocks[4:16], j)
			scale, low := d*float32(s), dmin*float32(m)
			for i, b := range blocks[16+j/2*32:][:32] {
				dst[32*j+i] = float32(scale*float32(b>>(4*(j%2))&15)) - low
			}
		}
	}
}

func dequantQ5_KGeneric(dst []float32, blocks []byte) {
	for ; len(dst) >= 256; dst, blocks = dst[256:], blocks[176:] {
		d, dmin := f16At(blocks), f16At(blocks[2:])
		high := blocks[16:48] // bit j of byte i belongs to value i of sub-block j
		for j := range 8 {
			s, m := scaleMinK(blocks[4:16], j)
			scale, low := d*float32(s), dmin*float32(m)
			for i, b := range blocks[48+j/2*32:][:32] {
				q := b>>(4*(j%2))&15 | high[i]>>j&1<<4
				dst[32*j+i] = float32(scale*float32(q)) - low
			}
		}
	}
}

// q6 returns value i of a Q6_K block before scaling, -32 to 31: 128 values share 64 bytes of nibbles and 32 bytes of bit
// pairs.
func q6(block []byte, i int) int {
	half, k, j := i/128, i/32%4, i%32
	nibble := block[64*half+i%64] >> (4 * (k / 2)) & 15
	pair := block[128+32*half+j] >> (2 * k) & 3
	return int(nibble|pair<<4) - 32
}

func dequantQ6_KGeneric(dst []float32, blocks []byte) {
	for ; len(dst) >= 256; dst, blocks = dst[256:], blocks[210:] {
		d := f16At(blocks[208:])
		for s := range 16 {
			scale := d * float32(int8(blocks[192+s]))
			for i := 16 * s; i < 16*s+16; i++ {
				dst[i] = scale * float32(q6(blocks, i))
			}
		}
	}
}

func dotQ4_KGeneric(dst []float32, w []byte, stride int, q []int8, scales, sums []float32) {
	for r := range dst {
		row, acc := w[r*stride:], float32(0)
		for b := range len(q) / 256 {
			block, x := row[144*b:144*b+144], q[256*b:256*b+256]
			d, dmin := f16At(block), f16At(block[2:])
			for j := range 8 {
				s, m := scaleMinK(block[4:16], j)
				sum := 0
				for i, v := range block[16+j/2*32:][:32] {
					sum += int(v>>(4*(j%2))&15) * int(x[32*j+i])
				}
				acc += d*float32(s)*scales[8*b+j]*float32(sum) - dmin*float32(m)*sums[8*b+j]
			}
		}
		dst[r] = acc
	}
}

func dotQ6_KGeneric(dst []float32, w []byte, stride int, q []int8, scales, sums []float32) {
	for r := range dst {
		row, acc := w[r*stride:], float32(0)
		for b := range len(q) / 256 {
			block, x := row[210*b:210*b+210], q[256*b:256*b+256]
			for j := range 8 { // two sub-blocks of 16 share a scale of x
				sum := 0
				for i := 32 * j; i < 32*j+32; i++ {
					sum += int(int8(block[192+i/16])) * q6(block, i) * int(x[i])
				}
				acc += f16At(block[208:]) * scales[8*b+j] * float32(sum)
			}
		}
		dst[r] = acc
	}
}
