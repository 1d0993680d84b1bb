package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/gotypes"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// arch is an element type on an instruction set: what the kernel generators are parametrised on.
type arch struct {
	suffix string // of the kernel's name
	size   int    // bytes of an element
	lanes  int    // elements of a vector
	regs   []Op   // all vector registers
	wide   bool   // AVX-512: masks live in K registers
	double bool   // float64
}

func avx2(size int) arch {
	a := arch{suffix: "AVX2", size: size, lanes: 32 / size, double: size == 8}
	for _, r := range []VecPhysical{Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, Y8, Y9, Y10, Y11, Y12, Y13, Y14, Y15} {
		a.regs = append(a.regs, r)
	}
	return a
}

func avx512(size int) arch {
	a := arch{suffix: "AVX512", size: size, lanes: 64 / size, double: size == 8, wide: true}
	for _, r := range []VecPhysical{
		Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7, Z8, Z9, Z10, Z11, Z12, Z13, Z14, Z15,
		Z16, Z17, Z18, Z19, Z20, Z21, Z22, Z23, Z24, Z25, Z26, Z27, Z28, Z29, Z30, Z31,
	} {
		a.regs = append(a.regs, r)
	}
	return a
}

// name is BLAS's type letter, then base, then the instruction set.
func (a arch) name(base string) string {
	letter := "s"
	if a.double {
		letter = "d"
	}
	return letter + base + a.suffix
}

func (a arch) goType() string { return fmt.Sprintf("float%d", 8*a.size) }

// pick returns the float32 or the float64 form of an instruction.
func (a arch) pick(ps, pd func(...Op)) func(...Op) {
	if a.double {
		return pd
	}
	return ps
}

func (a arch) fma(ops ...Op)       { a.pick(VFMADD231PS, VFMADD231PD)(ops...) }
func (a arch) mul(ops ...Op)       { a.pick(VMULPS, VMULPD)(ops...) }
func (a arch) add(ops ...Op)       { a.pick(VADDPS, VADDPD)(ops...) }
func (a arch) load(ops ...Op)      { a.pick(VMOVUPS, VMOVUPD)(ops...) }
func (a arch) broadcast(ops ...Op) { a.pick(VBROADCASTSS, VBROADCASTSD)(ops...) }
func (a arch) zero(r Op)           { a.pick(VXORPS, VXORPD)(r, r, r) }

// loadMasked and storeMasked use mask, or K1 on AVX-512. What loadMasked leaves out is zero.
func (a arch) loadMasked(from, mask, to Op) {
	switch {
	case a.wide:
		if a.double {
			VMOVUPD_Z(from, K1, to)
		} else {
			VMOVUPS_Z(from, K1, to)
		}
	case a.double:
		VMASKMOVPD(from, mask, to)
	default:
		VMASKMOVPS(from, mask, to)
	}
}

func (a arch) storeMasked(from, mask, to Op) {
	switch {
	case a.wide:
		a.load(from, K1, to)
	case a.double:
		VMASKMOVPD(from, mask, to)
	default:
		VMASKMOVPS(from, mask, to)
	}
}

// panelSignature is that of simd.panelKernel; strides are in elements.
const panelSignature = "func(a []%[1]s, rowA, colA, stepA int, b []%[1]s, rowB int, c []%[1]s, rowC, m, n, k int, alpha, beta %[1]s)"

// panel is the state of the generator of one panel kernel.
type panel struct {
	arch
	mr      int // rows of a full tile; columns are two vectors
	nextEnd Mem // where the panel after this one ends
}

// gemm emits the panel kernels. A tile of mr x 2 vectors of C lives in registers: 6 x 2 of 16 on AVX2, 14 x 2 of 32 on
// AVX-512, leaving two for a row of B and two for broadcast elements of A.
func gemm() {
	for _, p := range []*panel{
		{arch: avx2(4), mr: 6}, {arch: avx2(8), mr: 6}, {arch: avx512(4), mr: 14}, {arch: avx512(8), mr: 14},
	} {
		p.emit()
	}
}

