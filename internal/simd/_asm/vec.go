package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// vec emits the element-wise kernels and reductions. Tails run the same instructions under a mask, so that an element's
// result does not depend on where it stands.
func vec() {
	c := vecConstants()
	c.unary("exp", func(x VecVirtual) VecVirtual { return c.exp(x) })
	c.unary("sigmoid", func(x VecVirtual) VecVirtual { return c.sigmoid(x, nil) })
	c.unary("silu", func(x VecVirtual) VecVirtual { return c.sigmoid(x, x) })
	c.unary("geluTanh", c.geluTanh)
	c.unary("gelu", c.gelu)
	c.unary("tanh", c.tanh)
	c.binary("add", func(x, y VecVirtual) { VADDPS(y, x, x) })
	c.binary("sub", func(x, y VecVirtual) { VSUBPS(y, x, x) })
	c.binary("mul", func(x, y VecVirtual) { VMULPS(y, x, x) })
	c.binary("div", func(x, y VecVirtual) { VDIVPS(y, x, x) })
	c.binary("max", func(x, y VecVirtual) { c.extreme(x, y, func() { VMAXPS(y, x, y) }) })
	c.binary("min", func(x, y VecVirtual) { c.extreme(x, y, func() { VMINPS(y, x, y) }) })
	c.withScalars()
	c.reductions()
}

// vecConsts are constants in memory; those with a name are 32-bit values, eight times.
type vecConsts struct {
	masks Mem // eight dwords of ones, eight of zeros: at 4(8-n) begins the mask of n lanes
	named map[uint32]Mem
}

func vecConstants() *vecConsts {
	m := GLOBL("masks", 8|16)
	for i := 0; i < 64; i += 8 {
		v := ^uint64(0)
		if i >= 32 {
			v = 0
		}
		DATA(i, U64(v))
	}
	return &vecConsts{masks: m, named: map[uint32]Mem{}}
}

// bits returns the constant with the given bits, emitting it when it is new.
func (c *vecConsts) bits(v uint32) Mem {
	m, ok := c.named[v]
	if !ok {
		const digits = "0123456789abcdef"
		name := []byte("const_")
		for s := 28; s >= 0; s -= 4 {
			name = append(name, digits[v>>s&15])
		}
		m = GLOBL(string(name), 8|16)
		for i := 0; i < 32; i += 8 {
			DATA(i, U64(uint64(v)<<32|uint64(v)))
		}
		c.named[v] = m
	}
	return m
}

func (c *vecConsts) f(x float64) Mem { return c.bits(math.Float32bits(float32(x))) }

// load returns a register with the constant x.
func (c *vecConsts) load(x float64) VecVirtual {
	v := YMM()
	VMOVUPS(c.f(x), v)
	return v
}

// loop emits the loops over n elements in vectors, unroll at a time and then singly, and the tail. body is called with the
// index register, the vector's place in the unrolled group, and the tail's mask or nil.
func (c *vecConsts) loop(n Register, unroll int, body func(i Register, k int, mask VecVirtual)) {
	i, rest := GP64(), GP64()
	XORQ(i, i)
	vectors := func(label string, u int) {
		Label(label)
		LEAQ(Mem{Base: i, Disp: 8 * u}, rest)
		CMPQ(rest, n)
		JG(LabelRef(label + "End"))
		for k := range u {
			body(i, k, nil)
		}
		MOVQ(rest, i)
		JMP(LabelRef(label))
		Label(label + "End")
	}
	if unroll > 1 {
		vectors("groups", unroll)
	}
	vectors("vectors", 1)
	SUBQ(i, n)
	JZ(LabelRef("done"))
	table, mask := GP64(), YMM()
	LEAQ(c.masks, table)
	NEGQ(n)
	VMOVDQU(Mem{Base: table, Index: n, Scale: 4, Disp: 32}, mask)
	body(i, 0, mask)
	Label("done")
}

