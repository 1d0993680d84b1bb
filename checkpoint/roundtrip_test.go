package checkpoint

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/eckart-go/eckart/quant"
)

// everyGGUFValue has a value of every type that metadata can have.
func everyGGUFValue() map[string]any {
	return map[string]any{
		"a.u8": uint8(200), "a.i8": int8(-3), "a.u16": uint16(60000), "a.i16": int16(-300), "a.u32": uint32(4e9), "a.i32": int32(-70000),
		"a.f32": float32(1.5), "a.bool": true, "a.string": "naïve ▁\x00", "a.u64": uint64(1 << 63), "a.i64": int64(-1 << 62), "a.f64": 0.1,
		"b.u8": []uint8{1, 2}, "b.i8": []int8{-1}, "b.u16": []uint16{1}, "b.i16": []int16{-1}, "b.u32": []uint32{1}, "b.i32": []int32{-1, 7},
		"b.f32": []float32{1, -2}, "b.bool": []bool{true, false}, "b.strings": []string{"", "a", "日本"}, "b.u64": []uint64{1}, "b.i64": []int64{-1},
		"b.f64": []float64{math.Pi}, "b.empty": []string{}, "c.nested": []any{[]int32{1, 2}, []any{[]string{"x"}}},
	}
}

// drawTensors makes a list of distinct tensors with random bytes, whose types come from the given ones.
func drawTensors(t *rapid.T, types []quant.Type, rank int, least int) ([]Info, map[string][]byte) {
	names := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z"\\/<é]{1,12}`), 0, 6, rapid.ID).Draw(t, "names")
	data := map[string][]byte{}
	var infos []Info
	for _, name := range names {
		kind := rapid.SampledFrom(types).Draw(t, "type")
		shape := rapid.SliceOfN(rapid.IntRange(least, 3), least, rank).Draw(t, "shape")
		if b := kind.BlockSize(); b > 1 {
			shape = append(shape[:max(0, len(shape)-1)], b*rapid.IntRange(1, 2).Draw(t, "blocks"))
		}
		info, err := NewInfo(name, kind, shape...)
		if err != nil {
			t.Fatal(err)
		}
		n := int(info.Bytes)
		infos, data[name] = append(infos, info), rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "bytes")
	}
	return infos, data
}

// writeAll writes tensors in another order than they were announced in.
func writeAll(w *Writer, infos []Info, data map[string][]byte) error {
	for i := range infos {
		name := infos[len(infos)-1-i].Name
		if err := w.Write(name, data[name]); err != nil {
			return err
		}
	}
	return w.Close()
}

func compareTensors(t *rapid.T, c *Checkpoint, infos []Info, data map[string][]byte) {
	if len(c.Tensors()) != len(infos) {
		t.Fatalf("%d tensors read, %d written", len(c.Tensors()), len(infos))
	}
	for _, info := range infos {
		got, ok := c.Info(info.Name)
		if !ok || got.Type != info.Type || fmt.Sprint(got.Shape) != fmt.Sprint(info.Shape) {
			t.Fatalf("read %+v, wrote %+v", got, info)
		}
		raw, err := c.Raw(info.Name)
		if err != nil || string(raw) != string(data[info.Name]) {
			t.Fatalf("tensor %q: %v, bytes differ", info.Name, err)
		}
	}
}

func TestSafetensorsRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.safetensors")
	types := []quant.Type{quant.F64, quant.F32, quant.F16, quant.BF16, quant.I64, quant.I8, U8, U16, Bool, F8E4M3}
	rapid.Check(t, func(t *rapid.T) {
		infos, data := drawTensors(t, types, 5, 0)
		meta := rapid.MapOfN(rapid.String(), rapid.String(), 0, 3).Draw(t, "metadata")
		w, err := CreateSafetensors(path, infos, meta)
		if err == nil {
			err = writeAll(w, infos, data)
		}
		if err != nil {
			t.Fatal(err)
		}
		c, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		compareTensors(t, c, infos, data)
		want := map[string]any{"format": "pt"}
		for k, v := range meta {
			if k != "format" {
				want[k] = v
			}
		}
		if d := cmp.Diff(want, c.Metadata()); d != "" {
			t.Fatal(d)
		}
	})
}

func TestGGUFRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.gguf")
	types := []quant.Type{quant.F32, quant.F16, quant.BF16, quant.Q4_0, quant.Q4_1, quant.Q5_0, quant.Q8_0, quant.Q2_K, quant.Q6_K, quant.I32}
	rapid.Check(t, func(t *rapid.T) {
		infos, data := drawTensors(t, types, 4, 1)
		meta := everyGGUFValue()
		meta[alignmentKey] = uint32(1) << rapid.IntRange(0, 8).Draw(t, "alignment")
		meta["random.string"] = rapid.String().Draw(t, "string")
		w, err := CreateGGUF(path, infos, meta)
		if err == nil {
			err = writeAll(w, infos, data)
		}
		if err != nil {
			t.Fatal(err)
		}
		c, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		compareTensors(t, c, infos, data)
		if d := cmp.Diff(withGGUFDefaults(infos, meta), c.Metadata()); d != "" {
			t.Fatal(d)
		}
	})
}

// A file cut at any place gives an error, and one that says so.
func TestTruncatedFiles(t *testing.T) {
	dir := t.TempDir()
	gguf := filepath.Join(dir, "x.gguf")
	infos := []Info{{"a", quant.F32, []int{100}, 400}, {"b", quant.Q8_0, []int{2, 64}, 136}}
	w, err := CreateGGUF(gguf, infos, everyGGUFValue())
	if err == nil {
		err = writeAll(w, infos, map[string][]byte{"a": make([]byte, 400), "b": make([]byte, 136)})
	}
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(gguf)
	if err != nil {
		t.Fatal(err)
	}
	whole = whole[:len(whole)-padding(136+padding(400, 32)+400, 32)] // the last padding is no loss
	llama := llama2cShape{dim: 8, hidden: 8, layers: 2, heads: 2, kvHeads: 1, vocab: 16, seq: 4, tied: false}
	_, size, err := llama.layout()
	if err != nil {
		t.Fatal(err)
	}
	for ext, file := range map[string][]byte{
		".gguf": whole, ".safetensors": buildSafetensors(t, "weight", 200), ".bin": llama2cFile(int(size), 8, 8, 2, 2, 1, -16, 4),
	} {
		path := filepath.Join(dir, "cut"+ext)
		writeTestFile(t, path, file)
		c, err := Open(path)
		if err != nil {
			t.Fatalf("%s: whole: %v", ext, err)
		}
		c.Close()
		for i := range 20 {
			n := len(file) * i / 20
			writeTestFile(t, path, file[:n])
			_, err := Open(path)
			if err == nil || !strings.Contains(err.Error(), path) || n > 8 && !strings.Contains(err.Error(), "truncated") {
				t.Errorf("%s cut to %d of %d bytes: %v", ext, n, len(file), err)
			}
		}
	}
}

func TestShardedRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		infos, data := drawTensors(rt, []quant.Type{quant.F32, quant.BF16}, 3, 1)
		size := int64(rapid.IntRange(1, 200).Draw(rt, "shard size"))
		w, err := CreateSharded(dir, infos, map[string]string{"k": "v"}, size)
		if err == nil {
			err = writeAll(w, infos, data)
		}
		if err != nil {
			rt.Fatal(err)
		}
		c, err := Open(dir)
		if err != nil {
			rt.Fatal(err)
		}
		defer c.Close()
		compareTensors(rt, c, infos, data)
		if c.Metadata()["k"] != "v" {
			rt.Fatalf("metadata %v", c.Metadata())
		}
	})
}

