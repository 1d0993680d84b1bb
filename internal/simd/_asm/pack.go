package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

const packSignature = "func(dst []%[1]s, w int, src []%[1]s, ld, k, n int)"

// pack emits the packing kernels. They use 256-bit vectors, for AVX-512's tiles too: memory sets their pace.
func pack() {
	for _, size := range []int{4, 8} {
		a := avx2(size)
		a.interlace()
		a.transpose()
	}
}

// interlace copies rows of up to four vectors, masked on loading; stores are whole vectors, and what one row leaves
// beyond w the next row overwrites. Only the last row's store is masked.
func (a arch) interlace() {
	TEXT(a.name("interlace"), NOSPLIT, fmt.Sprintf(packSignature, a.goType()))
	Pragma("noescape")
	Doc(a.name("interlace") + " is interlace for k > 0 and w of at most four vectors.")
	shift := Imm(uint64(2 + a.size/8))
	Load(Param("dst").Base(), RDI)
	Load(Param("w"), R8)
	Load(Param("src").Base(), RSI)
	Load(Param("ld"), R9)
	Load(Param("k"), RCX)
	Load(Param("n"), RAX)
	for v := range 4 {
		a.windowMask(v, a.regs[12+v])
	}
	MOVQ(R8, RBX)
	SHLQ(shift, R8)
	SHLQ(shift, R9)
	LEAQ(Mem{Base: R8, Index: R8, Scale: 2}, R10)
	LEAQ(Mem{Base: R9, Index: R9, Scale: 2}, R11)
	for _, vectors := range []int{1, 2, 4} {
		label := fmt.Sprintf("rows%d", vectors)
		if vectors < 4 {
			CMPQ(RBX, Imm(uint64(vectors*a.lanes)))
			JG(LabelRef(label + "end"))
		}
		a.interlaceRows(label, vectors)
		VZEROUPPER()
		RET()
		Label(label + "end")
	}
}

// windowMask loads the mask of vector v of a row of RAX elements.
func (a arch) windowMask(v int, mask Op) {
	MOVQ(RAX, RDX)
	SUBQ(Imm(uint64(v*a.lanes)), RDX)
	XORQ(R10, R10)
	CMPQ(RDX, R10)
	CMOVQLT(R10, RDX)
	MOVQ(U32(a.lanes), R10)
	CMPQ(RDX, R10)
	CMOVQGT(R10, RDX)
	SHLQ(Imm(uint64(2+a.size/8)), RDX)
	LEAQ(tailMask().Offset(32), R10)
	SUBQ(RDX, R10)
	a.load(Mem{Base: R10}, mask)
}

// interlaceRows copies RCX rows, four at a time.
func (a arch) interlaceRows(label string, vectors int) {
	from := []Mem{{Base: RSI}, {Base: RSI, Index: R9, Scale: 1}, {Base: RSI, Index: R9, Scale: 2}, {Base: RSI, Index: R11, Scale: 1}}
	to := []Mem{{Base: RDI}, {Base: RDI, Index: R8, Scale: 1}, {Base: RDI, Index: R8, Scale: 2}, {Base: RDI, Index: R10, Scale: 1}}
	batch := min(4, 12/vectors)
	if batch < 4 {
		batch = 2
	}
	Label(label)
	SUBQ(Imm(uint64(batch+1)), RCX)
	JL(LabelRef(label + "tail"))
	Label(label + "loop")
	for r := range batch {
		for v := range vectors {
			a.loadMasked(from[r].Offset(32*v), a.regs[12+v], a.regs[r*vectors+v])
		}
	}
	for r := range batch {
		PREFETCHT0(from[r].Offset(256)) // the panels after this one: each row is a stream too short to be noticed
		for v := range vectors {
			a.load(a.regs[r*vectors+v], to[r].Offset(32*v))
		}
	}
	LEAQ(Mem{Base: RSI, Index: R9, Scale: uint8(batch)}, RSI)
	LEAQ(Mem{Base: RDI, Index: R8, Scale: uint8(batch)}, RDI)
	SUBQ(Imm(uint64(batch)), RCX)
	JGE(LabelRef(label + "loop"))
	Label(label + "tail")
	ADDQ(Imm(uint64(batch)), RCX)
	JZ(LabelRef(label + "last"))
	Label(label + "single")
	for v := range vectors {
		a.loadMasked(from[0].Offset(32*v), a.regs[12+v], a.regs[v])
	}
	for v := range vectors {
		a.load(a.regs[v], to[0].Offset(32*v))
	}
	ADDQ(R9, RSI)
	ADDQ(R8, RDI)
	DECQ(RCX)
	JNZ(LabelRef(label + "single"))
	Label(label + "last")
	for v := range vectors {
		a.loadMasked(from[0].Offset(32*v), a.regs[12+v], a.regs[v])
	}
	MOVQ(RBX, RAX)
	for v := range vectors {
		a.windowMask(v, a.regs[12])
		a.storeMasked(a.regs[v], a.regs[12], to[0].Offset(32*v))
	}
}

