package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// kLoop emits the loops over rows and over a row's blocks of 256. body adds the product of the block at p and the vector
// at q to acc; s holds the addresses of the block's scales and sums of x.
func kLoop(name string, bytes int, body func(p, q, scales, sums Register, acc VecVirtual)) {
	TEXT(name, NOSPLIT, dotSignature)
	Doc(name + " is a DotKernel.")
	dst, n, w := Load(Param("dst").Base(), GP64()), Load(Param("dst").Len(), GP64()), Load(Param("w").Base(), GP64())
	stride := Load(Param("stride"), GP64())
	Label("row")
	TESTQ(n, n)
	JZ(LabelRef("done"))
	q, scales, sums := Load(Param("q").Base(), GP64()), Load(Param("scales").Base(), GP64()), Load(Param("sums").Base(), GP64())
	blocks := Load(Param("scales").Len(), GP64())
	p := GP64()
	MOVQ(w, p)
	acc := YMM()
	VXORPS(acc, acc, acc)
	Label("block")
	for at := 0; at < bytes; at += 64 {
		PREFETCHT0(Mem{Base: p, Disp: at + 2048})
	}
	body(p, q, scales, sums, acc)
	ADDQ(U32(bytes), p)
	ADDQ(U32(256), q)
	ADDQ(Imm(32), scales)
	ADDQ(Imm(32), sums)
	SUBQ(Imm(8), blocks)
	JNZ(LabelRef("block"))
	total := sumLanes([]VecVirtual{acc})
	VMOVSS(total.AsX(), Mem{Base: dst})
	ADDQ(Imm(4), dst)
	ADDQ(stride, w)
	DECQ(n)
	JMP(LabelRef("row"))
	Label("done")
	VZEROUPPER()
	RET()
}

// broadcastF16 sets every lane of the result to the F16 value at m.
func broadcastF16(m Mem) VecVirtual {
	v := YMM()
	VPBROADCASTW(m, v.AsX())
	VCVTPH2PS(v.AsX(), v)
	return v
}

// scaleMinK unpacks the twelve bytes at m: eight 6-bit scales in the low half of the first result, minima in the second.
func scaleMinK(m Mem) (scales, minima VecVirtual) {
	a, b, c, t := GP32(), GP32(), GP32(), GP32()
	MOVL(m, a)
	MOVL(m.Offset(4), b)
	MOVL(m.Offset(8), c)
	unpack := func(first, last Register) VecVirtual { // last: nibbles of the last four
		v := XMM()
		ANDL(U32(0x0f0f0f0f), last)
		MOVL(first, t)
		SHRL(Imm(2), t)
		ANDL(U32(0x30303030), t)
		ORL(t, last)
		ANDL(U32(0x3f3f3f3f), first)
		VMOVD(first, v)
		VPINSRD(Imm(1), last, v, v)
		return v
	}
	last := GP32()
	MOVL(c, last)
	scales = unpack(a, last)
	SHRL(Imm(4), c)
	minima = unpack(b, c)
	return scales, minima
}

func (c *quantConsts) dotQ4K() {
	kLoop("dotQ4_KAVX2", 144, func(p, q, scales, sums Register, acc VecVirtual) {
		s, m := scaleMinK(Mem{Base: p, Disp: 4})
		minima := YMM() // lanes: sub-blocks
		VPMOVZXBD(m, minima)
		VCVTDQ2PS(minima, minima)
		VMULPS(Mem{Base: sums}, minima, minima)
		VFNMADD231PS(broadcastF16(Mem{Base: p, Disp: 2}), minima, acc)
		words := YMM()
		VPMOVZXBW(s, words.AsX())
		VINSERTI128(Imm(1), words.AsX(), words, words)
		sum := [2]VecVirtual{YMM(), YMM()}
		for j := range 8 {
			v, sc := YMM(), YMM()
			VMOVDQU(Mem{Base: p, Disp: 16 + j/2*32}, v)
			if j%2 == 1 {
				VPSRLW(Imm(4), v, v)
			}
			VPAND(c.nibble, v, v)
			VPMADDUBSW(Mem{Base: q, Disp: 32 * j}, v, v)
			VPSHUFB(c.word[j], words, sc)
			VPMADDWD(sc, v, v)
			scaleSum(v, Mem{Base: scales, Disp: 4 * j}, sum[j%2], j < 2)
		}
		VADDPS(sum[1], sum[0], sum[0])
		VFMADD231PS(broadcastF16(Mem{Base: p}), sum[0], acc)
	})
}

// scaleSum adds the integers v times the float at scale to sum, or sets it to that.
func scaleSum(v VecVirtual, scale Mem, sum VecVirtual, first bool) {
	x := YMM()
	VCVTDQ2PS(v, v)
	VBROADCASTSS(scale, x)
	if first {
		VMULPS(x, v, sum)
	} else {
		VFMADD231PS(x, v, sum)
	}
}

