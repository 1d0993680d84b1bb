package model

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"runtime"
	"slices"
	"testing"

	"github.com/eckart-go/eckart/internal/testdata"
)

// smolLM2 is what PyTorch computes from SmolLM2-135M-Instruct Q4_1, made by testdata/make_smollm2.py.
type smolLM2 struct {
	Tokens  []int
	Norm    float64 // Frobenius norm of all logits
	Every   int
	Last    []float64 // the last token's logits of token 0, Every, 2*Every, ...
	Largest []float64 // the largest logit of every token
	Argmax  []int     // and its token
	Greedy  []int     // the most likely continuation
}

func openSmolLM2(t testing.TB) (*Llama, smolLM2) {
	t.Helper()
	l, err := Open(testdata.Model(t, "ECKART_SMOLLM2"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	data, err := os.ReadFile("testdata/smollm2.json")
	if err != nil {
		t.Fatal(err)
	}
	var g smolLM2
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	return l, g
}

func TestSmolLM2LogitsArePyTorchs(t *testing.T) {
	l, g := openSmolLM2(t)
	logits, err := l.Logits(context.Background(), g.Tokens)
	if err != nil {
		t.Fatal(err)
	}
	vocab := l.Config().Vocab
	// Relative to the root mean square of the logits.
	rms := g.Norm / math.Sqrt(float64(len(logits)))
	worst, squares := 0.0, 0.0
	for i, want := range g.Last {
		got := float64(logits[(len(g.Tokens)-1)*vocab+i*g.Every])
		worst = max(worst, math.Abs(got-want)/rms)
	}
	for i, want := range g.Largest {
		row := logits[i*vocab : (i+1)*vocab]
		best := argMax(row)
		worst = max(worst, math.Abs(float64(row[best])-want)/rms)
		if best != g.Argmax[i] {
			t.Errorf("token %d: the largest logit is that of %d, want %d", i, best, g.Argmax[i])
		}
	}
	for _, v := range logits {
		squares += float64(v) * float64(v)
	}
	t.Logf("largest difference %.2g of the root mean square %.3g; norm %v, PyTorch %v", worst, rms, math.Sqrt(squares), g.Norm)
	if !(worst <= 1e-3) || !(math.Abs(math.Sqrt(squares)-g.Norm) <= 1e-3*g.Norm) {
		t.Errorf("logits differ by %.2g of their root mean square, norm %v, want %v: expected within 1e-3", worst, math.Sqrt(squares), g.Norm)
	}
}

func TestSmolLM2Continues(t *testing.T) {
	l, g := openSmolLM2(t)
	ctx := context.Background()
	s, err := l.NewSession(ctx, SessionOptions{Float32: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got, err := s.Generate(ctx, g.Tokens, GenerateOptions{MaxTokens: len(g.Greedy), Stop: []int{}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, g.Greedy) {
		t.Errorf("continuation %v, want PyTorch's %v", got, g.Greedy)
	}
}

// TestSmolLM2ThreadsDoNotMatter runs matrices big enough to be shared out.
func TestSmolLM2ThreadsDoNotMatter(t *testing.T) {
	l, g := openSmolLM2(t)
	ctx := context.Background()
	text := slices.Repeat(g.Tokens, 8)
	var first []float32
	for _, procs := range []int{1, 2, 3} {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
		s, err := l.NewSession(ctx, SessionOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var all []float32
		for _, n := range []int{len(text) - 3, 1, 2} { // expanded blocks, int8 products, few tokens
			logits, err := s.Append(ctx, text[s.Len():s.Len()+n])
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, logits...)
		}
		s.Close()
		if first == nil {
			first = all
		}
		if !slices.Equal(all, first) {
			t.Errorf("%d threads: logits differ from those of one thread", procs)
		}
	}
}
