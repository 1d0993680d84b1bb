// Package compare puts compression methods side by side: the same model, calibration text, budget and held-out data for
// all, one row each.
package compare

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/eckart-go/eckart/compress"
	"github.com/eckart-go/eckart/compress/budget"
	"github.com/eckart-go/eckart/compress/calib"
	"github.com/eckart-go/eckart/corpus"
	"github.com/eckart-go/eckart/eval"
	"github.com/eckart-go/eckart/internal/resident"
	"github.com/eckart-go/eckart/model"
	"github.com/eckart-go/eckart/tokenizer"
)

// Arm is one competitor.
type Arm struct {
	Method compress.Method
	Share  compress.Share // ByMethod: the method's own rule
	Budget budget.Budget
}

// Name returns the method's name, with the rule if it is not the method's own.
func (a Arm) Name() string {
	if a.Share == compress.ByMethod || a.Share == a.Method.Share {
		return a.Method.Name
	}
	return a.Method.Name + "+" + a.Share.String()
}

// Options says what all arms have in common.
type Options struct {
	Compress compress.Options // Method, Share and Budget are the arms'; outputs are factors
	Data     string           // held-out corpus
	Protocol eval.Protocol    // nil: eval.Blocks{N: the calibration's sequence length}
	Limit    int              // most windows of it; 0: all
	HeldOut  bool             // also measure every layer's output error on held-out windows
	Dir      string           // where outputs are kept, named after their arms; "": they are removed
}

// Row is the outcome of one arm.
type Row struct {
	Method        string  `json:"method"`
	Budget        string  `json:"budget"`
	Keep          float64 `json:"keep"` // share of the compressed matrices' parameters that is left
	Params        int64   `json:"params"`
	Bytes         int64   `json:"bytes"`
	MulAdds       int64   `json:"mul_adds"`
	Perplexity    float64 `json:"ppl"`
	StdErr        float64 `json:"ppl_stderr"`
	WeightedError float64 `json:"weighted_error"`
	OptimumError  float64 `json:"optimum_error"`
	HeldOutError  float64 `json:"held_out_error,omitempty"` // root mean square over layers of the relative error of outputs
	Seconds       float64 `json:"seconds"`                  // of compression; calibration only where it was not in the cache
	PeakBytes     int64   `json:"peak_bytes"`               // of memory, of the process so far

	Output  string             `json:"output,omitempty"` // where the compressed model is, if it is kept
	Report  *compress.Report   `json:"-"`
	Result  eval.Result        `json:"-"` // what Perplexity and StdErr come from
	HeldOut map[string]float64 `json:"-"` // by layer
}

// Table is the comparison.
type Table struct {
	Model       string  `json:"model"`
	Protocol    string  `json:"protocol"`
	Data        string  `json:"data"`
	Tokens      int     `json:"tokens"` // predicted, per arm
	Baseline    float64 `json:"baseline_ppl"`
	BaselineErr float64 `json:"baseline_ppl_stderr"`
	Params      int64   `json:"params"`
	Bytes       int64   `json:"bytes"`
	Runs        []Row   `json:"runs"`
}

// comparison is one call of Run.
type comparison struct {
	source  string
	opts    Options
	dir     string
	model   *model.Llama
	tokens  []int
	table   *Table
	heldOut *calib.Statistics
}

// Run measures the model at source, then compresses it with every arm and measures the results. All are measured under
// opts.Protocol on opts.Data, which must not be the calibration text.
func Run(ctx context.Context, source string, arms []Arm, opts Options) (*Table, error) {
	m, err := model.Open(source, model.Options{})
	if err != nil {
		return nil, err
	}
	defer m.Close()
	c := &comparison{source: source, opts: opts, model: m, dir: opts.Dir}
	if err := c.prepare(); err != nil {
		return nil, err
	}
	if opts.Dir == "" {
		defer os.RemoveAll(c.dir)
	}
	if err := c.baseline(ctx); err != nil {
		return nil, err
	}
	for _, arm := range arms {
		row, err := c.run(ctx, arm)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", arm.Name(), err)
		}
		c.table.Runs = append(c.table.Runs, row)
	}
	return c.table, nil
}

