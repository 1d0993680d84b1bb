package checkpoint

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/eckart-go/eckart/quant"
)

// maxGGUFNameWritten is one less than the format allows: llama.cpp counts a final zero.
const maxGGUFNameWritten = ggufMaxName - 1

// quantisationVersion is ggml's version of the block formats.
const quantisationVersion = uint32(2)

// layoutGGUF lays a file out: header, key-value pairs, descriptions, and each tensor on a multiple of the alignment.
func layoutGGUF(tensors []Info, metadata map[string]any) (layout, error) {
	if err := checkTensors(tensors); err != nil {
		return layout{}, err
	}
	metadata = withGGUFDefaults(tensors, metadata)
	alignment, err := ggufAlignment(metadata)
	if err != nil {
		return layout{}, err
	}
	b := []byte(ggufMagic)
	b = binary.LittleEndian.AppendUint32(b, ggufVersion)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(tensors)))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(metadata)))
	for _, key := range ggufKeyOrder(metadata) {
		if b, err = appendGGUFPair(b, key, metadata[key]); err != nil {
			return layout{}, err
		}
	}
	l := layout{tensors: tensors, offsets: make([]int64, len(tensors))}
	data := int64(0) // offset in the data section
	for i, t := range tensors {
		if b, err = appendGGUFTensor(b, t, uint64(data)); err != nil {
			return layout{}, fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		l.offsets[i] = data
		if t.Bytes > math.MaxInt64/2-data {
			return layout{}, fmt.Errorf("tensor %q: the file would exceed %d bytes", t.Name, int64(math.MaxInt64))
		}
		data += t.Bytes
		data += int64(padding(int(data), alignment))
	}
	l.header = append(b, make([]byte, padding(len(b), alignment))...)
	for i := range l.offsets {
		l.offsets[i] += int64(len(l.header))
	}
	l.size = int64(len(l.header)) + data
	return l, nil
}

// withGGUFDefaults adds the keys that every file has.
func withGGUFDefaults(tensors []Info, metadata map[string]any) map[string]any {
	out := maps.Clone(metadata)
	if out == nil {
		out = map[string]any{}
	}
	if _, ok := out["general.file_type"]; !ok {
		out["general.file_type"] = ggufFileType(tensors)
	}
	if slices.ContainsFunc(tensors, func(t Info) bool { return t.Type.BlockSize() > 1 }) {
		out["general.quantization_version"] = quantisationVersion
	}
	return out
}

// ggufFileType is llama.cpp's number for the type that most matrices have.
func ggufFileType(tensors []Info) uint32 {
	numbers := map[quant.Type]uint32{
		quant.F32: 0, quant.F16: 1, quant.Q4_0: 2, quant.Q4_1: 3, quant.Q8_0: 7, quant.Q5_0: 8, quant.Q5_1: 9,
		quant.Q2_K: 10, quant.Q3_K: 12, quant.Q4_K: 15, quant.Q5_K: 17, quant.Q6_K: 18, quant.BF16: 32,
	}
	count := map[quant.Type]int{}
	best := quant.F32
	for _, t := range tensors {
		if _, ok := numbers[t.Type]; !ok || len(t.Shape) < 2 {
			continue
		}
		count[t.Type]++
		if n, top := count[t.Type], count[best]; n > top || n == top && t.Type < best {
			best = t.Type
		}
	}
	return numbers[best]
}

// ggufKeyOrder sorts keys, the architecture first and general ones before the others, as readers of listings expect.
func ggufKeyOrder(metadata map[string]any) []string {
	rank := func(key string) int {
		switch {
		case key == "general.architecture":
			return 0
		case strings.HasPrefix(key, "general."):
			return 1
		}
		return 2
	}
	return slices.SortedFunc(maps.Keys(metadata), func(a, b string) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
}

func appendGGUFTensor(b []byte, t Info, offset uint64) ([]byte, error) {
	shape := t.Shape
	if len(shape) == 0 {
		shape = []int{1}
	}
	switch {
	case len(t.Name) > maxGGUFNameWritten:
		return b, fmt.Errorf("a name of %d bytes, GGUF allows %d", len(t.Name), maxGGUFNameWritten)
	case len(shape) > ggufMaxDims:
		return b, fmt.Errorf("%d dimensions, GGUF allows %d", len(shape), ggufMaxDims)
	case slices.Contains(shape, 0):
		return b, fmt.Errorf("shape %v: GGUF has no empty tensors", shape)
	case !t.Type.Known():
		return b, fmt.Errorf("GGUF has no type %s", typeName(t.Type))
	}
	b = appendGGUFString(b, t.Name)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(shape)))
	for _, d := range slices.Backward(shape) {
		b = binary.LittleEndian.AppendUint64(b, uint64(d))
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(t.Type))
	return binary.LittleEndian.AppendUint64(b, offset), nil
}

