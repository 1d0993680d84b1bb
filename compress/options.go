package compress

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/eckart-go/eckart/checkpoint"
	"github.com/eckart-go/eckart/compress/budget"
)

// Target is the form of the output.
type Target uint8

// The targets.
const (
	ByName Target = iota // GGUF when the output's name ends in .gguf, Factors otherwise
	// Factors is a Hugging Face folder whose compressed layers are stored as factors: smaller and with fewer multiply-adds,
	// for Eckart's own runtime.
	Factors
	HuggingFace // a Hugging Face folder with the products of the factors: not smaller, loads in transformers
	GGUF        // a GGUF file with the products of the factors: not smaller than without, loads in llama.cpp
)

var targetNames = []string{"auto", "eckart", "hf", "gguf"}

// String returns "auto", "eckart", "hf" or "gguf".
func (t Target) String() string { return targetNames[t] }

// ParseTarget is the inverse of String.
func ParseTarget(s string) (Target, error) {
	for i, name := range targetNames {
		if s == name {
			return Target(i), nil
		}
	}
	return 0, fmt.Errorf("compress: unknown target %q: expected eckart, hf or gguf", s)
}

// Options tunes Run; its zero value is the recommended setting, except that a calibration text must be given to methods
// that need one (all but "svd" do, and "svd" needs it to measure its errors).
type Options struct {
	Method  Method        // zero: svdllm
	Budget  budget.Budget // zero: 0.8 of the parameters of the layers
	Share   Share         // how the budget is shared out
	Include *regexp.Regexp
	Exclude *regexp.Regexp // layers whose name, such as "model.layers.3.mlp.up_proj", Include (nil: all) matches and Exclude does not

	Text      string // calibration corpus, see corpus.Read
	Sequences int    // that are drawn from it; 0: 64
	Length    int    // tokens of each; 0: 512, or the model's context if that is less
	Trials    int    // of these sequences, evenly spaced, on which STRS measures every trial; 0: 2
	SkipFirst bool   // leave the first token of each out of the statistics, see calib.Options
	Seed      uint64 // of the draw

	Target    Target
	Type      checkpoint.OutType // elements of the output; OutAuto: F16 factors, and the source's types otherwise
	ShardSize int64              // see checkpoint.ConvertOptions

	Cache  string // folder for calibration statistics that later runs share; "": they are not kept
	Memory int64  // bytes that hidden states may take in memory; 0: 1 GiB
	Resume bool   // go on with an unfinished run of the same options

	// Progress, if not nil, is called when a stage begins and returns what is told how far it is, in unit.
	Progress func(stage, unit string) func(done, total int64)
}

// Defaults of Options.
const (
	DefaultKeep      = 0.8
	DefaultSequences = 64
	DefaultLength    = 512
	DefaultTrials    = 2
)

// resolved returns opts with defaults filled in for a model and an output.
func (o Options) resolved(output string, context int) (Options, error) {
	if o.Method.Name == "" {
		m, err := Lookup("svdllm")
		if err != nil {
			return o, err
		}
		o.Method = m
	}
	if o.Budget == (budget.Budget{}) {
		o.Budget.Keep = DefaultKeep
	}
	if _, err := o.Budget.Checked(); err != nil {
		return o, err
	}
	if o.Share == ByMethod {
		o.Share = o.Method.Share
	}
	if o.Text == "" {
		return o, fmt.Errorf("compress: no calibration text: its inputs decide what may be lost, and measure what was")
	}
	if o.Sequences == 0 {
		o.Sequences = DefaultSequences
	}
	if o.Length == 0 {
		o.Length = min(DefaultLength, context)
	}
	if o.Sequences < 1 || o.Length < 2 || o.Length > context {
		return o, fmt.Errorf("compress: %d calibration sequences of %d tokens: expected at least 1 of 2 to %d", o.Sequences, o.Length, context)
	}
	if o.Trials == 0 {
		o.Trials = min(DefaultTrials, o.Sequences)
	}
	if o.Trials < 1 || o.Trials > o.Sequences {
		return o, fmt.Errorf("compress: trials on %d sequences: expected 1 to %d, the sequences to calibrate on", o.Trials, o.Sequences)
	}
	return o.resolvedTarget(output)
}

// resolvedTarget settles the form of the output.
func (o Options) resolvedTarget(output string) (Options, error) {
	isGGUF := strings.EqualFold(filepath.Ext(output), ".gguf")
	if o.Target == ByName {
		o.Target = Factors
		if isGGUF {
			o.Target = GGUF
		}
	}
	if isGGUF != (o.Target == GGUF) {
		return o, fmt.Errorf("compress: output %s: GGUF files are named .gguf, and folders are not", output)
	}
	if o.Target == Factors && o.Type == checkpoint.OutAuto {
		o.Type = checkpoint.OutF16
	}
	if o.Target != GGUF && o.Type > checkpoint.OutBF16 {
		return o, fmt.Errorf("compress: %s has no type %v: expected f32, f16 or bf16, or an output named .gguf", o.Target, o.Type)
	}
	if o.Target != Factors && o.Budget.Bytes != 0 {
		return o, fmt.Errorf("compress: %w: a %s output has dense matrices again, whose size does not depend on the rank: give a share, or write factors",
			budget.ErrImpossible, o.Target)
	}
	if o.Progress == nil {
		o.Progress = func(string, string) func(int64, int64) { return func(int64, int64) {} }
	}
	return o, nil
}

// takes reports whether a layer is to be compressed.
func (o Options) takes(name string) bool {
	return (o.Include == nil || o.Include.MatchString(name)) && (o.Exclude == nil || !o.Exclude.MatchString(name))
}
