//go:build amd64 && !purego

package simd

func poleAsm() []kernelSet[poleKernels] {
	return []kernelSet[poleKernels]{{isaAVX2, poleKernels{poleSumsByFour, poleProductByFour, poleQuotientsByFour}}}
}

func poleSumsByFour(z, d, delta []float64, origin, x float64) (sum, derivative float64) {
	n := len(z) &^ 3
	var sums [2]float64
	if n > 0 {
		poleSumsAVX2(n, &z[0], &d[0], &delta[0], origin, x, &sums[0])
	}
	sum, derivative = poleSumsGeneric(z[n:], d[n:], delta[n:], origin, x)
	return sums[0] + sum, sums[1] + derivative
}

func poleProductByFour(product, delta, d []float64, pole float64) {
	n := len(product) &^ 3
	if n > 0 {
		poleProductAVX2(n, &product[0], &delta[0], &d[0], pole)
	}
	poleProductGeneric(product[n:], delta[n:], d[n:], pole)
}

func poleQuotientsByFour(dst, z, delta []float64) (squares float64) {
	n := len(dst) &^ 3
	if n > 0 {
		squares = poleQuotientsAVX2(n, &dst[0], &z[0], &delta[0])
	}
	return squares + poleQuotientsGeneric(dst[n:], z[n:], delta[n:])
}
