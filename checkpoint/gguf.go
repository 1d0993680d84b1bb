package checkpoint

import (
	"fmt"
	"math"

	"github.com/eckart-go/eckart/quant"
)

// GGUF, versions 2 and 3, little-endian: magic, version, counts of tensors and of key-value pairs, the pairs, the tensors'
// descriptions, padding, data (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).

const (
	ggufMagic            = "GGUF"
	ggufVersion          = 3
	ggufDefaultAlignment = 32
	ggufMaxDims          = 4
	ggufMaxName          = 64
	alignmentKey         = "general.alignment"
)

// The shortest possible descriptions, in bytes, that bound the declared counts.
const (
	minGGUFPair   = 8 + 4 + 1         // empty key, type, one-byte value
	minGGUFTensor = 8 + 4 + 8 + 4 + 8 // empty name, count of dimensions, one dimension, type, offset
)

// parseGGUF reads the header of a file and checks it against the file's size.
func parseGGUF(path string, file []byte) (*parsed, error) {
	r := &ggufReader{file: file}
	if magic := r.take(uint64(len(ggufMagic)), "magic"); r.err == nil && string(magic) != ggufMagic {
		r.err = fmt.Errorf("expected the magic %q of a GGUF file, found %q", ggufMagic, magic)
	}
	f, err := r.parse()
	if err != nil {
		return nil, failf(path, "%w", err)
	}
	return f, nil
}

func (r *ggufReader) parse() (*parsed, error) {
	version := r.uint32("version")
	tensors := r.uint64("tensor count")
	pairs := r.uint64("key count")
	switch rest := uint64(len(r.file) - r.at); {
	case r.err != nil:
		return nil, r.err
	case version != 2 && version != ggufVersion:
		return nil, fmt.Errorf("GGUF version %d, expected 2 or %d; convert it with llama.cpp's tools first", version, ggufVersion)
	case pairs > rest/minGGUFPair:
		return nil, fmt.Errorf("%d keys declared, the %d bytes that follow cannot hold them: truncated or damaged file?", pairs, rest)
	case tensors > rest/minGGUFTensor:
		return nil, fmt.Errorf("%d tensors declared, the %d bytes that follow cannot hold them: truncated or damaged file?", tensors, rest)
	}
	f := &parsed{metadata: make(map[string]any)}
	for i := range pairs {
		key := r.string("key")
		if r.err != nil {
			return nil, fmt.Errorf("key %d: %w", i, r.err)
		}
		if _, twice := f.metadata[key]; twice {
			return nil, fmt.Errorf("key %q appears twice", key)
		}
		f.metadata[key] = r.value(r.uint32("type"), 0)
		if r.err != nil {
			return nil, fmt.Errorf("key %q: %w", key, r.err)
		}
	}
	alignment, err := ggufAlignment(f.metadata)
	if err != nil {
		return nil, err
	}
	offsets, err := r.tensors(f, tensors, alignment)
	if err != nil {
		return nil, err
	}
	return f, f.placeGGUF(r.file, r.at, alignment, offsets)
}

// tensors reads n descriptions into f and returns the offsets.
func (r *ggufReader) tensors(f *parsed, n uint64, alignment int) ([]uint64, error) {
	var offsets []uint64
	seen := map[string]bool{}
	for i := range n {
		name := r.string("tensor name")
		if r.err != nil {
			return nil, fmt.Errorf("tensor %d: %w", i, r.err)
		}
		if len(name) > ggufMaxName {
			return nil, fmt.Errorf("tensor %d: a name of %d bytes, at most %d allowed", i, len(name), ggufMaxName)
		}
		if seen[name] {
			return nil, fmt.Errorf("tensor %q appears twice", name)
		}
		seen[name] = true
		info, offset, err := r.tensor(name)
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		if offset%uint64(alignment) != 0 {
			return nil, fmt.Errorf("tensor %q: offset %d is no multiple of the alignment %d", name, offset, alignment)
		}
		f.tensors, offsets = append(f.tensors, info), append(offsets, offset)
	}
	return offsets, nil
}

// tensor reads one description after its name: dimensions (fastest first), type, offset.
func (r *ggufReader) tensor(name string) (Info, uint64, error) {
	info := Info{Name: name}
	dims := r.uint32("number of dimensions")
	if r.err == nil && (dims == 0 || dims > ggufMaxDims) {
		return info, 0, fmt.Errorf("%d dimensions, expected 1 to %d", dims, ggufMaxDims)
	}
	if r.err != nil {
		return info, 0, r.err
	}
	info.Shape = make([]int, dims)
	for i := range info.Shape {
		d := r.uint64("dimension")
		if r.err == nil && (d == 0 || d > math.MaxInt) {
			return info, 0, fmt.Errorf("dimension %d is %d, expected 1 to %d", i, d, math.MaxInt)
		}
		info.Shape[len(info.Shape)-1-i] = int(d)
	}
	number := r.uint32("type")
	offset := r.uint64("offset")
	if r.err != nil {
		return info, 0, r.err
	}
	info.Type = quant.Type(number)
	if !info.Type.Known() {
		return info, 0, fmt.Errorf("element type %d is not supported; expected F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 or Q2_K to Q6_K", number)
	}
	size, err := sizeOf(info.Type, info.Shape)
	if err != nil {
		return info, 0, err
	}
	info.Bytes = size
	return info, offset, nil
}

// placeGGUF checks that the tensors follow each other in the file, each padded to the alignment, and slices the file. The
// reference implementation asks for the same.
func (f *parsed) placeGGUF(file []byte, header, alignment int, offsets []uint64) error {
	if len(f.tensors) == 0 {
		return nil
	}
	start := uint64(header + padding(header, alignment))
	f.data = make([][]byte, len(f.tensors))
	at := uint64(0)
	for i, t := range f.tensors {
		begin, size := offsets[i], uint64(t.Bytes)
		switch {
		case start > uint64(len(file)) || begin > uint64(len(file))-start || size > uint64(len(file))-start-begin:
			return fmt.Errorf("tensor %q: %d bytes at offset %d of the data declared, %d in the file: truncated download?",
				t.Name, size, begin, max(0, len(file)-int(start)))
		case begin < at:
			return fmt.Errorf("tensor %q: starts at offset %d, inside the tensor that ends at %d: overlapping offsets", t.Name, begin, at)
		case begin > at:
			return fmt.Errorf("tensor %q: starts at offset %d, expected %d: a hole in the file", t.Name, begin, at)
		}
		lo, hi := start+begin, start+begin+size
		f.data[i] = file[lo:hi:hi]
		at = begin + size
		at += uint64(padding(int(at), alignment))
	}
	return nil
}

// ggufAlignment returns the file's alignment: a power of two, 32 unless stated.
func ggufAlignment(metadata map[string]any) (int, error) {
	v, ok := metadata[alignmentKey]
	if !ok {
		return ggufDefaultAlignment, nil
	}
	a, ok := v.(uint32)
	if !ok {
		return 0, fmt.Errorf("%s is a %T, expected a uint32", alignmentKey, v)
	}
	if a == 0 || a&(a-1) != 0 || a > 1<<20 {
		return 0, fmt.Errorf("%s is %d, expected a power of two up to %d", alignmentKey, a, 1<<20)
	}
	return int(a), nil
}

// padding returns how many bytes bring n to a multiple of alignment, a power of two.
func padding(n, alignment int) int { return -n & (alignment - 1) }
