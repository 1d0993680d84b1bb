package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eckart-go/eckart/quant"
)

// hostile is a damaged or malicious input and a part of the error that it must give.
type hostile struct {
	name string
	data []byte
	want string
}

// rawSafetensors joins a header of the declared length, as it is, and a body.
func rawSafetensors(header string, body int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, body)...)
}

func hostileSafetensors() []hostile {
	tensor := func(name, dtype, shape, offsets string) string {
		return fmt.Sprintf(`"%s":{"dtype":"%s","shape":%s,"data_offsets":%s}`, name, dtype, shape, offsets)
	}
	a := tensor("a", "F32", "[2]", "[0,8]")
	declare := func(n uint64) []byte { return append(binary.LittleEndian.AppendUint64(nil, n), "{}"...) }
	return []hostile{
		{"shorter than its length", []byte{1, 2, 3}, "at least 8: truncated download?"},
		{"header past the end", declare(1 << 20), "a header of 1048576 bytes declared, 2 in the file: truncated download?"},
		{"header above the limit", declare(100_000_001), "a header of 100000001 bytes declared, at most 100000000 allowed"},
		{"greatest header", declare(1<<64 - 1), "at most 100000000 allowed"},
		{"empty header", declare(0), "does not start with '{'"},
		{"not JSON", rawSafetensors(`{"a"`, 0), "header: "},
		{"an array", rawSafetensors(`[1]`, 0), "does not start with '{'"},
		{"invalid UTF-8", rawSafetensors("{\"\xff\":1}", 0), "not valid UTF-8"},
		{"data after the header", rawSafetensors(`{}{}`, 0), "data after the JSON object"},
		{"duplicate tensor", rawSafetensors(`{`+a+`,`+a+`}`, 8), `"a" appears twice`},
		{"duplicate field", rawSafetensors(`{"a":{"dtype":"F32","dtype":"F16","shape":[2],"data_offsets":[0,8]}}`, 8), `tensor "a": "dtype" appears twice`},
		{"duplicate metadata", rawSafetensors(`{"__metadata__":{"k":"1","k":"2"}}`, 0), `__metadata__: "k" appears twice`},
		{"metadata that is no string", rawSafetensors(`{"__metadata__":{"k":1}}`, 0), `"k": expected a string`},
		{"unknown dtype", rawSafetensors(`{`+tensor("a", "F31", "[2]", "[0,8]")+`}`, 8), `tensor "a": dtype "F31" is not supported`},
		{"missing field", rawSafetensors(`{"a":{"dtype":"F32","shape":[2]}}`, 8), `tensor "a": "data_offsets" is missing`},
		{"negative dimension", rawSafetensors(`{`+tensor("a", "F32", "[-2]", "[0,8]")+`}`, 8), "expected a whole number"},
		{"fractional dimension", rawSafetensors(`{`+tensor("a", "F32", "[2.5]", "[0,8]")+`}`, 8), "expected a whole number"},
		{"overflowing product", rawSafetensors(`{`+tensor("a", "F32", "[4294967296,4294967296]", "[0,8]")+`}`, 8), "product of the dimensions [4294967296 4294967296] overflows"},
		{"overflowing bytes", rawSafetensors(`{`+tensor("a", "F64", "[4611686018427387904]", "[0,8]")+`}`, 8), "overflows"},
		{"offsets backwards", rawSafetensors(`{`+tensor("a", "F32", "[2]", "[8,0]")+`}`, 8), "expected a begin and an end"},
		{"three offsets", rawSafetensors(`{`+tensor("a", "F32", "[2]", "[0,8,8]")+`}`, 8), "expected a begin and an end"},
		{"size and offsets differ", rawSafetensors(`{`+tensor("a", "F32", "[3]", "[0,8]")+`}`, 8), "F32 of shape [3] takes 12 bytes, data_offsets [0 8] hold 8"},
		{"past the end", rawSafetensors(`{`+a+`}`, 4), `tensor "a": bytes 0 to 8 declared, 4 in the file: truncated download?`},
		{"left-over bytes", rawSafetensors(`{`+a+`}`, 9), "the tensors end at byte 8, the file has 9: left-over bytes"},
		{"hole", rawSafetensors(`{`+a+`,`+tensor("b", "F32", "[2]", "[12,20]")+`}`, 20), `tensor "b": starts at byte 12, expected 8: a hole in the file`},
		{"overlap", rawSafetensors(`{`+a+`,`+tensor("b", "F32", "[2]", "[4,12]")+`}`, 12), `tensor "b": starts at byte 4, inside the tensor that ends at 8: overlapping offsets`},
		{"same place", rawSafetensors(`{`+a+`,`+tensor("b", "F32", "[2]", "[0,8]")+`}`, 8), "overlapping offsets"},
		{"deep nesting", rawSafetensors(`{"a":{"x":`+strings.Repeat("[", 5000)+`}}`, 0), "nested too deeply"},
	}
}

