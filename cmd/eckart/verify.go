package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/eckart-go/eckart/eval"
)

func newVerify(e *env) *cobra.Command {
	var text, logits string
	var limit int
	var tolerance float64
	c := &cobra.Command{
		Use:   "verify A B",
		Short: "Show that two models are equal, or by how much their logits differ and where",
		Long: `Runs both models on the same text and compares all logits, and the hidden states after every block. It succeeds when the
relative difference of the logits, ||La - Lb|| / ||La||, is at most --tolerance, and fails with status 1 otherwise.`,
		Example: `  eckart verify model.gguf model-hf/ --tolerance 1e-3
  eckart verify smollm2 smaller/ --text wiki.test.raw --json`,
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			a, err := openModel(args[0])
			if err != nil {
				return err
			}
			defer a.Close()
			b, err := openModel(args[1])
			if err != nil {
				return err
			}
			defer b.Close()
			var tokens []int
			if text == "" {
				tokens, err = a.encode(standardText)
			} else {
				tokens, err = a.tokens(text)
			}
			if err != nil {
				return err
			}
			tokens = tokens[:min(limit, len(tokens), a.Config().MaxPositions)]
			if logits != "" {
				if err := writeLogits(c.Context(), logits, b, tokens); err != nil {
					return err
				}
			}
			r, err := eval.Compare(c.Context(), a.Llama, b.Llama, tokens)
			if err != nil {
				return err
			}
			report := verifyReport{A: a.path, B: b.path, Tokens: r.Tokens, Equal: r.Equal, Relative: r.Relative, MaxDiff: r.MaxDiff,
				MaxAt: r.MaxAt, KL: r.KL, SameTop: r.SameTop, FirstBlock: r.FirstBlock, Blocks: r.Blocks}
			if err := e.print(report); err != nil {
				return err
			}
			if r.Relative > tolerance {
				return fmt.Errorf("the logits differ by %.3g relative, more than --tolerance %.3g", r.Relative, tolerance)
			}
			return nil
		},
	}
	c.Flags().StringVarP(&text, "text", "f", "", "text to run on (a built-in paragraph if not given)")
	c.Flags().IntVar(&limit, "tokens", 128, "most tokens of it to take")
	c.Flags().StringVar(&logits, "logits", "", "also write the token ids, and B's logits after the last of them, to this JSON file")
	c.Flags().Float64Var(&tolerance, "tolerance", 0, "largest relative difference of the logits that counts as equal")
	return c
}

// writeLogits writes the ids and the logits after the last of them, for comparison with another program.
func writeLogits(ctx context.Context, path string, m *opened, tokens []int) error {
	all, err := m.Logits(ctx, tokens)
	if err != nil {
		return err
	}
	data, err := json.Marshal(struct {
		IDs    []int     `json:"ids"`
		Logits []float32 `json:"logits"`
	}{tokens, all[len(all)-m.Config().Vocab:]})
	if err != nil {
		return fmt.Errorf("logits of %s: %w", m.path, err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		return fmt.Errorf("--logits: %w", err)
	}
	return nil
}

// standardText is what verify compares on when no text is given: prose, numbers, a list and code.
const standardText = `The best approximation of a matrix by one of lower rank keeps its largest singular values and drops the rest; Eckart and Young
showed in 1936 that none is closer. For a 3 x 3 matrix with singular values 5, 3 and 1, the error of rank 2 is exactly 1.
- first keep 2 of 3 values, then 1;
- func tail(s []float64, k int) float64 { return floats.Norm(s[k:], 2) }
What remains is often enough, she said: "a picture is still a picture when every tenth line is gone."`

// verifyReport is what verify found.
type verifyReport struct {
	A          string    `json:"a"`
	B          string    `json:"b"`
	Tokens     int       `json:"tokens"`
	Equal      bool      `json:"equal"`
	Relative   float64   `json:"relative"`
	MaxDiff    float64   `json:"max_difference"`
	MaxAt      int       `json:"max_difference_at_token"`
	KL         float64   `json:"kl"`
	SameTop    float64   `json:"same_top_token"`
	FirstBlock int       `json:"first_block_that_differs"` // -1: none
	Blocks     []float64 `json:"relative_after_block"`
}

// WriteText writes the findings, and the blocks if any differs.
func (r verifyReport) WriteText(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "a\t%s\nb\t%s\n", r.A, r.B)
	if r.Equal && r.FirstBlock < 0 {
		fmt.Fprintf(t, "equal\tevery logit and hidden state of %d tokens, to the bit\n", r.Tokens)
		return t.Flush()
	}
	fmt.Fprintf(t, "relative difference\t%.3g of the logits' norm, over %d tokens\n", r.Relative, r.Tokens)
	fmt.Fprintf(t, "largest difference\t%.3g, at token %d\n", r.MaxDiff, r.MaxAt)
	fmt.Fprintf(t, "KL divergence\t%.3g nats a token\n", r.KL)
	fmt.Fprintf(t, "same first choice\t%.1f %% of tokens\n", 100*r.SameTop)
	if r.FirstBlock >= 0 {
		fmt.Fprintf(t, "first differs\tafter block %d\n\nblock\trelative difference of the hidden states\n", r.FirstBlock)
		for i := r.FirstBlock; i < len(r.Blocks); i++ {
			fmt.Fprintf(t, "%d\t%.3g\n", i, r.Blocks[i])
		}
	}
	return t.Flush()
}
