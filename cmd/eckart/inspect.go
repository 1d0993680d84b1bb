package main

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/eckart-go/eckart/checkpoint"
	"github.com/eckart-go/eckart/pull"
)

func newInspect(e *env) *cobra.Command {
	var include string
	var all bool
	c := &cobra.Command{
		Use:   "inspect MODEL",
		Short: "Show what a checkpoint holds: format, configuration, tensors, sizes",
		Long: `Shows a checkpoint without loading it: its format and metadata, the configuration if it is a language model, and how many
parameters and bytes each kind of tensor takes. --tensors lists every tensor.`,
		Example: `  eckart inspect model.gguf
  eckart inspect smollm2 --tensors --include 'layers\.0\.'`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			pattern, err := regexp.Compile(include)
			if err != nil {
				return usageError{fmt.Errorf("--include: %w", err)}
			}
			path, err := pull.Resolve(args[0])
			if err != nil {
				return err
			}
			report, err := inspect(path, pattern)
			if err != nil {
				return err
			}
			report.listed = all || include != ""
			return e.print(report)
		},
	}
	c.Flags().BoolVar(&all, "tensors", false, "list every tensor")
	c.Flags().StringVar(&include, "include", "", "only tensors whose name matches this regular expression")
	return c
}

// inspection is what inspect found.
type inspection struct {
	Path     string             `json:"path"`
	Format   string             `json:"format"`
	Config   *checkpoint.Config `json:"config,omitempty"` // of a language model
	Metadata map[string]string  `json:"metadata"`         // long values shortened
	Tensors  []tensorLine       `json:"tensors"`
	Types    []typeLine         `json:"types"`
	Params   int64              `json:"params"`
	Bytes    int64              `json:"bytes"`
	listed   bool
}

type tensorLine struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Shape []int  `json:"shape"`
	Bytes int64  `json:"bytes"`
}

type typeLine struct {
	Type    string `json:"type"`
	Tensors int    `json:"tensors"`
	Params  int64  `json:"params"`
	Bytes   int64  `json:"bytes"`
}

// inspect reads the headers of the checkpoint at path and sums up the tensors whose names match.
func inspect(path string, pattern *regexp.Regexp) (*inspection, error) {
	file, err := checkpoint.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	r := &inspection{Path: path, Format: file.Format().String(), Metadata: map[string]string{}}
	for key, value := range file.Metadata() {
		r.Metadata[key] = shorten(fmt.Sprint(value))
	}
	for _, t := range file.Tensors() {
		if pattern.MatchString(t.Name) {
			r.add(t)
		}
	}
	slices.SortFunc(r.Types, func(a, b typeLine) int { return int(b.Bytes - a.Bytes) })
	if m, err := checkpoint.OpenModel(path); err == nil { // other checkpoints have no configuration to show
		config := m.Config()
		r.Config = &config
		m.Close()
	}
	return r, nil
}

func (r *inspection) add(t checkpoint.Info) {
	params := int64(t.Elements())
	r.Tensors = append(r.Tensors, tensorLine{t.Name, t.Type.String(), t.Shape, t.Bytes})
	r.Params += params
	r.Bytes += t.Bytes
	i := slices.IndexFunc(r.Types, func(l typeLine) bool { return l.Type == t.Type.String() })
	if i < 0 {
		i = len(r.Types)
		r.Types = append(r.Types, typeLine{Type: t.Type.String()})
	}
	r.Types[i].Tensors++
	r.Types[i].Params += params
	r.Types[i].Bytes += t.Bytes
}

// shorten cuts long values such as vocabularies.
func shorten(s string) string {
	const limit = 80
	if r := []rune(s); len(r) > limit {
		return string(r[:limit]) + "..."
	}
	return s
}

// WriteText writes tables for people.
func (r *inspection) WriteText(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s\n%s, %d tensors, %s parameters, %s\n", r.Path, r.Format, len(r.Tensors), count(float64(r.Params)), size(r.Bytes))
	if c := r.Config; c != nil {
		fmt.Fprintf(t, "\narchitecture\t%s\nblocks\t%d\nwidth\t%d, MLP %d\nheads\t%d, %d for keys and values, %d numbers each\nvocabulary\t%d%s\ncontext\t%d\n",
			c.Architecture, c.Layers, c.Hidden, c.Intermediate, c.Heads, c.KVHeads, c.HeadDim, c.Vocab, tied(c.TiedEmbeddings), c.MaxPositions)
	}
	fmt.Fprintf(t, "\ntype\ttensors\tparameters\tbytes\n")
	for _, l := range r.Types {
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\n", l.Type, l.Tensors, count(float64(l.Params)), size(l.Bytes))
	}
	if r.listed {
		fmt.Fprintf(t, "\ntensor\ttype\tshape\tbytes\n")
		for _, l := range r.Tensors {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", l.Name, l.Type, shape(l.Shape), size(l.Bytes))
		}
	}
	keys := make([]string, 0, len(r.Metadata))
	for key := range r.Metadata {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	if len(keys) > 0 {
		fmt.Fprintf(t, "\nmetadata\n")
	}
	for _, key := range keys {
		fmt.Fprintf(t, "%s\t%s\n", key, strings.ReplaceAll(r.Metadata[key], "\n", `\n`))
	}
	return t.Flush()
}

func tied(yes bool) string {
	if yes {
		return ", the embedding is also the output matrix"
	}
	return ""
}

// shape writes "576 x 1536", rows first.
func shape(dims []int) string {
	parts := make([]string, len(dims))
	for i, d := range dims {
		parts[i] = fmt.Sprint(d)
	}
	return strings.Join(parts, " x ")
}

// size writes bytes in decimal units, as disks and downloads are measured.
func size(bytes int64) string {
	switch v := float64(bytes); {
	case v >= 1e9:
		return fmt.Sprintf("%.2f GB", v/1e9)
	case v >= 1e6:
		return fmt.Sprintf("%.1f MB", v/1e6)
	case v >= 1e4:
		return fmt.Sprintf("%.1f kB", v/1e3)
	}
	return fmt.Sprintf("%d B", bytes)
}
