//go:build !amd64 || purego

package simd

func sgatherAsm() []kernelSet[gatherFunc[float32]] { return nil }

func dgatherAsm() []kernelSet[gatherFunc[float64]] { return nil }
