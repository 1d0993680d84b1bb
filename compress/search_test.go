package compress

import (
	"context"
	"errors"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/eckart-go/eckart/compress/budget"
	"github.com/eckart-go/eckart/corpus"
	"github.com/eckart-go/eckart/model"
	"github.com/eckart-go/eckart/tokenizer"
)

// searching are the settings of a search of its own, which shares no trials with other tests.
func searching(t *testing.T) Options {
	t.Helper()
	opts := options(t, "asvd")
	opts.Share, opts.Trials, opts.Cache = STRS, 1, t.TempDir()
	return opts
}

// cachedTrials returns the trials that a run has left in its cache.
func cachedTrials(t *testing.T, opts Options) map[string][]budget.Trial {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(opts.Cache, "trials", "*.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("trials in the cache: %v, %v; want one file", files, err)
	}
	var found map[string][]budget.Trial
	if err := readJSON(files[0], &found); err != nil {
		t.Fatal(err)
	}
	return found
}

// A trial is the log-perplexity of the model with one layer compressed: make that model, the long way, and measure it.
func TestTrialsAreMeasuredPerplexities(t *testing.T) {
	opts := searching(t)
	opts.Trials = 3
	output := filepath.Join(t.TempDir(), "out")
	r := run1(t, output, opts)
	found := cachedTrials(t, opts)
	if len(found) != 35 || r.Share != "strs" {
		t.Fatalf("trials of %d matrices, allocation %q", len(found), r.Share)
	}
	text, err := corpus.Read(storiesText)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.Open(storiesModel)
	if err != nil {
		t.Fatal(err)
	}
	sequences, err := corpus.Sample(tok.Encode(nil, text, tokenizer.EncodeOptions{Literal: true}), opts.Length, opts.Sequences, opts.Seed)
	if err != nil {
		t.Fatal(err)
	}
	var scored []model.Scored
	for _, k := range []int{0, 5, 10} { // evenly spaced among 16
		scored = append(scored, model.Scored{Tokens: sequences[k], From: 1})
	}
	for _, tc := range []struct {
		module string
		keep   float64
		at     int // of the ratios 0.4, 0.5, ..., 0.9
	}{{"model.layers.0.self_attn.k_proj", 0.4, 0}, {"model.layers.2.mlp.down_proj", 0.6, 2}, {"model.layers.4.mlp.up_proj", 0.9, 5}} {
		single := options(t, "asvd")
		single.Include, single.Budget.Keep = regexp.MustCompile("^"+regexp.QuoteMeta(tc.module)+"$"), tc.keep
		one := filepath.Join(t.TempDir(), "one")
		cut := run1(t, one, single)
		m, err := model.Open(one, model.Options{})
		if err != nil {
			t.Fatal(err)
		}
		losses, err := m.NLL(context.Background(), scored, model.NLLOptions{})
		if err != nil {
			t.Fatal(err)
		}
		m.Close()
		var sum float64
		for _, seq := range losses {
			for _, v := range seq {
				sum += v
			}
		}
		want := sum / float64(len(scored)*(opts.Length-1))
		got := found[tc.module][tc.at]
		// The same float32 arithmetic on the same rows, in batches of other sizes: products of at most 172 terms, five blocks.
		if got.Rank != cut.Layers[0].Rank || !(math.Abs(got.Loss-want) <= 5*172*0x1p-23*want) {
			t.Errorf("%s at %v: trial %+v, measured %v at rank %d", tc.module, tc.keep, got, want, cut.Layers[0].Rank)
		}
	}
}

// The budget is met, and missed by less than one step: no matrix is larger than 172 x 64, of which a trial leaves at least 0.4.
func TestSearchMeetsTheBudget(t *testing.T) {
	opts := searching(t)
	for _, keep := range []float64{0.5, 0.8} {
		opts.Budget.Keep = keep
		r := run1(t, filepath.Join(t.TempDir(), "out"), opts)
		if step := 0.61 * 172 * 64 / float64(params(t)); r.Keep > keep || r.Keep <= keep-step {
			t.Errorf("budget %v: kept %v, one step is %.4f", keep, r.Keep, step)
		}
	}
	opts.Budget.Keep = 0.35 // ranks are rounded down, so that 0.4 is a little less
	if _, err := Run(context.Background(), storiesModel, filepath.Join(t.TempDir(), "out"), opts); !errors.Is(err, budget.ErrImpossible) {
		t.Errorf("a budget below the smallest ratio: error %v, want ErrImpossible", err)
	}
}

// A search that is cut off goes on where it was, from the cache or, without one, from the work folder, and ends with the
// same bytes; another budget measures nothing again.
func TestInterruptedSearchResumes(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "out")
	run1(t, whole, searching(t))
	for _, cached := range []bool{true, false} {
		opts := searching(t)
		if !cached {
			opts.Cache = ""
		}
		broken := filepath.Join(t.TempDir(), "out")
		ctx, cancel := context.WithCancel(context.Background())
		opts.Progress = func(stage, _ string) func(int64, int64) {
			return func(done, total int64) {
				if stage == "search" && done > total/2 {
					cancel()
				}
			}
		}
		if _, err := Run(ctx, storiesModel, broken, opts); !errors.Is(err, context.Canceled) {
			t.Fatalf("error %v, want context.Canceled", err)
		}
		var calls int
		opts.Resume = true
		opts.Progress = func(stage, _ string) func(int64, int64) {
			return func(done, total int64) {
				if stage == "search" {
					if calls++; calls == 1 && done == 0 {
						t.Error("the search began anew")
					}
				}
			}
		}
		run1(t, broken, opts)
		if !maps.Equal(tree(t, whole), tree(t, broken)) {
			t.Errorf("cached %v: the resumed output differs", cached)
		}
		if !cached {
			continue
		}
		calls = 0
		opts.Budget.Keep, opts.Resume = 0.6, false
		run1(t, filepath.Join(t.TempDir(), "out"), opts)
		if calls != 5 {
			t.Errorf("another budget: progress %d times, want once for each of the 5 blocks that were known", calls)
		}
	}
}

func TestDamagedTrialsAreAnError(t *testing.T) {
	opts := searching(t)
	run1(t, filepath.Join(t.TempDir(), "out"), opts)
	files, err := filepath.Glob(filepath.Join(opts.Cache, "trials", "*.json"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	if err := os.WriteFile(files[0], []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(context.Background(), storiesModel, filepath.Join(t.TempDir(), "out"), opts); err == nil {
		t.Error("a damaged file of trials was accepted")
	}
}
