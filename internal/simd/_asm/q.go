package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// quant emits the kernels on blocks of GGUF formats.
func quant() {
	c := quantConstants()
	dot32{name: "dotQ4_0AVX2", bytes: 18, nibbles: true}.emit(c)
	dot32{name: "dotQ4_1AVX2", bytes: 20, nibbles: true, minimum: true}.emit(c)
	dot32{name: "dotQ5_0AVX2", bytes: 22, nibbles: true, fifth: true}.emit(c)
	dot32{name: "dotQ5_1AVX2", bytes: 24, nibbles: true, fifth: true, minimum: true}.emit(c)
	dot32{name: "dotQ8_0AVX2", bytes: 34}.emit(c)
	c.dotQ4K()
	c.dotQ6K()
	c.quantise()
	c.dequant32("dequantQ4_0AVX2", 18, true, false)
	c.dequant32("dequantQ4_1AVX2", 20, true, true)
	c.dequant32("dequantQ8_0AVX2", 34, false, false)
	c.dequantQ5("dequantQ5_0AVX2", 22, false)
	c.dequantQ5("dequantQ5_1AVX2", 24, true)
	c.dequantQ4K("dequantQ4_KAVX2", 144, false)
	c.dequantQ4K("dequantQ5_KAVX2", 176, true)
	c.dequantQ6K()
}

// quantConsts are vectors in memory, 32 bytes each.
type quantConsts struct {
	nibble   Mem    // 0x0f in every byte
	pair     Mem    // 0x03 in every byte
	shift    Mem    // per 64 bits: 0, 0, 4, 4
	ones16   Mem    // 1 in every int16
	ones8    Mem    // 1 in every byte
	byte32   Mem    // 32 in every byte
	even     Mem    // per lane: 16-bit words 0, 2, 4, 6, 1, 3, 5, 7
	word     [8]Mem // per lane: word k everywhere
	evenByte Mem    // bytes 0, 2, ..., 14, 1, 3, ..., 15
	unpack   Mem    // dwords 0, 4, 1, 5, 2, 6, 3, 7: the order after two rounds of packing
	abs      Mem    // 0x7fffffff
	eighth   Mem    // byte i: i/8
	bit      Mem    // byte i: 1 << i%8
	byte16   Mem    // 16 in every byte
	f8, f16  Mem    // float32 8 and 16
	f127     Mem    // float32 127
	eight    Mem    // 8 in every int32
	sixteen  Mem    // 16 in every int32
}

// bytes32 emits a 32-byte constant.
func bytes32(name string, f func(i int) byte) Mem {
	m := GLOBL(name, 8|16) // RODATA|NOPTR
	for i := 0; i < 32; i += 8 {
		var v uint64
		for j := range 8 {
			v |= uint64(f(i+j)) << (8 * j)
		}
		DATA(i, U64(v))
	}
	return m
}

// dwords emits a constant of one 32-bit value eight times.
func dwords(name string, v uint32) Mem {
	return bytes32(name, func(i int) byte { return byte(v >> (8 * (i % 4))) })
}

func quantConstants() *quantConsts {
	c := &quantConsts{
		nibble: dwords("nibble", 0x0f0f0f0f),
		pair:   dwords("pair", 0x03030303),
		shift: bytes32("shift", func(i int) byte {
			if i >= 16 && i%8 == 0 {
				return 4
			}
			return 0
		}),
		ones16:   dwords("ones16", 0x00010001),
		ones8:    dwords("ones8", 0x01010101),
		byte32:   dwords("byte32", 0x20202020),
		even:     bytes32("even", func(i int) byte { i %= 16; w := i / 2; return byte(2*(w%4*2+w/4) + i%2) }),
		evenByte: bytes32("evenByte", func(i int) byte { i %= 16; return byte(i%8*2 + i/8) }),
		unpack:   bytes32("unpack", func(i int) byte { d := i / 4; return []byte{byte(d%2*4 + d/2), 0, 0, 0}[i%4] }),
		abs:      dwords("abs", 0x7fffffff),
		f8:       dwords("f8", 0x41000000),
		f127:     dwords("f127", 0x42fe0000),
		eight:    dwords("eight", 8),
		sixteen:  dwords("sixteen", 16),
		eighth:   bytes32("eighth", func(i int) byte { return byte(i / 8) }),
		bit:      bytes32("bit", func(i int) byte { return 1 << (i % 8) }),
		byte16:   dwords("byte16", 0x10101010),
		f16:      dwords("f16", 0x41800000),
	}
	for k := range c.word {
		c.word[k] = bytes32("word"+string(rune('0'+k)), func(i int) byte { return byte(2*k + i%2) })
	}
	return c
}

const dotSignature = "func(dst []float32, w []byte, stride int, q []int8, scales, sums []float32)"

// rows addresses up to eight rows at once: row r is at p + r*stride.
type rows struct{ p, s, s3, s5, s7 Register }

