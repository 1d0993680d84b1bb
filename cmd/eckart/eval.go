package main

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/eckart-go/eckart/eval"
	"github.com/eckart-go/eckart/internal/resident"
	"github.com/eckart-go/eckart/model"
)

// evalFlags are the flags of eval.
type evalFlags struct {
	protocol string
	context  int
	limit    int
	group    int
}

func newEval(e *env) *cobra.Command {
	var f evalFlags
	c := &cobra.Command{
		Use:   "eval MODEL DATA",
		Short: "Measure perplexity on a text, or accuracy on multiple-choice questions",
		Long: `Measures a model on held-out data, one block of it in memory at a time. DATA is a text file or a folder of text: its
perplexity is measured, with the standard error. Or it is a .json file of questions in the LLM-Adapters format: the
accuracy of choosing the answer by likelihood is.

Perplexities compare only under the same protocol:
  blocks  consecutive blocks of -c tokens (default 2048), every token but the first of each predicted (GPTQ and SVD-LLM papers)
  half    windows of -c tokens (default 512), only the second half counted (llama.cpp's perplexity tool)
  both    one after the other`,
		Example: `  eckart eval smollm2 wiki.test.raw
  eckart eval model.gguf wikitext-2/ --protocol half -c 512 --json
  eckart eval smollm2 ARC-Easy/test.json --limit 200`,
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			m, err := openModel(args[0])
			if err != nil {
				return err
			}
			defer m.Close()
			if strings.EqualFold(filepath.Ext(args[1]), ".json") {
				return runChoices(c, e, m, args[1], f)
			}
			return runPerplexity(c, e, m, args[1], f)
		},
	}
	c.Flags().StringVar(&f.protocol, "protocol", "blocks", "how the text is cut: blocks, half or both")
	c.Flags().IntVarP(&f.context, "context", "c", 0, "tokens in a block or window (0: the protocol's default, or the model's context if that is less)")
	c.Flags().IntVar(&f.limit, "limit", 0, "most blocks, windows or questions to take (0: all)")
	c.Flags().IntVar(&f.group, "group", 0, "tokens that pass through the model together; bounds the memory (0: 32768)")
	return c
}

// options returns the library's options, with progress shown.
func (f evalFlags) options(e *env) eval.Options {
	progress := e.progress("eval", "token blocks")
	return eval.Options{Limit: f.limit, NLL: model.NLLOptions{
		GroupTokens: f.group,
		Progress:    func(done, total int) { progress(int64(done), int64(total)) },
	}}
}

// protocols returns the protocols that were asked for, fitted to the model's context.
func (f evalFlags) protocols(m *opened) ([]eval.Protocol, error) {
	length := func(standard int) int {
		if f.context != 0 {
			return f.context
		}
		return min(standard, m.Config().MaxPositions)
	}
	blocks := eval.Blocks{N: length(2048)}
	half := eval.SecondHalf{N: length(512), BOS: m.tokenizer.Encode(nil, "", tokenizerDefaults)}
	switch f.protocol {
	case "blocks":
		return []eval.Protocol{blocks}, nil
	case "half":
		return []eval.Protocol{half}, nil
	case "both":
		return []eval.Protocol{blocks, half}, nil
	}
	return nil, usageError{fmt.Errorf("--protocol %q: expected blocks, half or both", f.protocol)}
}

func runPerplexity(c *cobra.Command, e *env, m *opened, data string, f evalFlags) error {
	protocols, err := f.protocols(m)
	if err != nil {
		return err
	}
	tokens, err := m.tokens(data)
	if err != nil {
		return err
	}
	report := evalReport{Model: m.path, Data: data}
	start := time.Now()
	for _, p := range protocols {
		r, err := eval.Perplexity(c.Context(), m.Llama, tokens, p, f.options(e))
		if err != nil {
			return err
		}
		report.Perplexity = append(report.Perplexity, perplexityLine{
			Protocol: r.Protocol, Windows: r.Windows, Tokens: r.Tokens, Perplexity: r.Perplexity,
			StdErr: r.PerplexityStdErr(), MeanNLL: r.MeanNLL,
		})
	}
	return e.print(report.finished(start))
}

func runChoices(c *cobra.Command, e *env, m *opened, data string, f evalFlags) error {
	questions, err := eval.ReadQuestions(data)
	if err != nil {
		return err
	}
	start := time.Now()
	r, err := eval.Choices(c.Context(), m.Llama, m.tokenizer, questions, f.options(e))
	if err != nil {
		return err
	}
	report := evalReport{Model: m.path, Data: data, Choices: &choicesLine{r.Questions, r.Accuracy, r.StdErr, r.Plain, r.Chance}}
	return e.print(report.finished(start))
}

// evalReport is what eval found.
type evalReport struct {
	Model      string           `json:"model"`
	Data       string           `json:"data"`
	Perplexity []perplexityLine `json:"perplexity,omitempty"`
	Choices    *choicesLine     `json:"choices,omitempty"`
	Seconds    float64          `json:"seconds"`
	PeakBytes  int64            `json:"peak_bytes"`
}

type perplexityLine struct {
	Protocol   string  `json:"protocol"`
	Windows    int     `json:"windows"`
	Tokens     int     `json:"tokens"`
	Perplexity float64 `json:"ppl"`
	StdErr     float64 `json:"ppl_stderr"`
	MeanNLL    float64 `json:"mean_nll"`
}

type choicesLine struct {
	Questions int     `json:"questions"`
	Accuracy  float64 `json:"accuracy"`
	StdErr    float64 `json:"accuracy_stderr"`
	Plain     float64 `json:"accuracy_not_normalised"`
	Chance    float64 `json:"chance"`
}

func (r evalReport) finished(start time.Time) evalReport {
	r.Seconds, r.PeakBytes = time.Since(start).Seconds(), resident.Peak()
	return r
}

// WriteText writes a table for people.
func (r evalReport) WriteText(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s on %s\n", r.Model, r.Data)
	for _, p := range r.Perplexity {
		fmt.Fprintf(t, "perplexity\t%.4f ± %.4f\t%s: %d windows, %d tokens predicted\n", p.Perplexity, p.StdErr, p.Protocol, p.Windows, p.Tokens)
	}
	if c := r.Choices; c != nil {
		fmt.Fprintf(t, "accuracy\t%.2f %% ± %.2f\tby likelihood per byte; %d questions, guessing gives %.1f %%\n", 100*c.Accuracy, 100*c.StdErr, c.Questions, 100*c.Chance)
		fmt.Fprintf(t, "\t%.2f %%\tby likelihood, not normalised\n", 100*c.Plain)
	}
	fmt.Fprintf(t, "%.1f s, %s at most\n", r.Seconds, size(r.PeakBytes))
	return t.Flush()
}

// MarshalJSON keeps JSON valid when a perplexity is infinite: such numbers become null.
func (p perplexityLine) MarshalJSON() ([]byte, error) {
	type plain perplexityLine
	return json.Marshal(struct {
		plain
		Perplexity *float64 `json:"ppl"`
		StdErr     *float64 `json:"ppl_stderr"`
	}{plain(p), finite(p.Perplexity), finite(p.StdErr)})
}
