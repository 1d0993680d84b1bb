package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// symv emits the kernel that multiplies with four rows of a matrix and with their transpose while they are read once.
func symv() {
	TEXT("dgemvBothAVX2", NOSPLIT, "func(n int, a *float64, lda int, x, y, u, v *float64)")
	Pragma("noescape")
	Doc("dgemvBothAVX2 is dgemvBothGeneric for AVX2, for n a multiple of 4.")
	rows := []GPPhysical{R8, R9, R10, R11}
	Load(Param("n"), RCX)
	Load(Param("a"), rows[0])
	Load(Param("lda"), RDX)
	SHLQ(Imm(3), RDX)
	for i := 1; i < 4; i++ {
		LEAQ(Mem{Base: rows[i-1], Index: RDX, Scale: 1}, rows[i])
	}
	Load(Param("x"), RSI)
	Load(Param("y"), RDI)
	Load(Param("u"), RBX)
	weights, sums := []VecPhysical{Y8, Y9, Y10, Y11}, []VecPhysical{Y12, Y13, Y14, Y15}
	for i := range 4 {
		VBROADCASTSD(Mem{Base: RBX, Disp: 8 * i}, weights[i])
		VXORPD(sums[i], sums[i], sums[i])
	}
	XORQ(RAX, RAX)
	for _, vectors := range []int{2, 1} {
		label := []string{"", "one", "two"}[vectors]
		SUBQ(Imm(uint64(4*vectors)), RCX)
		JL(LabelRef(label + "end"))
		Label(label)
		bothStep(rows, weights, sums, vectors)
		ADDQ(Imm(uint64(32*vectors)), RAX)
		SUBQ(Imm(uint64(4*vectors)), RCX)
		JGE(LabelRef(label))
		Label(label + "end")
		ADDQ(Imm(uint64(4*vectors)), RCX)
	}
	VHADDPD(sums[1], sums[0], Y0) // (0,0,1,1) in pairs of lanes
	VHADDPD(sums[3], sums[2], Y1)
	VPERM2F128(Imm(0x20), Y1, Y0, Y2)
	VPERM2F128(Imm(0x31), Y1, Y0, Y3)
	VADDPD(Y2, Y3, Y2)
	Load(Param("v"), RBX)
	VADDPD(Mem{Base: RBX}, Y2, Y2)
	VMOVUPD(Y2, Mem{Base: RBX})
	VZEROUPPER()
	RET()
}

// bothStep is one step over the columns: y += aᵀ u and sums += a x.
func bothStep(rows []GPPhysical, weights, sums []VecPhysical, vectors int) {
	x, y, a := []VecPhysical{Y0, Y1}, []VecPhysical{Y2, Y3}, []VecPhysical{Y4, Y5, Y6, Y7}
	for v := range vectors {
		VMOVUPD(Mem{Base: RSI, Index: RAX, Scale: 1, Disp: 32 * v}, x[v])
		VMOVUPD(Mem{Base: RDI, Index: RAX, Scale: 1, Disp: 32 * v}, y[v])
	}
	for i, row := range rows {
		for v := range vectors {
			t := a[(2*i+v)%4]
			VMOVUPD(Mem{Base: row, Index: RAX, Scale: 1, Disp: 32 * v}, t)
			VFMADD231PD(t, weights[i], y[v])
			VFMADD231PD(t, x[v], sums[i])
		}
	}
	for v := range vectors {
		VMOVUPD(y[v], Mem{Base: RDI, Index: RAX, Scale: 1, Disp: 32 * v})
	}
}
