package simd

//go:generate go -C _asm run . poles -out ../poles_amd64.s -stubs ../poles_stubs_amd64.go -pkg simd

// poleKernels are the loops of the secular equation of a divide-and-conquer eigensolver, all of them divisions. Slices of a
// call have equal length.
type poleKernels struct {
	sums      func(z, d, delta []float64, origin, x float64) (sum, derivative float64)
	product   func(product, delta, d []float64, pole float64)
	quotients func(dst, z, delta []float64) float64
}

var poleSets = append(poleAsm(), kernelSet[poleKernels]{isaGeneric, poleKernels{poleSumsGeneric, poleProductGeneric, poleQuotientsGeneric}})

var pole = pick(poleSets)

// DpoleSums sets delta_i = (d_i - origin) - x and returns the sums of z_i^2 / delta_i and of z_i^2 / delta_i^2. d and delta
// must be as long as z.
func DpoleSums(z, d, delta []float64, origin, x float64) (sum, derivative float64) {
	return pole.sums(z, d[:len(z)], delta[:len(z)], origin, x)
}

// DpoleProduct multiplies product_i by delta_i / (d_i - pole). delta and d must be as long as product.
func DpoleProduct(product, delta, d []float64, atPole float64) {
	pole.product(product, delta[:len(product)], d[:len(product)], atPole)
}

// DpoleQuotients sets dst_i = z_i / delta_i and returns the sum of its squares. z and delta must be as long as dst.
func DpoleQuotients(dst, z, delta []float64) float64 {
	return pole.quotients(dst, z[:len(dst)], delta[:len(dst)])
}

func poleSumsGeneric(z, d, delta []float64, origin, x float64) (sum, derivative float64) {
	for i, v := range z {
		t := (d[i] - origin) - x
		delta[i] = t
		q := v / t
		sum += v * q
		derivative += q * q
	}
	return sum, derivative
}

func poleProductGeneric(product, delta, d []float64, pole float64) {
	for i, v := range delta {
		product[i] *= v / (d[i] - pole)
	}
}

func poleQuotientsGeneric(dst, z, delta []float64) (squares float64) {
	for i, v := range z {
		q := v / delta[i]
		dst[i] = q
		squares += q * q
	}
	return squares
}
