// Package simd holds Eckart's kernels: matrix products and triangular systems, vector arithmetic, half-precision conversion.
//
// Every kernel has a portable twin in Go, which is always compiled, and on amd64 versions for AVX2+FMA and AVX-512 that the
// avo programs in _asm write. Level says which set runs; the environment variable ECKART_SIMD overrides the choice.
// Matrices are row-major, with the row stride (leading dimension) in elements. Results are bit-identical for any
// GOMAXPROCS.
package simd

//go:generate go -C _asm run . cpuid -out ../cpuid_amd64.s -stubs ../cpuid_stub_amd64.go -pkg simd
//go:generate go -C _asm run . gemm -out ../gemm_amd64.s -stubs ../gemm_stubs_amd64.go -pkg simd
//go:generate go -C _asm run . level1 -out ../level1_amd64.s -stubs ../level1_stubs_amd64.go -pkg simd
//go:generate go -C _asm run . pack -out ../pack_amd64.s -stubs ../pack_stubs_amd64.go -pkg simd
