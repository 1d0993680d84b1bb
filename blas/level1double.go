package blas

import (
	"math"

	"github.com/eckart-go/eckart/internal/simd"
)

// Ddot returns xᵀy for vectors of n elements.
func (i Implementation) Ddot(n int, x []float64, incX int, y []float64, incY int) float64 {
	if !isDense(n, x, incX) || !isDense(n, y, incY) {
		return i.Implementation.Ddot(n, x, incX, y, incY)
	}
	return simd.Ddot(x[:n], y[:n])
}

// Daxpy adds alpha x to y, vectors of n elements.
func (i Implementation) Daxpy(n int, alpha float64, x []float64, incX int, y []float64, incY int) {
	if alpha == 0 || !isDense(n, x, incX) || !isDense(n, y, incY) {
		i.Implementation.Daxpy(n, alpha, x, incX, y, incY)
		return
	}
	simd.Daxpy(alpha, x[:n], y[:n])
}

// Dscal multiplies x, of n elements, by alpha. As in gonum alpha = 0 clears x whatever it held, and a negative increment
// means that nothing is done.
func (i Implementation) Dscal(n int, alpha float64, x []float64, incX int) {
	if alpha == 0 || !isDense(n, x, incX) {
		i.Implementation.Dscal(n, alpha, x, incX)
		return
	}
	simd.Dscal(alpha, x[:n])
}

// Dasum returns the sum of the absolute values of the n elements of x, and 0 for a negative increment.
func (i Implementation) Dasum(n int, x []float64, incX int) float64 {
	if !isDense(n, x, incX) {
		return i.Implementation.Dasum(n, x, incX)
	}
	return simd.Dasum(x[:n])
}

// Dnrm2 returns the Euclidean norm of the n elements of x, and 0 for a negative increment. Where the squares of the
// elements might over- or underflow, it is gonum's scaled algorithm.
func (i Implementation) Dnrm2(n int, x []float64, incX int) float64 {
	if isDense(n, x, incX) {
		// A square that underflows is wrong by up to 2^-1074, the sum of n of them by n times that: below the rounding of
		// a sum of at least n 2^-1022, which is 2^-53 of it and more.
		if s := simd.Dsumsq(x[:n]); s >= float64(n)*0x1p-1021 && s <= math.MaxFloat64 {
			return math.Sqrt(s)
		}
	}
	return i.Implementation.Dnrm2(n, x, incX)
}