// loadAt loads vector k of the array at p; lanes outside mask become 0.
func loadAt(p, i Register, k int, mask VecVirtual) VecVirtual {
	v, m := YMM(), Mem{Base: p, Index: i, Scale: 4, Disp: 32 * k}
	if mask == nil {
		VMOVUPS(m, v)
	} else {
		VMASKMOVPS(m, mask, v)
	}
	return v
}

func storeAt(v VecVirtual, p, i Register, k int, mask VecVirtual) {
	m := Mem{Base: p, Index: i, Scale: 4, Disp: 32 * k}
	if mask == nil {
		VMOVUPS(v, m)
	} else {
		VMASKMOVPS(v, mask, m)
	}
}

func base(name string) Register { return Load(Param(name).Base(), GP64()) }

func (c *vecConsts) unary(name string, f func(x VecVirtual) VecVirtual) {
	TEXT(name+"AVX2", NOSPLIT, "func(dst, x []float32)")
	Doc(name + "AVX2 is a kernel of vecKernels.")
	dst, x, n := base("dst"), base("x"), Load(Param("dst").Len(), GP64())
	c.loop(n, 1, func(i Register, k int, mask VecVirtual) {
		storeAt(f(loadAt(x, i, k, mask)), dst, i, k, mask)
	})
	VZEROUPPER()
	RET()
}

// binary emits a kernel whose f sets x to its result.
func (c *vecConsts) binary(name string, f func(x, y VecVirtual)) {
	TEXT(name+"AVX2", NOSPLIT, "func(dst, x, y []float32)")
	Doc(name + "AVX2 is a kernel of vecKernels.")
	dst, x, y, n := base("dst"), base("x"), base("y"), Load(Param("dst").Len(), GP64())
	c.loop(n, 4, func(i Register, k int, mask VecVirtual) {
		a, b := loadAt(x, i, k, mask), loadAt(y, i, k, mask)
		f(a, b)
		storeAt(a, dst, i, k, mask)
	})
	VZEROUPPER()
	RET()
}

// extreme sets x to op's result in y, or to NaN where x is NaN; op itself passes on a NaN in y.
func (c *vecConsts) extreme(x, y VecVirtual, op func()) {
	nan := YMM()
	VCMPPS(Imm(3), x, x, nan) // unordered
	op()
	VBLENDVPS(nan, x, y, x)
}

// expm1Poly reduces x, set to x - n ln 2 with |x| <= ln(2)/2, and returns n as integers and exp(x) - 1. The polynomial,
// x + x^2 q(x), is a minimax fit of degree 6, relative error 3.1e-9.
func (c *vecConsts) expm1Poly(x VecVirtual) (n, p VecVirtual) {
	n, p = YMM(), YMM()
	t := YMM()
	VMULPS(c.f(math.Log2E), x, t)
	VCVTPS2DQ(t, n) // to nearest even
	VCVTDQ2PS(n, t)
	VFNMADD231PS(c.f(0.693359375), t, x) // exact: ten bits of ln 2
	VFNMADD231PS(c.f(math.Ln2-0.693359375), t, x)
	VMOVUPS(c.f(0.00138145988), p)
	for _, q := range []float64{0.00836871658, 0.041668389, 0.166665211, 0.49999994} {
		VFMADD213PS(c.f(q), x, p)
	}
	VMULPS(x, p, p)
	VFMADD213PS(x, x, p) // x + x (x q)
	return n, p
}

// exp returns exp(x); x is destroyed.
func (c *vecConsts) exp(x VecVirtual) VecVirtual {
	VMINPS(x, c.load(89), x) // the operand order keeps NaN
	VMAXPS(x, c.load(-104), x)
	return c.expClamped(x)
}

// expClamped returns exp(x) for -104 <= x <= 89. 2^n is applied in two steps, so that only the last can over- or underflow.
func (c *vecConsts) expClamped(x VecVirtual) VecVirtual {
	n, p := c.expm1Poly(x)
	VADDPS(c.f(1), p, p)
	half := YMM()
	VPSRAD(Imm(1), n, half)
	VPSUBD(half, n, n)
	for _, m := range []VecVirtual{half, n} {
		c.power(m)
		VMULPS(m, p, p)
	}
	return p
}

