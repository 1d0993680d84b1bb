package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// broadcastParam returns a register with the float32 parameter in every lane.
func broadcastParam(name string) VecVirtual {
	v := YMM()
	Load(Param(name), v.AsX())
	VBROADCASTSS(v.AsX(), v)
	return v
}

// withScalars emits the element-wise kernels that have scalar parameters.
func (c *vecConsts) withScalars() {
	one := func(name string, f func(x, a VecVirtual)) {
		TEXT(name+"AVX2", NOSPLIT, "func(dst, x []float32, a float32)")
		Doc(name + "AVX2 is a kernel of vecKernels.")
		dst, x, n, a := base("dst"), base("x"), Load(Param("dst").Len(), GP64()), broadcastParam("a")
		c.loop(n, 4, func(i Register, k int, mask VecVirtual) {
			v := loadAt(x, i, k, mask)
			f(v, a)
			storeAt(v, dst, i, k, mask)
		})
		VZEROUPPER()
		RET()
	}
	one("scale", func(x, a VecVirtual) { VMULPS(a, x, x) })
	one("shift", func(x, a VecVirtual) { VADDPS(a, x, x) })

	TEXT("addScaledAVX2", NOSPLIT, "func(dst, x []float32, a float32, y []float32)")
	Doc("addScaledAVX2 is a kernel of vecKernels.")
	dst, x, y, n, a := base("dst"), base("x"), base("y"), Load(Param("dst").Len(), GP64()), broadcastParam("a")
	c.loop(n, 4, func(i Register, k int, mask VecVirtual) {
		v := loadAt(x, i, k, mask)
		VFMADD231PS(loadAt(y, i, k, mask), a, v)
		storeAt(v, dst, i, k, mask)
	})
	VZEROUPPER()
	RET()

	TEXT("mulScaledAVX2", NOSPLIT, "func(dst, x, w []float32, scale float32)")
	Doc("mulScaledAVX2 is a kernel of vecKernels.")
	dst, x, w, n, scale := base("dst"), base("x"), base("w"), Load(Param("dst").Len(), GP64()), broadcastParam("scale")
	c.loop(n, 2, func(i Register, k int, mask VecVirtual) {
		v := loadAt(x, i, k, mask)
		VMULPS(scale, v, v)
		VMULPS(loadAt(w, i, k, mask), v, v)
		storeAt(v, dst, i, k, mask)
	})
	VZEROUPPER()
	RET()

	TEXT("affineAVX2", NOSPLIT, "func(dst, x, w, b []float32, mean, scale float32)")
	Doc("affineAVX2 is a kernel of vecKernels.")
	dst, x, w, n, scale = base("dst"), base("x"), base("w"), Load(Param("dst").Len(), GP64()), broadcastParam("scale")
	b, mean := base("b"), broadcastParam("mean")
	c.loop(n, 2, func(i Register, k int, mask VecVirtual) {
		v := loadAt(x, i, k, mask)
		VSUBPS(mean, v, v)
		VMULPS(scale, v, v)
		weight := loadAt(w, i, k, mask)
		VFMADD213PS(loadAt(b, i, k, mask), weight, v)
		storeAt(v, dst, i, k, mask)
	})
	VZEROUPPER()
	RET()
}

// widen returns the eight float32 of v as two vectors of four float64.
func widen(v VecVirtual) [2]VecVirtual {
	lower, upper := YMM(), YMM()
	VCVTPS2PD(v.AsX(), lower)
	VEXTRACTF128(Imm(1), v, upper.AsX())
	VCVTPS2PD(upper.AsX(), upper)
	return [2]VecVirtual{lower, upper}
}

func zeros(n int) []VecVirtual {
	v := make([]VecVirtual, n)
	for i := range v {
		v[i] = YMM()
		VXORPS(v[i], v[i], v[i])
	}
	return v
}

// returnSum adds up accumulators of float64 and returns from the function.
func returnSum(acc []VecVirtual) {
	for len(acc) > 1 {
		half := len(acc) / 2
		for i := range half {
			VADDPD(acc[half+i], acc[i], acc[i])
		}
		acc = acc[:half]
	}
	t := XMM()
	VEXTRACTF128(Imm(1), acc[0], t)
	VADDPD(t, acc[0].AsX(), t)
	VHADDPD(t, t, t)
	VZEROUPPER()
	Store(t, ReturnIndex(0))
	RET()
}

