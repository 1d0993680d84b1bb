package simd

import "math"

// vecGeneric computes transcendental functions in float64, so each result is rounded once.
var vecGeneric = vecKernels{
	exp:      each(math.Exp),
	sigmoid:  each(sigmoid),
	tanh:     each(math.Tanh),
	silu:     each(func(x float64) float64 { return x * sigmoid(x) }),
	geluTanh: each(func(x float64) float64 { return x * sigmoid(geluTanhInner*(x+0.044715*x*x*x)) }),
	gelu:     each(func(x float64) float64 { return x * 0.5 * math.Erfc(-x*(1/math.Sqrt2)) }),

	add: func(dst, x, y []float32) {
		for i := range dst {
			dst[i] = x[i] + y[i]
		}
	},
	sub: func(dst, x, y []float32) {
		for i := range dst {
			dst[i] = x[i] - y[i]
		}
	},
	mul: func(dst, x, y []float32) {
		for i := range dst {
			dst[i] = x[i] * y[i]
		}
	},
	div: func(dst, x, y []float32) {
		for i := range dst {
			dst[i] = x[i] / y[i]
		}
	},
	max: func(dst, x, y []float32) {
		for i := range dst {
			dst[i] = max(x[i], y[i])
		}
	},
	min: func(dst, x, y []float32) {
		for i := range dst {
			dst[i] = min(x[i], y[i])
		}
	},
	scale: func(dst, x []float32, a float32) {
		for i := range dst {
			dst[i] = a * x[i]
		}
	},
	shift: func(dst, x []float32, a float32) {
		for i := range dst {
			dst[i] = x[i] + a
		}
	},
	addScaled: func(dst, x []float32, a float32, y []float32) {
		for i := range dst {
			dst[i] = x[i] + a*y[i]
		}
	},
	affine: func(dst, x, w, b []float32, mean, scale float32) {
		for i := range dst {
			dst[i] = (x[i]-mean)*scale*w[i] + b[i]
		}
	},
	mulScaled: func(dst, x, w []float32, scale float32) {
		for i := range dst {
			dst[i] = x[i] * scale * w[i]
		}
	},
	maxOf: func(x []float32) float32 {
		top := float32(math.Inf(-1))
		for _, v := range x {
			top = max(top, v)
		}
		return top
	},
	sum: func(x []float32) (sum float64) {
		for _, v := range x {
			sum += float64(v)
		}
		return sum
	},
	sumsq: func(x []float32, shift float64) (sum float64) {
		for _, v := range x {
			d := float64(v) - shift
			sum += d * d
		}
		return sum
	},
	expSum: func(dst, x []float32, shift float32) (sum float64) {
		for i, v := range x {
			e := float32(math.Exp(float64(v - shift)))
			dst[i] = e
			sum += float64(e)
		}
		return sum
	},
}

// geluTanhInner is 2 sqrt(2/pi): (1 + tanh u)/2 = sigmoid(2u), which keeps its relative accuracy for negative u.
const geluTanhInner = 2 * 0.79788456080286535587989211986876

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// each returns the kernel that applies f to every element.
func each(f func(float64) float64) func(dst, x []float32) {
	return func(dst, x []float32) {
		for i, v := range x {
			dst[i] = float32(f(float64(v)))
		}
	}
}