// power sets n to 2^n as float32, -126 <= n <= 127.
func (c *vecConsts) power(n VecVirtual) {
	VPADDD(c.bits(127), n, n)
	VPSLLD(Imm(23), n, n)
}

// sigmoid returns 1/(1 + exp(-x)), times by unless that is nil. For negative x it is e/(1 + e), e = exp(x), which keeps
// relative accuracy.
func (c *vecConsts) sigmoid(x, by VecVirtual) VecVirtual {
	e := YMM()
	VORPS(c.bits(1<<31), x, e)
	VMAXPS(e, c.load(-104), e)
	e = c.expClamped(e)
	num := c.load(1)
	VBLENDVPS(x, e, num, num) // by x's sign bit
	VADDPS(c.f(1), e, e)
	if by != nil {
		VMULPS(by, num, num)
	}
	VDIVPS(e, num, num)
	return num
}

// tanh returns e/(e + 2), e = exp(2|x|) - 1, with x's sign. Beyond 10 it is 1 to the last bit.
func (c *vecConsts) tanh(x VecVirtual) VecVirtual {
	t := YMM()
	VANDPS(c.bits(1<<31-1), x, t)
	VMINPS(t, c.load(10), t)
	VADDPS(t, t, t)
	n, e := c.expm1Poly(t)
	c.power(n)
	less := YMM()
	VSUBPS(c.f(1), n, less)
	VFMADD213PS(less, n, e) // 2^n e + 2^n - 1
	VADDPS(c.f(2), e, less)
	VDIVPS(less, e, e)
	VANDPS(c.bits(1<<31), x, x)
	VORPS(x, e, e)
	return e
}

// geluTanh returns x sigmoid(2 sqrt(2/pi) (x + 0.044715 x^3)).
func (c *vecConsts) geluTanh(x VecVirtual) VecVirtual {
	inner := 2 * math.Sqrt(2/math.Pi)
	t := YMM()
	VMULPS(x, x, t)
	u := c.load(0.044715 * inner)
	VFMADD213PS(c.f(inner), t, u)
	VMULPS(x, u, u)
	return c.sigmoid(u, x)
}

// gelu returns x Phi(x). With a = |x| and t = 4/(a + 4), Phi(-a) = exp(-a^2/2) t p(t), where p is a minimax polynomial in
// t - 0.6 of degree 9, relative error 9.1e-9 for a <= 15, beyond which the exponential is 0. exp gets a^2 rounded, and its
// rounding error to first order.
func (c *vecConsts) gelu(x VecVirtual) VecVirtual {
	a, square, rest, t := YMM(), YMM(), YMM(), YMM()
	VANDPS(c.bits(1<<31-1), x, a)
	VMINPS(a, c.load(15), a)
	VMULPS(a, a, square)
	VMOVAPS(square, rest)
	VFNMADD231PS(a, a, rest) // rounded square - square
	VADDPS(c.f(4), a, t)
	four := c.load(4)
	VDIVPS(t, four, t)
	VMULPS(c.f(-0.5), square, square)
	e := c.exp(square)
	VMULPS(c.f(0.5), rest, rest)
	VFMADD213PS(e, e, rest) // e (1 + rest/2)
	VMULPS(t, rest, rest)
	VSUBPS(c.f(0.6), t, t)
	p := c.load(0.0171771329)
	for _, q := range []float64{0.02663761, -0.0350627452, -0.0867229477, 0.0167967174, 0.261628747,
		0.474420875, 0.514055431, 0.393559933, 0.223485231} {
		VFMADD213PS(c.f(q), t, p)
	}
	VMULPS(p, rest, rest) // Phi(-a)
	phi := c.load(1)
	VSUBPS(rest, phi, phi)
	VBLENDVPS(x, rest, phi, phi) // by x's sign bit
	VMULPS(x, phi, phi)
	return phi
}
