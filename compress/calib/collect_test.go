package calib

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/model"
)

// stories opens the small model of the quickstart, and sequences gives it something to read.
func stories(t *testing.T) *model.Llama {
	t.Helper()
	m, err := model.Open("../../quickstart/data/stories260K.bin", model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func sequences(count, length int) [][]int {
	all := make([][]int, count)
	for i := range all {
		all[i] = make([]int, length)
		for j := range all[i] {
			all[i][j] = (i*131 + j*j*7 + j) % 512
		}
	}
	return all
}

func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "calib", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	contents := map[string][]byte{}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		rel, _ := filepath.Rel(dir, name)
		contents[rel] = data
	}
	return contents
}

// The moments are those of a direct pass with all inputs kept, and two captures of a block differ only in the site.
func TestCollectEqualsDirectPass(t *testing.T) {
	ctx, m, seqs := context.Background(), stories(t), sequences(3, 24)
	for _, skip := range []bool{false, true} {
		s, err := Collect(ctx, m, seqs, Options{SkipFirst: skip})
		if err != nil {
			t.Fatal(err)
		}
		hidden, err := m.Embed(ctx, seqs, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range m.Config().Layers {
			direct := map[string][]float32{}
			widths := map[string]int{}
			err := m.RunBlock(ctx, i, hidden, func(name string, x []float32, tokens, width int) error {
				direct[name] = append(direct[name], x...)
				widths[name] = width
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.Block(i)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != 4 {
				t.Fatalf("block %d: moments of %d inputs, expected 4", i, len(got))
			}
			for name, moments := range got {
				n := widths[name]
				gram := mat.NewSymDense(n, nil)
				var tokens int64
				for p := 0; p*n < len(direct[name]); p++ {
					if skip && p%24 == 0 {
						continue
					}
					row := mat.NewVecDense(n, nil)
					for j := range n {
						row.SetVec(j, float64(direct[name][p*n+j]))
					}
					gram.SymRankOne(gram, 1, row)
					tokens++
				}
				var diff mat.Dense
				diff.Sub(gram, moments.Gram)
				if moments.Tokens != tokens || mat.Norm(&diff, 2) > (gramError(int(tokens))+4*float64(tokens)*0x1p-53)*mat.Trace(gram) {
					t.Errorf("skip=%v block %d %s: %d tokens, Gram differs by %.3g of trace %.3g", skip, i, name, moments.Tokens, mat.Norm(&diff, 2), mat.Trace(gram))
				}
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// An interrupted pass goes on from its cache, and the files are the same as those of one that was not interrupted, with
// the hidden states in memory or in a file.
func TestInterruptedPassContinues(t *testing.T) {
	m, seqs := stories(t), sequences(4, 16)
	whole, broken := t.TempDir(), t.TempDir()
	if _, err := Collect(context.Background(), m, seqs, Options{Cache: whole}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	_, err := Collect(ctx, m, seqs, Options{Cache: broken, Progress: func(done, total int64) {
		if done > total/2 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, want context.Canceled", err)
	}
	done := len(files(t, broken))
	if done == 0 || done == m.Config().Layers {
		t.Fatalf("%d blocks were finished; the interruption tests nothing", done)
	}
	s, err := Collect(context.Background(), m, seqs, Options{Cache: broken, Memory: 1})
	if err != nil {
		t.Fatal(err)
	}
	if s.Reused != done {
		t.Errorf("%d blocks reused, %d were there", s.Reused, done)
	}
	want, got := files(t, whole), files(t, broken)
	if len(want) != m.Config().Layers || len(got) != len(want) {
		t.Fatalf("%d and %d files, expected %d", len(want), len(got), m.Config().Layers)
	}
	for name, data := range want {
		if string(got[name]) != string(data) {
			t.Errorf("%s differs after the interruption", name)
		}
	}
	again, err := Collect(context.Background(), m, seqs, Options{Cache: broken})
	if err != nil || again.Reused != m.Config().Layers {
		t.Errorf("a complete cache: %d blocks reused, %v", again.Reused, err)
	}
	other, err := Collect(context.Background(), m, sequences(4, 17), Options{Cache: broken})
	if err != nil || other.Reused != 0 || other.Fingerprint == s.Fingerprint {
		t.Errorf("other text: %d blocks reused, %v", other.Reused, err)
	}
}

func TestCollectRefusesUnevenSequences(t *testing.T) {
	m := stories(t)
	for _, seqs := range [][][]int{nil, {{1}}, {{1, 2, 3}, {1, 2}}} {
		if _, err := Collect(context.Background(), m, seqs, Options{}); err == nil {
			t.Errorf("sequences %v were accepted", seqs)
		}
	}
	if _, err := Collect(context.Background(), m, [][]int{{1, 99999}}, Options{}); err == nil {
		t.Error("a token outside the vocabulary was accepted")
	}
}

func TestMeanAbsAndMean(t *testing.T) {
	m := NewMoments(2)
	m.Add([]float32{1, -3, 2, 1}, 2)
	if mean, abs := m.Mean(), m.MeanAbs(); mean[0] != 1.5 || mean[1] != -1 || abs[0] != 1.5 || abs[1] != 2 {
		t.Errorf("means %v and %v", mean, abs)
	}
	if math.IsNaN(m.Covariance().At(0, 1)) {
		t.Error("covariance is not a number")
	}
}
