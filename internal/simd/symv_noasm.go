//go:build !amd64 || purego

package simd

func symvAsm() []kernelSet[func(m, n int, a []float64, lda int, x, u, y, v []float64)] { return nil }