func loadRows() rows {
	r := rows{p: GP64(), s: Load(Param("stride"), GP64()), s3: GP64(), s5: GP64(), s7: GP64()}
	LEAQ(Mem{Base: r.s, Index: r.s, Scale: 2}, r.s3)
	LEAQ(Mem{Base: r.s, Index: r.s, Scale: 4}, r.s5)
	LEAQ(Mem{Base: r.s5, Index: r.s, Scale: 2}, r.s7)
	return r
}

func (r rows) at(row, offset int) Mem {
	m := Mem{Base: r.p, Disp: offset, Scale: 1}
	switch row {
	case 1:
		m.Index = r.s
	case 2:
		m.Index, m.Scale = r.s, 2
	case 3:
		m.Index = r.s3
	case 4:
		m.Index, m.Scale = r.s, 4
	case 5:
		m.Index = r.s5
	case 6:
		m.Index, m.Scale = r.s3, 2
	case 7:
		m.Index = r.s7
	}
	return m
}

// dot32 is a dot kernel for blocks of 32 values. It takes eight rows at a time, so that scales are converted and multiplied
// eight at a time, then the rest one at a time with the same order of operations. Scales of up to chunk blocks are
// prepared before the products that need them, since the chain from a stored scale to its use is long.
type dot32 struct {
	name    string
	bytes   int  // of a block
	nibbles bool // 4-bit values, otherwise int8
	fifth   bool // four bytes with a fifth bit of each value precede the nibbles
	minimum bool // a minimum follows the scale, otherwise nibbles are offset by 8, or 16 with the fifth bit

	consts              *quantConsts
	ones, nibble, shift VecVirtual // constants of the inner loop, which has no load to spare
	prepared            Mem        // eight products of scales for each block of a chunk
	w, dst, n           Mem        // where the present group begins, in memory for want of registers
	rows
}

const chunk = 16

func (d dot32) emit(c *quantConsts) {
	TEXT(d.name, NOSPLIT, dotSignature)
	Doc(d.name + " is a DotKernel.")
	d.consts, d.rows = c, loadRows()
	d.prepared = AllocLocal(32 * chunk)
	d.w, d.dst, d.n = AllocLocal(8), AllocLocal(8), AllocLocal(8)
	MOVQ(base("w"), d.w)
	MOVQ(base("dst"), d.dst)
	MOVQ(Load(Param("dst").Len(), GP64()), d.n)
	d.ones = YMM()
	VMOVDQU(c.ones16, d.ones)
	if d.nibbles {
		d.nibble, d.shift = YMM(), YMM()
		VMOVDQU(c.nibble, d.nibble)
		VMOVDQU(c.shift, d.shift)
	}
	d.prefetchFirst()
	for _, group := range []int{8, 1} {
		label := d.name + "_" + string(rune('0'+group))
		Label(label)
		CMPQ(d.n, Imm(uint64(group)))
		JL(LabelRef(label + "_end"))
		d.group(label, group)
		JMP(LabelRef(label))
		Label(label + "_end")
	}
	VZEROUPPER()
	RET()
}

// prefetchFirst emits the request of the first sixteen rows, which no group before them asks for. Beyond the end of the
// matrix it does no harm.
func (d *dot32) prefetchFirst() {
	at, end := GP64(), GP64()
	MOVQ(d.w, at)
	LEAQ(Mem{Base: at, Index: d.s, Scale: 8}, end)
	LEAQ(Mem{Base: end, Index: d.s, Scale: 8}, end)
	Label(d.name + "_prefetch")
	PREFETCHT0(Mem{Base: at})
	ADDQ(Imm(64), at)
	CMPQ(at, end)
	JL(LabelRef(d.name + "_prefetch"))
}

// group emits the product of a group of 8 rows, or 1, and the step to the next.
func (d *dot32) group(label string, group int) {
	q, scales, sums := base("q"), base("scales"), base("sums")
	blocks, count, ahead, to := Load(Param("scales").Len(), GP64()), GP64(), GP64(), GP64()
	MOVQ(d.w, d.p)
	LEAQ(Mem{Base: d.p, Index: d.s, Scale: 8}, ahead) // the group after the next, read in order while this one is used
	LEAQ(Mem{Base: ahead, Index: d.s, Scale: 8}, ahead)
	acc := zeros(group)
	low := zeros(1)[0] // lane r: sum of minimum (or scale) of row r times the block's sum of x

	Label(label + "_chunk")
	MOVQ(U32(chunk), count)
	CMPQ(blocks, count)
	CMOVQLT(blocks, count)
	SUBQ(count, blocks)
	back := GP64()
	IMUL3Q(U32(d.bytes), count, back)
	LEAQ(d.prepared, to)
	end := GP64()
	MOVQ(count, end)
	SHLQ(Imm(5), end)
	ADDQ(to, end)
	Label(label + "_scales")
	d.prepare(group, scales, sums, to, low)
	ADDQ(U32(d.bytes), d.p)
	ADDQ(Imm(4), scales)
	ADDQ(Imm(4), sums)
	ADDQ(Imm(32), to)
	CMPQ(to, end)
	JL(LabelRef(label + "_scales"))

	SUBQ(back, d.p)
	LEAQ(d.prepared, to)
	Label(label + "_products")
	if group == 8 {
		for at := 0; at < 8*d.bytes; at += 64 {
			PREFETCHT0(Mem{Base: ahead, Disp: at})
		}
		ADDQ(U32(8*d.bytes), ahead)
	}
	x := YMM()
	VMOVDQU(Mem{Base: q}, x)
	for i := range acc {
		d.product(i, x, Mem{Base: to, Disp: 4 * i}, acc[i])
	}
	ADDQ(U32(d.bytes), d.p)
	ADDQ(Imm(32), q)
	ADDQ(Imm(32), to)
	DECQ(count)
	JNZ(LabelRef(label + "_products"))
	TESTQ(blocks, blocks)
	JNZ(LabelRef(label + "_chunk"))
	d.store(group, acc, low)
}

