package quant

import (
	"fmt"
	"math"
)

// Type is how the values of a tensor are stored: plain numbers, or blocks of 32 or 256 values that share scales. The
// numbers are those of ggml, as they stand in GGUF files; it is the project's one enumeration of element types.
type Type uint32

// The types that Eckart reads. Bits a value, scales counted: Q4_0 4.5, Q4_1 5, Q5_0 5.5, Q5_1 6, Q8_0 8.5, Q2_K 2.625,
// Q3_K 3.4375, Q4_K 4.5, Q5_K 5.5, Q6_K 6.5625.
const (
	F32  Type = 0
	F16  Type = 1
	Q4_0 Type = 2
	Q4_1 Type = 3
	Q5_0 Type = 6
	Q5_1 Type = 7
	Q8_0 Type = 8
	Q2_K Type = 10
	Q3_K Type = 11
	Q4_K Type = 12
	Q5_K Type = 13
	Q6_K Type = 14
	I8   Type = 24
	I16  Type = 25
	I32  Type = 26
	I64  Type = 27
	F64  Type = 28
	BF16 Type = 30
)

// layout is how one block of a type is stored.
type layout struct {
	name          string
	values, bytes int
}

// layouts is indexed by Type; a type that is not supported has an empty name.
var layouts = [...]layout{
	F32: {"F32", 1, 4}, F16: {"F16", 1, 2}, BF16: {"BF16", 1, 2}, F64: {"F64", 1, 8},
	I8: {"I8", 1, 1}, I16: {"I16", 1, 2}, I32: {"I32", 1, 4}, I64: {"I64", 1, 8},
	Q4_0: {"Q4_0", 32, 18}, Q4_1: {"Q4_1", 32, 20}, Q5_0: {"Q5_0", 32, 22}, Q5_1: {"Q5_1", 32, 24}, Q8_0: {"Q8_0", 32, 34},
	Q2_K: {"Q2_K", 256, 84}, Q3_K: {"Q3_K", 256, 110}, Q4_K: {"Q4_K", 256, 144}, Q5_K: {"Q5_K", 256, 176},
	Q6_K: {"Q6_K", 256, 210},
}

// Known reports whether t is one of the types above. Every other method is defined for the others as well: an unknown
// type has block size and bytes of 0.
func (t Type) Known() bool { return int64(t) < int64(len(layouts)) && layouts[t].name != "" }

// String returns ggml's name of t, such as "F32" or "Q4_1", or "Type(n)" when t is not known.
func (t Type) String() string {
	if !t.Known() {
		return fmt.Sprintf("Type(%d)", uint32(t))
	}
	return layouts[t].name
}

// ParseType returns the type whose String is s.
func ParseType(s string) (Type, error) {
	for t, l := range layouts {
		if l.name == s && s != "" {
			return Type(t), nil
		}
	}
	return 0, fmt.Errorf("quant: unknown type %q: expected a name such as F32, F16, BF16, Q4_1, Q8_0 or Q6_K", s)
}

// BlockSize returns the number of values in a block: 1, 32 or 256.
func (t Type) BlockSize() int {
	if !t.Known() {
		return 0
	}
	return layouts[t].values
}

// BlockBytes returns the number of bytes in a block.
func (t Type) BlockBytes() int {
	if !t.Known() {
		return 0
	}
	return layouts[t].bytes
}

// RowBytes returns the number of bytes that n consecutive values take. It is an error when n is negative or no multiple
// of the block size, when t is not known, and when the number does not fit an int.
func (t Type) RowBytes(n int) (int, error) {
	if !t.Known() {
		return 0, fmt.Errorf("quant: %v: not a supported element type", t)
	}
	l := layouts[t]
	if n < 0 || n%l.values != 0 {
		return 0, fmt.Errorf("quant: %v: %d values in a row, expected a multiple of the block size %d", t, n, l.values)
	}
	if n/l.values > math.MaxInt/l.bytes {
		return 0, fmt.Errorf("quant: %v: a row of %d values is too large", t, n)
	}
	return n / l.values * l.bytes, nil
}
