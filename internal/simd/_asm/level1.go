package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// level1 emits the vector kernels and those of matrix times vector.
func level1() {
	for _, a := range []arch{avx2(4), avx2(8), avx512(4), avx512(8)} {
		a.dot()
		a.axpy()
		a.scal()
		a.rot()
		a.asum()
		a.sumsq()
		a.addRows()
		a.dots()
	}
}

// text begins a kernel whose portable twin is called base+"Generic".
func (a arch) text(base, signature string) {
	TEXT(a.name(base), NOSPLIT, fmt.Sprintf(signature, a.goType()))
	Pragma("noescape")
	Doc(a.name(base) + " is " + base + "Generic for " + a.suffix + ".")
}

// bytes is the size of a vector.
func (a arch) bytes() int { return a.lanes * a.size }

// loop runs body over RCX elements from byte offset RAX: unroll vectors at a time, then one at a time, then masked over
// the rest. masked means K1 or register 15. RAX ends at the end.
func (a arch) loop(label string, unroll int, body func(vectors int, masked bool)) {
	for _, vectors := range []int{unroll, 1} {
		at := fmt.Sprintf("%s%d", label, vectors)
		SUBQ(U32(vectors*a.lanes), RCX)
		JL(LabelRef(at + "end"))
		Label(at)
		body(vectors, false)
		ADDQ(U32(vectors*a.bytes()), RAX)
		SUBQ(U32(vectors*a.lanes), RCX)
		JGE(LabelRef(at))
		Label(at + "end")
		ADDQ(U32(vectors*a.lanes), RCX)
		if unroll == 1 {
			break
		}
	}
	JZ(LabelRef(label + "done"))
	a.tail()
	body(1, true)
	Label(label + "done")
}

// tail makes the mask of RCX elements, fewer than a vector, in K1 or register 15. It uses RBX.
func (a arch) tail() {
	if a.wide {
		MOVL(U32(1), EBX)
		SHLL(CL, EBX)
		DECL(EBX)
		KMOVW(EBX, K1)
		return
	}
	LEAQ(tailMask().Offset(32), RBX)
	SHLQ(Imm(uint64(2+a.size/8)), RCX)
	SUBQ(RCX, RBX)
	a.load(Mem{Base: RBX}, a.regs[15])
}

// get loads a vector, or its masked part and zeros.
func (a arch) get(from Mem, to Op, masked bool) {
	if masked {
		a.loadMasked(from, a.regs[15], to)
	} else {
		a.load(from, to)
	}
}

func (a arch) put(from Op, to Mem, masked bool) {
	if masked {
		a.storeMasked(from, a.regs[15], to)
	} else {
		a.load(from, to)
	}
}

// vector addresses vector v of the array at base, from offset RAX.
func (a arch) vector(base Register, v int) Mem {
	return Mem{Base: base, Index: RAX, Scale: 1, Disp: v * a.bytes()}
}

// sum adds the lanes of accumulators 0 to n-1 into the low lane of register 0.
func (a arch) sum(n int) {
	for i := 1; i < n; i++ {
		a.add(a.regs[i], a.regs[0], a.regs[0])
	}
	if a.wide {
		VEXTRACTF64X4(Imm(1), Z0, Y1)
		a.add(Y1, Y0, Y0)
	}
	VEXTRACTF128(Imm(1), Y0, X1)
	a.add(X1, X0, X0)
	if !a.double {
		VHADDPS(X0, X0, X0)
		VHADDPS(X0, X0, X0)
	} else {
		VHADDPD(X0, X0, X0)
	}
}

func (a arch) finish() {
	Store(X0, ReturnIndex(0))
	VZEROUPPER()
	RET()
}

func (a arch) dot() {
	a.text("dot", "func(x, y []%[1]s) %[1]s")
	Load(Param("x").Base(), RSI)
	Load(Param("y").Base(), RDI)
	Load(Param("x").Len(), RCX)
	XORQ(RAX, RAX)
	for i := range 4 {
		a.zero(a.regs[i])
	}
	a.loop("dot", 4, func(vectors int, masked bool) {
		for v := range vectors {
			a.get(a.vector(RSI, v), a.regs[4+v], masked)
			if masked {
				a.get(a.vector(RDI, v), a.regs[8], masked)
				a.fma(a.regs[8], a.regs[4+v], a.regs[v])
			} else {
				a.fma(a.vector(RDI, v), a.regs[4+v], a.regs[v])
			}
		}
	})
	a.sum(4)
	a.finish()
}

