package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// gather emits the kernels of products with sparse matrices.
func gather() {
	for _, a := range []arch{avx2(4), avx2(8), avx512(4), avx512(8)} {
		a.gatherRows()
	}
}

// gatherVectors is how many vectors of dst are kept in registers.
const gatherVectors = 8

// gatherRows walks over all entries once for every eight vectors of dst, and once for what is left. It uses
//
//	RDI  dst, advancing     RCX  elements of dst left    RSI  x, advancing    RDX  ldx in bytes
//	R8   index              R9   values                  R10  entries         R11  number of the entry
//	R12  rows of x          RAX  byte offset of a row    RBX  scratch of tail, offset of a row to come
//	R13  last entry
func (a arch) gatherRows() {
	a.text("gatherRows", "func(dst, x []%[1]s, ldx, rows int, index []int32, values []%[1]s) bool")
	Load(Param("dst").Base(), RDI)
	Load(Param("dst").Len(), RCX)
	Load(Param("x").Base(), RSI)
	Load(Param("ldx"), RDX)
	SHLQ(Imm(uint64(2+a.size/8)), RDX)
	Load(Param("rows"), R12)
	Load(Param("index").Base(), R8)
	Load(Param("index").Len(), R10)
	Load(Param("values").Base(), R9)
	LEAQ(Mem{Base: R10, Disp: -1}, R13)

	Label("tile")
	CMPQ(RCX, U32(gatherVectors*a.lanes))
	JL(LabelRef("rest"))
	a.gatherTile("full", gatherVectors, false)
	ADDQ(U32(gatherVectors*a.bytes()), RDI)
	ADDQ(U32(gatherVectors*a.bytes()), RSI)
	SUBQ(U32(gatherVectors*a.lanes), RCX)
	JMP(LabelRef("tile"))

	Label("rest")
	for full := gatherVectors - 1; full >= 0; full-- {
		next := fmt.Sprintf("below%d", full)
		CMPQ(RCX, U32(full*a.lanes))
		JL(LabelRef(next))
		if full > 0 {
			SUBQ(U32(full*a.lanes), RCX)
		}
		JZ(LabelRef(fmt.Sprintf("whole%d", full)))
		a.tail()
		a.gatherTile(fmt.Sprintf("masked%d", full), full+1, true)
		JMP(LabelRef("done"))
		Label(fmt.Sprintf("whole%d", full))
		if full > 0 {
			a.gatherTile(fmt.Sprintf("whole%dentry", full), full, false)
		}
		JMP(LabelRef("done"))
		Label(next)
	}

	Label("done")
	MOVB(Imm(1), AL)
	JMP(LabelRef("return"))
	Label("outside")
	XORL(EAX, EAX)
	Label("return")
	Store(AL, ReturnIndex(0))
	VZEROUPPER()
	RET()
}

// gatherTile adds all entries to vectors of dst, the last of them masked by K1 or register 15 if masked is true.
func (a arch) gatherTile(label string, vectors int, masked bool) {
	value, spare := a.regs[8], a.regs[9]
	partial := func(v int) bool { return masked && v == vectors-1 }
	at := func(base Register, index Register, v int) Mem {
		m := Mem{Base: base, Disp: v * a.bytes()}
		if index != nil {
			m.Index, m.Scale = index, 1
		}
		return m
	}
	for v := range vectors {
		a.get(at(RDI, nil, v), a.regs[v], partial(v))
	}
	XORQ(R11, R11)
	JMP(LabelRef(label + "test"))
	Label(label)
	MOVL(Mem{Base: R8, Index: R11, Scale: 4}, EAX)
	CMPQ(RAX, R12)
	JAE(LabelRef("outside"))
	IMULQ(RDX, RAX)
	a.prefetchRow(vectors)
	a.broadcast(Mem{Base: R9, Index: R11, Scale: uint8(a.size)}, value)
	for v := range vectors {
		if partial(v) {
			a.get(at(RSI, RAX, v), spare, true)
			a.fma(spare, value, a.regs[v])
		} else {
			a.fma(at(RSI, RAX, v), value, a.regs[v])
		}
	}
	INCQ(R11)
	Label(label + "test")
	CMPQ(R11, R10)
	JL(LabelRef(label))
	for v := range vectors {
		a.put(a.regs[v], at(RDI, nil, v), partial(v))
	}
}

// gatherAhead is how many entries before its use a row of x is asked for: those rows lie anywhere.
const gatherAhead = 6

// prefetchRow fetches what the tile needs of the row of an entry to come, the last one if there are not as many.
func (a arch) prefetchRow(vectors int) {
	LEAQ(Mem{Base: R11, Disp: gatherAhead}, RBX)
	CMPQ(RBX, R13)
	CMOVQGT(R13, RBX)
	MOVL(Mem{Base: R8, Index: RBX, Scale: 4}, EBX)
	IMULQ(RDX, RBX)
	for at := 0; at < vectors*a.bytes(); at += 64 {
		PREFETCHT0(Mem{Base: RSI, Index: RBX, Scale: 1, Disp: at})
	}
}