func (c *quantConsts) dotQ6K() {
	kLoop("dotQ6_KAVX2", 210, func(p, q, scales, sums Register, acc VecVirtual) {
		words := YMM()
		VMOVDQU(Mem{Base: p, Disp: 192}, words.AsX())
		VPSHUFB(c.evenByte, words.AsX(), words.AsX()) // scales 0, 2, ... go to the lower lane, 1, 3, ... to the upper
		VPMOVSXBW(words.AsX(), words)
		sum := [2]VecVirtual{YMM(), YMM()}
		for half := range 2 {
			c.q6Values(p, half, func(k int, v VecVirtual) {
				j := 4*half + k
				x, sc, offset := YMM(), YMM(), YMM()
				VMOVDQU(Mem{Base: q, Disp: 32 * j}, x)
				VMOVDQU(c.byte32, offset)
				VPMADDUBSW(x, offset, offset)
				VPMADDUBSW(x, v, v)
				VPSUBW(offset, v, v) // (q - 32) x
				VPSHUFB(c.word[j], words, sc)
				VPMADDWD(sc, v, v)
				scaleSum(v, Mem{Base: scales, Disp: 4 * j}, sum[j%2], j < 2)
			})
		}
		VADDPS(sum[1], sum[0], sum[0])
		VFMADD231PS(broadcastF16(Mem{Base: p, Disp: 208}), sum[0], acc)
	})
}

// q6Values emits the unpacking of half of a Q6_K block at p to four vectors of 32 bytes, 0 to 63 each, and calls use for
// each.
func (c *quantConsts) q6Values(p Register, half int, use func(k int, v VecVirtual)) {
	high := YMM()
	VMOVDQU(Mem{Base: p, Disp: 128 + 32*half}, high)
	for k := range 4 {
		v, h := YMM(), YMM()
		VMOVDQU(Mem{Base: p, Disp: 64*half + k%2*32}, v)
		if k >= 2 {
			VPSRLW(Imm(4), v, v)
		}
		VPAND(c.nibble, v, v)
		if k > 0 {
			VPSRLW(Imm(uint64(2*k)), high, h)
			VPAND(c.pair, h, h)
		} else {
			VPAND(c.pair, high, h)
		}
		VPSLLW(Imm(4), h, h)
		VPOR(h, v, v)
		use(k, v)
	}
}

// dequantQ4K emits the kernel for Q4_K or, with fifth bits, Q5_K.
func (c *quantConsts) dequantQ4K(name string, bytes int, fifth bool) {
	dequantLoop(name, 256, bytes, func(p, dst Register) {
		d, dmin := broadcastF16(Mem{Base: p}), broadcastF16(Mem{Base: p, Disp: 2})
		s, m := scaleMinK(Mem{Base: p, Disp: 4})
		scale, low := YMM(), YMM()
		VPMOVZXBD(s, scale)
		VCVTDQ2PS(scale, scale)
		VMULPS(d, scale, scale)
		VPMOVZXBD(m, low)
		VCVTDQ2PS(low, low)
		VMULPS(dmin, low, low)
		local := AllocLocal(64)
		VMOVUPS(scale, local)
		VMOVUPS(low, local.Offset(32))
		nibbles, high := 16, YMM()
		if fifth {
			nibbles = 48
			VMOVDQU(Mem{Base: p, Disp: 16}, high) // bit j of byte i belongs to value i of sub-block j
		}
		for j := range 8 {
			VBROADCASTSS(local.Offset(4*j), scale)
			VBROADCASTSS(local.Offset(32+4*j), low)
			values := YMM()
			VMOVDQU(Mem{Base: p, Disp: nibbles + j/2*32}, values)
			if j%2 == 1 {
				VPSRLW(Imm(4), values, values)
			}
			VPAND(c.nibble, values, values)
			if fifth {
				bit := YMM()
				if j < 4 {
					VPSLLW(Imm(uint64(4-j)), high, bit)
				} else {
					VPSRLW(Imm(uint64(j-4)), high, bit)
				}
				VPAND(c.byte16, bit, bit)
				VPOR(bit, values, values)
			}
			c.widenBytes(values, func(i int, v VecVirtual) {
				VCVTDQ2PS(v, v)
				VMULPS(scale, v, v)
				VSUBPS(low, v, v)
				VMOVUPS(v, Mem{Base: dst, Disp: 4 * (32*j + 8*i)})
			})
		}
	})
}

// nibbleOf reduces bytes in dwords to their lower (0) or upper (1) nibbles.
func (c *quantConsts) nibbleOf(v VecVirtual, upper int) {
	if upper == 1 {
		VPSRLD(Imm(4), v, v)
	} else {
		VPAND(c.nibble, v, v)
	}
}

func (c *quantConsts) dequantQ6K() {
	dequantLoop("dequantQ6_KAVX2", 256, 210, func(p, dst Register) {
		d := broadcastF16(Mem{Base: p, Disp: 208})
		local := AllocLocal(32)
		for half := range 2 {
			scale := YMM()
			VPMOVSXBD(Mem{Base: p, Disp: 192 + 8*half}, scale)
			VCVTDQ2PS(scale, scale)
			VMULPS(d, scale, scale)
			VMOVUPS(scale, local)
			c.q6Values(p, half, func(k int, v VecVirtual) {
				offset := YMM()
				VMOVDQU(c.byte32, offset)
				VPSUBB(offset, v, v)
				upper := YMM()
				VEXTRACTI128(Imm(1), v, upper.AsX())
				for i := range 4 {
					x, sc, from := YMM(), YMM(), v
					if i >= 2 {
						from = upper
					}
					VPMOVSXBD(from.AsX(), x)
					VCVTDQ2PS(x, x)
					VBROADCASTSS(local.Offset(4*(2*k+i/2)), sc)
					VMULPS(sc, x, x)
					VMOVUPS(x, Mem{Base: dst, Disp: 4 * (128*half + 32*k + 8*i)})
					if i%2 == 0 {
						VPSRLDQ(Imm(8), from.AsX(), from.AsX())
					}
				}
			})
		}
	})
}
