package lapack

import (
	"math"

	"gonum.org/v1/gonum/blas"

	"github.com/eckart-go/eckart/internal/simd"
)

// Sums of squares between these bounds have neither overflowed nor lost digits to underflow.
const (
	smallSquares = 0x1p-960
	largeSquares = 0x1p960
)

// reflect finds the Householder reflection H = I - tau v vᵀ, v[0] = 1, that takes x to (beta, 0, ..., 0), and overwrites x
// with v. tau = 0 means H = I. Any scale of x is safe. x must not be empty.
func reflect(x []float64) (beta, tau float64) {
	alpha := x[0]
	x[0] = 1
	tail := x[1:]
	squares := simd.Dsumsq(tail)
	if squares == 0 && maxAbs(tail) == 0 {
		return alpha, 0
	}
	scale := 1.0
	if sum := squares + alpha*alpha; !(squares >= smallSquares && sum <= largeSquares) {
		scale = powerOfTwo(max(maxAbs(tail), math.Abs(alpha)))
		inverse := 1 / scale
		alpha *= inverse
		simd.Dscal(inverse, tail)
		squares = simd.Dsumsq(tail)
		if squares < smallSquares { // below eps*alpha by far: as good as zero
			clear(tail)
			return alpha * scale, 0
		}
	}
	beta = -math.Copysign(math.Sqrt(alpha*alpha+squares), alpha)
	simd.Dscal(1/(alpha-beta), tail)
	return beta * scale, (beta - alpha) / beta
}

// maxAbs returns the largest absolute value of x, or NaN if there is one.
func maxAbs(x []float64) float64 {
	var largest float64
	for _, v := range x {
		if a := math.Abs(v); !(a <= largest) {
			if math.IsNaN(a) {
				return a
			}
			largest = a
		}
	}
	return largest
}

// powerOfTwo returns a power of two near x, such that it and its inverse are normal numbers; 1 for 0.
func powerOfTwo(x float64) float64 {
	if x == 0 {
		return 1
	}
	_, exp := math.Frexp(x)
	return math.Ldexp(1, min(max(exp, -1000), 1000))
}

// triangularFactor overwrites t (k x k, stride ldt) with the upper triangular T of H_0 H_1 ... H_k-1 = I - Vᵀ T V (compact
// WY: Schreiber, Van Loan 1989), for the reflectors in the rows of v (k x n, unit and zeros stored). Below the diagonal t is
// set to zero. gram has room for k*k.
func triangularFactor(k, n int, v []float64, ldv int, tau []float64, t []float64, ldt int, gram []float64) {
	simd.Dsyrk(blas.Lower, blas.NoTrans, k, n, 1, v, ldv, 0, gram, k)
	for j := range k {
		for i := range j {
			// T[:j, j] = -tau_j T[:j, :j] (V[:j] v_j)
			var sum float64
			for p := i; p < j; p++ {
				sum += t[i*ldt+p] * gram[j*k+p]
			}
			t[i*ldt+j] = -tau[j] * sum
			t[j*ldt+i] = 0
		}
		t[j*ldt+j] = tau[j]
	}
}
