package model

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/eckart-go/eckart/checkpoint"
	"github.com/eckart-go/eckart/structure"
)

// exactFactors returns W as B A with A = W and B the identity, or the other way round for tall W: the same map to the last
// bit, in another structure. The bias is kept.
func exactFactors(t *testing.T, l *Llama, block int, name string) structure.Layer {
	t.Helper()
	full := "model.layers." + string(rune('0'+block)) + "." + name
	info, ok := l.source.Info(full + ".weight")
	if !ok {
		t.Fatalf("no %s", full)
	}
	w, err := l.source.Float32(full+".weight", nil)
	if err != nil {
		t.Fatal(err)
	}
	var bias []float32
	if l.source.Has(full + ".bias") {
		if bias, err = l.source.Float32(full+".bias", nil); err != nil {
			t.Fatal(err)
		}
	}
	m, n := info.Shape[0], info.Shape[1]
	identity := make([]float32, min(m, n)*min(m, n))
	for i := range min(m, n) {
		identity[i*min(m, n)+i] = 1
	}
	if m <= n {
		return structure.LowRankOf(m, n, m, identity, w, bias)
	}
	return structure.LowRankOf(m, n, n, w, identity, bias)
}

// TestLayersInPlaceOfWeights replaces every linear layer by factors of the same map and expects the oracle's logits, both
// streamed and resident, and the dense weights back afterwards.
func TestLayersInPlaceOfWeights(t *testing.T) {
	ctx := context.Background()
	for _, name := range tinyModels {
		l, g := openTiny(t, name, Options{})
		vocab := l.Config().Vocab
		check := func(what string) {
			t.Helper()
			logits, err := l.Logits(ctx, g.Tokens)
			if err != nil {
				t.Fatal(err)
			}
			for i := range g.Tokens {
				g.checkRow(t, name+" "+what, i, logits[i*vocab:(i+1)*vocab])
			}
			s, err := l.NewSession(ctx, SessionOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			row, err := s.Append(ctx, g.Tokens)
			if err != nil {
				t.Fatal(err)
			}
			g.checkRow(t, name+" session "+what, len(g.Tokens)-1, row)
		}
		for _, linear := range Linears() { // blocks of different structures, then of the same
			for block := range l.Config().Layers {
				if err := l.SetLinear(block, linear, exactFactors(t, l, block, linear)); err != nil {
					t.Fatal(err)
				}
				check(linear)
			}
		}
		if l.Linear(1, "mlp.up_proj") == nil || l.Linear(1, "mlp.up_proj").Kind() != "lowrank" {
			t.Error("Linear does not return what SetLinear was given")
		}
		for _, linear := range Linears() {
			for block := range l.Config().Layers {
				if err := l.SetLinear(block, linear, nil); err != nil {
					t.Fatal(err)
				}
			}
		}
		check("dense again")
		if err := l.SetLinear(0, "mlp.up_proj", structure.NewDense(2, 3, make([]float32, 6), nil)); err == nil {
			t.Error("a layer of the wrong shape was set")
		}
	}
}

// TestStoredStructuresRun writes tiny-qwen2 with factors for every second linear layer and runs the file.
func TestStoredStructuresRun(t *testing.T) {
	ctx := context.Background()
	l, g := openTiny(t, "tiny-qwen2", Options{})
	index := structure.Index{}
	layers := map[string]structure.Layer{}
	var infos []checkpoint.Info
	replaced := map[string]bool{}
	for block := range l.Config().Layers {
		for j, linear := range Linears() {
			if (block+j)%2 == 0 {
				continue
			}
			name := "model.layers." + string(rune('0'+block)) + "." + linear
			layers[name] = exactFactors(t, l, block, linear)
			index[name] = structure.Describe(layers[name])
			replaced[name+".weight"], replaced[name+".bias"] = true, true
			more, err := structure.Infos(name, layers[name])
			if err != nil {
				t.Fatal(err)
			}
			infos = append(infos, more...)
		}
	}
	var dense []checkpoint.Info
	for _, info := range l.source.Tensors() {
		if !replaced[info.Name] {
			dense = append(dense, info)
		}
	}
	dir := t.TempDir()
	w, err := checkpoint.CreateSafetensors(filepath.Join(dir, "model.safetensors"), append(infos, dense...), map[string]string{structure.MetadataKey: index.Metadata()})
	if err != nil {
		t.Fatal(err)
	}
	for name, layer := range layers {
		if err := structure.Save(w, name, layer); err != nil {
			t.Fatal(err)
		}
	}
	for _, info := range dense {
		values, err := l.source.Float32(info.Name, nil)
		if err == nil {
			err = w.WriteFloat32(info.Name, values)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile("testdata/tiny-qwen2/config.json")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "config.json"), config, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	again, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	logits, err := again.Logits(ctx, g.Tokens)
	if err != nil {
		t.Fatal(err)
	}
	vocab := l.Config().Vocab
	for i := range g.Tokens {
		g.checkRow(t, "stored factors", i, logits[i*vocab:(i+1)*vocab])
	}
}
