package simd

import "math"

// Sdot returns xᵀy. y must be at least as long as x.
func Sdot(x, y []float32) float32 { return dotGeneric(x, y) }

// Ddot is Sdot in float64.
func Ddot(x, y []float64) float64 { return dotGeneric(x, y) }

// Saxpy adds alpha x to y. y must be at least as long as x.
func Saxpy(alpha float32, x, y []float32) { axpyGeneric(alpha, x, y) }

// Daxpy is Saxpy in float64.
func Daxpy(alpha float64, x, y []float64) { axpyGeneric(alpha, x, y) }

// Sscal multiplies x by alpha.
func Sscal(alpha float32, x []float32) { scalGeneric(alpha, x) }

// Dscal is Sscal in float64.
func Dscal(alpha float64, x []float64) { scalGeneric(alpha, x) }

// Ssumsq returns the sum of squares of x, accumulated in float64, where no float32 over- or underflows.
func Ssumsq(x []float32) float64 { return sumsqGeneric(x) }

// Dsumsq returns the sum of squares of x. It does not scale: squares may over- or underflow.
func Dsumsq(x []float64) float64 { return sumsqGeneric(x) }

// Sasum returns the sum of absolute values of x.
func Sasum(x []float32) float32 { return asumGeneric(x) }

// Dasum is Sasum in float64.
func Dasum(x []float64) float64 { return asumGeneric(x) }

func dotGeneric[T float](x, y []T) (sum T) {
	y = y[:len(x)]
	for i, v := range x {
		sum += v * y[i]
	}
	return sum
}

func axpyGeneric[T float](alpha T, x, y []T) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] += alpha * v
	}
}

func scalGeneric[T float](alpha T, x []T) {
	for i := range x {
		x[i] *= alpha
	}
}

func sumsqGeneric[T float](x []T) (sum float64) {
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return sum
}

func asumGeneric[T float](x []T) (sum T) {
	for _, v := range x {
		sum += T(math.Abs(float64(v)))
	}
	return sum
}
