//go:build amd64 && !purego

package simd

func gramAsm() []kernelSet[gramKernels] {
	return []kernelSet[gramKernels]{{isaAVX2, gramKernels{addTileByFour, fetchTileByLine}}}
}

func addTileByFour(m, n int, alpha float64, t []float32, rowT int, c []float64, rowC int, d []float64, rowD int) {
	if m <= 0 || n <= 0 {
		return
	}
	_, _, _ = t[(m-1)*rowT+n-1], c[(m-1)*rowC+n-1], d[(m-1)*rowD+n-1]
	addTileAVX2(m, n, alpha, &t[0], rowT, &c[0], rowC, &d[0], rowD)
}

func fetchTileByLine(m, n int, c []float64, rowC int) {
	if m > 0 && n > 0 {
		fetchTileAVX2(m, n, &c[0], rowC)
	}
}
