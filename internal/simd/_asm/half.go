package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// half emits the conversions of half-precision numbers. A tail shorter than a vector goes through a buffer on the stack.
func half() {
	c := vecConstants()
	widening("f16ToF32AVX2", func(from Mem, to VecVirtual) { VCVTPH2PS(from, to) })
	widening("bf16ToF32AVX2", func(from Mem, to VecVirtual) {
		VPMOVZXWD(from, to)
		VPSLLD(Imm(16), to, to)
	})
	narrowing("f32ToF16AVX2", func(from VecVirtual) VecVirtual {
		VCVTPS2PH(Imm(0), from, from.AsX()) // to nearest even
		return from.AsX().(VecVirtual)
	})
	narrowing("f32ToBF16AVX2", func(v VecVirtual) VecVirtual {
		nan, odd, quiet := YMM(), YMM(), YMM()
		VCMPPS(Imm(3), v, v, nan)
		VPSRLD(Imm(16), v, quiet)
		VPAND(c.bits(1), quiet, odd)
		VPOR(c.bits(0x40), quiet, quiet)
		VPADDD(c.bits(0x7fff), odd, odd)
		VPADDD(odd, v, v)
		VPSRLD(Imm(16), v, v)
		VBLENDVPS(nan, quiet, v, v)
		upper := YMM()
		VEXTRACTI128(Imm(1), v, upper.AsX())
		VPACKUSDW(upper.AsX(), v.AsX(), v.AsX())
		return v.AsX().(VecVirtual)
	})
}

// tailBuffer emits the copying of the n < 8 elements of size bytes from one place to another.
func tailBuffer(label string, from, to, n Register, size int) {
	i := GP64()
	XORQ(i, i)
	Label(label)
	t := GP32()
	if size == 2 {
		MOVWLZX(Mem{Base: from, Index: i, Scale: 2}, t)
		MOVW(t.As16(), Mem{Base: to, Index: i, Scale: 2})
	} else {
		MOVL(Mem{Base: from, Index: i, Scale: 4}, t)
		MOVL(t, Mem{Base: to, Index: i, Scale: 4})
	}
	INCQ(i)
	CMPQ(i, n)
	JL(LabelRef(label))
}

func widening(name string, f func(from Mem, to VecVirtual)) {
	TEXT(name, NOSPLIT, "func(dst []float32, src []uint16)")
	conversion(name, 2, 4, func(from, to Mem) {
		v := YMM()
		f(from, v)
		VMOVUPS(v, to)
	})
}

func narrowing(name string, f func(v VecVirtual) VecVirtual) {
	TEXT(name, NOSPLIT, "func(dst []uint16, src []float32)")
	conversion(name, 4, 2, func(from, to Mem) {
		v := YMM()
		VMOVUPS(from, v)
		VMOVDQU(f(v), to)
	})
}

// conversion emits the loop of a conversion between elements of the given sizes; f converts eight.
func conversion(name string, fromSize, toSize int, f func(from, to Mem)) {
	Doc(name + " is a kernel of halfKernels.")
	dst, src, n := base("dst"), base("src"), Load(Param("src").Len(), GP64())
	Label("vectors")
	SUBQ(Imm(8), n)
	JL(LabelRef("tail"))
	f(Mem{Base: src}, Mem{Base: dst})
	ADDQ(Imm(uint64(8*fromSize)), src)
	ADDQ(Imm(uint64(8*toSize)), dst)
	JMP(LabelRef("vectors"))
	Label("tail")
	ADDQ(Imm(8), n)
	JZ(LabelRef("done"))
	local, zero := AllocLocal(64), YMM()
	VXORPS(zero, zero, zero)
	VMOVUPS(zero, local)
	in, out := GP64(), GP64()
	LEAQ(local, in)
	LEAQ(local.Offset(32), out)
	tailBuffer("copyIn", src, in, n, fromSize)
	f(Mem{Base: in}, Mem{Base: out})
	tailBuffer("copyOut", out, dst, n, toSize)
	Label("done")
	VZEROUPPER()
	RET()
}
