package simd

import "os"

// isa is an instruction set that kernels are written for. A CPU that runs one runs all before it.
type isa uint8

const (
	isaGeneric isa = iota // Go
	isaAVX2               // AVX2, FMA and F16C
	isaAVX512             // AVX-512 F, BW, DQ and VL
)

func (i isa) String() string { return [...]string{"generic", "avx2", "avx512"}[i] }

// level is the instruction set that kernels use, chosen once at start.
var level = chooseLevel(os.Getenv("ECKART_SIMD"), bestISA())

// Level reports which kernels run: "generic", "avx2" or "avx512". The environment variable ECKART_SIMD asks for one of
// them; a name that is unknown, or more than the CPU can do, means the best that it can.
func Level() string { return level.String() }

// chooseLevel returns the instruction set named by request, or best if there is none or it is above best.
func chooseLevel(request string, best isa) isa {
	for i := range best {
		if request == i.String() {
			return i
		}
	}
	return best
}
