package main

import (
	"github.com/spf13/cobra"

	"github.com/eckart-go/eckart/quickstart"
)

func newQuickstart(e *env) *cobra.Command {
	var opts quickstart.Options
	c := &cobra.Command{
		Use:   "quickstart",
		Short: "Compress a small built-in model in seconds, and see what that cost",
		Long: `Shows the main job with nothing but this program: a story-telling model of 260 thousand parameters and two texts are built
in. It is compressed by two methods at two budgets; each result is measured on text that no method has seen, beside the
dense model, and continues a story. An HTML report with plots is written; nothing else is left behind. No network is used.`,
		Example: `  eckart quickstart
  eckart quickstart --json -o /tmp/report.html
  eckart quickstart --picture docs/quickstart.svg`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, _ []string) error {
			opts.Progress = e.progress
			result, err := quickstart.Run(c.Context(), opts)
			if err != nil {
				return err
			}
			return e.print(result)
		},
	}
	e.outputFlag(c, &opts.Report, "HTML report to write (default: "+quickstart.DefaultReport+")")
	c.Flags().StringVar(&opts.Picture, "picture", "", "also write perplexity against bytes as an SVG file")
	return c
}
