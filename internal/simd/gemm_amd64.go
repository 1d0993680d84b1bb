//go:build amd64 && !purego

package simd

func sgemmKernels() []gemmKernel[float32] {
	return []gemmKernel[float32]{
		{
			name: isaAVX512.String(), usable: level >= isaAVX512, mr: 14, nr: 32,
			panel: sgemmPanelAVX512, interlace: sinterlaceAVX2, transpose: stransposeAVX2,
		},
		{
			name: isaAVX2.String(), usable: level >= isaAVX2, mr: 6, nr: 16,
			panel: sgemmPanelAVX2, interlace: sinterlaceAVX2, transpose: stransposeAVX2,
		},
	}
}

func dgemmKernels() []gemmKernel[float64] {
	return []gemmKernel[float64]{
		{
			name: isaAVX512.String(), usable: level >= isaAVX512, mr: 14, nr: 16,
			panel: dgemmPanelAVX512, interlace: dinterlaceAVX2, transpose: dtransposeAVX2,
		},
		{
			name: isaAVX2.String(), usable: level >= isaAVX2, mr: 6, nr: 8,
			panel: dgemmPanelAVX2, interlace: dinterlaceAVX2, transpose: dtransposeAVX2,
		},
	}
}

func stransposeAVX2(dst []float32, w int, src []float32, ld, k, n int) {
	if k < 4 {
		transposeGeneric(dst, w, src, ld, k, n)
		return
	}
	for j := (n - 1) &^ 7; j >= 0; j -= 8 { // backwards: a group writes 8 columns, more than w leaves to the last
		stransposeGroupAVX2(dst[j:], w, src[j*ld:], ld, k, min(8, n-j))
	}
}

func dtransposeAVX2(dst []float64, w int, src []float64, ld, k, n int) {
	if k < 2 {
		transposeGeneric(dst, w, src, ld, k, n)
		return
	}
	for j := (n - 1) &^ 3; j >= 0; j -= 4 {
		dtransposeGroupAVX2(dst[j:], w, src[j*ld:], ld, k, min(4, n-j))
	}
}
