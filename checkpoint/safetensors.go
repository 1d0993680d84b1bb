package checkpoint

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/eckart-go/eckart/quant"
)

// A safetensors file is a uint64 length, a JSON header of that length, and the tensors' bytes: neither holes nor overlaps,
// offsets counted from the end of the header (https://github.com/huggingface/safetensors).

const (
	maxSafetensorsHeader = 100_000_000 // the reference implementation's limit
	metadataKey          = "__metadata__"
)

var dtypeName = map[quant.Type]string{
	quant.F64: "F64", quant.F32: "F32", quant.F16: "F16", quant.BF16: "BF16",
	quant.I64: "I64", quant.I32: "I32", quant.I16: "I16", quant.I8: "I8",
	U64: "U64", U32: "U32", U16: "U16", U8: "U8", Bool: "BOOL", F8E4M3: "F8_E4M3", F8E5M2: "F8_E5M2",
}

func parseDtype(s string) (quant.Type, bool) {
	for t, name := range dtypeName {
		if name == s {
			return t, true
		}
	}
	return 0, false
}

// parseSafetensors reads the header of a file and checks it against the file's size.
func parseSafetensors(path string, file []byte) (*parsed, error) {
	header, body, err := splitSafetensors(path, file)
	if err != nil {
		return nil, err
	}
	f := &parsed{metadata: map[string]any{}}
	var spans [][2]uint64
	seen := map[string]bool{}
	dec := json.NewDecoder(bytes.NewReader(header))
	dec.UseNumber()
	err = eachKey(dec, func(key string) error {
		if seen[key] {
			return fmt.Errorf("%q appears twice", key)
		}
		seen[key] = true
		if key == metadataKey {
			return decodeMetadata(dec, f.metadata)
		}
		info, span, err := decodeTensor(dec, key)
		if err != nil {
			return fmt.Errorf("tensor %q: %w", key, err)
		}
		f.tensors, spans = append(f.tensors, info), append(spans, span)
		return nil
	})
	if err != nil {
		return nil, failf(path, "header: %w", err)
	}
	if dec.More() {
		return nil, failf(path, "header: data after the JSON object, at byte %d", dec.InputOffset())
	}
	return f, f.place(path, body, spans)
}

// splitSafetensors separates the header from the tensors' bytes.
func splitSafetensors(path string, file []byte) (header, body []byte, err error) {
	if len(file) < 8 {
		return nil, nil, failf(path, "%d bytes, a safetensors file has at least 8: truncated download?", len(file))
	}
	n := binary.LittleEndian.Uint64(file)
	switch {
	case n > maxSafetensorsHeader:
		return nil, nil, failf(path, "a header of %d bytes declared, at most %d allowed: not a safetensors file?", n, maxSafetensorsHeader)
	case n > uint64(len(file)-8):
		return nil, nil, failf(path, "a header of %d bytes declared, %d in the file: truncated download?", n, len(file)-8)
	}
	header, body = file[8:8+n], file[8+n:]
	switch {
	case n == 0 || header[0] != '{':
		return nil, nil, failf(path, "the header does not start with '{': not a safetensors file?")
	case !utf8.Valid(header):
		return nil, nil, failf(path, "the header is not valid UTF-8")
	}
	return header, body, nil
}

// place sorts the tensors by offset, checks that they tile body exactly, and slices it.
func (f *parsed) place(path string, body []byte, spans [][2]uint64) error {
	order := make([]int, len(spans))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		x, y := spans[a], spans[b]
		if x[0] != y[0] {
			return cmp.Compare(x[0], y[0])
		}
		return cmp.Compare(x[1], y[1]) // empty tensors come first
	})
	tensors := make([]Info, len(order))
	f.data = make([][]byte, len(order))
	at := uint64(0)
	for k, i := range order {
		t, s := f.tensors[i], spans[i]
		switch {
		case s[1] > uint64(len(body)):
			return failf(path, "tensor %q: bytes %d to %d declared, %d in the file: truncated download?", t.Name, s[0], s[1], len(body))
		case s[0] < at:
			return failf(path, "tensor %q: starts at byte %d, inside the tensor that ends at %d: overlapping offsets", t.Name, s[0], at)
		case s[0] > at:
			return failf(path, "tensor %q: starts at byte %d, expected %d: a hole in the file", t.Name, s[0], at)
		}
		tensors[k], f.data[k] = t, body[s[0]:s[1]:s[1]]
		at = s[1]
	}
	if at != uint64(len(body)) {
		return failf(path, "the tensors end at byte %d, the file has %d: left-over bytes", at, len(body))
	}
	f.tensors = tensors
	return nil
}