// rawGGUF is a header with the given counts, followed by parts.
func rawGGUF(version uint32, tensors, pairs uint64, parts ...[]byte) []byte {
	b := binary.LittleEndian.AppendUint32([]byte("GGUF"), version)
	b = binary.LittleEndian.AppendUint64(b, tensors)
	b = binary.LittleEndian.AppendUint64(b, pairs)
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

func ggufPair(key string, kind uint32, value ...any) []byte {
	b := binary.LittleEndian.AppendUint32(appendGGUFString(nil, key), kind)
	for _, v := range value {
		b, _ = binary.Append(b, binary.LittleEndian, v)
	}
	return b
}

func ggufTensor(name string, kind uint32, offset uint64, dims ...uint64) []byte {
	b := binary.LittleEndian.AppendUint32(appendGGUFString(nil, name), uint32(len(dims)))
	for _, d := range dims {
		b = binary.LittleEndian.AppendUint64(b, d)
	}
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint32(b, kind), offset)
}

func hostileGGUF() []hostile {
	f32 := uint32(quant.F32)
	space := make([]byte, 512)
	nested := ggufPair("k", ggufArray)
	for range 8 {
		nested = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint32(nested, ggufArray), 1)
	}
	return []hostile{
		{"magic only", []byte("GGUF"), "version: 4 bytes expected at byte 4, 0 in the file: truncated download?"},
		{"big-endian", []byte("FUGG\x00\x00\x00\x03"), "big-endian GGUF"},
		{"version 1", rawGGUF(1, 0, 0), "GGUF version 1, expected 2 or 3"},
		{"version of the other byte order", rawGGUF(3<<24, 0, 0), "expected 2 or 3"},
		{"huge tensor count", rawGGUF(3, 1<<60, 0, space), "1152921504606846976 tensors declared, the 512 bytes that follow cannot hold them"},
		{"huge key count", rawGGUF(3, 0, 1<<63, space), "9223372036854775808 keys declared"},
		{"huge string", rawGGUF(3, 0, 1, ggufPair("k", ggufString, uint64(1<<63)), space), `key "k": string: 9223372036854775808 bytes expected`},
		{"huge key", rawGGUF(3, 0, 1, binary.LittleEndian.AppendUint64(nil, 1<<40), space), "key 0: key: 1099511627776 bytes expected"},
		{"huge array", rawGGUF(3, 0, 1, ggufPair("k", ggufArray, ggufFloat64, uint64(1<<60)), space), `key "k": an array of 1152921504606846976 elements declared`},
		{"huge array of strings", rawGGUF(3, 0, 1, ggufPair("k", ggufArray, ggufString, uint64(64)), space[:100]), `an array of 64 elements declared, 100 bytes left`},
		{"string in an array past the end", rawGGUF(3, 0, 1, ggufPair("k", ggufArray, ggufString, uint64(2), uint64(0), uint64(600)), space), "element 1: string: 600 bytes expected"},
		{"nested arrays", rawGGUF(3, 0, 1, nested, space), "arrays nested more than 4 deep"},
		{"unknown value type", rawGGUF(3, 0, 1, ggufPair("k", 13), space), "value type 13 is not known"},
		{"unknown array type", rawGGUF(3, 0, 1, ggufPair("k", ggufArray, uint32(99), uint64(1)), space), "array of type 99, which is not known"},
		{"bool of 2", rawGGUF(3, 0, 1, ggufPair("k", ggufBool, uint8(2)), space), "is 2, expected 0 or 1"},
		{"duplicate key", rawGGUF(3, 0, 2, ggufPair("k", ggufUint8, uint8(1)), ggufPair("k", ggufUint8, uint8(1)), space), `key "k" appears twice`},
		{"alignment not a power of two", rawGGUF(3, 0, 1, ggufPair(alignmentKey, ggufUint32, uint32(48)), space), "general.alignment is 48, expected a power of two"},
		{"alignment of zero", rawGGUF(3, 0, 1, ggufPair(alignmentKey, ggufUint32, uint32(0)), space), "general.alignment is 0, expected a power of two"},
		{"alignment of another type", rawGGUF(3, 0, 1, ggufPair(alignmentKey, ggufInt8, int8(32)), space), "general.alignment is a int8, expected a uint32"},
		{"no dimensions", rawGGUF(3, 1, 0, ggufTensor("a", f32, 0), space), `tensor "a": 0 dimensions, expected 1 to 4`},
		{"five dimensions", rawGGUF(3, 1, 0, ggufTensor("a", f32, 0, 1, 1, 1, 1, 1), space), `tensor "a": 5 dimensions, expected 1 to 4`},
		{"dimension of zero", rawGGUF(3, 1, 0, ggufTensor("a", f32, 0, 4, 0), space), `tensor "a": dimension 1 is 0`},
		{"negative dimension", rawGGUF(3, 1, 0, ggufTensor("a", f32, 0, 1<<63), space), `tensor "a": dimension 0 is 9223372036854775808`},
		{"overflowing product", rawGGUF(3, 1, 0, ggufTensor("a", f32, 0, 1<<31, 1<<31, 1<<31), space), "overflows"},
		{"overflowing bytes", rawGGUF(3, 1, 0, ggufTensor("a", f32, 0, 1<<62), space), "overflows"},
		{"unknown type", rawGGUF(3, 1, 0, ggufTensor("a", 4, 0, 32), space), `tensor "a": element type 4 is not supported`},
		{"row of no whole blocks", rawGGUF(3, 1, 0, ggufTensor("a", uint32(quant.Q4_K), 0, 32), space), "the last dimension must be a multiple of Q4_K's block size 256"},
		{"long name", rawGGUF(3, 1, 0, ggufTensor(strings.Repeat("n", 65), f32, 0, 1), space), "a name of 65 bytes, at most 64 allowed"},
		{"duplicate tensor", rawGGUF(3, 2, 0, ggufTensor("a", f32, 0, 1), ggufTensor("a", f32, 32, 1), space), `tensor "a" appears twice`},
		{"offset off the alignment", rawGGUF(3, 1, 0, ggufTensor("a", f32, 4, 1), space), `tensor "a": offset 4 is no multiple of the alignment 32`},
		{"overlap", rawGGUF(3, 2, 0, ggufTensor("a", f32, 0, 16), ggufTensor("b", f32, 32, 1), space), `tensor "b": starts at offset 32, inside the tensor that ends at 64: overlapping offsets`},
		{"hole", rawGGUF(3, 2, 0, ggufTensor("a", f32, 0, 1), ggufTensor("b", f32, 64, 1), space), `tensor "b": starts at offset 64, expected 32: a hole in the file`},
		{"data past the end", rawGGUF(3, 1, 0, ggufTensor("a", f32, 0, 1000), space), `tensor "a": 4000 bytes at offset 0 of the data declared`},
		{"offset past the end", rawGGUF(3, 1, 0, ggufTensor("a", f32, 1<<63, 1), space), `tensor "a": 4 bytes at offset 9223372036854775808 of the data declared`},
	}
}

