package compare

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"text/tabwriter"
)

// rootMeanSquare sums in the order of the keys, so that the result is the same each time.
func rootMeanSquare(values map[string]float64) float64 {
	if len(values) == 0 {
		return 0
	}
	var sum float64
	for _, key := range slices.Sorted(maps.Keys(values)) {
		sum += values[key] * values[key]
	}
	return math.Sqrt(sum / float64(len(values)))
}

// WriteText writes the table for people.
func (t *Table) WriteText(w io.Writer) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "%s on %s, %s, %d tokens predicted\n\n", t.Model, t.Data, t.Protocol, t.Tokens)
	held := slices.ContainsFunc(t.Runs, func(r Row) bool { return r.HeldOutError > 0 })
	header := "method\tbudget\tparameters\tMB\tperplexity\t±\tlayer error\tleast possible\t"
	if held {
		header += "on held-out text\t"
	}
	fmt.Fprintf(out, "%sseconds\t\n", header)
	fmt.Fprintf(out, "dense\t\t%d\t%.1f\t%.3f\t%.3f\t\t\t", t.Params, float64(t.Bytes)/1e6, t.Baseline, t.BaselineErr)
	if held {
		fmt.Fprint(out, "\t")
	}
	fmt.Fprintln(out, "\t")
	for _, r := range t.Runs {
		fmt.Fprintf(out, "%s\t%s\t%d\t%.1f\t%.3f\t%.3f\t%.4f\t%.4f\t", r.Method, r.Budget, r.Params, float64(r.Bytes)/1e6, r.Perplexity, r.StdErr,
			r.WeightedError, r.OptimumError)
		if held {
			fmt.Fprintf(out, "%.4f\t", r.HeldOutError)
		}
		fmt.Fprintf(out, "%.1f\t\n", r.Seconds)
	}
	return out.Flush()
}
