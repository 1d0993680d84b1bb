package structuretest

import (
	"bytes"
	"fmt"
	"math"
	"path/filepath"
	"testing"

	"github.com/eckart-go/eckart/checkpoint"
	"github.com/eckart-go/eckart/quant"
	"github.com/eckart-go/eckart/structure"
)

// checkSaved saves the layer, in GGUF and, unless it has blocks, in safetensors, loads it and compares all that is stored.
func checkSaved(t *testing.T, layer structure.Layer) {
	t.Helper()
	plain := true
	for _, p := range layer.Parts() {
		plain = plain && p.Type.BlockSize() == 1
	}
	const name = "model.layers.7.mlp.down_proj"
	index := structure.Index{name: structure.Describe(layer)}
	infos, err := structure.Infos(name, layer)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "saved.gguf")
	w, err := checkpoint.CreateGGUF(path, infos, map[string]any{
		"general.architecture": "llama", structure.MetadataKey: index.Metadata(),
	})
	checkReloaded(t, layer, name, path, w, err)
	if plain {
		path = filepath.Join(t.TempDir(), "saved.safetensors")
		w, err = checkpoint.CreateSafetensors(path, infos, map[string]string{structure.MetadataKey: index.Metadata()})
		checkReloaded(t, layer, name, path, w, err)
	}
}

func checkReloaded(t *testing.T, layer structure.Layer, name, path string, w *checkpoint.Writer, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if err := structure.Save(w, name, layer); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := checkpoint.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	index, err := structure.ReadIndex(c)
	if err != nil {
		t.Fatal(err)
	}
	if index[name] != structure.Describe(layer) {
		t.Fatalf("%s: read as %+v, saved as %+v", path, index[name], structure.Describe(layer))
	}
	got, err := structure.Load(c, name, index[name])
	if err != nil {
		t.Fatal(err)
	}
	if got.Cost() != layer.Cost() {
		t.Errorf("%s: cost %+v, saved with %+v", path, got.Cost(), layer.Cost())
	}
	parts := got.Parts()
	for i, p := range layer.Parts() {
		q := parts[i]
		if q.Name != p.Name || q.Type != p.Type || fmt.Sprint(q.Shape) != fmt.Sprint(p.Shape) || !bytes.Equal(q.Blocks, p.Blocks) {
			t.Errorf("%s: part %d is %s %v %v, saved as %s %v %v", path, i, q.Name, q.Type, q.Shape, p.Name, p.Type, p.Shape)
			continue
		}
		for k, v := range p.Float32 {
			if e := math.Abs(float64(q.Float32[k]) - float64(v)); !(e <= unit(p.Type)*math.Abs(float64(v))) {
				t.Errorf("%s: part %s: value %d is %v, saved as %v in %v", path, p.Name, k, q.Float32[k], v, p.Type)
				break
			}
		}
	}
}

// unit is the relative rounding error of a plain type, for normal numbers.
func unit(t quant.Type) float64 {
	switch t {
	case quant.F16:
		return 0x1p-11
	case quant.BF16:
		return 0x1p-8
	}
	return 0
}