func TestWriteFloat32Rounds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.safetensors")
	values := []float32{1, -2.5, 1e-3, 65504, 0}
	infos := []Info{{"f64", quant.F64, []int{5}, 40}, {"f32", quant.F32, []int{5}, 20}, {"f16", quant.F16, []int{5}, 10}, {"bf16", quant.BF16, []int{5}, 10}}
	w, err := CreateSafetensors(path, infos, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range infos {
		if err := w.WriteFloat32(i.Name, values); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for name, eps := range map[string]float64{"f64": 0, "f32": 0, "f16": 0x1p-11, "bf16": 0x1p-8} { // half a unit in the last place
		got, err := c.Float32(name, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range values {
			if !(math.Abs(float64(got[i]-v)) <= eps*math.Abs(float64(v))) {
				t.Errorf("%s: %v read, %v written", name, got[i], v)
			}
		}
	}
}

func TestWriterMistakes(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.safetensors")
	a := Info{"a", quant.F32, []int{2}, 8}
	for _, tc := range []struct {
		name string
		do   func(w *Writer) error
		want string
	}{
		{"not announced", func(w *Writer) error { return w.Write("b", nil) }, `tensor "b": was not announced`},
		{"wrong size", func(w *Writer) error { return w.Write("a", make([]byte, 4)) }, `tensor "a": 4 bytes given, F32 of shape [2] takes 8`},
		{"wrong count", func(w *Writer) error { return w.WriteFloat32("a", make([]float32, 3)) }, `3 values given, shape [2] has 2`},
		{"twice", func(w *Writer) error {
			return errors.Join(w.Write("a", make([]byte, 8)), w.Write("a", make([]byte, 8)))
		}, "was written already"},
		{"missing", func(w *Writer) error { return nil }, "was announced and never written"},
	} {
		w, err := CreateSafetensors(path, []Info{a}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(tc.do(w), w.Close()); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want an error with %q", tc.name, err, tc.want)
		}
		if left, _ := os.ReadDir(dir); len(left) != 0 {
			t.Errorf("%s: left %v behind", tc.name, left)
		}
	}
	for _, tc := range []struct {
		infos []Info
		want  string
	}{
		{[]Info{a, a}, "appears twice"},
		{[]Info{{"", quant.F32, []int{2}, 8}}, "name is empty"},
		{[]Info{{"a", quant.F32, []int{2}, 9}}, "9 bytes announced, F32 of shape [2] takes 8"},
		{[]Info{{"a", quant.Q8_0, []int{32}, 34}}, "safetensors has no type Q8_0"},
		{[]Info{{"a", quant.F32, []int{1 << 15, 1 << 15, 1 << 15, 1 << 13}, 1 << 60}}, "free some or choose another folder"},
	} {
		if _, err := CreateSafetensors(path, tc.infos, nil); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("got %v, want an error with %q", err, tc.want)
		}
	}
	if _, err := CreateGGUF(path, []Info{a}, map[string]any{"k": 1}); err == nil || !strings.Contains(err.Error(), `key "k": GGUF has no type for a Go int`) {
		t.Errorf("a Go int as metadata: %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left %v behind", left)
	}
}

// An output is complete or untouched, and has one writer.
func TestOldFileStaysUntilClose(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.safetensors")
	writeTestFile(t, path, []byte("old"))
	writeTestFile(t, path+partialSuffix, []byte("left by a run that was killed, longer than the new file will be"))
	info := []Info{{"a", quant.F32, []int{1}, 4}}
	w, err := CreateSafetensors(path, info, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := CreateSafetensors(path, info, nil); err == nil || !strings.Contains(err.Error(), "is being written by another process") {
		t.Errorf("second writer: %v", err)
	}
	if old, _ := os.ReadFile(path); string(old) != "old" {
		t.Errorf("the old file is %q while the new one is written", old)
	}
	w.Abort()
	if old, _ := os.ReadFile(path); string(old) != "old" {
		t.Errorf("the old file is %q after Abort", old)
	}
	if w, err = CreateSafetensors(path, info, nil); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.WriteFloat32("a", []float32{7}), w.Close(), w.Close()); err != nil {
		t.Fatal(err)
	}
	c, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if v, err := c.Float32("a", nil); err != nil || v[0] != 7 {
		t.Errorf("read %v, %v", v, err)
	}
	if _, err := os.Stat(path + partialSuffix); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the temporary file is still there: %v", err)
	}
	if _, err := CreateSafetensors(filepath.Join(dir, "none", "x.safetensors"), info, nil); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("missing folder: %v", err)
	}
	if _, err := CreateSafetensors(dir, info, nil); err == nil || !strings.Contains(err.Error(), "is no regular file") {
		t.Errorf("a folder as output: %v", err)
	}
}