// decodeTensor reads one entry, {"dtype": ..., "shape": [...], "data_offsets": [begin, end]}.
func decodeTensor(dec *json.Decoder, name string) (Info, [2]uint64, error) {
	info := Info{Name: name}
	var span [2]uint64
	seen := map[string]bool{}
	err := eachKey(dec, func(key string) error {
		if seen[key] {
			return fmt.Errorf("%q appears twice", key)
		}
		seen[key] = true
		switch key {
		case "dtype":
			var s string
			if err := dec.Decode(&s); err != nil {
				return fmt.Errorf("dtype: %w", err)
			}
			t, ok := parseDtype(s)
			if !ok {
				return fmt.Errorf("dtype %q is not supported; expected F64, F32, F16, BF16, an integer, BOOL or F8", s)
			}
			info.Type = t
		case "shape":
			shape, err := decodeNumbers(dec, math.MaxInt)
			if err != nil {
				return fmt.Errorf("shape: %w", err)
			}
			info.Shape = make([]int, len(shape))
			for i, d := range shape {
				info.Shape[i] = int(d)
			}
		case "data_offsets":
			o, err := decodeNumbers(dec, math.MaxUint64)
			if err != nil {
				return fmt.Errorf("data_offsets: %w", err)
			}
			if len(o) != 2 || o[0] > o[1] {
				return fmt.Errorf("data_offsets %v: expected a begin and an end", o)
			}
			span = [2]uint64{o[0], o[1]}
		default:
			return skipValue(dec)
		}
		return nil
	})
	if err != nil {
		return info, span, err
	}
	for _, key := range []string{"dtype", "shape", "data_offsets"} {
		if !seen[key] {
			return info, span, fmt.Errorf("%q is missing", key)
		}
	}
	if info.Bytes, err = sizeOf(info.Type, info.Shape); err != nil {
		return info, span, err
	}
	if uint64(info.Bytes) != span[1]-span[0] {
		return info, span, fmt.Errorf("%s of shape %v takes %d bytes, data_offsets %v hold %d",
			typeName(info.Type), info.Shape, info.Bytes, span, span[1]-span[0])
	}
	return info, span, nil
}

func decodeMetadata(dec *json.Decoder, into map[string]any) error {
	err := eachKey(dec, func(key string) error {
		var s string
		if _, twice := into[key]; twice {
			return fmt.Errorf("%q appears twice", key)
		}
		if err := dec.Decode(&s); err != nil {
			return fmt.Errorf("%q: expected a string: %w", key, err)
		}
		into[key] = s
		return nil
	})
	if err != nil {
		return fmt.Errorf("%s: %w", metadataKey, err)
	}
	return nil
}

// eachKey reads a JSON object, calling f after each key; f consumes the value.
func eachKey(dec *json.Decoder, f func(key string) error) error {
	if err := expectDelim(dec, '{'); err != nil {
		return err
	}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return err
		}
		key, ok := tok.(string)
		if !ok {
			return fmt.Errorf("expected a key, found %v", tok)
		}
		if err := f(key); err != nil {
			return err
		}
	}
	return expectDelim(dec, '}')
}

func expectDelim(dec *json.Decoder, want json.Delim) error {
	tok, err := dec.Token()
	if err != nil {
		return fmt.Errorf("expected %q: %w", want, err)
	}
	if tok != want {
		return fmt.Errorf("expected %q, found %v", want, tok)
	}
	return nil
}

// decodeNumbers reads a JSON array of whole numbers from 0 to limit.
func decodeNumbers(dec *json.Decoder, limit uint64) ([]uint64, error) {
	if err := expectDelim(dec, '['); err != nil {
		return nil, err
	}
	var out []uint64
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return nil, err
		}
		number, ok := tok.(json.Number)
		if !ok {
			return nil, fmt.Errorf("expected a whole number, found %v", tok)
		}
		v, err := strconv.ParseUint(number.String(), 10, 64)
		if err != nil || v > limit {
			return nil, fmt.Errorf("expected a whole number from 0 to %d, found %s", limit, number)
		}
		out = append(out, v)
	}
	return out, expectDelim(dec, ']')
}

// skipValue reads past a value of any kind, using no memory for it.
func skipValue(dec *json.Decoder) error {
	for depth := 0; ; {
		tok, err := dec.Token()
		if err != nil {
			return err
		}
		if d, ok := tok.(json.Delim); ok {
			if d == '{' || d == '[' {
				depth++
			} else {
				depth--
			}
		}
		if depth == 0 {
			return nil
		}
		if depth > 1000 {
			return errors.New("nested too deeply")
		}
	}
}
