package lapack

import (
	"math"
)

// Sums of squares between these bounds have neither overflowed nor lost digits to underflow.
const (
	smallSquares = 0x1p-960
	largeSquares = 0x1p960
)

// reflect finds the Householder reflection H = I - tau v vᵀ, v[0] = 1, that takes x to (beta, 0, ..., 0), and overwrites x
// with v. tau = 0 means H = I. Any scale of x is safe. x must not be empty.
func reflect[T Float](x []T) (beta, tau T) {
	alpha := float64(x[0])
	x[0] = 1
	tail := x[1:]
	squares := sumsq(tail)
	if squares == 0 && maxAbs(tail) == 0 {
		return T(alpha), 0
	}
	scale := 1.0
	if sum := squares + alpha*alpha; !(squares >= smallSquares && sum <= largeSquares) {
		scale = powerOfTwo(max(float64(maxAbs(tail)), math.Abs(alpha)))
		alpha /= scale
		scal(T(1/scale), tail)
		squares = sumsq(tail)
		if squares < smallSquares { // below eps*alpha by far: as good as zero
			clear(tail)
			return T(alpha * scale), 0
		}
	}
	b := -math.Copysign(math.Sqrt(alpha*alpha+squares), alpha)
	divideBy(tail, alpha-b)
	return T(b * scale), T((b - alpha) / b)
}

// divideBy divides x by d, by a product with the reciprocal unless that is not a normal number of type T.
func divideBy[T Float](x []T, d float64) {
	safe := float64(safeMinimum[T]())
	if size := math.Abs(d); size >= safe && size <= 1/safe {
		scal(T(1/d), x)
		return
	}
	for i, v := range x {
		x[i] = T(float64(v) / d)
	}
}

// maxAbs returns the largest absolute value of x, or NaN if there is one.
func maxAbs[T Float](x []T) T {
	var largest T
	for _, v := range x {
		if a := abs(v); !(a <= largest) {
			if a != a {
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
