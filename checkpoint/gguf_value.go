package checkpoint

import (
	"encoding/binary"
	"fmt"
	"math"
)

// The types of metadata values, with GGUF's numbers.
const (
	ggufUint8 uint32 = iota
	ggufInt8
	ggufUint16
	ggufInt16
	ggufUint32
	ggufInt32
	ggufFloat32
	ggufBool
	ggufString
	ggufArray
	ggufUint64
	ggufInt64
	ggufFloat64
)

// maxGGUFNesting bounds arrays of arrays; no known file nests at all.
const maxGGUFNesting = 4

// minGGUFValue is the least number of bytes that an element of an array takes, by type.
var minGGUFValue = [...]int{1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8}

// ggufReader walks through a header. After the first failure it keeps returning zero values; err says what it was.
type ggufReader struct {
	file []byte
	at   int
	err  error
}

// take returns the next n bytes, nil when there are fewer.
func (r *ggufReader) take(n uint64, what string) []byte {
	if r.err != nil {
		return nil
	}
	if rest := uint64(len(r.file) - r.at); n > rest {
		r.err = fmt.Errorf("%s: %d bytes expected at byte %d, %d in the file: truncated download?", what, n, r.at, rest)
		return nil
	}
	b := r.file[r.at : r.at+int(n)]
	r.at += int(n)
	return b
}

func (r *ggufReader) uint32(what string) uint32 {
	if b := r.take(4, what); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *ggufReader) uint64(what string) uint64 {
	if b := r.take(8, what); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (r *ggufReader) string(what string) string {
	return string(r.take(r.uint64(what+" length"), what))
}

// value reads a value of the given type as a Go value.
func (r *ggufReader) value(t uint32, depth int) any {
	switch t {
	case ggufString:
		return r.string("string")
	case ggufArray:
		return r.array(depth)
	case ggufBool:
		if b := r.take(1, "bool"); b != nil {
			return r.bool(b[0])
		}
		return nil
	}
	if t >= uint32(len(minGGUFValue)) {
		if r.err == nil {
			r.err = fmt.Errorf("value type %d is not known, expected 0 to %d", t, len(minGGUFValue)-1)
		}
		return nil
	}
	b := r.take(uint64(minGGUFValue[t]), "value")
	if b == nil {
		return nil
	}
	le := binary.LittleEndian
	switch t {
	case ggufUint8:
		return b[0]
	case ggufInt8:
		return int8(b[0])
	case ggufUint16:
		return le.Uint16(b)
	case ggufInt16:
		return int16(le.Uint16(b))
	case ggufUint32:
		return le.Uint32(b)
	case ggufInt32:
		return int32(le.Uint32(b))
	case ggufFloat32:
		return math.Float32frombits(le.Uint32(b))
	case ggufUint64:
		return le.Uint64(b)
	case ggufInt64:
		return int64(le.Uint64(b))
	default:
		return math.Float64frombits(le.Uint64(b))
	}
}

func (r *ggufReader) bool(b byte) bool {
	if b > 1 && r.err == nil {
		r.err = fmt.Errorf("bool at byte %d is %d, expected 0 or 1", r.at-1, b)
	}
	return b == 1
}

// array reads an array of any element type, checking its length against the file before it allocates.
func (r *ggufReader) array(depth int) any {
	t := r.uint32("array type")
	n := r.uint64("array length")
	switch {
	case r.err != nil:
		return nil
	case depth >= maxGGUFNesting:
		r.err = fmt.Errorf("arrays nested more than %d deep", maxGGUFNesting)
		return nil
	case t >= uint32(len(minGGUFValue)):
		r.err = fmt.Errorf("array of type %d, which is not known; expected 0 to %d", t, len(minGGUFValue)-1)
		return nil
	case n > uint64(len(r.file)-r.at)/uint64(minGGUFValue[t]):
		r.err = fmt.Errorf("an array of %d elements declared, %d bytes left in the file: truncated download?", n, len(r.file)-r.at)
		return nil
	}
	switch t {
	case ggufString:
		return r.strings(int(n))
	case ggufArray:
		out := make([]any, n)
		for i := range out {
			out[i] = r.array(depth + 1)
			if r.err != nil {
				return nil
			}
		}
		return out
	case ggufBool:
		out := make([]bool, n)
		for i, b := range r.take(n, "bools") {
			out[i] = r.bool(b)
		}
		return out
	}
	return numbers(t, r.take(n*uint64(minGGUFValue[t]), "array"), int(n))
}

// strings reads n strings. They share one copy of the file's bytes: a vocabulary is two allocations.
func (r *ggufReader) strings(n int) []string {
	type span struct{ lo, hi int }
	spans := make([]span, n)
	from := r.at
	for i := range spans {
		size := r.uint64("string length")
		lo := r.at
		r.take(size, "string")
		if r.err != nil {
			r.err = fmt.Errorf("element %d: %w", i, r.err)
			return nil
		}
		spans[i] = span{lo - from, r.at - from}
	}
	all := string(r.file[from:r.at])
	out := make([]string, n)
	for i, s := range spans {
		out[i] = all[s.lo:s.hi]
	}
	return out
}

// numbers decodes n little-endian numbers.
func numbers(t uint32, b []byte, n int) any {
	var out any
	switch t {
	case ggufUint8:
		out = make([]uint8, n)
	case ggufInt8:
		out = make([]int8, n)
	case ggufUint16:
		out = make([]uint16, n)
	case ggufInt16:
		out = make([]int16, n)
	case ggufUint32:
		out = make([]uint32, n)
	case ggufInt32:
		out = make([]int32, n)
	case ggufFloat32:
		out = make([]float32, n)
	case ggufUint64:
		out = make([]uint64, n)
	case ggufInt64:
		out = make([]int64, n)
	default:
		out = make([]float64, n)
	}
	if _, err := binary.Decode(b, binary.LittleEndian, out); err != nil {
		panic(err) // b was cut to exactly n numbers
	}
	return out
}
