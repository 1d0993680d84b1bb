package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// quant emits the kernels on blocks of GGUF formats.
func quant() {
	c := quantConstants()
	c.dot32("dotQ4_0AVX2", 18, true, false)
	c.dot32("dotQ4_1AVX2", 20, true, true)
	c.dot32("dotQ8_0AVX2", 34, false, false)
	c.dotQ4K()
	c.dotQ6K()
	c.quantise()
	c.dequant32("dequantQ4_0AVX2", 18, true, false)
	c.dequant32("dequantQ4_1AVX2", 20, true, true)
	c.dequant32("dequantQ8_0AVX2", 34, false, false)
	c.dequantQ4K()
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
	f8, f127 Mem    // float32 8 and 127
	eight    Mem    // 8 in every int32
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

// dot32 emits a dot kernel for blocks of 32 values: eight rows at a time, so that scales are converted and multiplied
// eight at a time, then one at a time with the same order of operations. nibbles: 4-bit values, otherwise int8; minimum:
// a minimum follows the scale, otherwise nibbles are offset by 8.
func (c *quantConsts) dot32(name string, bytes int, nibbles, minimum bool) {
	TEXT(name, NOSPLIT, dotSignature)
	Doc(name + " is a DotKernel.")
	dst, n, w := Load(Param("dst").Base(), GP64()), Load(Param("dst").Len(), GP64()), Load(Param("w").Base(), GP64())
	r := loadRows()
	local := AllocLocal(32)
	for _, group := range []int{8, 1} {
		label := name + "_" + string(rune('0'+group))
		Label(label)
		CMPQ(n, Imm(uint64(group)))
		JL(LabelRef(label + "_end"))
		c.dot32Group(label, r, w, local, group, bytes, nibbles, minimum, dst)
		if group == 8 {
			LEAQ(Mem{Base: w, Index: r.s, Scale: 8}, w)
		} else {
			ADDQ(r.s, w)
		}
		ADDQ(Imm(uint64(4*group)), dst)
		SUBQ(Imm(uint64(group)), n)
		JMP(LabelRef(label))
		Label(label + "_end")
	}
	VZEROUPPER()
	RET()
}

// dot32Group emits the product of a group of 8 rows, or 1, and stores it.
func (c *quantConsts) dot32Group(label string, r rows, w Register, local Mem, group, bytes int, nibbles, minimum bool, dst Register) {
	q, scales, sums := Load(Param("q").Base(), GP64()), Load(Param("scales").Base(), GP64()), Load(Param("sums").Base(), GP64())
	blocks := Load(Param("scales").Len(), GP64())
	MOVQ(w, r.p)
	ahead := GP64()
	LEAQ(Mem{Base: w, Index: r.s, Scale: 8}, ahead) // the next group of 8, read in order while this one is used
	acc := make([]VecVirtual, group)
	for i := range acc {
		acc[i] = YMM()
		VXORPS(acc[i], acc[i], acc[i])
	}
	low := YMM() // lane r: sum of minimum (or scale) of row r times the block's sum of x
	VXORPS(low, low, low)

	Label(label + "_block")
	if group == 8 {
		for at := 0; at < 8*bytes; at += 64 {
			PREFETCHT0(Mem{Base: ahead, Disp: at})
		}
	}
	words := YMM()
	VPBROADCASTD(r.at(0, 0), words)
	for i := 1; i < group; i++ {
		next := YMM()
		VPBROADCASTD(r.at(i, 0), next)
		VPBLENDD(Imm(1<<i), next, words, words)
	}
	VPSHUFB(c.even, words, words) // per lane: four scales, four minima
	VPERMQ(Imm(0xd8), words, words)
	d, m := YMM(), YMM()
	VCVTPH2PS(words.AsX(), d)
	if minimum {
		VEXTRACTI128(Imm(1), words, m.AsX())
		VCVTPH2PS(m.AsX(), m)
	} else {
		m = d
	}
	t := YMM()
	if nibbles {
		VBROADCASTSS(Mem{Base: sums}, t)
		VFMADD231PS(t, m, low)
	}
	scale := YMM()
	VBROADCASTSS(Mem{Base: scales}, scale)
	VMULPS(d, scale, scale)
	VMOVUPS(scale, local)
	x := YMM()
	VMOVDQU(Mem{Base: q}, x)
	header := 2
	if minimum {
		header = 4
	}
	for i := range group {
		v := YMM()
		if nibbles {
			VBROADCASTI128(r.at(i, header), v)
			VPSRLVQ(c.shift, v, v)
			VPAND(c.nibble, v, v)
			VPMADDUBSW(x, v, v)
		} else {
			VMOVDQU(r.at(i, header), v)
			s := YMM()
			VPSIGNB(v, x, s)
			VPABSB(v, v)
			VPMADDUBSW(s, v, v)
		}
		VPMADDWD(c.ones16, v, v)
		VCVTDQ2PS(v, v)
		s := YMM()
		VBROADCASTSS(local.Offset(4*i), s)
		VFMADD231PS(s, v, acc[i])
	}
	ADDQ(U32(bytes), r.p)
	ADDQ(U32(8*bytes), ahead)
	ADDQ(Imm(32), q)
	ADDQ(Imm(4), scales)
	ADDQ(Imm(4), sums)
	DECQ(blocks)
	JNZ(LabelRef(label + "_block"))

	total := sumLanes(acc)
	if nibbles {
		if minimum {
			VADDPS(low, total, total)
		} else {
			VFNMADD231PS(c.f8, low, total)
		}
	}
	if group == 8 {
		VMOVUPS(total, Mem{Base: dst})
	} else {
		VMOVSS(total.AsX(), Mem{Base: dst})
	}
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
