package checkpoint

import (
	"testing"

	"github.com/eckart-go/eckart/internal/testdata"
	"github.com/eckart-go/eckart/quant"
)

func TestStories260K(t *testing.T) {
	m, err := OpenModel(testdata.Path(t, "stories260k/stories260K.bin"))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	c := m.Config()
	if c.Hidden != 64 || c.Intermediate != 172 || c.Layers != 5 || c.Heads != 8 || c.KVHeads != 4 || c.HeadDim != 8 ||
		c.Vocab != 512 || c.MaxPositions != 512 || !c.TiedEmbeddings || c.QKVBias {
		t.Errorf("unexpected configuration %+v", c)
	}
	total := 0
	for _, info := range m.Tensors() {
		total += info.Elements()
	}
	if want := 264128 - 512*8; total != want { // the README's count, less the RoPE tables
		t.Errorf("%d weights, want %d", total, want)
	}
}

func TestSmolLM2(t *testing.T) {
	m, err := OpenModel(testdata.Model(t, "ECKART_SMOLLM2"))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	c := m.Config()
	if c.Vocab != 49152 || c.Layers != 30 || c.HeadDim != 64 || c.RopeTheta != 100000 || c.NormEps != 1e-5 || !c.TiedEmbeddings {
		t.Errorf("unexpected configuration %+v", c)
	}
	kind, _, rows, cols, err := m.Blocks("model.layers.3.self_attn.k_proj.weight")
	if err != nil || kind != quant.Q4_1 || rows != 192 || cols != 576 {
		t.Errorf("k_proj is %v, %d x %d, %v", kind, rows, cols, err)
	}
}
