package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// dequantLoop emits the loop over blocks: body writes the values of the block at p to dst.
func dequantLoop(name string, values, bytes int, body func(p, dst Register)) {
	TEXT(name, NOSPLIT, "func(dst []float32, blocks []byte)")
	Doc(name + " sets dst, whole blocks, to their values.")
	dst, n, p := Load(Param("dst").Base(), GP64()), Load(Param("dst").Len(), GP64()), Load(Param("blocks").Base(), GP64())
	Label("block")
	SUBQ(U32(values), n)
	JL(LabelRef("done"))
	body(p, dst)
	ADDQ(U32(bytes), p)
	ADDQ(U32(4*values), dst)
	JMP(LabelRef("block"))
	Label("done")
	VZEROUPPER()
	RET()
}

// dequant32 emits the kernel for blocks of 32; nibbles and minimum as for dot32. d q is exact, so that each value is
// rounded as in the reference.
func (c *quantConsts) dequant32(name string, bytes int, nibbles, minimum bool) {
	dequantLoop(name, 32, bytes, func(p, dst Register) {
		d := broadcastF16(Mem{Base: p})
		var low VecVirtual
		header := 2
		if minimum {
			header = 4
			low = broadcastF16(Mem{Base: p, Disp: 2})
		}
		for i := range 4 {
			v := YMM()
			if nibbles {
				VPMOVZXBD(Mem{Base: p, Disp: header + i%2*8}, v)
				c.nibbleOf(v, i/2)
			} else {
				VPMOVSXBD(Mem{Base: p, Disp: header + 8*i}, v)
			}
			if nibbles && !minimum {
				VPSUBD(c.eight, v, v)
			}
			VCVTDQ2PS(v, v)
			VMULPS(d, v, v)
			if minimum {
				VADDPS(low, v, v)
			}
			VMOVUPS(v, Mem{Base: dst, Disp: 32 * i})
		}
	})
}

// dequantQ5 emits the kernel for blocks of 32 values of five bits.
func (c *quantConsts) dequantQ5(name string, bytes int, minimum bool) {
	dequantLoop(name, 32, bytes, func(p, dst Register) {
		d := broadcastF16(Mem{Base: p})
		var low VecVirtual
		header := 2
		if minimum {
			header = 4
			low = broadcastF16(Mem{Base: p, Disp: 2})
		}
		values, shift, high := YMM(), YMM(), YMM()
		c.fifthBits(Mem{Base: p, Disp: header}, high)
		VBROADCASTI128(Mem{Base: p, Disp: header + 4}, values)
		VMOVDQU(c.shift, shift)
		VPSRLVQ(shift, values, values)
		VPAND(c.nibble, values, values)
		VPOR(high, values, values)
		c.widenBytes(values, func(i int, v VecVirtual) {
			if !minimum {
				VPSUBD(c.sixteen, v, v)
			}
			VCVTDQ2PS(v, v)
			VMULPS(d, v, v)
			if minimum {
				VADDPS(low, v, v)
			}
			VMOVUPS(v, Mem{Base: dst, Disp: 32 * i})
		})
	})
}

// widenBytes calls use for each group of eight bytes of values, as dwords; values is destroyed.
func (c *quantConsts) widenBytes(values VecVirtual, use func(i int, v VecVirtual)) {
	upper := YMM()
	VEXTRACTI128(Imm(1), values, upper.AsX())
	for i, from := range []VecVirtual{values, values, upper, upper} {
		v := YMM()
		VPMOVZXBD(from.AsX(), v)
		if i%2 == 0 {
			VPSRLDQ(Imm(8), from.AsX(), from.AsX())
		}
		use(i, v)
	}
}