func (a arch) axpy() {
	a.text("axpy", "func(alpha %[1]s, x, y []%[1]s)")
	a.broadcast(parameter(Param("alpha")), a.regs[14])
	Load(Param("x").Base(), RSI)
	Load(Param("y").Base(), RDI)
	Load(Param("x").Len(), RCX)
	XORQ(RAX, RAX)
	a.loop("axpy", 4, func(vectors int, masked bool) {
		for v := range vectors {
			a.get(a.vector(RDI, v), a.regs[v], masked)
		}
		for v := range vectors {
			if masked {
				a.get(a.vector(RSI, v), a.regs[4], masked)
				a.fma(a.regs[4], a.regs[14], a.regs[v])
			} else {
				a.fma(a.vector(RSI, v), a.regs[14], a.regs[v])
			}
			a.put(a.regs[v], a.vector(RDI, v), masked)
		}
	})
	VZEROUPPER()
	RET()
}

func (a arch) scal() {
	a.text("scal", "func(alpha %[1]s, x []%[1]s)")
	a.broadcast(parameter(Param("alpha")), a.regs[14])
	Load(Param("x").Base(), RSI)
	Load(Param("x").Len(), RCX)
	XORQ(RAX, RAX)
	a.loop("scal", 4, func(vectors int, masked bool) {
		for v := range vectors {
			a.get(a.vector(RSI, v), a.regs[v], masked)
			a.mul(a.regs[14], a.regs[v], a.regs[v])
			a.put(a.regs[v], a.vector(RSI, v), masked)
		}
	})
	VZEROUPPER()
	RET()
}

func (a arch) rot() {
	a.text("rot", "func(x, y []%[1]s, c, s %[1]s)")
	a.broadcast(parameter(Param("c")), a.regs[14])
	a.broadcast(parameter(Param("s")), a.regs[13])
	Load(Param("x").Base(), RSI)
	Load(Param("y").Base(), RDI)
	Load(Param("x").Len(), RCX)
	XORQ(RAX, RAX)
	a.loop("rot", 2, func(vectors int, masked bool) {
		for v := range vectors {
			x, y, cx, cy := a.regs[v], a.regs[2+v], a.regs[4+v], a.regs[6+v]
			a.get(a.vector(RSI, v), x, masked)
			a.get(a.vector(RDI, v), y, masked)
			a.mul(a.regs[14], x, cx)
			a.mul(a.regs[14], y, cy)
			a.fma(a.regs[13], y, cx)
			a.pick(VFNMADD231PS, VFNMADD231PD)(a.regs[13], x, cy)
			a.put(cx, a.vector(RSI, v), masked)
			a.put(cy, a.vector(RDI, v), masked)
		}
	})
	VZEROUPPER()
	RET()
}

func (a arch) asum() {
	a.text("asum", "func(x []%[1]s) %[1]s")
	Load(Param("x").Base(), RSI)
	Load(Param("x").Len(), RCX)
	XORQ(RAX, RAX)
	for i := range 4 {
		a.zero(a.regs[i])
	}
	MOVQ(U64(map[int]uint64{4: 0x7fffffff7fffffff, 8: 0x7fffffffffffffff}[a.size]), RBX)
	VMOVQ(RBX, X14)
	VBROADCASTSD(X14, a.regs[14])
	a.loop("asum", 4, func(vectors int, masked bool) {
		for v := range vectors {
			a.get(a.vector(RSI, v), a.regs[4+v], masked)
			if a.wide {
				VPANDQ(a.regs[14], a.regs[4+v], a.regs[4+v])
			} else {
				VANDPS(a.regs[14], a.regs[4+v], a.regs[4+v])
			}
			a.add(a.regs[4+v], a.regs[v], a.regs[v])
		}
	})
	a.sum(4)
	a.finish()
}

// sumsq accumulates in float64 for both element types.
func (a arch) sumsq() {
	a.text("sumsq", "func(x []%[1]s) float64")
	Load(Param("x").Base(), RSI)
	Load(Param("x").Len(), RCX)
	XORQ(RAX, RAX)
	for i := range 4 {
		a.zero(a.regs[i])
	}
	a.loop("sumsq", 4, func(vectors int, masked bool) {
		for v := range vectors {
			x := a.regs[4+v]
			a.get(a.vector(RSI, v), x, masked)
			if a.double {
				a.fma(x, x, a.regs[v])
				continue
			}
			a.upperHalf(x, a.regs[8])
			a.lowerHalf(x, x)
			VFMADD231PD(x, x, a.regs[v])
			VFMADD231PD(a.regs[8], a.regs[8], a.regs[(v+1)%4])
		}
	})
	d := a
	d.double = true
	d.sum(4)
	a.finish()
}

// lowerHalf and upperHalf widen half of a vector of float32 to float64.
func (a arch) lowerHalf(from, to Op) {
	if a.wide {
		VCVTPS2PD(from.(VecPhysical).AsY(), to)
	} else {
		VCVTPS2PD(from.(VecPhysical).AsX(), to)
	}
}

