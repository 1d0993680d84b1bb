package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/eckart-go/eckart/checkpoint"
	"github.com/eckart-go/eckart/compress"
	"github.com/eckart-go/eckart/compress/budget"
	"github.com/eckart-go/eckart/pull"
	"github.com/eckart-go/eckart/studio"
)

// compressFlags are the flags that compress and compare share, as they are typed.
type compressFlags struct {
	budget    string
	share     string
	include   string
	exclude   string
	text      string
	sequences int
	length    int
	trials    int
	skipFirst bool
	seed      uint64
	memory    int64
	cache     string
}

// register adds the flags to c.
func (f *compressFlags) register(e *env, c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.budget, "budget", "0.8", "what may be kept: a share of the layers' parameters (0.8, 80%), or the size of the whole model (90MB)")
	flags.StringVar(&f.share, "allocation", "", "how the budget is shared out: uniform, loss, group-loss, or strs, a search by perplexity that takes long (default: the method's own)")
	flags.StringVar(&f.include, "include", "", "compress only layers whose name matches this regular expression")
	flags.StringVar(&f.exclude, "exclude", "", "leave layers alone whose name matches this regular expression")
	flags.StringVar(&f.text, "calib", "", "calibration text: a file, or a folder of .txt or .raw files, optionally .gz (required)")
	flags.IntVar(&f.sequences, "sequences", compress.DefaultSequences, "sequences to draw from the text")
	flags.IntVarP(&f.length, "context", "c", compress.DefaultLength, "tokens of each sequence")
	flags.IntVar(&f.trials, "trials", 0, "of these sequences, how many strs measures perplexity on, for every matrix at six ratios (0: 2)")
	flags.BoolVar(&f.skipFirst, "skip-first", false, "leave the first token of each sequence out of the statistics")
	flags.Int64Var(&f.memory, "memory", 1024, "most MiB that hidden states may take in memory; beyond, they go to a temporary file")
	flags.StringVar(&f.cache, "cache", defaultCache(), "folder where calibration statistics are kept for later runs (\"\": nowhere)")
	e.seedFlag(c, &f.seed)
	mustMarkDir(c, "cache")
}

// defaultCache is $ECKART_CACHE, or eckart in the user's cache folder.
func defaultCache() string {
	if dir := os.Getenv("ECKART_CACHE"); dir != "" {
		return dir
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "eckart")
}

func mustMarkDir(c *cobra.Command, flag string) {
	if err := c.MarkFlagDirname(flag); err != nil {
		panic(err) // the flag was registered a line above
	}
}

// options turns the flags into library options.
func (f *compressFlags) options(e *env) (compress.Options, error) {
	o := compress.Options{
		Text: f.text, Sequences: f.sequences, Length: f.length, Trials: f.trials, SkipFirst: f.skipFirst, Seed: f.seed, Memory: f.memory << 20, Cache: f.cache,
		Progress: e.progress,
	}
	if f.text == "" {
		return o, fmt.Errorf("--calib is required: methods are fitted to, and measured on, what the layers see on a text")
	}
	if f.sequences < 1 || f.length < 1 || f.trials < 0 || f.memory < 1 {
		return o, fmt.Errorf("--sequences, --context and --memory must be positive, and --trials not negative")
	}
	var err error
	if o.Budget, err = budget.Parse(f.budget); err != nil {
		return o, fmt.Errorf("--budget: %w", err)
	}
	if o.Share, err = compress.ParseShare(f.share); err != nil {
		return o, fmt.Errorf("--allocation: %w", err)
	}
	for _, p := range []struct {
		text string
		to   **regexp.Regexp
		flag string
	}{{f.include, &o.Include, "--include"}, {f.exclude, &o.Exclude, "--exclude"}} {
		if p.text == "" {
			continue
		}
		if *p.to, err = regexp.Compile(p.text); err != nil {
			return o, fmt.Errorf("%s: %w", p.flag, err)
		}
	}
	return o, nil
}

