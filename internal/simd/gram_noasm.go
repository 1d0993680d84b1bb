//go:build !amd64 || purego

package simd

func gramAsm() []kernelSet[gramKernels] { return nil }
