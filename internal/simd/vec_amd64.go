//go:build amd64 && !purego

package simd

func vecAsm() []kernelSet[vecKernels]   { return nil }
func halfAsm() []kernelSet[halfKernels] { return nil }
