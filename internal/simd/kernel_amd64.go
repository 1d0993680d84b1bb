//go:build amd64 && !purego

package simd

func skernels() []blasKernel[float32] {
	return []blasKernel[float32]{
		{
			isa: isaAVX512, mr: 14, nr: 32,
			panel: sgemmPanelAVX512, solveLower: ssolveLowerAVX512, solveUpper: ssolveUpperAVX512,
			interlace: sinterlaceAVX2, transpose: stransposeAVX2,
			dots: sdotsAVX512, addRows: saddRowsAVX512,
			dot: sdotAVX512, axpy: saxpyAVX512, scal: sscalAVX512, rot: srotAVX512, asum: sasumAVX512, sumsq: ssumsqAVX512,
		},
		{
			isa: isaAVX2, mr: 6, nr: 16,
			panel: sgemmPanelAVX2, solveLower: ssolveLowerAVX2, solveUpper: ssolveUpperAVX2,
			interlace: sinterlaceAVX2, transpose: stransposeAVX2,
			dots: sdotsAVX2, addRows: saddRowsAVX2,
			dot: sdotAVX2, axpy: saxpyAVX2, scal: sscalAVX2, rot: srotAVX2, asum: sasumAVX2, sumsq: ssumsqAVX2,
		},
	}
}

func dkernels() []blasKernel[float64] {
	return []blasKernel[float64]{
		{
			isa: isaAVX512, mr: 14, nr: 16,
			panel: dgemmPanelAVX512, solveLower: dsolveLowerAVX512, solveUpper: dsolveUpperAVX512,
			interlace: dinterlaceAVX2, transpose: dtransposeAVX2,
			dots: ddotsAVX512, addRows: daddRowsAVX512,
			dot: ddotAVX512, axpy: daxpyAVX512, scal: dscalAVX512, rot: drotAVX512, asum: dasumAVX512, sumsq: dsumsqAVX512,
		},
		{
			isa: isaAVX2, mr: 6, nr: 8,
			panel: dgemmPanelAVX2, solveLower: dsolveLowerAVX2, solveUpper: dsolveUpperAVX2,
			interlace: dinterlaceAVX2, transpose: dtransposeAVX2,
			dots: ddotsAVX2, addRows: daddRowsAVX2,
			dot: ddotAVX2, axpy: daxpyAVX2, scal: dscalAVX2, rot: drotAVX2, asum: dasumAVX2, sumsq: dsumsqAVX2,
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
