// Package quickstart shows the whole of Eckart in seconds, with nothing but the binary: it carries a small language model
// and two texts, compresses the model with two methods at two budgets, measures what each lost, lets each of them tell a
// story, and writes a report.
package quickstart

import (
	"context"
	"embed"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/eckart-go/eckart/checkpoint"
	"github.com/eckart-go/eckart/compare"
	"github.com/eckart-go/eckart/compress"
	"github.com/eckart-go/eckart/compress/budget"
	"github.com/eckart-go/eckart/eval"
	"github.com/eckart-go/eckart/model"
	"github.com/eckart-go/eckart/studio"
	"github.com/eckart-go/eckart/tokenizer"
)

//go:embed data/stories260K.bin data/tok512.bin data/calibration.txt data/heldout.txt
var data embed.FS

// What is compared. The sequences are as long as a story or two, so that the short texts are used whole.
const (
	modelName    = "stories260K"
	window       = 128 // tokens of a calibration sequence and of a measured block
	prompt       = "Once upon a time"
	sampleTokens = 64
)

var (
	methods = []string{"svd", "svdllm"}
	keep    = []float64{0.9, 0.7}
)

// DefaultReport is the file that Run writes unless told otherwise.
const DefaultReport = "eckart-quickstart.html"

// Options tunes Run; its zero value is the recommended setting.
type Options struct {
	Report  string // HTML file to write; "": DefaultReport in the current folder
	Picture string // SVG file of perplexity against bytes to write too; "": none
	// Progress, if not nil, is called when a stage begins and returns what is told how far it is, in unit.
	Progress func(stage, unit string) func(done, total int64)
}

// Result is what Run found: a comparison of the methods, and a sample of text from each model.
type Result struct {
	*compare.Table
	Inspected Facts           `json:"inspected"`
	Prompt    string          `json:"prompt"`
	Samples   []studio.Sample `json:"samples"` // the dense model's first, then in the order of Runs
	Seconds   float64         `json:"seconds"`
	Report    string          `json:"report"` // path of the HTML file
	Picture   string          `json:"picture,omitempty"`
}

// Facts describes the embedded model.
type Facts struct {
	Architecture string `json:"architecture"`
	Blocks       int    `json:"blocks"`
	Width        int    `json:"width"`
	Heads        int    `json:"heads"`
	Vocabulary   int    `json:"vocabulary"`
	Context      int    `json:"context"`
}

// Run does the tour. It works in a temporary folder that is gone when it returns, uses no network, and leaves nothing but
// the report (and the picture) behind; what was at their paths before is replaced once they are complete.
func Run(ctx context.Context, opts Options) (*Result, error) {
	if opts.Report == "" {
		opts.Report = DefaultReport
	}
	if opts.Progress == nil {
		opts.Progress = func(string, string) func(int64, int64) { return func(int64, int64) {} }
	}
	for _, path := range []string{opts.Report, opts.Picture} { // before the work, not after it
		if st, err := os.Stat(filepath.Dir(path)); err != nil || !st.IsDir() {
			return nil, fmt.Errorf("quickstart: %s: the folder %s does not exist", path, filepath.Dir(path))
		}
	}
	start := time.Now()
	dir, err := os.MkdirTemp("", "eckart-quickstart-")
	if err != nil {
		return nil, fmt.Errorf("quickstart: %w", err)
	}
	defer os.RemoveAll(dir)
	t := &tour{dir: dir, opts: opts, result: &Result{Prompt: prompt, Report: opts.Report, Picture: opts.Picture}}
	for _, step := range []func(context.Context) error{t.unpack, t.compare, t.sample} {
		if err := step(ctx); err != nil {
			return nil, fmt.Errorf("quickstart: %w", err)
		}
	}
	t.rename()
	if err := t.report(); err != nil {
		return nil, fmt.Errorf("quickstart: %w", err)
	}
	t.result.Seconds = time.Since(start).Seconds()
	return t.result, nil
}

// tour is one call of Run.
type tour struct {
	dir    string
	opts   Options
	result *Result
}

func (t *tour) path(name string) string { return filepath.Join(t.dir, name) }

// unpack writes the embedded files to the temporary folder, and looks at the model.
func (t *tour) unpack(context.Context) error {
	entries, err := data.ReadDir("data")
	if err != nil {
		return err
	}
	for _, e := range entries {
		content, err := data.ReadFile("data/" + e.Name())
		if err != nil {
			return err
		}
		if err := os.WriteFile(t.path(e.Name()), content, 0o600); err != nil {
			return err
		}
	}
	m, err := checkpoint.OpenModel(t.source())
	if err != nil {
		return err
	}
	defer m.Close()
	c := m.Config()
	t.result.Inspected = Facts{c.Architecture, c.Layers, c.Hidden, c.Heads, c.Vocab, c.MaxPositions}
	return nil
}

