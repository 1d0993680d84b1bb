package simd

// ExpSum sets dst to exp(x - shift) and returns the sum, accumulated in float64: one tile of a softmax whose largest element
// is known to be shift.
func ExpSum(dst, x []float32, shift float32) float64 { return vec.expSum(dst[:len(x)], x, shift) }
