//go:build !amd64 || purego

package simd

func poleAsm() []kernelSet[poleKernels] { return nil }
