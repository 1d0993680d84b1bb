package checkpoint

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
)

// layoutSafetensors lays a file out as the reference implementation does: values of the widest type first, then by name,
// so that every tensor is aligned; a header that ends on a multiple of 8.
func layoutSafetensors(tensors []Info, metadata map[string]string) (layout, error) {
	if err := checkTensors(tensors); err != nil {
		return layout{}, err
	}
	for _, t := range tensors {
		if _, ok := dtypeName[t.Type]; !ok {
			return layout{}, fmt.Errorf("tensor %q: safetensors has no type %s; convert it to F32, F16 or BF16", t.Name, t.Type)
		}
		if t.Name == metadataKey {
			return layout{}, fmt.Errorf("tensor %q: the name is reserved", t.Name)
		}
	}
	l := layout{tensors: slices.Clone(tensors), offsets: make([]int64, len(tensors))}
	slices.SortStableFunc(l.tensors, func(a, b Info) int {
		return cmp.Or(cmp.Compare(plainBytes(b.Type), plainBytes(a.Type)), cmp.Compare(a.Name, b.Name))
	})
	header, err := safetensorsHeader(l.tensors, metadata)
	if err != nil {
		return layout{}, err
	}
	l.header = binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	l.header = append(l.header, header...)
	l.size = int64(len(l.header))
	for i, t := range l.tensors {
		l.offsets[i] = l.size
		if t.Bytes > math.MaxInt64-l.size {
			return layout{}, fmt.Errorf("tensor %q: the file would exceed %d bytes", t.Name, int64(math.MaxInt64))
		}
		l.size += t.Bytes
	}
	return l, nil
}

// safetensorsHeader is the JSON header, padded with spaces, for tensors that follow each other.
func safetensorsHeader(tensors []Info, metadata map[string]string) ([]byte, error) {
	own := maps.Clone(metadata)
	if own == nil {
		own = map[string]string{}
	}
	own["format"] = "pt"
	var b bytes.Buffer
	b.WriteString(`{"` + metadataKey + `":`)
	if err := appendJSON(&b, own); err != nil { // sorted by key
		return nil, err
	}
	at := uint64(0)
	for _, t := range tensors {
		b.WriteByte(',')
		if err := appendJSON(&b, t.Name); err != nil {
			return nil, err
		}
		shape := t.Shape
		if shape == nil {
			shape = []int{}
		}
		b.WriteByte(':')
		err := appendJSON(&b, struct {
			Dtype   string    `json:"dtype"`
			Shape   []int     `json:"shape"`
			Offsets [2]uint64 `json:"data_offsets"`
		}{dtypeName[t.Type], shape, [2]uint64{at, at + uint64(t.Bytes)}})
		if err != nil {
			return nil, err
		}
		at += uint64(t.Bytes)
	}
	b.WriteByte('}')
	b.WriteString("       "[:padding(b.Len(), 8)])
	if b.Len() > maxSafetensorsHeader {
		return nil, fmt.Errorf("the header takes %d bytes, at most %d allowed; write fewer tensors a file", b.Len(), maxSafetensorsHeader)
	}
	return b.Bytes(), nil
}

// appendJSON writes v without escaping HTML and without a newline.
func appendJSON(b *bytes.Buffer, v any) error {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	b.Truncate(b.Len() - 1)
	return nil
}