// prepare reads the held-out text and settles the options.
func (c *comparison) prepare() error {
	if same(c.opts.Data, c.opts.Compress.Text) {
		return fmt.Errorf("compare: %s is both calibration and held-out text: a method would be measured on what it was fitted to", c.opts.Data)
	}
	if c.opts.Compress.Progress == nil {
		c.opts.Compress.Progress = func(string, string) func(int64, int64) { return func(int64, int64) {} }
	}
	if c.opts.Protocol == nil {
		n := c.opts.Compress.Length
		if n == 0 {
			n = min(compress.DefaultLength, c.model.Config().MaxPositions)
		}
		c.opts.Protocol = eval.Blocks{N: n}
	}
	text, err := corpus.Read(c.opts.Data)
	if err != nil {
		return err
	}
	tok, err := tokenizer.Open(c.source)
	if err != nil {
		return err
	}
	c.tokens = tok.Encode(nil, text, tokenizer.EncodeOptions{Literal: true})
	c.table = &Table{Model: c.source, Protocol: c.opts.Protocol.String(), Data: c.opts.Data}
	if c.dir == "" {
		if c.dir, err = os.MkdirTemp("", "eckart-compare-"); err != nil {
			return fmt.Errorf("compare: %w", err)
		}
		return nil
	}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return fmt.Errorf("compare: %w", err)
	}
	return nil
}

// same reports whether two paths name one file or folder.
func same(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// perplexity measures a model.
func (c *comparison) perplexity(ctx context.Context, m *model.Llama, stage string) (eval.Result, error) {
	progress := c.opts.Compress.Progress(stage, "token blocks")
	return eval.Perplexity(ctx, m, c.tokens, c.opts.Protocol, eval.Options{Limit: c.opts.Limit, NLL: model.NLLOptions{
		Progress: func(done, total int) { progress(int64(done), int64(total)) },
	}})
}

// baseline measures the dense model.
func (c *comparison) baseline(ctx context.Context) error {
	r, err := c.perplexity(ctx, c.model, "baseline")
	if err != nil {
		return err
	}
	c.table.Tokens, c.table.Baseline, c.table.BaselineErr = r.Tokens, r.Perplexity, r.PerplexityStdErr()
	if !c.opts.HeldOut {
		return nil
	}
	windows, err := c.opts.Protocol.Windows(c.tokens, c.opts.Limit)
	if err != nil {
		return err
	}
	sequences := make([][]int, len(windows))
	for i, w := range windows {
		sequences[i] = w.Tokens
	}
	c.heldOut, err = calib.Collect(ctx, c.model, sequences, calib.Options{
		Cache: c.opts.Compress.Cache, Memory: c.opts.Compress.Memory, Progress: c.opts.Compress.Progress("held out", "token blocks"),
	})
	return err
}

// run compresses with one arm and measures the result.
func (c *comparison) run(ctx context.Context, arm Arm) (Row, error) {
	opts := c.opts.Compress
	opts.Method, opts.Share, opts.Budget, opts.Target = arm.Method, arm.Share, arm.Budget, compress.Factors
	output := filepath.Join(c.dir, arm.Name()+"-"+arm.Budget.String())
	start := time.Now()
	report, err := compress.Run(ctx, c.source, output, opts)
	if err != nil {
		return Row{}, err
	}
	seconds := time.Since(start).Seconds()
	m, err := model.Open(output, model.Options{})
	if err != nil {
		return Row{}, err
	}
	defer m.Close()
	r, err := c.perplexity(ctx, m, "eval "+arm.Name())
	if err != nil {
		return Row{}, err
	}
	c.table.Params, c.table.Bytes = report.Before.Params, report.Before.Bytes
	row := Row{
		Method: arm.Name(), Budget: arm.Budget.String(), Keep: report.Keep, Params: report.After.Params, Bytes: report.After.Bytes,
		MulAdds: report.After.MulAdds, Perplexity: r.Perplexity, StdErr: r.PerplexityStdErr(), WeightedError: report.WeightedError,
		OptimumError: report.OptimumError, Seconds: seconds, Report: report, Result: r,
	}
	if c.opts.Dir != "" {
		row.Output = output
	}
	if c.heldOut != nil {
		if row.HeldOut, err = compress.OutputErrors(c.model, m, c.heldOut); err != nil {
			return Row{}, err
		}
		row.HeldOutError = rootMeanSquare(row.HeldOut)
	}
	row.PeakBytes = resident.Peak()
	return row, nil
}
