//go:build amd64 && !purego

package simd

import "golang.org/x/sys/cpu"

// bestISA returns the most capable instruction set of this CPU that we have kernels for.
func bestISA() isa {
	x := &cpu.X86
	switch {
	case !(x.HasAVX2 && x.HasFMA && x.HasF16C):
		return isaGeneric
	case x.HasAVX512F && x.HasAVX512BW && x.HasAVX512DQ && x.HasAVX512VL:
		return isaAVX512
	}
	return isaAVX2
}
