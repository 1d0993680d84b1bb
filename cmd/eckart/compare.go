package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/eckart-go/eckart/compare"
	"github.com/eckart-go/eckart/compress"
	"github.com/eckart-go/eckart/compress/budget"
	"github.com/eckart-go/eckart/eval"
	"github.com/eckart-go/eckart/pull"
	"github.com/eckart-go/eckart/studio"
)

// compareFlags are the flags of compare beside those it shares with compress.
type compareFlags struct {
	compressFlags
	methods string
	data    string
	html    string
	measure evalFlags
	opts    compare.Options
}

func newCompare(e *env) *cobra.Command {
	var f compareFlags
	c := &cobra.Command{
		Use:   "compare MODEL --calib TEXT --data HELDOUT",
		Short: "Compress a model with several methods under the same budgets, and measure all of them",
		Long: `Compresses a model with every method at every budget, on the same calibration text, and measures the perplexity of each
result, and of the dense model, on the same held-out text: one row each, with the error of its layers beside the least
possible. Results are removed after they were measured unless --keep names a folder.

Methods:

` + methodList() + `
Without --protocol the held-out text is cut into blocks as long as the calibration sequences.`,
		Example: `  eckart compare smollm2 --calib book.txt --data wiki.test.raw
  eckart compare smollm2 --methods svd,svdllm --budget 0.8,0.6 --calib book.txt --data wiki.test.raw --html report.html
  eckart compare model/ --budget 90MB --calib corpus/ --data test.txt --keep results/ --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			arms, err := f.parse(e)
			if err != nil {
				return usageError{err}
			}
			path, err := pull.Resolve(args[0])
			if err != nil {
				return err
			}
			if f.opts.Protocol, err = f.protocol(path); err != nil {
				return err
			}
			table, err := compare.Run(c.Context(), path, arms, f.opts)
			if err != nil {
				return err
			}
			if f.html != "" {
				if err := studio.Save(f.html, studio.Report{Table: table}); err != nil {
					return err
				}
			}
			return e.print(table)
		},
	}
	f.compressFlags.register(e, c)
	flags := c.Flags()
	budgets := flags.Lookup("budget")
	budgets.Usage = "what may be kept, one or several: shares of the layers' parameters (0.8,0.6), or sizes of the whole model (90MB)"
	flags.StringVar(&f.methods, "methods", "svd,asvd,svdllm,svdllm2", "methods to compare")
	flags.StringVar(&f.data, "data", "", "held-out text: a file or a folder (required)")
	flags.StringVar(&f.measure.protocol, "protocol", "", "how the held-out text is cut: blocks or half, see eval")
	flags.IntVar(&f.measure.context, "eval-context", 0, "tokens in a block or window (0: the protocol's default)")
	flags.IntVar(&f.opts.Limit, "limit", 0, "most blocks or windows to take (0: all)")
	flags.BoolVar(&f.opts.HeldOut, "held-out-errors", false, "also measure every layer's error on the held-out text")
	flags.StringVar(&f.opts.Dir, "keep", "", "folder to keep the compressed models in")
	flags.StringVar(&f.html, "html", "", "also write the report as an HTML file with plots")
	mustMarkDir(c, "keep")
	completeWords(c, "protocol", []string{"blocks", "half"})
	completeWords(c, "methods", methodNames())
	return c
}

// parse turns the flags into arms and the options they share.
func (f *compareFlags) parse(e *env) ([]compare.Arm, error) {
	budgets := strings.Split(f.budget, ",")
	f.budget = budgets[0] // options reads one
	var err error
	if f.opts.Compress, err = f.options(e); err != nil {
		return nil, err
	}
	if f.data == "" {
		return nil, fmt.Errorf("--data is required: methods are compared on text that they were not fitted to")
	}
	if f.opts.Data = f.data; f.opts.Limit < 0 {
		return nil, fmt.Errorf("--limit %d: expected 0 or more", f.opts.Limit)
	}
	switch f.measure.protocol {
	case "", "blocks", "half":
	default:
		return nil, fmt.Errorf("--protocol %q: expected blocks or half", f.measure.protocol)
	}
	var arms []compare.Arm
	seen := map[string]bool{}
	for _, text := range budgets {
		b, err := budget.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("--budget: %w", err)
		}
		for _, name := range strings.Split(f.methods, ",") {
			m, err := compress.Lookup(strings.TrimSpace(name))
			if err != nil {
				return nil, fmt.Errorf("--methods: %w", err)
			}
			arm := compare.Arm{Method: m, Share: f.opts.Compress.Share, Budget: b}
			key := arm.Name() + " at " + b.String()
			if seen[key] {
				return nil, fmt.Errorf("%s is there twice", key)
			}
			seen[key] = true
			arms = append(arms, arm)
		}
	}
	return arms, nil
}

// protocol returns the protocol that was asked for; nil is the comparison's own.
func (f *compareFlags) protocol(path string) (eval.Protocol, error) {
	if f.measure.protocol == "" && f.measure.context == 0 {
		return nil, nil
	}
	if f.measure.protocol == "" {
		f.measure.protocol = "blocks"
	}
	m, err := openModel(path)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	protocols, err := f.measure.protocols(m)
	if err != nil {
		return nil, err
	}
	return protocols[0], nil
}

// methodList describes the methods, a line each.
func methodList() string {
	var list strings.Builder
	for _, m := range compress.Methods() {
		fmt.Fprintf(&list, "  %-10s %s (%s)\n", m.Name, m.Title, m.Source)
	}
	return list.String()
}

func methodNames() []string {
	var names []string
	for _, m := range compress.Methods() {
		names = append(names, m.Name+"\t"+m.Title)
	}
	return names
}
