package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// env is what all verbs share: where output goes, and the flags that mean the same everywhere.
type env struct {
	out, err io.Writer
	terminal bool // whether err is a terminal
	json     bool
	quiet    bool
	threads  int
	bar      *bar
}

// table is a result that can show itself to a person.
type table interface {
	// WriteText writes the result for a terminal.
	WriteText(w io.Writer) error
}

// print writes a verb's result: one JSON object with --json, text otherwise.
func (e *env) print(result table) error {
	e.endProgress()
	if !e.json {
		return result.WriteText(e.out)
	}
	data, err := json.MarshalIndent(result, "", "  ")
	if err != nil {
		return fmt.Errorf("result as JSON: %w", err)
	}
	_, err = fmt.Fprintf(e.out, "%s\n", data)
	return err
}

// outputFlag adds -o, the same for every verb that writes a file.
func (e *env) outputFlag(c *cobra.Command, path *string, what string) {
	c.Flags().StringVarP(path, "output", "o", "", what)
}

// seedFlag adds -s, --seed, the same for every verb that draws random numbers.
func (e *env) seedFlag(c *cobra.Command, seed *uint64) {
	c.Flags().Uint64VarP(seed, "seed", "s", 1, "seed of all random choices")
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// finite returns a pointer to v, or nil, which is null in JSON, if v is infinite or not a number.
func finite(v float64) *float64 {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return nil
	}
	return &v
}
