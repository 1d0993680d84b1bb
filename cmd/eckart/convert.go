package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/eckart-go/eckart/checkpoint"
	"github.com/eckart-go/eckart/compress/budget"
	"github.com/eckart-go/eckart/pull"
)

func newConvert(e *env) *cobra.Command {
	var outType, shardSize string
	var dryRun bool
	c := &cobra.Command{
		Use:   "convert SOURCE DESTINATION",
		Short: "Turn a model from one file format into another",
		Long: `Writes a model in another format or element type: a GGUF file if DESTINATION ends in .gguf, else a Hugging Face folder of
safetensors, each with configuration and tokenizer. Without --type no value changes; types of 16 bits and fewer round. One
tensor is in memory at a time, the disk's free space is checked before, and what is at DESTINATION is replaced only by
a complete result.`,
		Example: `  eckart convert smollm2 smollm2-hf/
  eckart convert model-hf/ model.gguf --type q8_0
  eckart convert big/ big-bf16/ --type bf16 --shard-size 2GB --dry-run`,
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			opts := checkpoint.ConvertOptions{}
			var err error
			if opts.Type, err = checkpoint.ParseOutType(outType); err != nil {
				return usageError{err}
			}
			if opts.ShardSize, err = parseSize(shardSize); err != nil {
				return usageError{fmt.Errorf("--shard-size: %w", err)}
			}
			path, err := pull.Resolve(args[0])
			if err != nil {
				return err
			}
			if dryRun {
				r, err := planConvert(path, args[1], opts)
				if err != nil {
					return err
				}
				return e.print(r)
			}
			r, err := runConvert(c.Context(), e, path, args[1], opts)
			if err != nil {
				return err
			}
			return e.print(r)
		},
	}
	c.Flags().StringVar(&outType, "type", "auto", "element type: auto (as stored), f32, f16, bf16; in GGUF also q8_0, q4_0, q4_1 (--outtype is the same)")
	c.Flags().StringVar(&shardSize, "shard-size", "5GB", "most bytes of one safetensors file")
	c.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be written")
	c.Flags().SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "outtype" { // the word of llama.cpp's converter
			name = "type"
		}
		return pflag.NormalizedName(name)
	})
	completeWords(c, "type", []string{"auto", "f32", "f16", "bf16", "q8_0", "q4_0", "q4_1"})
	return c
}

// parseSize reads a number of bytes such as 2GB.
func parseSize(s string) (int64, error) {
	b, err := budget.Parse(s)
	if err == nil && b.Bytes == 0 {
		err = fmt.Errorf("%q is not a size; expected one such as 2GB or 500MiB", s)
	}
	return b.Bytes, err
}

func planConvert(source, destination string, opts checkpoint.ConvertOptions) (*converted, error) {
	m, err := checkpoint.OpenModel(source)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	tensors, err := m.PlanConvert(destination, opts)
	if err != nil {
		return nil, err
	}
	return newConverted(source, destination, m.Source().Format(), tensors), nil
}

// runConvert converts, and reads back what was written.
func runConvert(ctx context.Context, e *env, source, destination string, opts checkpoint.ConvertOptions) (*converted, error) {
	start := time.Now()
	m, err := checkpoint.OpenModel(source)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	opts.Progress = e.progress("convert", "bytes")
	if err := m.Convert(ctx, destination, opts); err != nil {
		return nil, err
	}
	written, err := checkpoint.Open(destination)
	if err != nil {
		return nil, err
	}
	defer written.Close()
	r := newConverted(source, destination, m.Source().Format(), written.Tensors())
	r.Format, r.Seconds = written.Format().String(), time.Since(start).Seconds()
	return r, nil
}

// converted is what convert wrote, or would write.
type converted struct {
	Source       string     `json:"source"`
	SourceFormat string     `json:"source_format"`
	Output       string     `json:"output"`
	Format       string     `json:"format,omitempty"` // "": nothing was written
	Tensors      int        `json:"tensors"`
	Params       int64      `json:"params"`
	Bytes        int64      `json:"bytes"` // of the tensors
	Types        []typeLine `json:"types"`
	Seconds      float64    `json:"seconds,omitempty"`
}

func newConverted(source, destination string, format checkpoint.Format, tensors []checkpoint.Info) *converted {
	sum := inspection{}
	for _, t := range tensors {
		sum.add(t)
	}
	slices.SortStableFunc(sum.Types, func(a, b typeLine) int { return int(b.Bytes - a.Bytes) })
	return &converted{
		Source: source, SourceFormat: format.String(), Output: destination, Tensors: len(tensors), Params: sum.Params, Bytes: sum.Bytes, Types: sum.Types,
	}
}

// WriteText writes what there is now.
func (r *converted) WriteText(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if r.Format == "" {
		fmt.Fprintf(t, "%s would hold", r.Output)
	} else {
		fmt.Fprintf(t, "%s: %s,", r.Output, r.Format)
	}
	fmt.Fprintf(t, " %d tensors, %s parameters, %s\n\ntype\ttensors\tparameters\tbytes\n", r.Tensors, count(float64(r.Params)), size(r.Bytes))
	for _, l := range r.Types {
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\n", l.Type, l.Tensors, count(float64(l.Params)), size(l.Bytes))
	}
	return t.Flush()
}
