package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// poles emits the kernels of the secular equation, float64 for AVX2, all for lengths that are multiples of 4.
func poles() {
	poleSums()
	poleProduct()
	poleQuotients()
}

func poleText(name, signature string) {
	TEXT(name+"AVX2", NOSPLIT, signature)
	Pragma("noescape")
	Doc(name + "AVX2 is " + name + "Generic for AVX2, for n a multiple of 4.")
	Load(Param("n"), RCX)
	XORQ(RAX, RAX)
}

// poleLoop runs body on two vectors at a time, then on one.
func poleLoop(body func(vectors int)) {
	for _, vectors := range []int{2, 1} {
		label := []string{"", "one", "two"}[vectors]
		SUBQ(Imm(uint64(4*vectors)), RCX)
		JL(LabelRef(label + "end"))
		Label(label)
		body(vectors)
		ADDQ(Imm(uint64(32*vectors)), RAX)
		SUBQ(Imm(uint64(4*vectors)), RCX)
		JGE(LabelRef(label))
		Label(label + "end")
		ADDQ(Imm(uint64(4*vectors)), RCX)
	}
}

func poleVector(base Register, v int) Mem {
	return Mem{Base: base, Index: RAX, Scale: 1, Disp: 32 * v}
}

func poleSums() {
	poleText("poleSums", "func(n int, z, d, delta *float64, origin, x float64, sums *float64)")
	Load(Param("z"), RSI)
	Load(Param("d"), RDI)
	Load(Param("delta"), RBX)
	origin, _ := Param("origin").Resolve()
	x, _ := Param("x").Resolve()
	VBROADCASTSD(origin.Addr, Y14)
	VBROADCASTSD(x.Addr, Y15)
	for _, r := range []VecPhysical{Y10, Y11, Y12, Y13} {
		VXORPD(r, r, r)
	}
	poleLoop(func(vectors int) {
		t, z := []VecPhysical{Y0, Y1}, []VecPhysical{Y2, Y3}
		sums, derivatives := []VecPhysical{Y10, Y11}, []VecPhysical{Y12, Y13}
		for v := range vectors {
			VMOVUPD(poleVector(RDI, v), t[v])
			VSUBPD(Y14, t[v], t[v])
			VSUBPD(Y15, t[v], t[v])
			VMOVUPD(t[v], poleVector(RBX, v))
			VMOVUPD(poleVector(RSI, v), z[v])
			VDIVPD(t[v], z[v], t[v])
			VFMADD231PD(t[v], z[v], sums[v])
			VFMADD231PD(t[v], t[v], derivatives[v])
		}
	})
	VADDPD(Y11, Y10, Y10)
	VADDPD(Y13, Y12, Y12)
	VHADDPD(Y12, Y10, Y10) // sum, derivative in both halves
	VEXTRACTF128(Imm(1), Y10, X11)
	VADDPD(X11, X10, X10)
	Load(Param("sums"), RBX)
	VMOVUPD(X10, Mem{Base: RBX})
	VZEROUPPER()
	RET()
}

func poleProduct() {
	poleText("poleProduct", "func(n int, product, delta, d *float64, pole float64)")
	Load(Param("product"), RDI)
	Load(Param("delta"), RSI)
	Load(Param("d"), RBX)
	pole, _ := Param("pole").Resolve()
	VBROADCASTSD(pole.Addr, Y15)
	poleLoop(func(vectors int) {
		t, p := []VecPhysical{Y0, Y1}, []VecPhysical{Y2, Y3}
		for v := range vectors {
			VMOVUPD(poleVector(RBX, v), t[v])
			VSUBPD(Y15, t[v], t[v])
			VMOVUPD(poleVector(RSI, v), p[v])
			VDIVPD(t[v], p[v], p[v])
			VMULPD(poleVector(RDI, v), p[v], p[v])
			VMOVUPD(p[v], poleVector(RDI, v))
		}
	})
	VZEROUPPER()
	RET()
}

func poleQuotients() {
	poleText("poleQuotients", "func(n int, dst, z, delta *float64) float64")
	Load(Param("dst"), RDI)
	Load(Param("z"), RSI)
	Load(Param("delta"), RBX)
	VXORPD(Y10, Y10, Y10)
	VXORPD(Y11, Y11, Y11)
	poleLoop(func(vectors int) {
		q, sums := []VecPhysical{Y0, Y1}, []VecPhysical{Y10, Y11}
		for v := range vectors {
			VMOVUPD(poleVector(RSI, v), q[v])
			VDIVPD(poleVector(RBX, v), q[v], q[v])
			VMOVUPD(q[v], poleVector(RDI, v))
			VFMADD231PD(q[v], q[v], sums[v])
		}
	})
	VADDPD(Y11, Y10, Y10)
	VEXTRACTF128(Imm(1), Y10, X11)
	VADDPD(X11, X10, X10)
	VHADDPD(X10, X10, X10)
	Store(X10, ReturnIndex(0))
	VZEROUPPER()
	RET()
}