func llama2cFile(size int, header ...int32) []byte {
	b := []byte{}
	for _, h := range header {
		b = binary.LittleEndian.AppendUint32(b, uint32(h))
	}
	return append(b, make([]byte, max(0, size-len(b)))...)
}

func hostileLlama2c() []hostile {
	return []hostile{
		{"half a header", llama2cFile(20), "20 bytes, a llama2.c export has a header of 28"},
		{"version 1", llama2cFile(100, llama2cMagic, 1), "version 1 or later; export it with --version 0"},
		{"all zero", llama2cFile(100), "number 0 of the header is 0"},
		{"negative layers", llama2cFile(100, 8, 8, -1, 2, 2, 8, 8), "number 2 of the header is -1"},
		{"least vocabulary", llama2cFile(100, 8, 8, 1, 2, 2, -1<<31, 8), "number 5 of the header is -2147483648"},
		{"too many layers", llama2cFile(100, 8, 8, 5000, 2, 2, 8, 8), "5000 layers"},
		{"odd heads", llama2cFile(100, 9, 8, 1, 2, 2, 8, 8), "do not divide"},
		{"huge", llama2cFile(100, 1<<24, 1<<24, 4096, 2, 2, 1<<24, 1<<24), "a model of dim 16777216 with 4096 layers overflows"},
		{"truncated", llama2cFile(100, 8, 8, 1, 2, 2, 8, 8), "the file has 100: truncated"},
	}
}