func (t *tour) source() string { return t.path(modelName + ".bin") }

// compare compresses with every method at every budget, and measures the results.
func (t *tour) compare(ctx context.Context) error {
	var arms []compare.Arm
	for _, k := range keep {
		for _, name := range methods {
			m, err := compress.Lookup(name)
			if err != nil {
				return err
			}
			arms = append(arms, compare.Arm{Method: m, Budget: budget.Budget{Keep: k}})
		}
	}
	var err error
	t.result.Table, err = compare.Run(ctx, t.source(), arms, compare.Options{
		Compress: compress.Options{
			Text: t.path("calibration.txt"), Length: window, Seed: 1, Cache: t.path("cache"), Progress: t.opts.Progress,
			Type: checkpoint.OutF32, // like the model's, so that its size falls by what the ranks save and nothing else
		},
		Data: t.path("heldout.txt"), Protocol: eval.Blocks{N: window}, Dir: t.path("runs"),
	})
	return err
}

// sample lets the dense model and all results continue the prompt.
func (t *tour) sample(ctx context.Context) error {
	tok, err := tokenizer.Open(t.source())
	if err != nil {
		return err
	}
	progress := t.opts.Progress("generate", "stories")
	total := int64(len(t.result.Runs) + 1)
	models := []struct{ name, path string }{{"dense", t.source()}}
	for _, r := range t.result.Runs {
		models = append(models, struct{ name, path string }{r.Method + " at " + r.Budget, r.Output})
	}
	for i, m := range models {
		text, err := continuation(ctx, m.path, tok)
		if err != nil {
			return err
		}
		t.result.Samples = append(t.result.Samples, studio.Sample{Name: m.name, Prompt: prompt, Text: text})
		progress(int64(i+1), total)
	}
	return nil
}

// continuation returns what the model at path adds to the prompt when it always takes the most likely token.
func continuation(ctx context.Context, path string, tok *tokenizer.Tokenizer) (string, error) {
	m, err := model.Open(path, model.Options{})
	if err != nil {
		return "", err
	}
	defer m.Close()
	s, err := m.NewSession(ctx, model.SessionOptions{})
	if err != nil {
		return "", err
	}
	defer s.Close()
	ids := tok.Encode(nil, prompt, tokenizer.EncodeOptions{})
	generated, err := s.Generate(ctx, ids, model.GenerateOptions{MaxTokens: sampleTokens}, nil)
	if err != nil {
		return "", err
	}
	return strings.TrimPrefix(tok.Decode(append(ids, generated...)), tok.Decode(ids)), nil
}

// rename replaces paths of the temporary folder by names that mean something when it is gone.
func (t *tour) rename() {
	table := t.result.Table
	table.Model, table.Data = modelName, "embedded heldout.txt"
	for i := range table.Runs {
		r := &table.Runs[i]
		r.Output = ""
		r.Report.Model, r.Report.Output, r.Report.Calibration.Text = modelName, "", "embedded calibration.txt"
	}
}

// report writes the page, and the picture if one is wanted.
func (t *tour) report() error {
	r := studio.Report{Title: "Eckart quickstart", Table: t.result.Table, Samples: t.result.Samples}
	if err := studio.Save(t.opts.Report, r); err != nil {
		return err
	}
	if t.opts.Picture == "" {
		return nil
	}
	return studio.SavePicture(t.opts.Picture, t.result.Table)
}

// WriteText writes the table and the samples for people.
func (r *Result) WriteText(w io.Writer) error {
	f := r.Inspected
	fmt.Fprintf(w, "%s: %s, %d blocks of width %d, %d heads, vocabulary %d, context %d\n", modelName, f.Architecture, f.Blocks, f.Width, f.Heads, f.Vocabulary, f.Context)
	if err := r.Table.WriteText(w); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nlayer error: root mean square over layers of the outputs' relative error on the calibration text.\nleast possible: what no matrix of the same ranks can beat (Eckart, Young 1936).\n")
	for _, s := range r.Samples {
		fmt.Fprintf(w, "\n%s:\n  %s%s ...\n", s.Name, s.Prompt, s.Text)
	}
	_, err := fmt.Fprintf(w, "\n%.1f s. Report: %s\n", r.Seconds, r.Report)
	return err
}
