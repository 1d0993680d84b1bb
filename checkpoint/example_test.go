package checkpoint_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/eckart-go/eckart/checkpoint"
	"github.com/eckart-go/eckart/quant"
)

func Example() {
	dir, err := os.MkdirTemp("", "checkpoint")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "small.safetensors")

	info, err := checkpoint.NewInfo("proj.weight", quant.BF16, 2, 3)
	if err != nil {
		log.Fatal(err)
	}
	w, err := checkpoint.CreateSafetensors(path, []checkpoint.Info{info}, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer w.Abort() // does nothing after Close
	if err := w.WriteFloat32("proj.weight", []float32{1, 2, 3, 4, 5, 6}); err != nil {
		log.Fatal(err)
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}

	c, err := checkpoint.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	for _, t := range c.Tensors() {
		values, err := c.Float32(t.Name, nil)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(c.Format(), t.Name, t.Type, t.Shape, t.Bytes, values)
	}
	// Output: safetensors proj.weight BF16 [2 3] 12 [1 2 3 4 5 6]
}

func ExampleConvert() {
	dir, err := os.MkdirTemp("", "checkpoint")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "tiny-q8_0.gguf")
	err = checkpoint.Convert(context.Background(), "testdata/llama", path, checkpoint.ConvertOptions{Type: checkpoint.OutQ8_0})
	if err != nil {
		log.Fatal(err)
	}
	m, err := checkpoint.OpenModel(path)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	kind, _, rows, cols, err := m.Blocks("model.layers.0.mlp.down_proj.weight")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.Config().Architecture, m.Config().Layers, "layers,", kind, rows, "x", cols)
	// Output: llama 2 layers, Q8_0 32 x 64
}
