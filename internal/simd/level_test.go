package simd

import "testing"

func TestChooseLevel(t *testing.T) {
	for _, tc := range []struct {
		request string
		best    isa
		want    isa
	}{
		{"", isaAVX2, isaAVX2},
		{"generic", isaAVX512, isaGeneric},
		{"avx2", isaAVX512, isaAVX2},
		{"avx512", isaAVX512, isaAVX512},
		{"avx512", isaAVX2, isaAVX2}, // more than the CPU can do
		{"avx2", isaGeneric, isaGeneric},
		{"AVX2", isaAVX512, isaAVX512}, // unknown
	} {
		if got := chooseLevel(tc.request, tc.best); got != tc.want {
			t.Errorf("ECKART_SIMD=%q, CPU %v: %v, want %v", tc.request, tc.best, got, tc.want)
		}
	}
}