// emit writes the kernel: for every width of the panel (two full vectors; one and a part; a part), tiles of mr rows, then
// the rows that remain in tiles of 8, 4, 2 and 1.
func (p *panel) emit() {
	TEXT(p.name("gemmPanel"), NOSPLIT, fmt.Sprintf(panelSignature, p.goType()))
	Pragma("noescape")
	Doc(p.name("gemmPanel") + " is gemmPanel for " + p.suffix + ".")
	p.param("c", RAX)
	p.param("m", RBX)
	p.stride("colA", R8)
	p.stride("rowA", R9)
	LEAQ(Mem{Base: R9, Index: R9, Scale: 2}, R10) // 3 rows
	LEAQ(Mem{Base: R9, Index: R9, Scale: 4}, R11) // 5 rows
	p.stride("rowB", R12)
	p.stride("rowC", R13)
	p.stride("stepA", RDI)
	p.param("n", RCX)
	CMPQ(RCX, Imm(uint64(2*p.lanes)))
	JE(LabelRef("full"))
	CMPQ(RCX, Imm(uint64(p.lanes)))
	JG(LabelRef("wide"))
	p.mask(1)
	p.rows("narrow", 1, true)
	Label("wide")
	p.mask(2)
	p.rows("wide", 2, true)
	Label("full")
	p.param("b", R15)
	p.param("k", RCX)
	IMULQ(R12, RCX)
	ADDQ(RCX, R15)
	ADDQ(R15, RCX)
	p.nextEnd = AllocLocal(8)
	MOVQ(RCX, p.nextEnd)
	p.rows("full", 2, false)
}

func (p *panel) param(name string, to Register) { MOVQ(p.at(name), to) }

// stride loads a parameter counted in elements and makes it bytes.
func (p *panel) stride(name string, to Register) {
	p.param(name, to)
	SHLQ(Imm(uint64(2+p.size/8)), to)
}

// at is the parameter's place on the stack, or that of a slice's pointer.
func (p *panel) at(name string) Mem {
	if name == "a" || name == "b" || name == "c" {
		return parameter(Param(name).Base())
	}
	return parameter(Param(name))
}

// parameter is where a parameter, or a part of one, lies on the stack. Kernels update parameters there when they run out of
// registers.
func parameter(c gotypes.Component) Mem {
	basic, err := c.Resolve()
	if err != nil {
		panic(err)
	}
	return basic.Addr
}

// mask prepares the mask of the last of vectors vectors for the RCX columns of this panel: in K1, or as R15, a pointer
// into a window that holds a vector of ones and then zeros.
func (p *panel) mask(vectors int) {
	if vectors == 2 {
		SUBQ(Imm(uint64(p.lanes)), RCX)
	}
	if p.wide {
		MOVL(U32(1), EDX)
		SHLL(CL, EDX)
		DECL(EDX)
		KMOVW(EDX, K1)
		return
	}
	LEAQ(tailMask().Offset(32), R15)
	SHLQ(Imm(uint64(2+p.size/8)), RCX)
	SUBQ(RCX, R15)
}

var tailMaskData *Mem

// tailMask is a table of a vector of ones and then one of zeros: a window onto it is a mask.
func tailMask() Mem {
	if tailMaskData == nil {
		m := GLOBL("tailMask", RODATA|NOPTR)
		for i, ones := range []uint64{^uint64(0), 0} {
			for j := range 4 {
				DATA(32*i+8*j, U64(ones))
			}
		}
		tailMaskData = &m
	}
	return *tailMaskData
}

// rows emits the loop over the panel's rows for one width.
func (p *panel) rows(label string, vectors int, masked bool) {
	for _, mr := range []int{p.mr, 8, 4, 2, 1} {
		if mr > p.mr {
			continue
		}
		loop, done := fmt.Sprintf("%s%dloop", label, mr), fmt.Sprintf("%s%ddone", label, mr)
		Label(loop)
		CMPQ(RBX, Imm(uint64(mr)))
		JL(LabelRef(done))
		p.compute(fmt.Sprintf("%s%d", label, mr), mr, vectors, masked)
		p.update(fmt.Sprintf("%s%d", label, mr), mr, vectors, masked)
		if mr == p.mr {
			if !masked {
				CMPQ(R15, p.nextEnd)
				JL(LabelRef(fmt.Sprintf("%s%dahead", label, mr)))
				p.param("b", R15)
				Label(fmt.Sprintf("%s%dahead", label, mr))
			}
			ADDQ(RDI, p.at("a"))
		} else {
			IMUL3Q(Imm(uint64(mr)), R9, RDX)
			ADDQ(RDX, p.at("a"))
		}
		SUBQ(Imm(uint64(mr)), RBX)
		JMP(LabelRef(loop))
		Label(done)
	}
	VZEROUPPER()
	RET()
}

func (p *panel) acc(row, vector int) Op { return p.regs[2*row+vector] }

// spare returns the registers beside the accumulators.
func (p *panel) spare(i int) Op { return p.regs[2*p.mr+i] }

// rowOfA addresses row i of the tile in the current column of A: RSI is at row 0, RDX at row 7.
func rowOfA(i int) Mem {
	base := RSI
	if i >= 7 {
		base, i = RDX, i-7
	}
	switch i {
	case 0:
		return Mem{Base: base}
	case 3:
		return Mem{Base: base, Index: R10, Scale: 1}
	case 5:
		return Mem{Base: base, Index: R11, Scale: 1}
	case 6:
		return Mem{Base: base, Index: R10, Scale: 2}
	}
	return Mem{Base: base, Index: R9, Scale: uint8(i)}
}