// quantise emits the rounding of float32 vectors to int8 in blocks of 32.
func (c *quantConsts) quantise() {
	TEXT("quantiseAVX2", NOSPLIT, "func(q []int8, scales, sums, x []float32)")
	Doc("quantiseAVX2 is the kernel of QuantiseVector.")
	q, x := Load(Param("q").Base(), GP64()), Load(Param("x").Base(), GP64())
	scales, sums := Load(Param("scales").Base(), GP64()), Load(Param("sums").Base(), GP64())
	n := Load(Param("scales").Len(), GP64())
	bits, zero, ones := GP32(), YMM(), YMM()
	VXORPS(zero, zero, zero)
	VMOVDQU(c.ones8, ones)
	Label("block")
	TESTQ(n, n)
	JZ(LabelRef("done"))
	// The largest magnitude, compared as integers: infinity and NaN are above all numbers.
	var v [4]VecVirtual
	top := YMM()
	for i := range v {
		v[i] = YMM()
		VMOVUPS(Mem{Base: x, Disp: 32 * i}, v[i])
		if i == 0 {
			VPAND(c.abs, v[i], top)
		} else {
			t := YMM()
			VPAND(c.abs, v[i], t)
			VPMAXUD(t, top, top)
		}
	}
	t := XMM()
	VEXTRACTI128(Imm(1), top, t)
	VPMAXUD(t, top.AsX(), top.AsX())
	VPSHUFD(Imm(0x4e), top.AsX(), t)
	VPMAXUD(t, top.AsX(), top.AsX())
	VPSHUFD(Imm(0xb1), top.AsX(), t)
	VPMAXUD(t, top.AsX(), top.AsX())
	VMOVD(top.AsX(), bits)
	CMPL(bits, U32(0x7f800000))
	JGE(LabelRef("infinite"))
	CMPL(bits, U32((127-118)<<23))
	JL(LabelRef("tiny"))

	scale, inverse := XMM(), YMM()
	VDIVSS(c.f127, top.AsX(), scale)
	VMOVSS(scale, Mem{Base: scales})
	VMOVSS(c.f127, inverse.AsX())
	VDIVSS(top.AsX(), inverse.AsX(), inverse.AsX())
	VBROADCASTSS(inverse.AsX(), inverse)
	for i := range v {
		VMULPS(inverse, v[i], v[i])
		VCVTPS2DQ(v[i], v[i]) // to nearest even
	}
	VPACKSSDW(v[1], v[0], v[0])
	VPACKSSDW(v[3], v[2], v[2])
	VPACKSSWB(v[2], v[0], v[0])
	order, sum := YMM(), YMM()
	VMOVDQU(c.unpack, order)
	VPERMD(v[0], order, v[0])
	VMOVDQU(v[0], Mem{Base: q})
	VPMADDUBSW(v[0], ones, sum)
	VPMADDWD(c.ones16, sum, sum)
	VEXTRACTI128(Imm(1), sum, t)
	VPADDD(t, sum.AsX(), sum.AsX())
	VPSHUFD(Imm(0x4e), sum.AsX(), t)
	VPADDD(t, sum.AsX(), sum.AsX())
	VPSHUFD(Imm(0xb1), sum.AsX(), t)
	VPADDD(t, sum.AsX(), sum.AsX())
	VCVTDQ2PS(sum.AsX(), sum.AsX())
	VMULSS(scale, sum.AsX(), sum.AsX())
	VMOVSS(sum.AsX(), Mem{Base: sums})
	Label("next")
	ADDQ(Imm(128), x)
	ADDQ(Imm(32), q)
	ADDQ(Imm(4), scales)
	ADDQ(Imm(4), sums)
	DECQ(n)
	JMP(LabelRef("block"))

	Label("infinite")
	MOVL(U32(0x7fc00000), bits)
	JMP(LabelRef("constant"))
	Label("tiny")
	XORL(bits, bits)
	Label("constant")
	MOVL(bits, Mem{Base: scales})
	MOVL(bits, Mem{Base: sums})
	VMOVDQU(zero, Mem{Base: q})
	JMP(LabelRef("next"))
	Label("done")
	VZEROUPPER()
	RET()
}