func newCompress(e *env) *cobra.Command {
	var f compressFlags
	var method, output, target, outType, html string
	var resume, dryRun bool
	c := &cobra.Command{
		Use:   "compress MODEL -o OUTPUT --calib TEXT",
		Short: "Make a model smaller, and report what every layer lost beside the least it could lose",
		Long:  compressHelp(),
		Example: `  eckart compress smollm2 -o smaller/ --budget 0.8 --calib book.txt
  eckart compress smollm2 -o smaller.gguf --method svdllm2 --calib corpus/ --type q8_0
  eckart compress model/ -o smaller/ --calib book.txt --include 'mlp' --resume --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			opts, err := f.options(e)
			if err != nil {
				return usageError{err}
			}
			if opts.Method, err = compress.Lookup(method); err != nil {
				return usageError{err}
			}
			if opts.Target, err = compress.ParseTarget(target); err != nil {
				return usageError{err}
			}
			if opts.Type, err = checkpoint.ParseOutType(outType); err != nil {
				return usageError{err}
			}
			opts.Resume = resume
			path, err := pull.Resolve(args[0])
			if err != nil {
				return err
			}
			if output == "" {
				output = defaultOutput(path, method, opts)
			}
			if dryRun {
				forecast, err := compress.Plan(path, output, opts)
				if err != nil {
					return err
				}
				return e.print(forecastTable{forecast})
			}
			report, err := compress.Run(c.Context(), path, output, opts)
			if err != nil {
				return err
			}
			if html != "" {
				if err := studio.Save(html, studio.OfRun(report)); err != nil {
					return err
				}
			}
			return e.print(compressed{report})
		},
	}
	f.register(e, c)
	e.outputFlag(c, &output, "output: a folder, or a file that ends in .gguf (default: named after the model, method and budget)")
	c.Flags().StringVarP(&method, "method", "m", "svdllm", "one of the methods above")
	c.Flags().StringVar(&target, "to", "auto", "form of the output: eckart (factors), hf (dense folder) or gguf (dense file); by the output's name if not given")
	c.Flags().StringVar(&outType, "type", "auto", "element type of the output: f32, f16, bf16; in GGUF also q8_0, q4_0, q4_1")
	c.Flags().StringVar(&html, "html", "", "also write the report as an HTML file with plots")
	c.Flags().BoolVar(&resume, "resume", false, "go on with an unfinished run of the same settings")
	c.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be done and how much memory and disk it needs")
	completeWords(c, "method", methodNames())
	return c
}

func compressHelp() string {
	return "Replaces the linear layers of a model's blocks by low-rank factors under one budget. Methods:\n\n" + methodList() + `
Every layer is reported with its error, the least error that any matrix of its rank has, and what it stores. The output holds
these certificates. An interrupted run keeps its finished blocks in OUTPUT.work and goes on from there with --resume.

Factors (--to eckart) are smaller and run in Eckart; dense outputs (--to hf, --to gguf) load in other programs and are
neither smaller nor faster than the original at the same element type.`
}

// defaultOutput names an output after what it is, in the current folder.
func defaultOutput(path, method string, opts compress.Options) string {
	name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)) + "-" + method + "-" + opts.Budget.String()
	if opts.Target == compress.GGUF {
		name += ".gguf"
	}
	return name
}

// compressed prints a compress.Report.
type compressed struct{ *compress.Report }

// WriteText writes totals and a line for each kind of layer.
func (r compressed) WriteText(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s: %s at %s, allocation %s, calibrated on %d tokens of %s\n\n", r.Output, r.Method, r.Budget, r.Share, r.Calibration.Tokens, r.Calibration.Text)
	fmt.Fprintf(t, "\tbefore\tafter\tkept\n")
	for _, row := range []struct {
		name          string
		before, after int64
		show          func(int64) string
	}{
		{"parameters", r.Before.Params, r.After.Params, func(v int64) string { return count(float64(v)) }},
		{"on disk", r.Before.Bytes, r.After.Bytes, size},
		{"multiply-adds a token", r.Before.MulAdds, r.After.MulAdds, func(v int64) string { return count(float64(v)) }},
	} {
		fmt.Fprintf(t, "%s\t%s\t%s\t%.1f %%\n", row.name, row.show(row.before), row.show(row.after), 100*float64(row.after)/float64(row.before))
	}
	fmt.Fprintf(t, "parameters of compressed layers\t\t\t%.1f %%\n\n", 100*r.Keep)
	fmt.Fprintf(t, "layer\trank\terror\tleast possible\tof the weights\tcondition\n")
	for _, k := range byKind(r.Layers) {
		fmt.Fprintf(t, "%s (%d)\t%s\t%.4f\t%.4f\t%.4f\t%.1e\n", k.name, k.count, k.ranks(), k.weighted, k.optimum, k.frobenius, k.condition)
	}
	fmt.Fprintf(t, "all\t\t%.4f\t%.4f\n\n", r.WeightedError, r.OptimumError)
	for _, line := range r.Loads {
		fmt.Fprintf(t, "%s\n", line)
	}
	fmt.Fprintf(t, "calibrate %.1f s, survey %.1f s, fit %.1f s, write %.1f s; %s of memory at most\n",
		r.Seconds["calibrate"], r.Seconds["survey"], r.Seconds["fit"], r.Seconds["write"], size(r.PeakBytes))
	return t.Flush()
}

// forecastTable prints a compress.Forecast.
type forecastTable struct{ *compress.Forecast }

// WriteText writes what a run would need.
func (f forecastTable) WriteText(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "matrices\t%d, keeping %.1f %% of their parameters\n", f.Matrices, 100*f.Keep)
	fmt.Fprintf(t, "parameters afterwards\t%s\n", count(float64(f.Params)))
	if f.Trials > 0 {
		fmt.Fprintf(t, "search\t%d models to measure\n", f.Trials)
	}
	fmt.Fprintf(t, "memory\tabout %s\n", size(f.MemoryBytes))
	fmt.Fprintf(t, "disk while working\t%s, and %s of statistics\n", size(f.WorkBytes), size(f.CacheBytes))
	return t.Flush()
}
