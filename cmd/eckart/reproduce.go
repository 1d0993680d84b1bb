package main

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/eckart-go/eckart/internal/replace"
	"github.com/eckart-go/eckart/papers"
	"github.com/eckart-go/eckart/pull"
)

func newReproduce(e *env) *cobra.Command {
	var b papers.Bench
	var results string
	c := &cobra.Command{
		Use:   "reproduce [PAPER...]",
		Short: "Try papers' claims in miniature, and say whether they hold here",
		Long:  reproduceHelp(),
		Example: `  eckart reproduce svd-baselines --prose sotu/ --other wikitext-2/
  eckart reproduce svd-baselines lord --prose sotu/ --other wikitext-2/ --results results --json
  eckart reproduce --results results`,
		Args: cobra.ArbitraryArgs,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var ids []string
			for _, p := range papers.Catalogue() {
				ids = append(ids, p.ID+"\t"+p.Title)
			}
			return ids, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			var chosen []papers.Paper
			for _, id := range args {
				p, err := papers.Lookup(id)
				if err != nil {
					return usageError{err}
				}
				chosen = append(chosen, p)
			}
			if len(args) == 0 {
				if results == "" {
					return usageError{fmt.Errorf("name a paper to try, or --results to make its page anew")}
				}
				return writeResults(results)
			}
			if needsTexts := slices.ContainsFunc(chosen, func(p papers.Paper) bool { return !p.NoTexts }); needsTexts && (b.Prose == "" || b.Other == "") {
				return usageError{fmt.Errorf("--prose and --other are required: texts to calibrate on and to measure on")}
			}
			var err error
			if b.Model, err = pull.Resolve(b.Model); err != nil {
				return err
			}
			b.Progress = e.progress
			var report reproduction
			for _, p := range chosen {
				v, err := p.Run(c.Context(), &b)
				if err != nil {
					return fmt.Errorf("%s: %w", p.ID, err)
				}
				report.Verdicts = append(report.Verdicts, v)
				if results != "" {
					if err := papers.SaveVerdict(results, v); err != nil {
						return err
					}
				}
			}
			if results != "" {
				if err := writeResults(results); err != nil {
					return err
				}
			}
			return e.print(report)
		},
	}
	c.Flags().StringVar(&b.Model, "model", "smollm2", "model to experiment on")
	c.Flags().StringVar(&b.Prose, "prose", "", "corpus of English to calibrate on (required but for sketching-core)")
	c.Flags().StringVar(&b.Other, "other", "", "corpus of English from another source, to measure on (required but for sketching-core)")
	c.Flags().StringVar(&b.Embeddings, "embeddings", "", "sentence encoder whose word embeddings make a kernel matrix, as all-MiniLM-L6-v2 (default: the model's)")
	c.Flags().StringVar(&b.Code, "code", "", "folder of Go packages (default: the Go distribution's)")
	c.Flags().StringVar(&b.Cache, "cache", defaultCache(), "folder where calibration statistics are kept for later runs")
	c.Flags().IntVar(&b.Windows, "windows", 0, "sequences in each split (0: 16)")
	c.Flags().IntVarP(&b.Length, "context", "c", 0, "tokens of each sequence (0: 256)")
	c.Flags().BoolVar(&b.SkipSearch, "skip-search", false, "leave out ASVD's search by perplexity, most of svd-baselines' time")
	c.Flags().StringVar(&results, "results", "", "folder that keeps verdicts and benchmarks; RESULTS.md beside it is made anew from all of them")
	e.seedFlag(c, &b.Seed)
	mustMarkDir(c, "results")
	return c
}

func reproduceHelp() string {
	help := "Runs experiments on a real model and prints measurements and verdicts, whatever they are:\n\n"
	for _, p := range papers.Catalogue() {
		help += fmt.Sprintf("  %-14s %s\n  %-14s claim: %s\n", p.ID, p.Title, "", p.Claim)
	}
	return help
}

// writeResults makes RESULTS.md anew from everything in the folder.
func writeResults(folder string) error {
	path := filepath.Join(filepath.Dir(filepath.Clean(folder)), "RESULTS.md")
	return replace.File(path, func(w io.Writer) error { return papers.WriteResults(w, folder) })
}

// reproduction is all verdicts of one command.
type reproduction struct {
	Verdicts []*papers.Verdict `json:"verdicts"`
}

// WriteText writes verdicts, checks and tables.
func (r reproduction) WriteText(w io.Writer) error {
	for _, v := range r.Verdicts {
		fmt.Fprintf(w, "%s: %s (%.0f s)\n\n", v.Paper, v.Outcome, v.Seconds)
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, c := range v.Checks {
			mark := "no "
			if c.OK {
				mark = "yes"
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", mark, c.Claim, c.Found, "expected: "+c.Expected)
		}
		if err := t.Flush(); err != nil {
			return err
		}
		for _, table := range v.Tables {
			fmt.Fprintf(w, "\n%s\n", table.Title)
			if err := writeColumns(w, table); err != nil {
				return err
			}
		}
		for _, note := range v.Notes {
			fmt.Fprintf(w, "\nnote: %s\n", note)
		}
	}
	return nil
}

func writeColumns(w io.Writer, table papers.Table) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{table.Columns}, table.Rows...) {
		for _, cell := range row {
			fmt.Fprintf(t, "%s\t", cell)
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}
