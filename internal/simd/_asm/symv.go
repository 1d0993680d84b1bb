package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// symv emits the kernels that multiply with four rows of a matrix and with their transpose while they are read once.
func symv() {
	gemvBoth("d", "float64", 8)
	gemvBoth("s", "float32", 4)
}

func gemvBoth(prefix, element string, size int) {
	lanes := 32 / size
	TEXT(prefix+"gemvBothAVX2", NOSPLIT, fmt.Sprintf("func(n int, a *%[1]s, lda int, x, y, u, v *%[1]s)", element))
	Pragma("noescape")
	Doc(fmt.Sprintf("%sgemvBothAVX2 is gemvBothGeneric for AVX2, for 4 rows and n a multiple of %d.", prefix, lanes))
	rows := []GPPhysical{R8, R9, R10, R11}
	Load(Param("n"), RCX)
	Load(Param("a"), rows[0])
	Load(Param("lda"), RDX)
	SHLQ(Imm(uint64(size/4+1)), RDX)
	for i := 1; i < 4; i++ {
		LEAQ(Mem{Base: rows[i-1], Index: RDX, Scale: 1}, rows[i])
	}
	Load(Param("x"), RSI)
	Load(Param("y"), RDI)
	Load(Param("u"), RBX)
	weights, sums := []VecPhysical{Y8, Y9, Y10, Y11}, []VecPhysical{Y12, Y13, Y14, Y15}
	for i := range 4 {
		if size == 8 {
			VBROADCASTSD(Mem{Base: RBX, Disp: size * i}, weights[i])
		} else {
			VBROADCASTSS(Mem{Base: RBX, Disp: size * i}, weights[i])
		}
		VXORPD(sums[i], sums[i], sums[i])
	}
	XORQ(RAX, RAX)
	for _, vectors := range []int{2, 1} {
		label := []string{"", "one", "two"}[vectors]
		SUBQ(Imm(uint64(lanes*vectors)), RCX)
		JL(LabelRef(label + "end"))
		Label(label)
		bothStep(size, rows, weights, sums, vectors)
		ADDQ(Imm(uint64(32*vectors)), RAX)
		SUBQ(Imm(uint64(lanes*vectors)), RCX)
		JGE(LabelRef(label))
		Label(label + "end")
		ADDQ(Imm(uint64(lanes*vectors)), RCX)
	}
	Load(Param("v"), RBX)
	if size == 8 {
		VHADDPD(sums[1], sums[0], Y0) // (0,0,1,1) in pairs of lanes
		VHADDPD(sums[3], sums[2], Y1)
		VPERM2F128(Imm(0x20), Y1, Y0, Y2)
		VPERM2F128(Imm(0x31), Y1, Y0, Y3)
		VADDPD(Y2, Y3, Y2)
		VADDPD(Mem{Base: RBX}, Y2, Y2)
		VMOVUPD(Y2, Mem{Base: RBX})
	} else {
		VHADDPS(sums[1], sums[0], Y0)
		VHADDPS(sums[3], sums[2], Y1)
		VHADDPS(Y1, Y0, Y2) // (0,1,2,3) in each half
		VEXTRACTF128(Imm(1), Y2, X3)
		VADDPS(X2, X3, X2)
		VADDPS(Mem{Base: RBX}, X2, X2)
		VMOVUPS(X2, Mem{Base: RBX})
	}
	VZEROUPPER()
	RET()
}

// bothStep is one step over the columns: y += aᵀ u and sums += a x.
func bothStep(size int, rows []GPPhysical, weights, sums []VecPhysical, vectors int) {
	load, multiplyAdd := VMOVUPD, VFMADD231PD
	if size == 4 {
		load, multiplyAdd = VMOVUPS, VFMADD231PS
	}
	x, y, a := []VecPhysical{Y0, Y1}, []VecPhysical{Y2, Y3}, []VecPhysical{Y4, Y5, Y6, Y7}
	for v := range vectors {
		load(Mem{Base: RSI, Index: RAX, Scale: 1, Disp: 32 * v}, x[v])
		load(Mem{Base: RDI, Index: RAX, Scale: 1, Disp: 32 * v}, y[v])
	}
	for i, row := range rows {
		for v := range vectors {
			t := a[(2*i+v)%4]
			load(Mem{Base: row, Index: RAX, Scale: 1, Disp: 32 * v}, t)
			multiplyAdd(t, weights[i], y[v])
			multiplyAdd(t, x[v], sums[i])
		}
	}
	for v := range vectors {
		load(y[v], Mem{Base: RDI, Index: RAX, Scale: 1, Disp: 32 * v})
	}
}
