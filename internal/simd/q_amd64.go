//go:build amd64 && !purego

package simd

func quantAsm() []kernelSet[quantKernels] {
	avx2 := quantGeneric // for the formats that have no kernel of their own
	avx2.dequantQ4_0, avx2.dequantQ4_1, avx2.dequantQ8_0 = dequantQ4_0AVX2, dequantQ4_1AVX2, dequantQ8_0AVX2
	avx2.dequantQ5_0, avx2.dequantQ5_1 = dequantQ5_0AVX2, dequantQ5_1AVX2
	avx2.dequantQ4_K, avx2.dequantQ5_K, avx2.dequantQ6_K = dequantQ4_KAVX2, dequantQ5_KAVX2, dequantQ6_KAVX2
	avx2.quantise = quantiseAVX2
	avx2.dotQ4_0, avx2.dotQ4_1, avx2.dotQ8_0 = dotQ4_0AVX2, dotQ4_1AVX2, dotQ8_0AVX2
	avx2.dotQ5_0, avx2.dotQ5_1 = dotQ5_0AVX2, dotQ5_1AVX2
	avx2.dotQ4_K, avx2.dotQ6_K = dotQ4_KAVX2, dotQ6_KAVX2
	return []kernelSet[quantKernels]{{isaAVX2, avx2}}
}