// prepare emits the conversion of a block's scales in all rows to products with the scale of x, stored at to, and adds the
// minima times the sum of x to low.
func (d *dot32) prepare(group int, scales, sums, to Register, low VecVirtual) {
	words := YMM()
	VPBROADCASTD(d.at(0, 0), words)
	for i := 1; i < group; i++ {
		next := YMM()
		VPBROADCASTD(d.at(i, 0), next)
		VPBLENDD(Imm(1<<i), next, words, words)
	}
	VPSHUFB(d.consts.even, words, words) // per lane: four scales, four minima
	VPERMQ(Imm(0xd8), words, words)
	scale, m := YMM(), YMM()
	VCVTPH2PS(words.AsX(), scale)
	if d.minimum {
		VEXTRACTI128(Imm(1), words, m.AsX())
		VCVTPH2PS(m.AsX(), m)
	} else {
		m = scale
	}
	if d.nibbles {
		sum := YMM()
		VBROADCASTSS(Mem{Base: sums}, sum)
		VFMADD231PS(sum, m, low)
	}
	t := YMM()
	VBROADCASTSS(Mem{Base: scales}, t)
	VMULPS(scale, t, t)
	VMOVUPS(t, Mem{Base: to})
}

// product adds the block of row i at p, times x and the scale, to acc.
func (d *dot32) product(i int, x VecVirtual, scale Mem, acc VecVirtual) {
	header := 2
	if d.minimum {
		header = 4
	}
	v, s := YMM(), YMM()
	if d.nibbles {
		if d.fifth {
			d.consts.fifthBits(d.at(i, header), s)
			header += 4
		}
		VBROADCASTI128(d.at(i, header), v)
		VPSRLVQ(d.shift, v, v) // upper lane: upper nibbles
		VPAND(d.nibble, v, v)
		if d.fifth {
			VPOR(s, v, v)
		}
		VPMADDUBSW(x, v, v)
	} else {
		VMOVDQU(d.at(i, header), v)
		VPSIGNB(v, x, s)
		VPABSB(v, v) // |-128| is 128, unsigned
		VPMADDUBSW(s, v, v)
	}
	VPMADDWD(d.ones, v, v)
	VCVTDQ2PS(v, v)
	VBROADCASTSS(scale, s)
	VFMADD231PS(s, v, acc)
}

// fifthBits sets byte i of v to 16 times bit i of the 32 at m.
func (c *quantConsts) fifthBits(m Mem, v VecVirtual) {
	VPBROADCASTD(m, v)
	VPSHUFB(c.eighth, v, v) // byte i/8 to byte i
	VPAND(c.bit, v, v)
	VPCMPEQB(c.bit, v, v)
	VPAND(c.byte16, v, v)
}

// store emits the group's sums and moves on by group rows.
func (d *dot32) store(group int, acc []VecVirtual, low VecVirtual) {
	total := sumLanes(acc)
	if d.nibbles {
		if d.minimum {
			VADDPS(low, total, total)
		} else if d.fifth {
			VFNMADD231PS(d.consts.f16, low, total)
		} else {
			VFNMADD231PS(d.consts.f8, low, total)
		}
	}
	dst := GP64()
	MOVQ(d.dst, dst)
	if group == 8 {
		VMOVUPS(total, Mem{Base: dst})
		LEAQ(Mem{Base: d.s, Index: d.s, Scale: 1}, dst)
		SHLQ(Imm(2), dst)
		ADDQ(dst, d.w)
	} else {
		VMOVSS(total.AsX(), Mem{Base: dst})
		ADDQ(d.s, d.w)
	}
	ADDQ(Imm(uint64(4*group)), d.dst)
	SUBQ(Imm(uint64(group)), d.n)
}

// sumLanes returns a vector whose lane i is the sum of acc[i]'s lanes (of 8 or 1 accumulators), always in the same order.
func sumLanes(acc []VecVirtual) VecVirtual {
	for len(acc) < 8 {
		acc = append(acc, acc[0])
	}
	for len(acc) > 2 {
		var next []VecVirtual
		for i := 0; i < len(acc); i += 2 {
			h := YMM()
			VHADDPS(acc[i+1], acc[i], h)
			next = append(next, h)
		}
		acc = next
	}
	lower, upper := YMM(), YMM()
	VPERM2F128(Imm(0x20), acc[1], acc[0], lower)
	VPERM2F128(Imm(0x31), acc[1], acc[0], upper)
	VADDPS(upper, lower, lower)
	return lower
}
