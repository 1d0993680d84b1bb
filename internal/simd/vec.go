package simd

import "math"

//go:generate go -C _asm run . vec -out ../vec_amd64.s -stubs ../vec_stub_amd64.go -pkg simd

// kernelSet is one implementation of a group of kernels and the instruction set it needs.
type kernelSet[K any] struct {
	isa     isa
	kernels K
}

// pick returns the most capable of sets, ordered from most to least, that runs at the level chosen at start. The last is
// the portable one.
func pick[K any](sets []kernelSet[K]) K {
	for _, s := range sets {
		if s.isa <= level {
			return s.kernels
		}
	}
	panic("simd: no portable kernel")
}

// vecKernels is one implementation of the element-wise kernels. Slices of one call are of equal length; dst may be x or
// y, and otherwise overlaps nothing. An element's result does not depend on its position.
type vecKernels struct {
	exp, sigmoid, tanh, silu, geluTanh, gelu func(dst, x []float32)
	add, sub, mul, div, max, min             func(dst, x, y []float32)
	scale, shift                             func(dst, x []float32, a float32)                 // a x; x + a
	addScaled                                func(dst, x []float32, a float32, y []float32)    // x + a y
	affine                                   func(dst, x, w, b []float32, mean, scale float32) // ((x - mean) scale) w + b
	mulScaled                                func(dst, x, w []float32, scale float32)          // (x scale) w
	maxOf                                    func(x []float32) float32                         // -Inf when x is empty
	sum                                      func(x []float32) float64
	sumsq                                    func(x []float32, shift float64) float64      // sum of (x - shift)^2
	expSum                                   func(dst, x []float32, shift float32) float64 // dst = exp(x - shift) and its sum
}

var (
	vecSets = append(vecAsm(), kernelSet[vecKernels]{isaGeneric, vecGeneric})
	vec     = pick(vecSets)
)

// Exp sets dst to the exponential of each x, within 2 ulp (1 ulp seen); results below the smallest normal number are
// rounded once more. Overflow gives +Inf from 88.722839 on, underflow 0 from -103.9721 down, and NaN stays NaN.
func Exp(dst, x []float32) { vec.exp(dst[:len(x)], x) }

// Sigmoid sets dst to 1/(1+exp(-x)) for each x.
func Sigmoid(dst, x []float32) { vec.sigmoid(dst[:len(x)], x) }

// Tanh sets dst to the hyperbolic tangent of each x; relative accuracy holds around 0 too.
func Tanh(dst, x []float32) { vec.tanh(dst[:len(x)], x) }

// Silu sets dst to x/(1+exp(-x)) for each x (Elfwing, Uchibe, Doya 2017). At -Inf it is NaN, as the formula says.
func Silu(dst, x []float32) { vec.silu(dst[:len(x)], x) }

// GeluTanh sets dst to x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) for each x, the approximation in Hendrycks, Gimpel
// 2016 that GPT-2 uses. At -Inf it is NaN.
func GeluTanh(dst, x []float32) { vec.geluTanh(dst[:len(x)], x) }

// Gelu sets dst to x P(N < x), N a standard normal, for each x: x/2 (1 + erf(x/sqrt(2))) (Hendrycks, Gimpel
// 2016). At -Inf it is NaN.
func Gelu(dst, x []float32) { vec.gelu(dst[:len(x)], x) }

// Add sets dst to x + y.
func Add(dst, x, y []float32) { vec.add(dst[:len(x)], x, y[:len(x)]) }

// Sub sets dst to x - y.
func Sub(dst, x, y []float32) { vec.sub(dst[:len(x)], x, y[:len(x)]) }

// Mul sets dst to the products of elements of x and y.
func Mul(dst, x, y []float32) { vec.mul(dst[:len(x)], x, y[:len(x)]) }

// Div sets dst to the quotients of elements of x and y.
func Div(dst, x, y []float32) { vec.div(dst[:len(x)], x, y[:len(x)]) }

// Max sets dst to the larger of each x and y, and to NaN where either is.
func Max(dst, x, y []float32) { vec.max(dst[:len(x)], x, y[:len(x)]) }

// Min sets dst to the smaller of each x and y, and to NaN where either is.
func Min(dst, x, y []float32) { vec.min(dst[:len(x)], x, y[:len(x)]) }

// Scale sets dst to a x.
func Scale(dst, x []float32, a float32) { vec.scale(dst[:len(x)], x, a) }

// Shift sets dst to x + a.
func Shift(dst, x []float32, a float32) { vec.shift(dst[:len(x)], x, a) }

// AddScaled sets dst to x + a y.
func AddScaled(dst, x []float32, a float32, y []float32) {
	vec.addScaled(dst[:len(x)], x, a, y[:len(x)])
}

// MaxOf returns the largest element of x, NaN if there is one, and -Inf when x is empty.
func MaxOf(x []float32) float32 { return vec.maxOf(x) }

// Sum returns the sum of x, accumulated in float64.
func Sum(x []float32) float64 { return vec.sum(x) }

// Softmax sets dst to exp(x_i - max x) / sum_j exp(x_j - max x), one row of a softmax. Elements of -Inf get 0; a row that
// is all -Inf, or has NaN or +Inf, becomes NaN.
func Softmax(dst, x []float32) {
	dst = dst[:len(x)]
	if len(x) == 0 {
		return
	}
	sum := vec.expSum(dst, x, vec.maxOf(x))
	vec.scale(dst, dst, float32(1/sum))
}

// LogSumExp returns log sum_j exp(x_j) without overflow: x_i - LogSumExp(x) is the log-probability of i. It is -Inf for
// an empty x. dst, as long as x and possibly x itself, is overwritten with exp(x_i - max x).
func LogSumExp(dst, x []float32) float64 {
	if len(x) == 0 {
		return math.Inf(-1)
	}
	top := vec.maxOf(x)
	return float64(top) + math.Log(vec.expSum(dst[:len(x)], x, top))
}

// RMSNorm sets dst to w_i x_i / sqrt(mean(x^2) + eps), one row of length n (Zhang, Sennrich 2019). The mean is
// accumulated in float64. w has at least n elements.
func RMSNorm(dst, x, w []float32, eps float32) {
	n := len(x)
	scale := 1 / math.Sqrt(vec.sumsq(x, 0)/float64(n)+float64(eps))
	vec.mulScaled(dst[:n], x, w[:n], float32(scale))
}

// LayerNorm sets dst to w_i (x_i - mean) / sqrt(variance + eps) + b_i, one row of length n (Ba, Kiros, Hinton 2016). Mean
// and variance (with n in the denominator, from the centred values) are accumulated in float64. w and b have at least n
// elements.
func LayerNorm(dst, x, w, b []float32, eps float32) {
	n := len(x)
	mean := vec.sum(x) / float64(n)
	scale := 1 / math.Sqrt(vec.sumsq(x, mean)/float64(n)+float64(eps))
	vec.affine(dst[:n], x, w[:n], b[:n], float32(mean), float32(scale))
}
