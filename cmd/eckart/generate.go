package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/eckart-go/eckart/model"
	"github.com/eckart-go/eckart/tokenizer"
)

// generateFlags are the flags of generate.
type generateFlags struct {
	tokens      int
	context     int
	temperature float64
	topK        int
	topP        float64
	seed        uint64
	float32     bool
}

func newGenerate(e *env) *cobra.Command {
	var f generateFlags
	c := &cobra.Command{
		Use:   "generate MODEL PROMPT",
		Short: "Continue a text",
		Long: `Continues PROMPT ("-": read from standard input) and prints the text as it is made, the most likely token each time unless
--temperature is given. Quantised weights are used as they are stored unless --float32 expands them.`,
		Example: `  eckart generate smollm2 "The capital of France is" -n 20
  eckart generate smollm2 "Once upon a time" --temperature 0.8 --top-p 0.95 --seed 7`,
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			prompt := args[1]
			if prompt == "-" {
				text, err := io.ReadAll(os.Stdin)
				if err != nil {
					return fmt.Errorf("prompt: %w", err)
				}
				prompt = string(text)
			}
			if err := f.check(); err != nil {
				return usageError{err}
			}
			m, err := openModel(args[0])
			if err != nil {
				return err
			}
			defer m.Close()
			return runGenerate(c, e, m, prompt, f)
		},
	}
	c.Flags().IntVarP(&f.tokens, "tokens", "n", 128, "most tokens to generate (0: until the model ends or the context is full)")
	c.Flags().IntVarP(&f.context, "context", "c", 0, "most tokens in all (0: what the model was made for)")
	c.Flags().Float64Var(&f.temperature, "temperature", 0, "how evenly tokens are drawn (0: always the most likely)")
	c.Flags().IntVar(&f.topK, "top-k", 0, "draw from this many most likely tokens only (0: all)")
	c.Flags().Float64Var(&f.topP, "top-p", 0, "draw from the most likely tokens that together have this probability (0: all)")
	c.Flags().BoolVar(&f.float32, "float32", false, "expand quantised weights instead of computing with their blocks")
	e.seedFlag(c, &f.seed)
	return c
}

func (f generateFlags) check() error {
	switch {
	case f.tokens < 0:
		return fmt.Errorf("--tokens %d: expected 0 or more", f.tokens)
	case !(f.temperature >= 0) || math.IsInf(f.temperature, 0):
		return fmt.Errorf("--temperature %v: expected a number of at least 0", f.temperature)
	case f.topK < 0:
		return fmt.Errorf("--top-k %d: expected 0 or more", f.topK)
	case !(f.topP >= 0 && f.topP <= 1):
		return fmt.Errorf("--top-p %v: expected 0 to 1", f.topP)
	}
	return nil
}

func runGenerate(c *cobra.Command, e *env, m *opened, prompt string, f generateFlags) error {
	ids := m.tokenizer.Encode(nil, prompt, tokenizerDefaults)
	if len(ids) == 0 {
		return errors.New("the prompt is empty: give at least one word")
	}
	session, err := m.NewSession(c.Context(), model.SessionOptions{Context: f.context, Float32: f.float32})
	if err != nil {
		return err
	}
	defer session.Close()
	report := generateReport{Model: m.path, Prompt: prompt, PromptTokens: len(ids)}
	var text strings.Builder
	out := io.Writer(&text)
	if !e.json {
		out = io.MultiWriter(&text, e.out)
		fmt.Fprint(e.out, prompt)
	}
	stream := m.tokenizer.NewStream(tokenizer.DecodeOptions{})
	for _, id := range ids { // so that the first word's space is not taken for one that begins a text
		stream.Next(id)
	}
	start := time.Now()
	var first time.Time
	emit := func(id int) error {
		if first.IsZero() {
			first = time.Now()
		}
		_, err := io.WriteString(out, stream.Next(id))
		return err
	}
	opts := model.GenerateOptions{MaxTokens: f.tokens, Sampler: model.Sampler{
		Temperature: f.temperature, TopK: f.topK, TopP: f.topP, Seed: f.seed,
	}}
	generated, err := session.Generate(c.Context(), ids, opts, emit)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(out, stream.Flush()); err != nil {
		return err
	}
	report.Text, report.Tokens = text.String(), len(generated)
	if !first.IsZero() {
		report.PromptSeconds = first.Sub(start).Seconds()
		report.Seconds = time.Since(first).Seconds()
	}
	return e.print(report)
}

// generateReport is what was generated and how fast.
type generateReport struct {
	Model         string  `json:"model"`
	Prompt        string  `json:"prompt"`
	Text          string  `json:"text"`
	PromptTokens  int     `json:"prompt_tokens"`
	Tokens        int     `json:"tokens"`
	PromptSeconds float64 `json:"prompt_seconds"` // up to the first token
	Seconds       float64 `json:"seconds"`        // from the first token to the last
}

// WriteText ends the line: the text itself was printed as it was made.
func (r generateReport) WriteText(w io.Writer) error {
	_, err := fmt.Fprintln(w)
	return err
}
