//go:build amd64 && !purego

package simd

func sgatherAsm() []kernelSet[gatherFunc[float32]] {
	return []kernelSet[gatherFunc[float32]]{{isaAVX512, sgatherRowsAVX512}, {isaAVX2, sgatherRowsAVX2}}
}

func dgatherAsm() []kernelSet[gatherFunc[float64]] {
	return []kernelSet[gatherFunc[float64]]{{isaAVX512, dgatherRowsAVX512}, {isaAVX2, dgatherRowsAVX2}}
}
