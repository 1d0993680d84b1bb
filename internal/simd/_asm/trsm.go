package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// trsm emits the kernels that solve with a packed triangle: gemm's loop up to a tile's diagonal block, and substitution in
// registers. The next tile's products need not wait for the divisions.
func trsm() {
	for _, p := range []*panel{
		{arch: avx2(4), mr: 6}, {arch: avx2(8), mr: 6}, {arch: avx512(4), mr: 14}, {arch: avx512(8), mr: 14},
	} {
		p.solve("solveLower", false)
		p.solve("solveUpper", true)
	}
}

// solve writes one kernel. RAX is at the tile's rows of B, RDI at its diagonal block. Products end with the row that was
// solved last, upwards in an upper triangle.
func (p *panel) solve(name string, upper bool) {
	p.text(name, "func(a, b []%[1]s, tiles, k int, c []%[1]s, rowC, full int)")
	row, column := 2*p.bytes(), p.mr*p.size
	MOVQ(I32(p.size), R9)
	LEAQ(Mem{Base: R9, Index: R9, Scale: 2}, R10)
	LEAQ(Mem{Base: R9, Index: R9, Scale: 4}, R11)
	MOVQ(I32(column), R8)
	MOVQ(I32(row), R12)
	MOVQ(R12, R13)
	p.param("b", RAX)
	p.param("tiles", RBX)
	if upper {
		IMUL3Q(I32(p.mr*row), RBX, RCX)
		ADDQ(RCX, RAX)
		LEAQ(Mem{Base: RAX, Disp: -row}, RCX)
		MOVQ(RCX, p.at("b"))
		SUBQ(I32(p.mr*row), RAX)
		NEGQ(R8)
		NEGQ(R12)
		p.param("a", RDI)
		p.param("full", RCX) // the last of the full tiles comes first
		DECQ(RCX)
		JL(LabelRef("tile"))
		p.stride("rowC", RDX)
		IMULQ(RDX, RCX)
		IMUL3Q(I32(p.mr), RCX, RCX)
		ADDQ(RCX, parameter(Param("c").Base()))
	}
	Label("tile")
	if upper {
		p.param("k", RCX)
		IMUL3Q(I32(column), RCX, RCX)
		LEAQ(Mem{Base: RDI, Index: RCX, Scale: 1, Disp: (p.mr - 1) * column}, RCX)
		MOVQ(RCX, p.at("a"))
	}
	p.compute("solve", p.mr, 2, true)
	if !upper {
		MOVQ(RSI, RDI)
		ADDQ(I32(p.mr*column), RSI)
		MOVQ(RSI, p.at("a"))
	}
	for i := range p.mr {
		for v := range 2 {
			p.load(p.rowOfB(i, v), p.spare(v))
			p.pick(VSUBPS, VSUBPD)(p.acc(i, v), p.spare(v), p.acc(i, v))
		}
	}
	for step := range p.mr {
		i, rest := step, p.mr-1-step
		if upper {
			i = rest
		}
		p.solveRow(i, rest, upper)
	}
	p.copyTile(upper)
	if upper {
		p.param("k", RCX)
		IMUL3Q(I32(column), RCX, RCX)
		LEAQ(Mem{Base: RDI, Index: RCX, Scale: 1, Disp: p.mr * column}, RDI)
		SUBQ(I32(p.mr*row), RAX)
	} else {
		ADDQ(I32(p.mr*row), RAX)
	}
	ADDQ(Imm(uint64(p.mr)), p.at("k"))
	DECQ(RBX)
	JNZ(LabelRef("tile"))
	VZEROUPPER()
	RET()
}

// copyTile stores the tile at c too, if it is one of the first full ones, and moves c to the next.
func (p *panel) copyTile(upper bool) {
	DECQ(p.at("full"))
	JL(LabelRef("copied"))
	MOVQ(parameter(Param("c").Base()), RCX)
	p.stride("rowC", RDX)
	if upper {
		MOVQ(RCX, RSI)
	}
	for i := range p.mr {
		for v := range 2 {
			p.load(p.acc(i, v), Mem{Base: RCX, Disp: v * p.bytes()})
		}
		ADDQ(RDX, RCX)
	}
	if upper {
		IMUL3Q(I32(p.mr), RDX, RDX)
		SUBQ(RDX, RSI)
		MOVQ(RSI, parameter(Param("c").Base()))
	} else {
		MOVQ(RCX, parameter(Param("c").Base()))
	}
	Label("copied")
}

// rowOfB addresses vector v of row i of the tile.
func (p *panel) rowOfB(i, v int) Mem { return Mem{Base: RAX, Disp: (2*i + v) * p.bytes()} }

// solveRow divides row i by its diagonal element and takes it out of the rest rows after it, or before it.
func (p *panel) solveRow(i, rest int, upper bool) {
	column := func(l int) Mem { return Mem{Base: RDI, Disp: (i*p.mr + l) * p.size} }
	p.broadcast(column(i), p.spare(0))
	for v := range 2 {
		p.pick(VDIVPS, VDIVPD)(p.spare(0), p.acc(i, v), p.acc(i, v))
		p.load(p.acc(i, v), p.rowOfB(i, v))
	}
	for r := range rest {
		l := i + 1 + r
		if upper {
			l = i - 1 - r
		}
		x := p.spare(1 + r%3)
		p.broadcast(column(l), x)
		for v := range 2 {
			p.pick(VFNMADD231PS, VFNMADD231PD)(x, p.acc(i, v), p.acc(l, v))
		}
	}
}
