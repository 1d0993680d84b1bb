package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

// usageError marks an error in the command line itself, for exit status 2.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }

// newRoot returns the command with all its verbs.
func newRoot(e *env) *cobra.Command {
	root := &cobra.Command{
		Use:   "eckart",
		Short: "Make a model smaller and say exactly what that cost",
		Long: `Eckart replaces the big dense matrices of a model by cheap structured ones, and reports for each of them the error
beside the smallest that is possible, and for the model its parameters, bytes, work per token and quality on held-out text.

A MODEL is a .gguf file, a .safetensors file, a Hugging Face folder, a llama2.c .bin file, or a name that "eckart pull" knows.
Exit status: 0 done, 1 failed, 2 wrong usage.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unknown command %q; see %q", args[0], "eckart help")}
			}
			return c.Help()
		},
		Args: cobra.ArbitraryArgs,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if e.threads < 0 {
				return usageError{fmt.Errorf("--threads %d: give a positive number, or 0 for all processors", e.threads)}
			}
			if e.threads > 0 {
				runtime.GOMAXPROCS(e.threads)
			}
			return nil
		},
	}
	flags := root.PersistentFlags()
	flags.BoolVar(&e.json, "json", false, "print one JSON object on standard output")
	flags.IntVarP(&e.threads, "threads", "t", 0, "processors to use (0: all); results do not depend on it")
	flags.BoolVarP(&e.quiet, "quiet", "q", false, "no progress")
	for _, verb := range verbs {
		root.AddCommand(verb(e))
	}
	markUsageErrors(root)
	return root
}

// verbs make the commands, in the order in which help lists them.
var verbs = []func(*env) *cobra.Command{
	newQuickstart,
	newPull,
	newInspect,
	newCompress,
	newEval,
	newVerify,
	newCompare,
	newConvert,
	newSVD,
	newGenerate,
	newTokenize,
	newReproduce,
	newVersion,
}

// markUsageErrors makes flag and argument errors of c and all commands below it usageErrors.
func markUsageErrors(c *cobra.Command) {
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%s: %w; see %q", c.CommandPath(), err, c.CommandPath()+" --help")}
	})
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return usageError{fmt.Errorf("%s: %w; usage: %s", c.CommandPath(), err, c.UseLine())}
			}
			return nil
		}
	}
	for _, child := range c.Commands() {
		markUsageErrors(child)
	}
}
