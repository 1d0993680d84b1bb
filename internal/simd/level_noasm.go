//go:build !amd64 || purego

package simd

func bestISA() isa { return isaGeneric }
