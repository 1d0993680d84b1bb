package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// gram emits what takes tiles from float32 to float64.
func gram() {
	addTile()
	fetchTile()
}

func addTile() {
	TEXT("addTileAVX2", NOSPLIT, "func(m, n int, alpha float64, t *float32, rowT int, c *float64, rowC int, d *float64, rowD int)")
	Pragma("noescape")
	Doc("addTileAVX2 is addTileGeneric for AVX2, for m > 0.")
	Load(Param("m"), RBX)
	Load(Param("n"), R8)
	VBROADCASTSD(parameter(Param("alpha")), Y0)
	Load(Param("t"), RSI)
	Load(Param("rowT"), R9)
	SHLQ(Imm(2), R9)
	Load(Param("c"), R10)
	Load(Param("rowC"), R11)
	SHLQ(Imm(3), R11)
	Load(Param("d"), R12)
	Load(Param("rowD"), R13)
	SHLQ(Imm(3), R13)
	nextRow := func() {
		ADDQ(R9, RSI)
		ADDQ(R11, R10)
		ADDQ(R13, R12)
		DECQ(RBX)
	}
	XORQ(RAX, RAX)
	CMPQ(R8, Imm(16)) // a whole tile
	JNE(LabelRef("row"))
	Label("whole")
	addVectors(4)
	nextRow()
	JNZ(LabelRef("whole"))
	JMP(LabelRef("done"))
	Label("row")
	XORQ(RAX, RAX)
	MOVQ(R8, RCX)
	SUBQ(Imm(4), RCX)
	JL(LabelRef("vectorend"))
	Label("vector")
	addVectors(1)
	ADDQ(Imm(4), RAX)
	SUBQ(Imm(4), RCX)
	JGE(LabelRef("vector"))
	Label("vectorend")
	ADDQ(Imm(4), RCX)
	JZ(LabelRef("next"))
	Label("single")
	VXORPD(X1, X1, X1)
	VCVTSS2SD(Mem{Base: RSI, Index: RAX, Scale: 4}, X1, X1)
	VFMADD213SD(Mem{Base: R10, Index: RAX, Scale: 8}, X0, X1)
	VMOVSD(X1, Mem{Base: R12, Index: RAX, Scale: 8})
	INCQ(RAX)
	DECQ(RCX)
	JNZ(LabelRef("single"))
	Label("next")
	nextRow()
	JNZ(LabelRef("row"))
	Label("done")
	VZEROUPPER()
	RET()
}

// addVectors adds vectors of a row from element RAX on.
func addVectors(vectors int) {
	for v := range vectors {
		r := []VecPhysical{Y1, Y2, Y3, Y4}[v]
		VCVTPS2PD(Mem{Base: RSI, Index: RAX, Scale: 4, Disp: 16 * v}, r)
		VFMADD213PD(Mem{Base: R10, Index: RAX, Scale: 8, Disp: 32 * v}, Y0, r)
		VMOVUPD(r, Mem{Base: R12, Index: RAX, Scale: 8, Disp: 32 * v})
	}
}

func fetchTile() {
	TEXT("fetchTileAVX2", NOSPLIT, "func(m, n int, c *float64, rowC int)")
	Pragma("noescape")
	Doc("fetchTileAVX2 brings a tile of m x n numbers into the cache, m > 0 and n > 0.")
	Load(Param("m"), RBX)
	Load(Param("n"), R8)
	SHLQ(Imm(3), R8)
	DECQ(R8) // to the last byte of a row
	Load(Param("c"), RSI)
	Load(Param("rowC"), R9)
	SHLQ(Imm(3), R9)
	Label("row")
	XORQ(RAX, RAX)
	Label("line")
	PREFETCHT0(Mem{Base: RSI, Index: RAX, Scale: 1})
	ADDQ(Imm(64), RAX)
	CMPQ(RAX, R8)
	JL(LabelRef("line"))
	PREFETCHT0(Mem{Base: RSI, Index: R8, Scale: 1})
	ADDQ(R9, RSI)
	DECQ(RBX)
	JNZ(LabelRef("row"))
	RET()
}