// transpose gathers up to one vector's number of rows, four float32 or two float64 columns at a time. The first step is
// shorter if that does not divide k, so that its columns are done twice.
func (a arch) transpose() {
	columns := 16 / a.size
	TEXT(a.name("transposeGroup"), NOSPLIT, fmt.Sprintf(packSignature, a.goType()))
	Pragma("noescape")
	Doc(a.name("transposeGroup") + fmt.Sprintf(" is transpose for n <= %d and k >= %d. Beyond n it repeats column n-1.", a.lanes, columns))
	shift := Imm(uint64(2 + a.size/8))
	rows := []GPPhysical{RSI, R9, R10, R11, R12, R13, R15, RDX}[:a.lanes]
	Load(Param("dst").Base(), RDI)
	Load(Param("w"), R8)
	SHLQ(shift, R8)
	LEAQ(Mem{Base: R8, Index: R8, Scale: 2}, RBX)
	Load(Param("src").Base(), RSI)
	Load(Param("ld"), RAX)
	SHLQ(shift, RAX)
	Load(Param("n"), RCX)
	for i := 1; i < a.lanes; i++ {
		CMPQ(RCX, Imm(uint64(i)))
		JG(LabelRef(fmt.Sprintf("row%d", i)))
		XORQ(RAX, RAX) // no more rows: stay on the last
		Label(fmt.Sprintf("row%d", i))
		LEAQ(Mem{Base: rows[i-1], Index: RAX, Scale: 1}, rows[i])
	}
	Load(Param("k"), RCX)
	MOVQ(RCX, RAX)
	SUBQ(Imm(1), RAX)
	ANDQ(Imm(uint64(columns-1)), RAX)
	INCQ(RAX) // columns of the first step, 1 to a full step
	Label("loop")
	a.transposeBlock(rows, columns)
	SUBQ(RAX, RCX)
	JZ(LabelRef("done"))
	LEAQ(Mem{Base: RSI, Index: RAX, Scale: uint8(a.size)}, RSI)
	for _, r := range rows[1:] {
		LEAQ(Mem{Base: r, Index: RAX, Scale: uint8(a.size)}, r)
	}
	IMULQ(R8, RAX)
	ADDQ(RAX, RDI)
	MOVQ(U32(columns), RAX)
	JMP(LabelRef("loop"))
	Label("done")
	VZEROUPPER()
	RET()
}

// transposeBlock transposes a block whose 128-bit lanes hold the first and the second half of the rows.
func (a arch) transposeBlock(rows []GPPhysical, columns int) {
	low := []VecPhysical{X0, X1, X2, X3}[:columns]
	half := a.lanes / 2
	for i := range half {
		a.load(Mem{Base: rows[i]}, low[i])
		VINSERTF128(Imm(1), Mem{Base: rows[half+i]}, a.regs[i], a.regs[i])
	}
	to := []Mem{{Base: RDI}, {Base: RDI, Index: R8, Scale: 1}, {Base: RDI, Index: R8, Scale: 2}, {Base: RDI, Index: RBX, Scale: 1}}
	if a.double {
		VUNPCKLPD(Y1, Y0, Y4)
		VUNPCKHPD(Y1, Y0, Y5)
		VMOVUPD(Y4, to[0])
		VMOVUPD(Y5, to[1])
		return
	}
	VUNPCKLPS(Y1, Y0, Y4)
	VUNPCKHPS(Y1, Y0, Y5)
	VUNPCKLPS(Y3, Y2, Y6)
	VUNPCKHPS(Y3, Y2, Y7)
	for i, pair := range [][2]Op{{Y4, Y6}, {Y5, Y7}} {
		VSHUFPS(Imm(0x44), pair[1], pair[0], Y8)
		VSHUFPS(Imm(0xee), pair[1], pair[0], Y9)
		VMOVUPS(Y8, to[2*i])
		VMOVUPS(Y9, to[2*i+1])
	}
}
