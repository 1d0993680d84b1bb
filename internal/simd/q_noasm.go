//go:build !amd64 || purego

package simd

func quantAsm() []kernelSet[quantKernels] { return nil }