func (a arch) upperHalf(from, to Op) {
	if a.wide {
		VEXTRACTF64X4(Imm(1), from, to.(VecPhysical).AsY())
	} else {
		VEXTRACTF128(Imm(1), from, to.(VecPhysical).AsX())
	}
	a.lowerHalf(to, to)
}

// addRows walks down eight rows at once, then four, two and one.
func (a arch) addRows() {
	a.text("addRows", "func(y, x, a []%[1]s, lda int)")
	rows := []GPPhysical{RSI, R8, R9, R10, R11, R12, R13, R15}
	for _, r := range []int{8, 4, 2, 1} {
		label := fmt.Sprintf("rows%d", r)
		Label(label)
		left := parameter(Param("x").Len())
		CMPQ(left, Imm(uint64(r)))
		JL(LabelRef(label + "end"))
		SUBQ(Imm(uint64(r)), left)
		Load(Param("x").Base(), RBX)
		for i := range r {
			a.broadcast(Mem{Base: RBX, Disp: i * a.size}, a.regs[4+i])
		}
		ADDQ(Imm(uint64(r*a.size)), RBX)
		MOVQ(RBX, parameter(Param("x").Base()))
		Load(Param("lda"), RDX)
		SHLQ(Imm(uint64(2+a.size/8)), RDX)
		Load(Param("a").Base(), RSI)
		for i := 1; i < r; i++ {
			LEAQ(Mem{Base: rows[i-1], Index: RDX, Scale: 1}, rows[i])
		}
		ADDQ(rows[r-1], RDX)
		MOVQ(RDX, parameter(Param("a").Base()))
		Load(Param("y").Base(), RDI)
		Load(Param("y").Len(), RCX)
		XORQ(RAX, RAX)
		a.loop(label, 2, func(vectors int, masked bool) {
			for v := range vectors {
				a.get(a.vector(RDI, v), a.regs[v], masked)
			}
			for i := range r {
				for v := range vectors {
					if masked {
						a.get(a.vector(rows[i], v), a.regs[2], masked)
						a.fma(a.regs[2], a.regs[4+i], a.regs[v])
					} else {
						a.fma(a.vector(rows[i], v), a.regs[4+i], a.regs[v])
					}
				}
			}
			for v := range vectors {
				a.put(a.regs[v], a.vector(RDI, v), masked)
			}
		})
		JMP(LabelRef(label))
		Label(label + "end")
	}
	VZEROUPPER()
	RET()
}

// dots computes tiles of inner products: m rows of x (1 to 4) by four rows of b, three if m is four, so that sums and
// vectors fit sixteen registers.
func (a arch) dots() {
	a.text("dots", "func(dst []%[1]s, rowD int, x []%[1]s, ldx int, b []%[1]s, ldb, m, n, k int)")
	for m := 4; m >= 1; m-- {
		label := fmt.Sprintf("dots%d", m)
		CMPQ(parameter(Param("m")), Imm(uint64(m)))
		JL(LabelRef(label + "end"))
		a.dotTiles(label, m)
		VZEROUPPER()
		RET()
		Label(label + "end")
	}
	RET()
}

func (a arch) dotTiles(label string, m int) {
	shift := Imm(uint64(2 + a.size/8))
	x, b := []GPPhysical{RSI, R8, R9, R10}, []GPPhysical{R11, R12, R13, R15}
	nr, unroll := 4, 1
	switch m {
	case 4:
		nr = 3
	case 1:
		unroll = 2
	}
	Load(Param("dst").Base(), RDI)
	Load(Param("x").Base(), RSI)
	Load(Param("ldx"), RDX)
	SHLQ(shift, RDX)
	for i := 1; i < m; i++ {
		LEAQ(Mem{Base: x[i-1], Index: RDX, Scale: 1}, x[i])
	}
	Load(Param("b").Base(), R11)
	Label(label)
	n := parameter(Param("n"))
	Load(Param("ldb"), RDX)
	SHLQ(shift, RDX)
	for j := 1; j < nr; j++ {
		CMPQ(n, Imm(uint64(j)))
		JG(LabelRef(fmt.Sprintf("%srow%d", label, j)))
		XORQ(RDX, RDX) // no more rows: repeat the last
		Label(fmt.Sprintf("%srow%d", label, j))
		LEAQ(Mem{Base: b[j-1], Index: RDX, Scale: 1}, b[j])
	}
	sums := func(u, i, j int) Op { return a.regs[(u*m+i)*nr+j] }
	for u := range unroll {
		for i := range m {
			for j := range nr {
				a.zero(sums(u, i, j))
			}
		}
	}
	XORQ(RAX, RAX)
	Load(Param("k"), RCX)
	a.loop(label+"k", unroll, func(vectors int, masked bool) {
		for v := range vectors {
			a.dotStep(m, nr, v, x, b, masked, sums)
		}
	})
	for u := 1; u < unroll; u++ {
		for j := range nr {
			a.add(sums(u, 0, j), sums(0, 0, j), sums(0, 0, j))
		}
	}
	Load(Param("rowD"), RDX)
	SHLQ(shift, RDX)
	MOVQ(RDI, RBX)
	Load(Param("n"), RCX)
	for i := range m {
		a.reduce(sums, i, nr)
		a.storeSums(fmt.Sprintf("%sstore%d", label, i), nr)
		if i < m-1 {
			ADDQ(RDX, RBX)
		}
	}
	ADDQ(Imm(uint64(nr*a.size)), RDI)
	Load(Param("ldb"), RDX)
	SHLQ(shift, RDX)
	LEAQ(Mem{Base: b[nr-1], Index: RDX, Scale: 1}, R11)
	SUBQ(Imm(uint64(nr)), n)
	JG(LabelRef(label))
}

