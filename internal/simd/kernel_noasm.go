//go:build !amd64 || purego

package simd

func skernels() []blasKernel[float32] { return nil }
func dkernels() []blasKernel[float64] { return nil }
