package checkpoint

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/eckart-go/eckart/quant"
)

// TestReleaseKeepsTheBytes releases tensors of many sizes, on shared pages and across them, and reads all again.
func TestReleaseKeepsTheBytes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.safetensors")
	var infos []Info
	for i, n := range []int{1, 1000, 5000, 1024, 3, 70000} {
		info, err := NewInfo(string(rune('a'+i)), quant.F32, n)
		if err != nil {
			t.Fatal(err)
		}
		infos = append(infos, info)
	}
	w, err := CreateSafetensors(path, infos, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range infos {
		values := make([]float32, info.Elements())
		for i := range values {
			values[i] = float32(i) + float32(info.Name[0])
		}
		if err := w.WriteFloat32(info.Name, values); err != nil {
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
	before := map[string][]byte{}
	for _, info := range infos {
		raw, err := c.Raw(info.Name)
		if err != nil {
			t.Fatal(err)
		}
		before[info.Name] = slices.Clone(raw)
	}
	c.Release("no such tensor")
	for _, info := range infos {
		c.Release(info.Name)
		for _, other := range infos {
			raw, err := c.Raw(other.Name)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(raw, before[other.Name]) {
				t.Errorf("%s changed when %s was released", other.Name, info.Name)
			}
		}
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if at, ok := c.maps[0].offset(before["a"]); ok {
		t.Errorf("memory outside the mapping is found in it, at %d", at)
	}
	for _, info := range infos {
		raw, _ := c.Raw(info.Name)
		at, ok := c.maps[0].offset(raw)
		if !ok || !bytes.Equal(file[at:at+len(raw)], raw) {
			t.Errorf("%s: offset %d, %v, is not where the file has it", info.Name, at, ok)
		}
	}
}