// dotStep adds the products of vector v of m and nr rows. The fewer rows stay in registers 12 on; masked uses 15, so there
// the other operand goes through one register and the first are loaded again for each.
func (a arch) dotStep(m, nr, v int, x, b []GPPhysical, masked bool, sums func(u, i, j int) Op) {
	u := v
	if masked {
		for i := range m {
			a.get(a.vector(x[i], 0), a.regs[12], true)
			for j := range nr {
				a.get(a.vector(b[j], 0), a.regs[13], true)
				a.fma(a.regs[13], a.regs[12], sums(0, i, j))
			}
		}
		return
	}
	if m == 4 { // nr == 3: rows of b stay
		for j := range nr {
			a.load(a.vector(b[j], v), a.regs[12+j])
		}
		for i := range m {
			a.load(a.vector(x[i], v), a.regs[15])
			for j := range nr {
				a.fma(a.regs[15], a.regs[12+j], sums(u, i, j))
			}
		}
		return
	}
	for i := range m {
		a.load(a.vector(x[i], v), a.regs[12+i])
	}
	for j := range nr {
		if m == 1 {
			a.fma(a.vector(b[j], v), a.regs[12], sums(u, 0, j))
			continue
		}
		a.load(a.vector(b[j], v), a.regs[15])
		for i := range m {
			a.fma(a.regs[15], a.regs[12+i], sums(u, i, j))
		}
	}
}

// reduce sums the lanes of row i's accumulators into the lanes of X or Y12. A missing fourth counts as the third.
func (a arch) reduce(sums func(u, i, j int) Op, i, nr int) {
	y := make([]Op, 4)
	for j := range 4 {
		s := sums(0, i, min(j, nr-1)).(VecPhysical)
		if a.wide && j < nr {
			VEXTRACTF64X4(Imm(1), s, Y12)
			a.add(Y12, s.AsY(), s.AsY())
		}
		y[j] = s.AsY()
	}
	if a.double {
		VHADDPD(y[1], y[0], Y12)
		VHADDPD(y[3], y[2], Y13)
		VPERM2F128(Imm(0x21), Y13, Y12, Y14)
		VBLENDPD(Imm(0xc), Y13, Y12, Y12)
		VADDPD(Y14, Y12, Y12)
		return
	}
	VHADDPS(y[1], y[0], Y12)
	VHADDPS(y[3], y[2], Y13)
	VHADDPS(Y13, Y12, Y12)
	VEXTRACTF128(Imm(1), Y12, X13)
	VADDPS(X13, X12, X12)
}

// storeSums stores the first min(RCX, nr) lanes at RBX.
func (a arch) storeSums(label string, nr int) {
	CMPQ(RCX, Imm(4))
	JL(LabelRef(label))
	if nr == 4 {
		if a.double {
			VMOVUPD(Y12, Mem{Base: RBX})
		} else {
			VMOVUPS(X12, Mem{Base: RBX})
		}
		JMP(LabelRef(label + "done"))
	}
	Label(label)
	for j := range nr {
		to := Mem{Base: RBX, Disp: j * a.size}
		if j > 0 {
			CMPQ(RCX, Imm(uint64(j)))
			JLE(LabelRef(label + "done"))
		}
		switch {
		case !a.double && j == 0:
			VMOVSS(X12, to)
		case !a.double:
			VEXTRACTPS(Imm(uint64(j)), X12, to)
		case j%2 == 0:
			VMOVSD(X12, to)
		default:
			VMOVHPD(X12, to)
		}
		if a.double && j == 1 && nr > 2 {
			VEXTRACTF128(Imm(1), Y12, X12)
		}
	}
	Label(label + "done")
}
