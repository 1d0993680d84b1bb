package eval

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eckart-go/eckart/corpus"
	"github.com/eckart-go/eckart/internal/testdata"
	"github.com/eckart-go/eckart/model"
)

// tiny is a random model of the model package and its logits in float64.
func tiny(t testing.TB) (m *model.Llama, tokens []int, logits [][]float64) {
	t.Helper()
	m, err := model.Open("../model/testdata/tiny-llama3", model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	var golden struct {
		Tokens []int
		Logits [][]float64
	}
	data, err := os.ReadFile("../model/testdata/tiny-llama3.json")
	if err == nil {
		err = json.Unmarshal(data, &golden)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m, golden.Tokens, golden.Logits
}

// nllOf is -ln softmax(logits)[token] by the definition.
func nllOf(logits []float64, token int) float64 {
	sum := 0.0
	for _, v := range logits {
		sum += math.Exp(v)
	}
	return math.Log(sum) - logits[token]
}

func TestPerplexityIsTheDefinition(t *testing.T) {
	m, tokens, logits := tiny(t)
	n := len(tokens)
	for _, tc := range []struct {
		protocol Protocol
		from     int
	}{{Blocks{N: n}, 1}, {SecondHalf{N: n}, n/2 + 1}} {
		var terms []float64
		for j := tc.from; j < n; j++ {
			terms = append(terms, nllOf(logits[j-1], tokens[j]))
		}
		_, mean, stdErr := moments([][]float64{terms})
		text := append(append([]int{}, tokens...), tokens...) // two equal windows, and a rest that must be dropped
		got, err := Perplexity(context.Background(), m, append(text, 1, 2, 3), tc.protocol, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got.Windows != 2 || got.Tokens != 2*len(terms) {
			t.Errorf("%v: %d windows, %d tokens, want 2 and %d", tc.protocol, got.Windows, got.Tokens, 2*len(terms))
		}
		// The model's float32 logits are within 1e-4 of float64 (model.TestTinyLogits derives it); a log-likelihood moves by
		// at most twice what the logits move.
		if !(math.Abs(got.MeanNLL-mean) <= 2e-4) || !(math.Abs(got.Perplexity-math.Exp(mean)) <= 3e-4*math.Exp(mean)) {
			t.Errorf("%v: mean %v, perplexity %v, want %v and %v", tc.protocol, got.MeanNLL, got.Perplexity, mean, math.Exp(mean))
		}
		if len(got.PerWindow) != 2 || got.PerWindow[0] != got.PerWindow[1] || !(math.Abs(got.PerWindow[0]-mean) <= 2e-4) {
			t.Errorf("%v: windows %v, want %v twice", tc.protocol, got.PerWindow, mean)
		}
		// Twice the same numbers: the variance's denominator is 2n-1 instead of n-1, and there are 2n of them.
		k := float64(len(terms))
		if want := stdErr * math.Sqrt(2*(k-1)/(2*k-1)/2); !(math.Abs(got.StdErr-want) <= 1e-3*want) {
			t.Errorf("%v: standard error %v, want %v", tc.protocol, got.StdErr, want)
		}
	}
}

// Differences 1/2, 1 and 0 have mean 1/2 and variance 1/4: the windows' own spread, which is 10 times as large, does not count.
func TestLogRatioIsPaired(t *testing.T) {
	a := Result{Tokens: 30, PerWindow: []float64{1, 11, 20}}
	b := Result{Tokens: 30, PerWindow: []float64{0.5, 10, 20}}
	if ratio, err := LogRatio(a, b); ratio != 0.5 || math.Abs(err-math.Sqrt(0.25/3)) > 1e-15 {
		t.Errorf("%v ± %v, want 0.5 ± %v", ratio, err, math.Sqrt(0.25/3))
	}
	one := Result{Tokens: 10, PerWindow: []float64{2}}
	if ratio, err := LogRatio(one, one); ratio != 0 || !math.IsNaN(err) {
		t.Errorf("one window: %v ± %v, want 0 ± NaN", ratio, err)
	}
	defer func() {
		if recover() == nil {
			t.Error("different windows were compared")
		}
	}()
	LogRatio(a, one)
}

func TestWindows(t *testing.T) {
	tokens := []int{10, 11, 12, 13, 14, 15, 16, 17, 18}
	got, err := SecondHalf{N: 4, BOS: []int{1}}.Windows(tokens, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := []model.Scored{{Tokens: []int{1, 11, 12, 13}, From: 3}, {Tokens: []int{1, 15, 16, 17}, From: 3}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("second half (-want +got):\n%s", diff)
	}
	if tokens[0] != 10 {
		t.Error("the text was modified")
	}
	got, err = Blocks{N: 4}.Windows(tokens, 1)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]model.Scored{{Tokens: []int{10, 11, 12, 13}, From: 1}}, got); diff != "" {
		t.Errorf("blocks (-want +got):\n%s", diff)
	}
	for _, p := range []Protocol{Blocks{N: 10}, SecondHalf{N: 10}, Blocks{}, SecondHalf{}} {
		if _, err := p.Windows(tokens, 0); !errors.Is(err, corpus.ErrTooShort) {
			t.Errorf("%v: error %v, want corpus.ErrTooShort", p, err)
		}
	}
	for _, p := range []Protocol{Blocks{N: 1}, SecondHalf{N: 3}, Blocks{N: -1}, SecondHalf{N: 8, BOS: []int{1, 2}}} {
		if _, err := p.Windows(tokens, 0); err == nil || errors.Is(err, corpus.ErrTooShort) {
			t.Errorf("%v: error %v, want one about the protocol", p, err)
		}
	}
}

func TestPerplexityEndsWithItsContext(t *testing.T) {
	m, tokens, _ := tiny(t)
	ctx, cancel := context.WithCancel(context.Background())
	calls := 0
	opts := Options{NLL: model.NLLOptions{Progress: func(done, total int) {
		if calls++; done < 1 || done > total {
			t.Errorf("progress %d of %d", done, total)
		}
		cancel()
	}}}
	if _, err := Perplexity(ctx, m, tokens, Blocks{N: 10}, opts); !errors.Is(err, context.Canceled) || calls != 1 {
		t.Errorf("error %v after %d blocks, want cancellation after 1", err, calls)
	}
}

func TestQuestionsOfEveryFormat(t *testing.T) {
	for _, tc := range []struct {
		name string
		in   record
		want Question
	}{
		{"listed", record{"Please choose the correct answer to the question: Which ratio is 2: 1?\n\nAnswer1: 4 to 2 Answer2: 1 to 2\n\nAnswer format: answer1/answer2", "answer1"},
			Question{"Question: Which ratio is 2: 1?\nAnswer:", []string{" 4 to 2", " 1 to 2"}, 0, false}},
		{"other label", record{"Please choose the correct solution to the question: Boil an egg\n\nSolution1: In water.\n\nSolution2: In sand.\n\nAnswer format: solution1/solution2", "solution2"},
			Question{"Question: Boil an egg\nAnswer:", []string{" In water.", " In sand."}, 1, false}},
		{"not listed", record{"Please answer the following question with true or false, question: is the sky blue?\n\nAnswer format: true/false", "true"},
			Question{"Question: is the sky blue?\nAnswer:", []string{" true", " false"}, 0, true}},
	} {
		got, err := tc.in.question()
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

func TestBadQuestions(t *testing.T) {
	for name, content := range map[string]string{
		"empty file":     "",
		"no array":       `{"instruction": "x"}`,
		"no questions":   `[]`,
		"no format line": `[{"instruction": "Question: x?", "answer": "true"}]`,
		"no such label":  `[{"instruction": "q: x?\n\nAnswer format: true/false", "answer": "maybe"}]`,
		"one label":      `[{"instruction": "q: x?\n\nAnswer format: true", "answer": "true"}]`,
	} {
		path := filepath.Join(t.TempDir(), "test.json")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadQuestions(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v, want one that names the file", name, err)
		}
	}
}

// TestRealQuestions checks counts, and that every listed choice was found (and so none is left in a prompt).
func TestRealQuestions(t *testing.T) {
	for name, want := range map[string]struct{ rows, most int }{
		"ARC-Challenge": {1172, 5}, "ARC-Easy": {2376, 5}, "boolq": {3270, 2}, "openbookqa": {500, 4}, "social_i_qa": {1954, 3},
	} {
		questions, err := ReadQuestions(testdata.Path(t, "llm-adapters/"+name+"/test.json"))
		if err != nil {
			t.Fatal(err)
		}
		if len(questions) != want.rows {
			t.Errorf("%s: %d questions, want %d", name, len(questions), want.rows)
		}
		for i, q := range questions {
			if len(q.Choices) < 2 || len(q.Choices) > want.most || strings.Contains(q.Prompt, "Answer1:") ||
				!strings.HasPrefix(q.Prompt, "Question: ") || q.Labels != (name == "boolq") || strings.Contains(q.Prompt, "Please") && name != "social_i_qa" {
				t.Errorf("%s, question %d: %+v", name, i, q)
			}
		}
	}
}

func TestChooseNormalises(t *testing.T) {
	q := Question{Choices: []string{" ab", " abcdefgh"}}
	nll := [][]float64{{2, 1}, {2, 3, 1}} // -3 and -6; a byte -1 and -0.67
	if plain, normalised := choose(q, nll); plain != 0 || normalised != 1 {
		t.Errorf("plain choice %d, normalised %d, want 0 and 1", plain, normalised)
	}
	q.Labels = true
	if plain, normalised := choose(q, nll); plain != 0 || normalised != 0 {
		t.Errorf("labels: plain choice %d, normalised %d, want 0 and 0", plain, normalised)
	}
}
