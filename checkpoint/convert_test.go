package checkpoint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/eckart-go/eckart/internal/testdata"
	"github.com/eckart-go/eckart/quant"
)

func openModel(t testing.TB, path string) *Model {
	t.Helper()
	m, err := OpenModel(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// compareModels checks that two models hold the same tensors with the same values, bit for bit as float32.
func compareModels(t testing.TB, got, want *Model) {
	t.Helper()
	if len(got.Tensors()) != len(want.Tensors()) {
		t.Errorf("%d tensors, want %d", len(got.Tensors()), len(want.Tensors()))
	}
	for _, info := range want.Tensors() {
		a, err := got.Float32(info.Name, nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := want.Float32(info.Name, nil)
		if err != nil {
			t.Fatal(err)
		}
		same := slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
		if g, _ := got.Info(info.Name); !same || !slices.Equal(g.Shape, info.Shape) {
			t.Errorf("tensor %q differs", info.Name)
		}
	}
}

// The fixtures hold one model twice, in the files of transformers and of the gguf package: both must read as the same,
// down to the row order and RoPE's frequencies.
func TestReadsWhatOthersWrote(t *testing.T) {
	text, err := os.ReadFile("testdata/expected.json")
	if err != nil {
		t.Fatal(err)
	}
	var expected map[string]struct {
		InvFreq []float64 `json:"inv_freq"`
	}
	if err := json.Unmarshal(text, &expected); err != nil {
		t.Fatal(err)
	}
	for arch, want := range expected {
		t.Run(arch, func(t *testing.T) {
			hf, gg := openModel(t, "testdata/"+arch), openModel(t, "testdata/"+arch+".gguf")
			compareModels(t, gg, hf)
			c := gg.Config()
			c.BOS, c.EOS = 0, []int{1} // that GGUF file has no tokenizer
			if d := cmp.Diff(hf.Config(), c); d != "" {
				t.Errorf("configurations (-HF +GGUF): %s", d)
			}
			for i, f := range hf.Config().RopeFrequencies() {
				if !(math.Abs(f-want.InvFreq[i]) <= 4*0x1p-24*f) { // PyTorch's steps, in float32: power, division, product
					t.Errorf("frequency %d is %v, transformers has %v", i, f, want.InvFreq[i])
				}
			}
		})
	}
}

// Hugging Face to GGUF and back changes no bit of a float, no word of the configuration, and no token.
func TestConvertRoundTrip(t *testing.T) {
	for _, arch := range []string{"llama", "qwen2"} {
		t.Run(arch, func(t *testing.T) {
			dir, ctx := t.TempDir(), context.Background()
			src, mid, back := "testdata/"+arch, filepath.Join(dir, "m.gguf"), filepath.Join(dir, "back")
			if err := errors.Join(Convert(ctx, src, mid, ConvertOptions{}), Convert(ctx, mid, back, ConvertOptions{ShardSize: 1 << 15})); err != nil {
				t.Fatal(err)
			}
			a, b, c := openModel(t, src), openModel(t, mid), openModel(t, back)
			compareModels(t, b, a)
			compareModels(t, c, a)
			for _, other := range []*Model{b, c} {
				if d := cmp.Diff(a.Config(), other.Config()); d != "" {
					t.Error(d)
				}
			}
			for _, info := range a.Tensors() {
				x, err1 := a.Source().Raw(info.Name)
				y, err2 := c.Source().Raw(info.Name)
				if err := errors.Join(err1, err2); err != nil || string(x) != string(y) {
					t.Errorf("tensor %q: stored bytes differ, %v", info.Name, err)
				}
			}
			v, err := vocabularyFromHF(src, a.Config())
			if err != nil {
				t.Fatal(err)
			}
			w, err := vocabularyFromHF(back, c.Config())
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(v, w, cmp.AllowUnexported(vocabulary{})); d != "" {
				t.Error(d)
			}
			if v.pre != "smollm" || len(v.merges) == 0 || v.types[0] != tokenControl || v.types[279] != tokenUnused {
				t.Errorf("vocabulary: splitter %q, %d merges, types %v", v.pre, len(v.merges), v.types)
			}
		})
	}
}

// randomModel writes a folder with random weights and returns its path.
func randomModel(t *rapid.T, dir string) string {
	kv := rapid.IntRange(1, 3).Draw(t, "kv heads")
	c := Config{
		Architecture: rapid.SampledFrom(architectures).Draw(t, "architecture"), Vocab: 40, Hidden: 8, Intermediate: 12,
		Layers: rapid.IntRange(1, 2).Draw(t, "layers"), KVHeads: kv, Heads: kv * rapid.IntRange(1, 3).Draw(t, "group"),
		HeadDim: 2 * rapid.IntRange(1, 3).Draw(t, "half head"), MaxPositions: 64, NormEps: 1e-5, RopeTheta: 1e4,
		TiedEmbeddings: rapid.Bool().Draw(t, "tied"), BOS: 0, EOS: []int{1, 2}, PAD: -1,
	}
	if c.Architecture == "mistral" {
		c.SlidingWindow = rapid.IntRange(0, 32).Draw(t, "window")
	}
	if rapid.Bool().Draw(t, "scaled") {
		c.RopeScaling = &RopeScaling{Kind: RopeLinear, Factor: 2.5}
	}
	kind := rapid.SampledFrom([]quant.Type{quant.F32, quant.F16, quant.BF16}).Draw(t, "type")
	var infos []Info
	data := map[string][]byte{}
	add := func(name string, shape ...int) {
		info, err := NewInfo(name, kind, shape...)
		if err != nil {
			t.Fatal(err)
		}
		infos = append(infos, info)
		n := info.Elements()
		values := rapid.SliceOfN(rapid.Float32Range(-10, 10), n, n).Draw(t, "values")
		data[name] = make([]byte, info.Bytes)
		if err := encode(kind, data[name], values); err != nil {
			t.Fatal(err)
		}
	}
	for name, shape := range c.weights() {
		add(name, shape...)
		if module, ok := strings.CutSuffix(name, "_proj.weight"); ok && c.Architecture == "qwen2" && !strings.Contains(name, "o_proj") && strings.Contains(name, "attn") {
			add(module+"_proj.bias", shape[0])
		}
	}
	config, err := writeHFConfig(c, "float32")
	if err != nil {
		t.Fatal(err)
	}
	tokenizer := `{"added_tokens":[{"id":0,"content":"<s>","special":true}],"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},
		"model":{"type":"BPE","vocab":{"<s>":0,"a":1,"b":2,"ab":3},"merges":[["a","b"]]}}`
	for name, text := range map[string][]byte{"config.json": config, "tokenizer.json": []byte(tokenizer)} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	w, err := CreateSharded(dir, infos, map[string]string{"note": "random"}, 0)
	if err == nil {
		err = writeAll(w, infos, data)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestConvertRandomModels(t *testing.T) {
	root := t.TempDir()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		dir := filepath.Join(root, fmt.Sprint(n))
		if err := os.MkdirAll(dir, 0o777); err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		src := randomModel(rt, dir)
		mid, back, ctx := filepath.Join(root, "m.gguf"), filepath.Join(root, "back"), context.Background()
		if err := errors.Join(Convert(ctx, src, mid, ConvertOptions{}), Convert(ctx, mid, back, ConvertOptions{})); err != nil {
			rt.Fatal(err)
		}
		a, err1 := Open(src)
		b, err2 := Open(back)
		x, err3 := OpenModel(src)
		y, err4 := OpenModel(mid)
		z, err5 := OpenModel(back)
		if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
			rt.Fatal(err)
		}
		for _, c := range []interface{ Close() error }{a, b, x, y, z} {
			defer c.Close()
		}
		data := map[string][]byte{}
		for _, info := range a.Tensors() {
			data[info.Name], _ = a.Raw(info.Name)
		}
		compareTensors(rt, b, a.Tensors(), data)
		if d := cmp.Diff(x.Config(), y.Config()) + cmp.Diff(x.Config(), z.Config()); d != "" {
			rt.Fatal(d)
		}
		if b.Metadata()["note"] != "random" {
			rt.Fatalf("metadata %v", b.Metadata())
		}
	})
}

// halfWeights replaces the matrices of one module by zeros.
type halfWeights struct{ module string }

func (h halfWeights) Has(name string) bool { return strings.Contains(name, h.module) }
func (h halfWeights) Float32(_ string, dst []float32) ([]float32, error) {
	dst = grow(dst, 32*64)
	clear(dst)
	return dst, nil
}

func TestConvertTypesAndReplacements(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	for _, tc := range []struct {
		out               OutType
		matrix, embedding quant.Type
	}{
		{OutF32, quant.F32, quant.F32}, {OutF16, quant.F16, quant.F16}, {OutBF16, quant.BF16, quant.BF16},
		{OutQ8_0, quant.Q8_0, quant.Q8_0}, {OutQ4_0, quant.Q4_0, quant.Q8_0}, {OutQ4_1, quant.Q4_1, quant.Q8_0},
	} {
		path := filepath.Join(dir, "m.gguf")
		var last, total int64
		opts := ConvertOptions{Type: tc.out, Weights: halfWeights{"mlp"}, Metadata: map[string]string{"certificate": "c"},
			Progress: func(d, n int64) { last, total = d, n }}
		if err := Convert(ctx, "testdata/llama", path, opts); err != nil {
			t.Fatal(err)
		}
		m := openModel(t, path)
		for name, want := range map[string]quant.Type{
			"model.layers.0.self_attn.q_proj.weight": tc.matrix, "model.layers.1.mlp.down_proj.weight": tc.matrix,
			"model.embed_tokens.weight": tc.embedding, "lm_head.weight": tc.embedding, "model.norm.weight": quant.F32,
		} {
			if info, _ := m.Info(name); info.Type != want {
				t.Errorf("%v: %q is %v, want %v", tc.out, name, info.Type, want)
			}
		}
		values, err := m.Float32("model.layers.0.mlp.up_proj.weight", nil)
		if err != nil || slices.ContainsFunc(values, func(v float32) bool { return v != 0 }) {
			t.Errorf("%v: the replaced weight is not zero, %v", tc.out, err)
		}
		if m.Metadata()["eckart.certificate"] != "c" || last != total || total == 0 {
			t.Errorf("%v: metadata %v, progress %d of %d", tc.out, m.Metadata()["eckart.certificate"], last, total)
		}
		m.Close()
	}
}

// A conversion that fails or is canceled leaves nothing behind, and the old result as it was.
func TestConvertFailures(t *testing.T) {
	dir := t.TempDir()
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	live := context.Background()
	old := filepath.Join(dir, "old.gguf")
	writeTestFile(t, old, []byte("old"))
	mine := filepath.Join(dir, "mine")
	if err := os.Mkdir(mine, 0o777); err != nil {
		t.Fatal(err)
	}
	writeTestFile(t, filepath.Join(mine, "thesis.tex"), []byte("years of work"))
	noTokenizer := filepath.Join(dir, "bare")
	if err := os.CopyFS(noTokenizer, os.DirFS("testdata/llama")); err != nil {
		t.Fatal(err)
	}
	os.Remove(filepath.Join(noTokenizer, "tokenizer.json"))
	for _, tc := range []struct {
		name     string
		ctx      context.Context
		src, dst string
		opts     ConvertOptions
		want     string
	}{
		{"canceled to GGUF", canceled, "testdata/llama", old, ConvertOptions{}, "context canceled"},
		{"canceled to a folder", canceled, "testdata/llama.gguf", filepath.Join(dir, "x"), ConvertOptions{}, "context canceled"},
		{"no source", live, filepath.Join(dir, "none"), old, ConvertOptions{}, "none"},
		{"blocks in safetensors", live, "testdata/llama", filepath.Join(dir, "x"), ConvertOptions{Type: OutQ8_0}, "safetensors has no type q8_0"},
		{"somebody's folder", live, "testdata/llama", mine, ConvertOptions{}, "holds thesis.tex, which is no part of a model"},
		{"no tokenizer", live, noTokenizer, old, ConvertOptions{}, "no tokenizer beside the weights"},
		{"wrong replacement", live, "testdata/llama", old, ConvertOptions{Weights: halfWeights{"norm"}}, "2048 values given, shape [32] has 32"},
	} {
		if err := Convert(tc.ctx, tc.src, tc.dst, tc.opts); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want an error with %q", tc.name, err, tc.want)
		}
	}
	if text, _ := os.ReadFile(old); string(text) != "old" {
		t.Errorf("the old file is now %q", text)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if d := cmp.Diff([]string{"bare", "mine", "old.gguf"}, names); d != "" {
		t.Errorf("left behind: %s", d)
	}
}

// A folder is replaced as a whole, its own kind only, and by one writer at a time.
func TestFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model")
	if err := os.MkdirAll(path+partialSuffix+"/stale", 0o777); err != nil {
		t.Fatal(err)
	}
	for _, content := range []string{"one", "two"} {
		f, err := CreateFolder(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := CreateFolder(path); err == nil || !strings.Contains(err.Error(), "it is being written") {
			t.Errorf("second writer: %v", err)
		}
		if err := errors.Join(f.WriteFile("config.json", []byte(content)), f.Commit()); err != nil {
			t.Fatal(err)
		}
		f.Abort()
		text, err := os.ReadFile(filepath.Join(path, "config.json"))
		if err != nil || string(text) != content {
			t.Errorf("%q, %v after Commit, want %q", text, err, content)
		}
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	if entries, _ := fs.Glob(os.DirFS(path), "*"); len(entries) != 1 {
		t.Errorf("in the folder: %v", entries)
	}
}

func TestConvertStories260K(t *testing.T) {
	src := testdata.Path(t, "stories260k/stories260K.bin")
	dir, ctx := t.TempDir(), context.Background()
	gg, hf, again := filepath.Join(dir, "m.gguf"), filepath.Join(dir, "hf"), filepath.Join(dir, "again.gguf")
	for _, step := range [][2]string{{src, gg}, {src, hf}, {hf, again}} {
		if err := Convert(ctx, step[0], step[1], ConvertOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	a := openModel(t, src)
	b, c, d := openModel(t, gg), openModel(t, hf), openModel(t, again)
	compareModels(t, b, a)
	compareModels(t, c, a)
	// By way of merges the scores keep their order, if not their values: those of merged tokens are 0, -1, -2...
	want, _ := b.Metadata()["tokenizer.ggml.scores"].([]float32)
	got, _ := d.Metadata()["tokenizer.ggml.scores"].([]float32)
	if len(want) != 512 || len(got) != 512 {
		t.Fatalf("%d and %d scores", len(want), len(got))
	}
	merged := 0
	for i, s := range got {
		if s > unmergedScore && i > 258 {
			merged++
			if s != want[i] {
				t.Errorf("token %d: score %v, want %v", i, s, want[i])
			}
		}
	}
	if merged < 100 {
		t.Errorf("%d tokens come from merges", merged)
	}
}
