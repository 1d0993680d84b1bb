package model

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/gobackend"
)

// golden is a tiny model's expected logits, made by testdata/make_tiny.py in float64.
type golden struct {
	Tokens []int
	Logits [][]float64
	Moved  float64 // how far a logit moves when weights are perturbed by float32's backward error: see the script
}

// tinyModels cover, in turn, Llama-3's RoPE scaling and an untied head; biases of q, k, v and a tied head; a sliding window
// shorter than the text, linear RoPE scaling and heads wider than D/H. All have grouped queries.
var tinyModels = []string{"tiny-llama3", "tiny-qwen2", "tiny-mistral"}

func openTiny(t testing.TB, name string, opts Options) (*Llama, golden) {
	t.Helper()
	l, err := Open("testdata/"+name, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	data, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	return l, g
}

// checkRow compares the logits of token i.
func (g golden) checkRow(t *testing.T, what string, i int, got []float32) {
	t.Helper()
	for j, want := range g.Logits[i] {
		if !(math.Abs(float64(got[j])-want) <= g.Moved) {
			t.Errorf("%s: token %d, logit %d: got %v, want %v within %.2g", what, i, j, got[j], want, g.Moved)
			return
		}
	}
}

// TestLogitsAreTheOracles runs on our backend and on compute's own, which shares no code with it.
func TestLogitsAreTheOracles(t *testing.T) {
	for _, name := range tinyModels {
		for _, b := range []compute.Backend{nil, gobackend.GetBackend()} {
			l, g := openTiny(t, name, Options{Backend: b})
			got, err := l.Logits(context.Background(), g.Tokens)
			if err != nil {
				t.Fatal(err)
			}
			vocab := l.Config().Vocab
			for i := range g.Tokens {
				g.checkRow(t, name, i, got[i*vocab:(i+1)*vocab])
			}
		}
	}
}

// TestSessionEqualsLogits feeds the text in pieces of every kind of step: batches on an empty and on a filled cache, padded
// and not, and single tokens, also after forgetting some.
func TestSessionEqualsLogits(t *testing.T) {
	ctx := context.Background()
	for _, name := range tinyModels {
		l, g := openTiny(t, name, Options{})
		for _, pieces := range [][]int{{20}, {1, 1, 1, 17}, {16, 4}, {3, 5, 1, 1, 10}, slices.Repeat([]int{1}, 20)} {
			s, err := l.NewSession(ctx, SessionOptions{Context: 40})
			if err != nil {
				t.Fatal(err)
			}
			at := 0
			for _, n := range pieces {
				logits, err := s.Append(ctx, g.Tokens[at:at+n])
				if err != nil {
					t.Fatal(err)
				}
				at += n
				g.checkRow(t, name, at-1, logits)
			}
			s.Truncate(5)
			logits, err := s.Append(ctx, g.Tokens[5:9])
			if err != nil {
				t.Fatal(err)
			}
			g.checkRow(t, name+" after Truncate", 8, logits)
			s.Close()
		}
	}
}

// TestCacheGrows crosses the capacities of 256 and 512 tokens and compares with a run without a cache.
func TestCacheGrows(t *testing.T) {
	ctx := context.Background()
	l, g := openTiny(t, "tiny-mistral", Options{})
	l.config.MaxPositions = 1024
	var tokens []int
	for len(tokens) < 600 {
		tokens = append(tokens, g.Tokens...)
	}
	tokens = tokens[:600]
	want, err := l.Logits(ctx, tokens)
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.NewSession(ctx, SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	vocab := l.Config().Vocab
	at := 0
	for _, n := range []int{250, 1, 1, 1, 1, 1, 1, 1, 250, 1, 1, 1, 1, 1, 1, 87} {
		got, err := s.Append(ctx, tokens[at:at+n])
		if err != nil {
			t.Fatal(err)
		}
		at += n
		for j, w := range want[(at-1)*vocab : at*vocab] {
			if !(math.Abs(float64(got[j]-w)) <= 2*g.Moved) { // each may be off by one of it
				t.Fatalf("after %d tokens, logit %d: got %v, want %v", at, j, got[j], w)
			}
		}
	}
}

// TestBatchesDoNotMatter scores sequences of many lengths together, which pads them and mixes batch sizes, and one by one.
func TestBatchesDoNotMatter(t *testing.T) {
	ctx := context.Background()
	for _, name := range tinyModels {
		l, g := openTiny(t, name, Options{})
		var seqs []Scored
		for n := 2; n <= 20; n++ {
			for from := 1; from <= n; from += 6 {
				seqs = append(seqs, Scored{g.Tokens[:n], from})
			}
		}
		for _, group := range []int{0, 1, 50} {
			got, err := l.NLL(ctx, seqs, NLLOptions{GroupTokens: group})
			if err != nil {
				t.Fatal(err)
			}
			for i, s := range seqs {
				if len(got[i]) != len(s.Tokens)-s.From {
					t.Fatalf("%s: %d likelihoods of %d tokens from %d", name, len(got[i]), len(s.Tokens), s.From)
				}
				for j, nll := range got[i] {
					row := g.Logits[s.From+j-1]
					sum := 0.0
					for _, v := range row {
						sum += math.Exp(v)
					}
					// -ln softmax moves by at most twice what the logits move.
					if want := math.Log(sum) - row[s.Tokens[s.From+j]]; !(math.Abs(nll-want) <= 2*g.Moved) {
						t.Errorf("%s, groups of %d: sequence of %d, token %d: %v, want %v", name, group, len(s.Tokens), s.From+j, nll, want)
					}
				}
			}
		}
	}
}

func TestThreadsDoNotMatter(t *testing.T) {
	ctx := context.Background()
	l, g := openTiny(t, "tiny-qwen2", Options{})
	seqs := []Scored{{g.Tokens, 1}, {g.Tokens[3:], 2}, {g.Tokens[:7], 1}}
	var first [][]float64
	for _, procs := range []int{1, 2, 3, 8} {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
		got, err := l.NLL(ctx, seqs, NLLOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = got
		}
		for i := range got {
			if !slices.Equal(got[i], first[i]) {
				t.Errorf("%d threads: sequence %d differs from one thread", procs, i)
			}
		}
	}
}

// TestCaptureSeesEveryInput multiplies the captured inputs of the first block by the weights and compares with the second
// capture point where the graph's result is linear in it, and counts tokens.
func TestCaptureSeesEveryInput(t *testing.T) {
	ctx := context.Background()
	l, g := openTiny(t, "tiny-llama3", Options{})
	seqs := [][]int{g.Tokens, g.Tokens[:5], {}, g.Tokens[:5], g.Tokens[2:]}
	total := 20 + 5 + 5 + 18
	h, err := l.Embed(ctx, seqs, nil)
	if err != nil {
		t.Fatal(err)
	}
	embedded := make([]float32, 20*h.Width)
	if err := h.Read(embedded, 0, 0); err != nil {
		t.Fatal(err)
	}
	seen := map[string][]float32{}
	widths := map[string]int{}
	err = l.RunBlock(ctx, 0, h, func(name string, x []float32, tokens, width int) error {
		if len(x) != tokens*width {
			t.Errorf("%s: %d numbers for %d x %d", name, len(x), tokens, width)
		}
		seen[name] = append(seen[name], x...)
		widths[name] = width
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	c := l.Config()
	want := map[string]int{"self_attn.q_proj": c.Hidden, "self_attn.o_proj": c.Heads * c.HeadDim, "mlp.gate_proj": c.Hidden, "mlp.down_proj": c.Intermediate}
	for name, width := range want {
		if widths[name] != width || len(seen[name]) != total*width {
			t.Errorf("%s: %d numbers of width %d, want %d tokens of width %d", name, len(seen[name]), widths[name], total, width)
		}
	}
	for _, name := range Linears() {
		if _, ok := want[CaptureOf(name)]; !ok {
			t.Errorf("%s is captured as %q", name, CaptureOf(name))
		}
	}
	// out = embedding + o_proj(attention) + down_proj(mlp), for the first sequence, in float64.
	o, err := l.source.Float32("model.layers.0.self_attn.o_proj.weight", nil)
	if err != nil {
		t.Fatal(err)
	}
	down, err := l.source.Float32("model.layers.0.mlp.down_proj.weight", nil)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]float32, 20*h.Width)
	if err := h.Read(out, 0, 0); err != nil {
		t.Fatal(err)
	}
	for token := range 20 {
		for i := range h.Width {
			sum, size := float64(embedded[token*h.Width+i]), math.Abs(float64(embedded[token*h.Width+i]))
			add := func(w, x []float32) {
				for k := range x {
					sum += float64(w[k]) * float64(x[k])
					size += math.Abs(float64(w[k]) * float64(x[k]))
				}
			}
			n := c.Heads * c.HeadDim
			add(o[i*n:(i+1)*n], seen["self_attn.o_proj"][token*n:(token+1)*n])
			n = c.Intermediate
			add(down[i*n:(i+1)*n], seen["mlp.down_proj"][token*n:(token+1)*n])
			terms := float64(c.Heads*c.HeadDim + c.Intermediate + 2)
			if got := float64(out[token*h.Width+i]); !(math.Abs(got-sum) <= 1.01*terms*0x1p-24*size) {
				t.Fatalf("token %d, %d: got %v, want %v", token, i, got, sum)
			}
		}
	}
	stop := errors.New("stop")
	if err := l.RunBlock(ctx, 1, h, func(string, []float32, int, int) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("error %v, want the callback's", err)
	}
}

func TestErrors(t *testing.T) {
	ctx := context.Background()
	l, g := openTiny(t, "tiny-llama3", Options{})
	var tooLong *ContextError
	s, err := l.NewSession(ctx, SessionOptions{Context: 10})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Append(ctx, g.Tokens[:11]); !errors.As(err, &tooLong) || tooLong.Tokens != 11 || tooLong.Limit != 10 {
		t.Errorf("11 tokens in a context of 10: error %v", err)
	}
	if _, err := s.Append(ctx, g.Tokens[:10]); err != nil {
		t.Errorf("10 tokens in a context of 10: error %v", err)
	}
	if _, err := s.Append(ctx, g.Tokens[:1]); !errors.As(err, &tooLong) {
		t.Errorf("an eleventh token: error %v", err)
	}
	if _, err := l.NewSession(ctx, SessionOptions{Context: 65}); !errors.As(err, &tooLong) {
		t.Errorf("a context beyond the model's: error %v", err)
	}
	if _, err := l.Logits(ctx, make([]int, 65)); !errors.As(err, &tooLong) {
		t.Errorf("a text beyond the model's context: error %v", err)
	}
	for name, tokens := range map[string][]int{"negative": {1, -1}, "beyond the vocabulary": {1, 40}} {
		s.Truncate(0)
		for what, err := range map[string]error{
			"Logits": second(l.Logits(ctx, tokens)), "Append": second(s.Append(ctx, tokens)), "NLL": second(l.NLL(ctx, []Scored{{tokens, 1}}, NLLOptions{})),
		} {
			if err == nil || !strings.Contains(err.Error(), "position 1") {
				t.Errorf("%s of a %s token: error %v, want one that names its position", what, name, err)
			}
		}
	}
	for _, bad := range []Scored{{g.Tokens, 0}, {g.Tokens, 21}, {nil, 1}} {
		if _, err := l.NLL(ctx, []Scored{bad}, NLLOptions{}); err == nil {
			t.Errorf("scoring %d tokens from %d: no error", len(bad.Tokens), bad.From)
		}
	}
	if err := l.SetLinear(0, "mlp.up", nil); err == nil {
		t.Error("an unknown layer was set")
	}
	if err := l.SetLinear(2, "mlp.up_proj", nil); err == nil {
		t.Error("a layer of an absent block was set")
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	for what, err := range map[string]error{
		"Logits": second(l.Logits(cancelled, g.Tokens)), "Append": second(s.Append(cancelled, g.Tokens[:2])),
		"NewSession": second(l.NewSession(cancelled, SessionOptions{})),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a cancelled context: error %v", what, err)
		}
	}
}

// second returns the error of a call with another result.
func second[T any](_ T, err error) error { return err }

// cancelAfter is a context that is cancelled when it has been asked n times.
type cancelAfter struct {
	context.Context
	n int
}

func (c *cancelAfter) Err() error {
	if c.n--; c.n < 0 {
		return context.Canceled
	}
	return nil
}

// TestSessionSurvivesCancellation cancels between blocks and goes on as if nothing had been.
func TestSessionSurvivesCancellation(t *testing.T) {
	ctx := context.Background()
	for _, name := range tinyModels {
		l, g := openTiny(t, name, Options{})
		s, err := l.NewSession(ctx, SessionOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{6, 1, 4, 9} {
			if _, err := s.Append(&cancelAfter{ctx, 1}, g.Tokens[s.Len():s.Len()+n]); !errors.Is(err, context.Canceled) {
				t.Fatalf("error %v, want cancellation", err)
			}
			logits, err := s.Append(ctx, g.Tokens[s.Len():s.Len()+n])
			if err != nil {
				t.Fatal(err)
			}
			g.checkRow(t, name, s.Len()-1, logits)
		}
		s.Close()
	}
}