// reductions emits sums in float64 and the maximum.
func (c *vecConsts) reductions() {
	TEXT("sumAVX2", NOSPLIT, "func(x []float32) float64")
	Doc("sumAVX2 is a kernel of vecKernels.")
	x, n, acc := base("x"), Load(Param("x").Len(), GP64()), zeros(4)
	c.loop(n, 2, func(i Register, k int, mask VecVirtual) {
		for j, v := range widen(loadAt(x, i, k, mask)) {
			VADDPD(v, acc[2*k+j], acc[2*k+j])
		}
	})
	returnSum(acc)

	TEXT("sumsqAVX2", NOSPLIT, "func(x []float32, shift float64) float64")
	Doc("sumsqAVX2 is a kernel of vecKernels.")
	x, n = base("x"), Load(Param("x").Len(), GP64())
	shift := YMM()
	Load(Param("shift"), shift.AsX())
	VBROADCASTSD(shift.AsX(), shift)
	acc = zeros(4)
	c.loop(n, 2, func(i Register, k int, mask VecVirtual) {
		for j, v := range widen(loadAt(x, i, k, mask)) {
			VSUBPD(shift, v, v)
			if mask != nil { // the lanes outside hold -shift
				wide := YMM()
				if j == 1 {
					VEXTRACTI128(Imm(1), mask, wide.AsX())
					VPMOVSXDQ(wide.AsX(), wide)
				} else {
					VPMOVSXDQ(mask.AsX(), wide)
				}
				VANDPD(wide, v, v)
			}
			VFMADD231PD(v, v, acc[2*k+j])
		}
	})
	returnSum(acc)

	TEXT("expSumAVX2", NOSPLIT, "func(dst, x []float32, shift float32) float64")
	Doc("expSumAVX2 is a kernel of vecKernels.")
	dst, x, n := base("dst"), base("x"), Load(Param("dst").Len(), GP64())
	down := broadcastParam("shift")
	acc = zeros(2)
	c.loop(n, 1, func(i Register, k int, mask VecVirtual) {
		v := loadAt(x, i, k, mask)
		VSUBPS(down, v, v)
		e := c.exp(v)
		storeAt(e, dst, i, k, mask)
		if mask != nil {
			VANDPS(mask, e, e)
		}
		for j, v := range widen(e) {
			VADDPD(v, acc[j], acc[j])
		}
	})
	returnSum(acc)

	TEXT("maxOfAVX2", NOSPLIT, "func(x []float32) float32")
	Doc("maxOfAVX2 is a kernel of vecKernels.")
	x, n = base("x"), Load(Param("x").Len(), GP64())
	lowest := c.bits(0xff800000)
	top := []VecVirtual{YMM(), YMM()}
	nan := zeros(1)[0] // lanes that have met a NaN
	VMOVUPS(lowest, top[0])
	VMOVUPS(lowest, top[1])
	c.loop(n, 2, func(i Register, k int, mask VecVirtual) {
		v, unordered := loadAt(x, i, k, mask), YMM()
		VCMPPS(Imm(3), v, v, unordered)
		VORPS(unordered, nan, nan)
		if mask != nil {
			t := YMM()
			VMOVUPS(lowest, t)
			VBLENDVPS(mask, v, t, v)
		}
		VMAXPS(v, top[k], top[k])
	})
	VMAXPS(top[1], top[0], top[0])
	t := XMM()
	VEXTRACTF128(Imm(1), top[0], t)
	VMAXPS(t, top[0].AsX(), t)
	for _, order := range []uint64{0x4e, 0xb1} {
		u := XMM()
		VPSHUFD(Imm(order), t, u)
		VMAXPS(u, t, t)
	}
	u := XMM()
	VEXTRACTF128(Imm(1), nan, u)
	VORPS(u, nan.AsX(), u)
	for _, order := range []uint64{0x4e, 0xb1} {
		w := XMM()
		VPSHUFD(Imm(order), u, w)
		VORPS(w, u, u)
	}
	VORPS(u, t, t) // all ones is a NaN
	VZEROUPPER()
	Store(t, ReturnIndex(0))
	RET()
}
