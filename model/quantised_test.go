package model

import (
	"context"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/eckart-go/eckart/checkpoint"
	"github.com/eckart-go/eckart/quant"
	"github.com/eckart-go/eckart/structure"
)

// int8Rounding is the relative error (root mean square) of rounding 32 normal numbers to multiples of their largest over
// 127: the largest is 2.07 deviations on average, and a step's rounding has deviation step/sqrt(12).
const int8Rounding = 2.07 / 127 / 3.4641

// distance returns the root mean square of a-b relative to that of b.
func distance(a, b []float32) float64 {
	diff, size := 0.0, 0.0
	for i := range b {
		d := float64(a[i]) - float64(b[i])
		diff += d * d
		size += float64(b[i]) * float64(b[i])
	}
	return math.Sqrt(diff / size)
}

// randomModel writes a model of one block whose rows are whole blocks of 32 and opens it.
func randomModel(t *testing.T) *Llama {
	t.Helper()
	dir := t.TempDir()
	config := `{"model_type": "llama", "vocab_size": 96, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 1,
		"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64, "rms_norm_eps": 1e-5,
		"rope_theta": 10000, "hidden_act": "silu", "tie_word_embeddings": true}`
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	shapes := map[string][]int{
		"model.embed_tokens.weight": {96, 64}, "model.norm.weight": {64},
		"model.layers.0.input_layernorm.weight": {64}, "model.layers.0.post_attention_layernorm.weight": {64},
		"model.layers.0.self_attn.q_proj.weight": {64, 64}, "model.layers.0.self_attn.k_proj.weight": {32, 64},
		"model.layers.0.self_attn.v_proj.weight": {32, 64}, "model.layers.0.self_attn.o_proj.weight": {64, 64},
		"model.layers.0.mlp.gate_proj.weight": {96, 64}, "model.layers.0.mlp.up_proj.weight": {96, 64},
		"model.layers.0.mlp.down_proj.weight": {64, 96},
	}
	var infos []checkpoint.Info
	for name, shape := range shapes {
		info, err := checkpoint.NewInfo(name, quant.F32, shape...)
		if err != nil {
			t.Fatal(err)
		}
		infos = append(infos, info)
	}
	w, err := checkpoint.CreateSafetensors(filepath.Join(dir, "model.safetensors"), infos, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range infos {
		rng := rand.New(rand.NewPCG(uint64(len(info.Name)), uint64(info.Name[len(info.Name)-9])))
		values := make([]float32, info.Elements())
		for i := range values {
			values[i] = float32(rng.NormFloat64() / 8) // 1/sqrt(64): products keep their inputs' size
			if len(info.Shape) == 1 {
				values[i]++
			}
		}
		if err := w.WriteFloat32(info.Name, values); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// TestQuantisedLayers puts all linear layers into blocks and compares with their dequantised values: what differs is that the
// inputs of few tokens are rounded to int8 (for many, blocks are expanded). A wrong scale, row or type would change the
// logits by their own size.
func TestQuantisedLayers(t *testing.T) {
	ctx := context.Background()
	l := randomModel(t)
	tokens := []int{5, 80, 31, 2, 64, 7, 7, 90, 11, 43, 0, 95, 28, 19, 33, 71, 12}
	for _, stored := range []quant.Type{quant.Q8_0, quant.Q4_0, quant.Q4_1} {
		blocks, dense := map[string]structure.Layer{}, map[string]structure.Layer{}
		for _, name := range Linears() {
			values, err := l.source.Float32("model.layers.0."+name+".weight", nil)
			if err != nil {
				t.Fatal(err)
			}
			info, _ := l.source.Info("model.layers.0." + name + ".weight")
			m, n := info.Shape[0], info.Shape[1]
			row, err := stored.RowBytes(n)
			if err != nil {
				t.Fatal(err)
			}
			data := make([]byte, m*row)
			if err := quant.Quantise(stored, data, values); err != nil {
				t.Fatal(err)
			}
			if err := quant.Dequantise(stored, values, data); err != nil {
				t.Fatal(err)
			}
			q, err := structure.NewQuantised(stored, m, n, data, nil)
			if err != nil {
				t.Fatal(err)
			}
			blocks[name], dense[name] = q, structure.NewDense(m, n, values, nil)
		}
		run := func(layers map[string]structure.Layer) (streamed, prefilled, decoded []float32) {
			for name, layer := range layers {
				if err := l.SetLinear(0, name, layer); err != nil {
					t.Fatal(err)
				}
			}
			streamed, err := l.Logits(ctx, tokens)
			if err != nil {
				t.Fatal(err)
			}
			s, err := l.NewSession(ctx, SessionOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			for _, n := range []int{len(tokens) - 1, 1} {
				logits, err := s.Append(ctx, tokens[s.Len():s.Len()+n])
				if err != nil {
					t.Fatal(err)
				}
				prefilled, decoded = decoded, append([]float32{}, logits...)
			}
			return streamed, prefilled, decoded
		}
		b1, b2, b3 := run(blocks)
		d1, d2, d3 := run(dense)
		// Four products follow each other (values, o, gate and up, down), whose errors add up as variances; twice that for
		// what softmax and norm may amplify.
		tol := 2 * math.Sqrt(4) * int8Rounding
		for what, d := range map[string]float64{"streamed": distance(b1, d1), "prefilled": distance(b2, d2), "decoded": distance(b3, d3)} {
			if !(d <= tol) {
				t.Errorf("%v, %s: logits differ by %.2g of their size, want within %.2g", stored, what, d, tol)
			}
		}
	}
}

// TestSmolLM2BlocksAreClose compares decoding from the file's blocks with decoding in float32.
func TestSmolLM2BlocksAreClose(t *testing.T) {
	ctx := context.Background()
	l, g := openSmolLM2(t)
	var logits [2][]float32
	for i, opts := range []SessionOptions{{}, {Float32: true}} {
		s, err := l.NewSession(ctx, opts)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{10, 1, 1} {
			row, err := s.Append(ctx, g.Tokens[s.Len():s.Len()+n])
			if err != nil {
				t.Fatal(err)
			}
			logits[i] = append(logits[i], row...)
		}
		s.Close()
	}
	tol := math.Sqrt(float64(4*l.Config().Layers)) * int8Rounding // as in TestQuantisedLayers
	d := distance(logits[0], logits[1])
	t.Logf("logits differ by %.3g of their size", d)
	if !(d <= tol) || d == 0 {
		t.Errorf("logits differ by %.3g of their size, want above 0 and within %.3g", d, tol)
	}
}