// Each hostile file gives its own clear error, naming the file, and none allocates by what it declares.
func TestHostileFiles(t *testing.T) {
	dir := t.TempDir()
	for ext, cases := range map[string][]hostile{
		".safetensors": append(hostileSafetensors(), hostile{"empty", nil, "the file is empty"}),
		".gguf": append(hostileGGUF(), hostile{"empty", nil, "the file is empty"},
			hostile{"wrong magic", []byte("ZIPFabcd"), `expected the magic "GGUF" of a GGUF file, found "ZIPF"`}),
		".bin": append(hostileLlama2c(), hostile{"empty", nil, "the file is empty"}),
		".dat": {{"unknown", []byte("hello, world"), `found a file starting with "hello, w"`}},
	} {
		for _, tc := range cases {
			t.Run(ext[1:]+"/"+tc.name, func(t *testing.T) {
				path := filepath.Join(dir, "x"+ext)
				if err := os.WriteFile(path, tc.data, 0o666); err != nil {
					t.Fatal(err)
				}
				var err error
				allocated := allocatedBy(func() { _, err = Open(path) })
				if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), path) {
					t.Errorf("got error %v, want one about %s with %q", err, path, tc.want)
				}
				if limit := allocationLimit(len(tc.data)); allocated > limit {
					t.Errorf("%d bytes allocated for a file of %d, at most %d allowed", allocated, len(tc.data), limit)
				}
			})
		}
	}
}

func TestHostileIndex(t *testing.T) {
	shard := buildSafetensors(t, "w", 2)
	for _, tc := range []struct{ name, index, want string }{
		{"parent folder", `{"weight_map":{"w":"../model.safetensors"}}`, `shard "../model.safetensors" is not a plain file name`},
		{"absolute", `{"weight_map":{"w":"/etc/passwd.safetensors"}}`, "is not a plain file name"},
		{"backslashes", `{"weight_map":{"w":"..\\a.safetensors"}}`, "is not a plain file name"},
		{"drive", `{"weight_map":{"w":"c:a.safetensors"}}`, "is not a plain file name"},
		{"subfolder", `{"weight_map":{"w":"a/b.safetensors"}}`, "is not a plain file name"},
		{"itself", `{"weight_map":{"w":"model.safetensors.index.json"}}`, "is not a .safetensors file"},
		{"empty name", `{"weight_map":{"w":""}}`, "is not a plain file name"},
		{"no such shard", `{"weight_map":{"w":"b.safetensors"}}`, "b.safetensors"},
		{"tensor elsewhere", `{"weight_map":{"v":"a.safetensors","w":"a.safetensors"}}`, `tensor "v": not in a.safetensors`},
		{"tensor not in the index", `{"weight_map":{"v":"a.safetensors"}}`, `tensor "w": the index does not place it in this shard`},
		{"duplicate", `{"weight_map":{"w":"a.safetensors","w":"a.safetensors"}}`, `tensor "w" appears twice`},
		{"two maps", `{"weight_map":{"w":"a.safetensors"},"weight_map":{}}`, `"weight_map" appears twice`},
		{"no map", `{"metadata":{"total_size":1}}`, `no "weight_map"`},
		{"number for a name", `{"weight_map":{"w":1}}`, "expected a file name"},
		{"not JSON", `{`, "EOF"},
		{"data after it", `{"weight_map":{"w":"a.safetensors"}} x`, "data after the JSON object"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			writeTestFile(t, filepath.Join(dir, indexName), []byte(tc.index))
			writeTestFile(t, filepath.Join(dir, "a.safetensors"), shard)
			c, err := Open(dir)
			if err == nil {
				c.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got error %v, want one with %q", err, tc.want)
			}
		})
	}
}

func TestOpenWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "a folder without model.safetensors.index.json") {
		t.Errorf("empty folder: %v", err)
	}
	if _, err := Open(filepath.Join(dir, "none.gguf")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	for _, name := range []string{"a.gguf", "b.gguf"} {
		writeTestFile(t, filepath.Join(dir, name), []byte("GGUF"))
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "expected one checkpoint, found 2 files such as a.gguf") {
		t.Errorf("ambiguous folder: %v", err)
	}
}
