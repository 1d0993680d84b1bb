package papers

import (
	"context"
	"fmt"
	"go/build"
	"os"
	"path/filepath"
	"strings"

	"github.com/eckart-go/eckart/compress/calib"
	"github.com/eckart-go/eckart/corpus"
	"github.com/eckart-go/eckart/eval"
	"github.com/eckart-go/eckart/model"
	"github.com/eckart-go/eckart/tokenizer"
)

// Bench is what experiments share: the model, the texts, and where statistics are kept.
type Bench struct {
	Model string // path of the model
	Prose string // calibration text: a corpus of English
	Other string // held-out text: a corpus of English from another source
	Code  string // a folder of Go source files; "": the Go distribution's own
	// Embeddings is a sentence encoder (MiniLM's folder or file) whose word embeddings make a kernel matrix; "": the model's own.
	Embeddings string
	Cache      string // see compress.Options
	// Windows and Length say how many sequences of how many tokens each split has; 0: 16 of 256.
	Windows, Length int
	Seed            uint64
	// SkipSearch leaves out ASVD's search by perplexity, which takes most of svd-baselines' time.
	SkipSearch bool
	// Progress, if not nil, is called when a stage begins and returns what is told how far it is, in unit.
	Progress func(stage, unit string) func(done, total int64)
}

// Defaults of a Bench, those of the papers' specification cards.
const (
	defaultWindows = 16
	defaultLength  = 256
)

// checked returns b with its defaults, or an error that names what is missing.
func (b *Bench) checked() (*Bench, error) {
	c := *b
	for _, need := range []struct{ name, path string }{{"model", b.Model}, {"calibration text", b.Prose}, {"held-out text", b.Other}} {
		if need.path == "" {
			return nil, fmt.Errorf("papers: no %s was given", need.name)
		}
	}
	if c.Windows == 0 {
		c.Windows = defaultWindows
	}
	if c.Length == 0 {
		c.Length = defaultLength
	}
	if c.Windows < 1 || c.Length < 2 {
		return nil, fmt.Errorf("papers: %d windows of %d tokens: expected at least 1 of 2", c.Windows, c.Length)
	}
	if c.Progress == nil {
		c.Progress = func(string, string) func(int64, int64) { return func(int64, int64) {} }
	}
	return &c, nil
}

// settings describes the bench in a verdict.
func (b *Bench) settings() map[string]string {
	return map[string]string{
		"model":    filepath.Base(b.Model),
		"splits":   fmt.Sprintf("%d windows of %d tokens each", b.Windows, b.Length),
		"prose":    filepath.Base(b.Prose),
		"held out": filepath.Base(b.Other),
		"seed":     fmt.Sprint(b.Seed),
	}
}

// subject is an open model with its tokenizer.
type subject struct {
	*model.Llama
	tok *tokenizer.Tokenizer
}

func (b *Bench) open() (*subject, error) {
	m, err := model.Open(b.Model, model.Options{})
	if err != nil {
		return nil, err
	}
	tok, err := tokenizer.Open(b.Model)
	if err != nil {
		m.Close()
		return nil, err
	}
	return &subject{m, tok}, nil
}

// split draws the bench's number of windows from text.
func (b *Bench) split(s *subject, text string) ([][]int, error) {
	return corpus.Sample(s.tok.Encode(nil, text, tokenizer.EncodeOptions{Literal: true}), b.Length, b.Windows, b.Seed)
}

// allTokens encodes a corpus as one text.
func (b *Bench) allTokens(s *subject, path string) ([]int, error) {
	text, err := corpus.Read(path)
	if err != nil {
		return nil, err
	}
	return s.tok.Encode(nil, text, tokenizer.EncodeOptions{Literal: true}), nil
}

// prose returns the windows of a corpus of text.
func (b *Bench) prose(s *subject, path string) ([][]int, error) {
	tokens, err := b.allTokens(s, path)
	if err != nil {
		return nil, err
	}
	w, err := corpus.Sample(tokens, b.Length, b.Windows, b.Seed)
	if err != nil {
		return nil, fmt.Errorf("papers: %s: %w", path, err)
	}
	return w, nil
}

// code returns two splits of Go source code that share no package: the one to calibrate on, and the held-out one.
func (b *Bench) code(s *subject) (calibration, heldOut [][]int, err error) {
	root := b.Code
	if root == "" {
		root = filepath.Join(build.Default.GOROOT, "src")
	}
	packages, err := goPackages(root)
	if err != nil {
		return nil, nil, err
	}
	var texts [2]strings.Builder
	for i, text := range packages { // alternate packages, in the order of their names
		texts[i%2].WriteString(text)
	}
	if calibration, err = b.split(s, texts[0].String()); err == nil {
		heldOut, err = b.split(s, texts[1].String())
	}
	if err != nil {
		return nil, nil, fmt.Errorf("papers: Go code in %s: %w", root, err)
	}
	return calibration, heldOut, nil
}

// maxPackages bounds the code that is read.
const maxPackages = 120

// goPackages returns the source of the packages under root, tests left out, one string a package.
func goPackages(root string) ([]string, error) {
	var packages []string
	err := filepath.WalkDir(root, func(dir string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.IsDir() {
			return nil
		}
		if name := d.Name(); name == "testdata" || name == "vendor" || name == "cmd" || name == "internal" {
			return filepath.SkipDir
		}
		text, err := goFiles(dir)
		if text != "" {
			packages = append(packages, text)
		}
		if len(packages) == maxPackages {
			return filepath.SkipAll
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("papers: Go source code: %w: name a folder of Go packages", err)
	}
	if len(packages) < 2 {
		return nil, fmt.Errorf("papers: %s has %d Go packages, at least 2 are needed: name another folder", root, len(packages))
	}
	return packages, nil
}

func goFiles(dir string) (string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go")) // sorted
	if err != nil {
		return "", err
	}
	var text strings.Builder
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		text.Write(data)
	}
	return text.String(), nil
}

// perplexity measures s, with the layers that are set in it, on windows of equal length.
func (b *Bench) perplexity(ctx context.Context, s *subject, windows [][]int) (eval.Result, error) {
	return eval.Perplexity(ctx, s.Llama, nil, fixedWindows(windows), eval.Options{})
}

// fixedWindows is the protocol of the experiments: all tokens but the first of given windows are predicted.
type fixedWindows [][]int

// String describes the windows.
func (w fixedWindows) String() string {
	return fmt.Sprintf("%d windows of %d tokens", len(w), len(w[0]))
}

// Windows returns them.
func (w fixedWindows) Windows([]int, int) ([]model.Scored, error) {
	scored := make([]model.Scored, len(w))
	for i, tokens := range w {
		scored[i] = model.Scored{Tokens: tokens, From: 1}
	}
	return scored, nil
}

// statistics collects moments on windows, or finds them in the cache.
func (b *Bench) statistics(ctx context.Context, s *subject, windows [][]int, skipFirst bool) (*calib.Statistics, error) {
	return calib.Collect(ctx, s.Llama, windows, calib.Options{
		SkipFirst: skipFirst, Cache: b.Cache, Progress: b.Progress("calibrate", "token blocks"),
	})
}
