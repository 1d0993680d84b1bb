//go:build amd64 && !purego

package simd

func sgemmKernels() []gemmKernel[float32] {
	return []gemmKernel[float32]{
		{
			name: isaAVX512.String(), usable: level >= isaAVX512, mr: 14, nr: 32,
			panel: sgemmPanelAVX512, interlace: interlaceGeneric[float32], transpose: transposeGeneric[float32],
		},
		{
			name: isaAVX2.String(), usable: level >= isaAVX2, mr: 6, nr: 16,
			panel: sgemmPanelAVX2, interlace: interlaceGeneric[float32], transpose: transposeGeneric[float32],
		},
	}
}

func dgemmKernels() []gemmKernel[float64] {
	return []gemmKernel[float64]{
		{
			name: isaAVX512.String(), usable: level >= isaAVX512, mr: 14, nr: 16,
			panel: dgemmPanelAVX512, interlace: interlaceGeneric[float64], transpose: transposeGeneric[float64],
		},
		{
			name: isaAVX2.String(), usable: level >= isaAVX2, mr: 6, nr: 8,
			panel: dgemmPanelAVX2, interlace: interlaceGeneric[float64], transpose: transposeGeneric[float64],
		},
	}
}
