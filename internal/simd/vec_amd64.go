//go:build amd64 && !purego

package simd

func vecAsm() []kernelSet[vecKernels] {
	return []kernelSet[vecKernels]{{isaAVX2, vecKernels{
		exp: expAVX2, sigmoid: sigmoidAVX2, tanh: tanhAVX2, silu: siluAVX2, geluTanh: geluTanhAVX2, gelu: geluAVX2,
		add: addAVX2, sub: subAVX2, mul: mulAVX2, div: divAVX2, max: maxAVX2, min: minAVX2,
		scale: scaleAVX2, shift: shiftAVX2, addScaled: addScaledAVX2, affine: affineAVX2, mulScaled: mulScaledAVX2,
		maxOf: maxOfAVX2, sum: sumAVX2, sumsq: sumsqAVX2, expSum: expSumAVX2,
	}}}
}

func halfAsm() []kernelSet[halfKernels] {
	return []kernelSet[halfKernels]{{isaAVX2, halfKernels{f16ToF32AVX2, f32ToF16AVX2, bf16ToF32AVX2, f32ToBF16AVX2}}}
}
