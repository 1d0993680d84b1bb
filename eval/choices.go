package eval

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"

	"github.com/eckart-go/eckart/model"
	"github.com/eckart-go/eckart/tokenizer"
)

// Question is a multiple-choice question: each choice is a continuation of the prompt.
type Question struct {
	Prompt  string
	Choices []string // with the space that separates them from the prompt
	Answer  int      // index of the right choice
	Labels  bool     // the choices are labels such as true and false, whose length means nothing: it is not divided by
}

// record is a question in the instruction format of the LLM-Adapters collection (Hu et al., arXiv 2304.01933).
type record struct {
	Instruction string `json:"instruction"`
	Answer      string `json:"answer"`
}

// ReadQuestions reads a multiple-choice set of the LLM-Adapters collection: a JSON array of objects with an instruction such as
//
//	Please choose the correct answer to the question: <question>
//
//	Answer1: <choice> Answer2: <choice> ...
//
//	Answer format: answer1/answer2/...
//
// and an answer such as "answer2". Without listed choices (BoolQ), those of the last line are the choices. The prompt becomes
// "Question: <question>\nAnswer:" and a choice's text is " <choice>", so that likelihoods of answers are compared, not of labels.
func ReadQuestions(path string) ([]Question, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("eval: %w", err)
	}
	var records []record
	if err := json.Unmarshal(data, &records); err != nil {
		return nil, fmt.Errorf("eval: %s: expected an array of questions: %w", path, err)
	}
	if len(records) == 0 {
		return nil, fmt.Errorf("eval: %s: no questions", path)
	}
	questions := make([]Question, len(records))
	for i, r := range records {
		if questions[i], err = r.question(); err != nil {
			return nil, fmt.Errorf("eval: %s: question %d: %w", path, i, err)
		}
	}
	return questions, nil
}

// formatLine introduces the labels in the last line of an instruction.
const formatLine = "Answer format:"

// question takes an instruction apart.
func (r record) question() (Question, error) {
	at := strings.LastIndex(r.Instruction, formatLine)
	if at < 0 {
		return Question{}, fmt.Errorf("no line %q in %q", formatLine, r.Instruction)
	}
	labels := strings.Split(strings.TrimSpace(r.Instruction[at+len(formatLine):]), "/")
	q := Question{Answer: -1}
	for i, label := range labels {
		labels[i] = strings.TrimSpace(label)
		if strings.EqualFold(labels[i], strings.TrimSpace(r.Answer)) {
			q.Answer = i
		}
	}
	if len(labels) < 2 || q.Answer < 0 {
		return Question{}, fmt.Errorf("answer %q: expected one of several labels %q", r.Answer, labels)
	}
	body := strings.TrimSpace(r.Instruction[:at])
	if texts, start := listed(body, labels); texts != nil {
		body = strings.TrimSpace(body[:start])
		labels = texts
	} else {
		q.Labels = true
	}
	if _, stem, ok := strings.Cut(body, ": "); ok { // after "Please choose the correct answer to the question"
		body = stem
	}
	q.Prompt = "Question: " + strings.TrimSpace(body) + "\nAnswer:"
	for _, text := range labels {
		q.Choices = append(q.Choices, " "+text)
	}
	return q, nil
}

// listed finds the choices "Answer1: text Answer2: text ..." at the end of body, and where they start; nil if they are not
// there.
func listed(body string, labels []string) (texts []string, start int) {
	end := len(body)
	texts = make([]string, len(labels))
	for i := len(labels) - 1; i >= 0; i-- {
		label := labels[i]
		marker := strings.ToUpper(label[:min(1, len(label))]) + label[min(1, len(label)):] + ":"
		at := strings.LastIndex(body[:end], marker)
		if at < 0 {
			return nil, 0
		}
		texts[i] = strings.TrimSpace(body[at+len(marker) : end])
		end = at
	}
	return texts, end
}

// ChoicesResult is the accuracy on a set of questions.
type ChoicesResult struct {
	Questions int
	Accuracy  float64 // share answered rightly by the largest log-likelihood, normalised by length
	StdErr    float64 // binomial: sqrt(p (1-p) / n)
	Plain     float64 // share answered rightly by the largest log-likelihood, not normalised
	Chance    float64 // expected share of guessing
}

// Choices measures m on questions: the answer is the choice of the largest log-likelihood after the prompt divided by the
// choice's length in bytes, as other harnesses do and independent of the tokenizer, except for Labels. Ties go to the first.
func Choices(ctx context.Context, m *model.Llama, tok *tokenizer.Tokenizer, questions []Question, opts Options) (ChoicesResult, error) {
	if opts.Limit > 0 && opts.Limit < len(questions) {
		questions = questions[:opts.Limit]
	}
	if len(questions) == 0 {
		return ChoicesResult{}, fmt.Errorf("eval: no questions")
	}
	var seqs []model.Scored
	for i, q := range questions {
		prompt := tok.Encode(nil, q.Prompt, tokenizer.EncodeOptions{Literal: true})
		for j, c := range q.Choices {
			s, err := continuation(tok, prompt, q.Prompt+c)
			if err != nil {
				return ChoicesResult{}, fmt.Errorf("eval: question %d, choice %d: %w", i, j, err)
			}
			seqs = append(seqs, s)
		}
	}
	nll, err := m.NLL(ctx, seqs, opts.NLL)
	if err != nil {
		return ChoicesResult{}, fmt.Errorf("eval: choices: %w", err)
	}
	if err := checkNumbers(nll); err != nil {
		return ChoicesResult{}, fmt.Errorf("eval: choices: %w", err)
	}
	r := ChoicesResult{Questions: len(questions)}
	for _, q := range questions {
		plain, normalised := choose(q, nll[:len(q.Choices)])
		nll = nll[len(q.Choices):]
		if plain == q.Answer {
			r.Plain++
		}
		if normalised == q.Answer {
			r.Accuracy++
		}
		r.Chance += 1 / float64(len(q.Choices))
	}
	n := float64(len(questions))
	r.Plain, r.Accuracy, r.Chance = r.Plain/n, r.Accuracy/n, r.Chance/n
	r.StdErr = math.Sqrt(r.Accuracy * (1 - r.Accuracy) / n)
	return r, nil
}

// continuation returns the tokens of text, scored from where they differ from those of the prompt that it begins with.
func continuation(tok *tokenizer.Tokenizer, prompt []int, text string) (model.Scored, error) {
	s := model.Scored{Tokens: tok.Encode(nil, text, tokenizer.EncodeOptions{Literal: true})}
	for s.From < min(len(prompt), len(s.Tokens)) && s.Tokens[s.From] == prompt[s.From] {
		s.From++
	}
	s.From = max(s.From, 1)
	if s.From >= len(s.Tokens) {
		return s, fmt.Errorf("the text adds no token to its prompt")
	}
	return s, nil
}

// choose returns the choices with the largest log-likelihood and with the largest normalised by length.
func choose(q Question, nll [][]float64) (plain, normalised int) {
	best, bestNormalised := math.Inf(-1), math.Inf(-1)
	for i, tokens := range nll {
		sum := 0.0
		for _, v := range tokens {
			sum -= v
		}
		if sum > best {
			best, plain = sum, i
		}
		if !q.Labels {
			sum /= float64(len(q.Choices[i]))
		}
		if sum > bestNormalised {
			bestNormalised, normalised = sum, i
		}
	}
	return plain, normalised
}