func appendGGUFString(b []byte, s string) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(len(s)))
	return append(b, s...)
}

func appendGGUFPair(b []byte, key string, value any) ([]byte, error) {
	if key == "" || len(key) > math.MaxUint16 {
		return b, fmt.Errorf("key %q: expected 1 to %d bytes", brief(key), math.MaxUint16)
	}
	kind, ok := ggufTypeOf(value)
	if !ok {
		return b, fmt.Errorf("key %q: GGUF has no type for a Go %T", key, value)
	}
	b = appendGGUFString(b, key)
	b = binary.LittleEndian.AppendUint32(b, kind)
	b, err := appendGGUFValue(b, value, 0)
	if err != nil {
		return b, fmt.Errorf("key %q: %w", key, err)
	}
	return b, nil
}

// ggufTypeOf returns GGUF's number for the type of a Go value.
func ggufTypeOf(value any) (uint32, bool) {
	switch value.(type) {
	case uint8:
		return ggufUint8, true
	case int8:
		return ggufInt8, true
	case uint16:
		return ggufUint16, true
	case int16:
		return ggufInt16, true
	case uint32:
		return ggufUint32, true
	case int32:
		return ggufInt32, true
	case float32:
		return ggufFloat32, true
	case bool:
		return ggufBool, true
	case string:
		return ggufString, true
	case uint64:
		return ggufUint64, true
	case int64:
		return ggufInt64, true
	case float64:
		return ggufFloat64, true
	}
	_, _, ok := ggufElements(value)
	return ggufArray, ok
}

// ggufElements returns the element type and the length of a slice.
func ggufElements(value any) (kind uint32, n int, ok bool) {
	switch v := value.(type) {
	case []uint8:
		return ggufUint8, len(v), true
	case []int8:
		return ggufInt8, len(v), true
	case []uint16:
		return ggufUint16, len(v), true
	case []int16:
		return ggufInt16, len(v), true
	case []uint32:
		return ggufUint32, len(v), true
	case []int32:
		return ggufInt32, len(v), true
	case []float32:
		return ggufFloat32, len(v), true
	case []bool:
		return ggufBool, len(v), true
	case []string:
		return ggufString, len(v), true
	case []any:
		return ggufArray, len(v), true
	case []uint64:
		return ggufUint64, len(v), true
	case []int64:
		return ggufInt64, len(v), true
	case []float64:
		return ggufFloat64, len(v), true
	}
	return 0, 0, false
}

func appendGGUFValue(b []byte, value any, depth int) ([]byte, error) {
	if s, ok := value.(string); ok {
		return appendGGUFString(b, s), nil
	}
	kind, n, isArray := ggufElements(value)
	if isArray {
		b = binary.LittleEndian.AppendUint32(b, kind)
		b = binary.LittleEndian.AppendUint64(b, uint64(n))
	}
	switch v := value.(type) {
	case []string:
		for _, s := range v {
			b = appendGGUFString(b, s)
		}
		return b, nil
	case []any:
		if depth >= maxGGUFNesting {
			return b, fmt.Errorf("arrays nested more than %d deep", maxGGUFNesting)
		}
		for _, e := range v {
			if _, _, ok := ggufElements(e); !ok {
				return b, fmt.Errorf("a %T in an array of arrays", e)
			}
			var err error
			if b, err = appendGGUFValue(b, e, depth+1); err != nil {
				return b, err
			}
		}
		return b, nil
	}
	return binary.Append(b, binary.LittleEndian, value)
}
