package checkpoint

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/eckart-go/eckart/internal/pool"
	"github.com/eckart-go/eckart/quant"
)

// Element types that only safetensors has and that hold no weights: readable with Raw and copied, never as float32. They
// continue quant's enumeration far beyond ggml's numbers.
const (
	Bool quant.Type = 0x10000 + iota
	U8
	U16
	U32
	U64
	F8E4M3
	F8E5M2
)

// Info describes a stored tensor.
type Info struct {
	Name  string
	Type  quant.Type
	Shape []int // rows first: a linear layer is {outputs, inputs}; empty for a scalar. Shared, not to be modified
	Bytes int64 // stored size
}

// Elements returns the number of values, the product of Shape.
func (i Info) Elements() int {
	n := 1
	for _, d := range i.Shape {
		n *= d
	}
	return n
}

// NewInfo describes a tensor to be written, with Bytes computed. It is an error when a dimension is negative, the size
// overflows, or the last dimension is no multiple of the type's block size.
func NewInfo(name string, t quant.Type, shape ...int) (Info, error) {
	n, err := sizeOf(t, shape)
	if err != nil {
		return Info{}, fmt.Errorf("checkpoint: tensor %q: %w", name, err)
	}
	return Info{Name: name, Type: t, Shape: slices.Clone(shape), Bytes: n}, nil
}

// sizeOf returns the stored size of a tensor in bytes.
func sizeOf(t quant.Type, shape []int) (int64, error) {
	elements, err := product(shape)
	if err != nil {
		return 0, err
	}
	if b := plainBytes(t); b > 0 {
		hi, lo := bits.Mul64(uint64(elements), uint64(b))
		if hi != 0 || lo > math.MaxInt64 {
			return 0, fmt.Errorf("shape %v of %s overflows", shape, typeName(t))
		}
		return int64(lo), nil
	}
	if !t.Known() {
		return 0, fmt.Errorf("element type %s is not supported", typeName(t))
	}
	if last := shape; len(last) == 0 || last[len(last)-1]%t.BlockSize() != 0 {
		return 0, fmt.Errorf("shape %v: the last dimension must be a multiple of %v's block size %d", shape, t, t.BlockSize())
	}
	hi, lo := bits.Mul64(uint64(elements/t.BlockSize()), uint64(t.BlockBytes()))
	if hi != 0 || lo > math.MaxInt64 {
		return 0, fmt.Errorf("shape %v of %v overflows", shape, t)
	}
	return int64(lo), nil
}

// product multiplies dimensions, refusing negative ones and overflow of int.
func product(shape []int) (int, error) {
	n := uint64(1)
	zero := false
	for _, d := range shape {
		if d < 0 {
			return 0, fmt.Errorf("shape %v has a negative dimension", shape)
		}
		if d == 0 {
			zero = true
			continue
		}
		hi, lo := bits.Mul64(n, uint64(d))
		if hi != 0 || lo > math.MaxInt {
			return 0, fmt.Errorf("the product of the dimensions %v overflows", shape)
		}
		n = lo
	}
	if zero {
		return 0, nil
	}
	return int(n), nil
}

// plainBytes returns the bytes of one value, or 0 for block types and types that are not known.
func plainBytes(t quant.Type) int {
	switch t {
	case Bool, U8, F8E4M3, F8E5M2:
		return 1
	case U16:
		return 2
	case U32:
		return 4
	case U64:
		return 8
	}
	if t.BlockSize() == 1 {
		return t.BlockBytes()
	}
	return 0
}

// typeName is t's name, also for the types that only safetensors has.
func typeName(t quant.Type) string {
	if s, ok := dtypeName[t]; ok {
		return s
	}
	return t.String()
}

// isFloat reports whether t stores one floating-point number a value.
func isFloat(t quant.Type) bool {
	return t == quant.F32 || t == quant.F16 || t == quant.BF16 || t == quant.F64
}

// piece is how many values one task converts: a multiple of every block size, big enough to outweigh the pool.
const piece = 1 << 16

// decode converts stored bytes to float32. It works in fixed pieces, so the result does not depend on the workers.
func decode(t quant.Type, dst []float32, src []byte) error {
	var convert func(dst []float32, src []byte) error
	switch t {
	case quant.F64, quant.I8, quant.I16, quant.I32, quant.I64:
		convert = func(dst []float32, src []byte) error { decodePlain(t, dst, src); return nil }
	default:
		if !t.Known() {
			return fmt.Errorf("element type %s holds no weights: it can only be read raw", typeName(t))
		}
		convert = func(dst []float32, src []byte) error { return quant.Dequantise(t, dst, src) }
	}
	return inPieces(len(dst), func(lo, hi int) error {
		return convert(dst[lo:hi], src[lo/t.BlockSize()*t.BlockBytes():hi/t.BlockSize()*t.BlockBytes()])
	})
}

// encode converts float32 to stored bytes of a type that quant.Quantise writes, or to float64.
func encode(t quant.Type, dst []byte, src []float32) error {
	return inPieces(len(src), func(lo, hi int) error {
		d := dst[lo/t.BlockSize()*t.BlockBytes() : hi/t.BlockSize()*t.BlockBytes()]
		if t == quant.F64 {
			for i, v := range src[lo:hi] {
				binary.LittleEndian.PutUint64(d[8*i:], math.Float64bits(float64(v)))
			}
			return nil
		}
		return quant.Quantise(t, d, src[lo:hi])
	})
}

// inPieces runs f over 0..n in pieces on the pool and returns the first piece's error.
func inPieces(n int, f func(lo, hi int) error) error {
	errs := make([]error, (n+piece-1)/piece)
	pool.Ranges(n, piece, func(lo, hi int) { errs[lo/piece] = f(lo, hi) })
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func decodePlain(t quant.Type, dst []float32, src []byte) {
	le := binary.LittleEndian
	for i := range dst {
		switch t {
		case quant.F64:
			dst[i] = float32(math.Float64frombits(le.Uint64(src[8*i:])))
		case quant.I8:
			dst[i] = float32(int8(src[i]))
		case quant.I16:
			dst[i] = float32(int16(le.Uint16(src[2*i:])))
		case quant.I32:
			dst[i] = float32(int32(le.Uint32(src[4*i:])))
		case quant.I64:
			dst[i] = float32(int64(le.Uint64(src[8*i:])))
		}
	}
}

// grow returns a slice of length n, dst's memory when it suffices.
func grow[T any](dst []T, n int) []T {
	if cap(dst) < n {
		return make([]T, n)
	}
	return dst[:n]
}
