package blas

import (
	"math"

	"github.com/eckart-go/eckart/internal/simd"
)

// Sdot returns xᵀy for vectors of n elements.
func (i Implementation) Sdot(n int, x []float32, incX int, y []float32, incY int) float32 {
	if !isDense(n, x, incX) || !isDense(n, y, incY) {
		return i.Implementation.Sdot(n, x, incX, y, incY)
	}
	return simd.Sdot(x[:n], y[:n])
}

// Saxpy adds alpha x to y, vectors of n elements.
func (i Implementation) Saxpy(n int, alpha float32, x []float32, incX int, y []float32, incY int) {
	if alpha == 0 || !isDense(n, x, incX) || !isDense(n, y, incY) {
		i.Implementation.Saxpy(n, alpha, x, incX, y, incY)
		return
	}
	simd.Saxpy(alpha, x[:n], y[:n])
}

// Sscal multiplies x, of n elements, by alpha. As in gonum alpha = 0 clears x whatever it held, and a negative increment
// means that nothing is done.
func (i Implementation) Sscal(n int, alpha float32, x []float32, incX int) {
	if alpha == 0 || !isDense(n, x, incX) {
		i.Implementation.Sscal(n, alpha, x, incX)
		return
	}
	simd.Sscal(alpha, x[:n])
}

// Sasum returns the sum of the absolute values of the n elements of x, and 0 for a negative increment.
func (i Implementation) Sasum(n int, x []float32, incX int) float32 {
	if !isDense(n, x, incX) {
		return i.Implementation.Sasum(n, x, incX)
	}
	return simd.Sasum(x[:n])
}

// Snrm2 returns the Euclidean norm of the n elements of x, and 0 for a negative increment. The squares are summed in
// float64, where those of float32 neither over- nor underflow.
func (i Implementation) Snrm2(n int, x []float32, incX int) float32 {
	if !isDense(n, x, incX) {
		return i.Implementation.Snrm2(n, x, incX)
	}
	return float32(math.Sqrt(simd.Ssumsq(x[:n])))
}
