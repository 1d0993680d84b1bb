//go:build !amd64 || purego

package simd

func dgemvBothAsm() []kernelSet[bothKernel[float64]] { return nil }

func sgemvBothAsm() []kernelSet[bothKernel[float32]] { return nil }