// compute accumulates the tile's product in registers. RSI (and RDX, seven rows on) walks along A, regB along B.
func (p *panel) compute(label string, mr, vectors int, masked bool) {
	unroll := 2
	if mr == p.mr {
		unroll = 4
	}
	p.param("a", RSI)
	b := p.regB()
	p.param("b", b)
	if mr > 7 {
		LEAQ(Mem{Base: RSI, Index: R9, Scale: 1}, RDX)
		LEAQ(Mem{Base: RDX, Index: R10, Scale: 2}, RDX)
	}
	for i := range mr {
		for v := range vectors {
			p.zero(p.acc(i, v))
		}
	}
	p.prefetchC(mr)
	p.param("k", RCX)
	SUBQ(Imm(uint64(unroll)), RCX)
	JL(LabelRef(label + "tail"))
	Label(label + "main")
	for u := range unroll {
		p.step(mr, vectors, b)
		if u == 0 && mr == p.mr && !masked && !p.wide {
			PREFETCHT1(Mem{Base: R15})
			ADDQ(Imm(64), R15)
		}
	}
	SUBQ(Imm(uint64(unroll)), RCX)
	JGE(LabelRef(label + "main"))
	Label(label + "tail")
	ADDQ(Imm(uint64(unroll)), RCX)
	JZ(LabelRef(label + "update"))
	Label(label + "single")
	p.step(mr, vectors, b)
	DECQ(RCX)
	JNZ(LabelRef(label + "single"))
	Label(label + "update")
}

// regB is the register that walks along B: RDX unless A needs that for its rows from the seventh.
func (p *panel) regB() Register {
	if p.mr > 7 {
		return R15
	}
	return RDX
}

// step adds the outer product of a column of A and a row of B.
func (p *panel) step(mr, vectors int, b Register) {
	for v := range vectors {
		p.load(Mem{Base: b, Disp: v * p.lanes * p.size}, p.spare(v))
	}
	ADDQ(R12, b)
	for i := range mr {
		x := p.spare(2 + i%2)
		p.broadcast(rowOfA(i), x)
		for v := range vectors {
			p.fma(p.spare(v), x, p.acc(i, v))
		}
	}
	ADDQ(R8, RSI)
	if mr > 7 {
		ADDQ(R8, RDX)
	}
}

// prefetchC touches both ends of the tile's rows of C.
func (p *panel) prefetchC(mr int) {
	MOVQ(RAX, RCX)
	for i := range mr {
		PREFETCHT0(Mem{Base: RCX})
		PREFETCHT0(Mem{Base: RCX, Disp: 2*p.lanes*p.size - 1})
		if i < mr-1 {
			ADDQ(R13, RCX)
		}
	}
}

// update stores alpha times the tile, plus beta times the old C if told to accumulate.
func (p *panel) update(label string, mr, vectors int, masked bool) {
	alpha, beta, old, mask := p.spare(0), p.spare(1), p.spare(2), p.spare(3)
	p.broadcast(p.at("alpha"), alpha)
	p.broadcast(p.at("beta"), beta)
	if masked && !p.wide {
		p.load(Mem{Base: R15}, mask)
	}
	for i := range mr {
		for v := range vectors {
			p.mul(p.acc(i, v), alpha, p.acc(i, v))
		}
	}
	if p.double { // is beta, sign aside, zero?
		MOVQ(p.at("beta"), RCX)
		ADDQ(RCX, RCX)
	} else {
		MOVL(p.at("beta"), ECX)
		ADDL(ECX, ECX)
	}
	JZ(LabelRef(label + "overwrite"))
	MOVQ(RAX, RCX)
	for i := range mr {
		for v := range vectors {
			at := Mem{Base: RCX, Disp: v * p.lanes * p.size}
			if masked && v == vectors-1 {
				p.loadMasked(at, mask, old)
				p.fma(old, beta, p.acc(i, v))
			} else {
				p.fma(at, beta, p.acc(i, v))
			}
		}
		if i < mr-1 {
			ADDQ(R13, RCX)
		}
	}
	Label(label + "overwrite")
	for i := range mr {
		for v := range vectors {
			at := Mem{Base: RAX, Disp: v * p.lanes * p.size}
			if masked && v == vectors-1 {
				p.storeMasked(p.acc(i, v), mask, at)
			} else {
				p.load(p.acc(i, v), at)
			}
		}
		ADDQ(R13, RAX)
	}
}
