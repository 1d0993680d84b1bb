//go:build !amd64 || purego

package simd

func sgemmKernels() []gemmKernel[float32] { return nil }
func dgemmKernels() []gemmKernel[float64] { return nil }
