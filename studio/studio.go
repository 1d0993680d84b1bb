// Package studio writes reports for people: one HTML file that says what a compression kept, what it lost, and beside every
// loss the least that was possible. The file holds its own style and its plots as SVG; it runs no script and asks no
// network, follows the reader's light or dark setting, and prints. Equal reports give equal bytes.
package studio

import (
	"bufio"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"path/filepath"

	"github.com/eckart-go/eckart/compare"
	"github.com/eckart-go/eckart/compress"
	"github.com/eckart-go/eckart/internal/replace"
)

// Sample is a text that a model continued.
type Sample struct {
	Name   string `json:"name"` // of the model: "dense", "svdllm at 0.9"
	Prompt string `json:"prompt"`
	Text   string `json:"text"` // what follows the prompt
}

// Report is what a page shows. What is absent from it is absent from the page.
type Report struct {
	Title   string         // "": made from the model's name
	Table   *compare.Table // required. Perplexities of 0 were not measured; rows without a Report have no layers to show
	Samples []Sample
}

// OfRun returns the report of a single compression. Perplexities, if they are known, go into its Table: Baseline, and
// Perplexity and StdErr of its only row, with Protocol, Data and Tokens.
func OfRun(r *compress.Report) Report {
	var seconds float64
	for _, stage := range []string{"calibrate", "survey", "fit", "write"} { // a fixed order: sums of floats depend on it
		seconds += r.Seconds[stage]
	}
	return Report{Table: &compare.Table{
		Model: r.Model, Params: r.Before.Params, Bytes: r.Before.Bytes,
		Runs: []compare.Row{{
			Method: r.Method, Budget: r.Budget, Keep: r.Keep, Params: r.After.Params, Bytes: r.After.Bytes, MulAdds: r.After.MulAdds,
			WeightedError: r.WeightedError, OptimumError: r.OptimumError, Seconds: seconds, PeakBytes: r.PeakBytes, Output: r.Output, Report: r,
		}},
	}}
}

//go:embed page.html
var pageSource string

// The palette and the style of charts serve the page and the stand-alone picture.
var (
	//go:embed palette.css
	paletteStyle string
	//go:embed chart.css
	chartStyle string
	//go:embed page.css
	pageStyle string
)

// pageTemplate is parsed once: its source is part of the program.
var pageTemplate = template.Must(template.New("page").Parse(pageSource))

// Write writes the page of r to w. It fails if r has no table or w does.
func Write(w io.Writer, r Report) error {
	if r.Table == nil {
		return errors.New("studio: the report has no table")
	}
	out := bufio.NewWriter(w)
	if err := pageTemplate.Execute(out, newPage(r)); err != nil {
		return fmt.Errorf("studio: %w", err)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("studio: %w", err)
	}
	return nil
}

// WritePicture writes perplexity against size for all rows of t as an SVG file that stands alone.
func WritePicture(w io.Writer, t *compare.Table) error {
	c, ok := perplexityChart(t, "picture", bytesOf)
	if !ok {
		return errors.New("studio: no perplexity was measured: there is nothing to draw")
	}
	c.title = "Perplexity of " + filepath.Base(t.Model) + " against its size"
	c.standalone = true
	if _, err := io.WriteString(w, c.svg()); err != nil {
		return fmt.Errorf("studio: %w", err)
	}
	return nil
}

// Save writes the page of r to a file. What was there is replaced when the page is complete.
func Save(path string, r Report) error {
	return save(path, func(w io.Writer) error { return Write(w, r) })
}

// SavePicture writes the picture of t to a file. What was there is replaced when the picture is complete.
func SavePicture(path string, t *compare.Table) error {
	return save(path, func(w io.Writer) error { return WritePicture(w, t) })
}

func save(path string, write func(io.Writer) error) error {
	if err := replace.File(path, write); err != nil {
		return fmt.Errorf("studio: %w", err)
	}
	return nil
}
