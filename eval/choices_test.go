package eval

import (
	"context"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/eckart-go/eckart/internal/testdata"
	"github.com/eckart-go/eckart/model"
	"github.com/eckart-go/eckart/tokenizer"
)

// TestChoicesByDefinition scores questions that differ in length and number of choices at once, and one by one from the
// logits.
func TestChoicesByDefinition(t *testing.T) {
	path := testdata.Path(t, "stories260k/stories260K.bin")
	ctx := context.Background()
	m, err := model.Open(path, model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	tok, err := tokenizer.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	questions := []Question{
		{"Once upon a", []string{" time", " zebra crossing"}, 0, false},
		{"Lily and Tom went to the park. They saw a big", []string{" of", " dog.", " dog and they played together."}, 1, false},
		{"She wanted to play with", []string{" it, but she was", " an"}, 0, true},
		{"The", []string{" the", " little girl", " sad", " x"}, 1, false},
	}
	var want ChoicesResult
	for _, q := range questions {
		plain, normalised := choose(q, likelihoods(ctx, t, m, tok, q))
		if plain == q.Answer {
			want.Plain += 0.25
		}
		if normalised == q.Answer {
			want.Accuracy += 0.25
		}
	}
	got, err := Choices(ctx, m, tok, questions, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want.Questions, want.Chance = 4, (1./2+1./3+1./2+1./4)/4
	want.StdErr = math.Sqrt(want.Accuracy * (1 - want.Accuracy) / 4)
	if got.Questions != want.Questions || got.Accuracy != want.Accuracy || got.Plain != want.Plain || got.StdErr != want.StdErr ||
		!(math.Abs(got.Chance-want.Chance) <= 1e-15) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if want.Accuracy < 0.5 {
		t.Errorf("accuracy %v on what the model was trained on", want.Accuracy)
	}
	if got, err := Choices(ctx, m, tok, questions, Options{Limit: 1}); err != nil || got.Questions != 1 || got.Accuracy != 1 {
		t.Errorf("the first question alone: %+v, %v", got, err)
	}
	if _, err := Choices(ctx, m, tok, nil, Options{}); err == nil {
		t.Error("no questions: no error")
	}
	if _, err := Choices(ctx, m, tok, []Question{{Prompt: "A", Choices: []string{" b", ""}}}, Options{}); err == nil || !strings.Contains(err.Error(), "choice 1") {
		t.Errorf("an empty choice: error %v", err)
	}
}

// likelihoods computes -ln p of every token of the choices from the logits of the whole text.
func likelihoods(ctx context.Context, t *testing.T, m *model.Llama, tok *tokenizer.Tokenizer, q Question) [][]float64 {
	t.Helper()
	out := make([][]float64, len(q.Choices))
	prompt := tok.Encode(nil, q.Prompt, tokenizer.EncodeOptions{})
	for i, c := range q.Choices {
		text := tok.Encode(nil, q.Prompt+c, tokenizer.EncodeOptions{})
		logits, err := m.Logits(ctx, text)
		if err != nil {
			t.Fatal(err)
		}
		vocab := m.Config().Vocab
		for j := len(prompt); j < len(text); j++ {
			row := make([]float64, vocab)
			for k := range row {
				row[k] = float64(logits[(j-1)*vocab+k])
			}
			out[i] = append(out[i], nllOf(row, text[j]))
		}
	}
	return out
}

func FuzzQuestion(f *testing.F) {
	f.Add("Please choose the correct answer to the question: x?\n\nAnswer1: a Answer2: b\n\nAnswer format: answer1/answer2", "answer2")
	f.Add("Please answer with true or false, question: x?\n\nAnswer format: true/false", "true")
	f.Add("Answer format: //", "")
	f.Add("É1: É2: Answer format: é1/é2", "é1")
	f.Fuzz(func(t *testing.T, instruction, answer string) {
		q, err := record{instruction, answer}.question()
		if err != nil {
			return
		}
		if q.Answer < 0 || q.Answer >= len(q.Choices) || len(q.Choices) < 2 || !strings.HasSuffix(q.Prompt, "\nAnswer:") {
			text, _ := json.Marshal(q)
			t.Errorf("%s", text)
		}
	})
}
