package checkpoint

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/eckart-go/eckart/quant"
)

// fuzzParser adds seeds and checks that a parser neither panics nor allocates beyond its input, and that what it accepts
// describes exactly the bytes it hands out.
func fuzzParser(f *testing.F, seeds [][]byte, parse func(path string, data []byte) (*parsed, error)) {
	f.Add([]byte{})
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var got *parsed
		var err error
		allocated := allocatedBy(func() { got, err = parse("fuzz", data) })
		if limit := allocationLimit(len(data)); allocated > limit {
			t.Fatalf("%d bytes allocated for %d of input, at most %d allowed", allocated, len(data), limit)
		}
		if err != nil {
			return
		}
		total, names := 0, map[string]bool{}
		for i, info := range got.tensors {
			if int64(len(got.data[i])) != info.Bytes || names[info.Name] {
				t.Fatalf("tensor %q: %d bytes handed out, %d described", info.Name, len(got.data[i]), info.Bytes)
			}
			names[info.Name] = true
			total += len(got.data[i])
		}
		if total > len(data) {
			t.Fatalf("%d bytes of tensors in %d bytes", total, len(data))
		}
	})
}

func FuzzSafetensors(f *testing.F) {
	seeds := [][]byte{buildSafetensors(f, "w", 3)}
	for _, h := range hostileSafetensors() {
		seeds = append(seeds, h.data)
	}
	fuzzParser(f, seeds, parseSafetensors)
}

func FuzzGGUF(f *testing.F) {
	l, err := layoutGGUF([]Info{{"token_embd.weight", quant.Q8_0, []int{2, 32}, 68}, {"n", quant.F32, []int{2}, 8}}, everyGGUFValue())
	if err != nil {
		f.Fatal(err)
	}
	seeds := [][]byte{append(l.header, make([]byte, int(l.size)-len(l.header))...)}
	for _, h := range hostileGGUF() {
		seeds = append(seeds, h.data)
	}
	fuzzParser(f, seeds, parseGGUF)
}

func FuzzLlama2c(f *testing.F) {
	s := llama2cShape{dim: 4, hidden: 2, layers: 1, heads: 2, kvHeads: 1, vocab: 3, seq: 2, tied: true}
	_, size, err := s.layout()
	if err != nil {
		f.Fatal(err)
	}
	seeds := [][]byte{llama2cFile(int(size), 4, 2, 1, 2, 1, 3, 2)}
	for _, h := range hostileLlama2c() {
		seeds = append(seeds, h.data)
	}
	fuzzParser(f, seeds, parseLlama2c)
}

func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"metadata":{"total_size":8},"weight_map":{"w":"model-00001-of-00002.safetensors"}}`))
	f.Add([]byte(`{"weight_map":{"w":"../a.safetensors"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		where, err := parseIndex("fuzz", text)
		if err != nil {
			return
		}
		for name, shard := range where {
			if err := checkShardName(shard); err != nil {
				t.Fatalf("tensor %q: %v", name, err)
			}
		}
	})
}

// FuzzConfig covers config.json: what is accepted must be safe to compute with.
func FuzzConfig(f *testing.F) {
	f.Add([]byte(`{"model_type":"llama","vocab_size":32,"hidden_size":8,"intermediate_size":16,"num_hidden_layers":1,"num_attention_heads":2,
		"rope_scaling":{"rope_type":"llama3","factor":8,"low_freq_factor":1,"high_freq_factor":4,"original_max_position_embeddings":64},"eos_token_id":[1,2]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := parseHFConfig(text)
		if err != nil || c.HeadDim > 1<<16 {
			return
		}
		for i, v := range c.RopeFrequencies() {
			if !(v >= 0) || math.IsInf(v, 0) {
				t.Fatalf("frequency %d of %+v is %v", i, c, v)
			}
		}
	})
}

// FuzzLlama2cTokens covers the tokenizer file beside a llama2.c export.
func FuzzLlama2cTokens(f *testing.F) {
	b := binary.LittleEndian.AppendUint32(nil, 7)
	for _, s := range []string{"<unk>", "\n<s>\n", "\n</s>\n", "<0x00>", " t"} {
		b = binary.LittleEndian.AppendUint32(b, 0)
		b = append(binary.LittleEndian.AppendUint32(b, uint32(len(s))), s...)
	}
	f.Add(b, 5)
	f.Fuzz(func(t *testing.T, data []byte, vocab int) {
		v, err := parseLlama2cTokens(data, vocab%1000)
		if err == nil && vocab%1000 >= 0 && len(v.tokens) != vocab%1000 {
			t.Fatalf("%d tokens, want %d", len(v.tokens), vocab%1000)
		}
	})
}
