package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/eckart-go/eckart/lowrank"
)

// svdReport is what svd found. Errors and norms are Frobenius norms, of the centred matrix if it was centred.
type svdReport struct {
	Matrix     string    `json:"matrix"`
	Format     string    `json:"format"`
	Rows       int       `json:"rows"`
	Cols       int       `json:"cols"`
	Entries    int       `json:"entries,omitempty"` // of a sparse matrix
	Omitted    []string  `json:"omitted_columns,omitempty"`
	Rank       int       `json:"rank"`
	Method     string    `json:"method"`
	Why        string    `json:"why,omitempty"`
	Values     []float64 `json:"singular_values"`
	Centred    bool      `json:"centred,omitempty"`
	Variance   []float64 `json:"explained_variance,omitempty"` // S^2 / (rows - 1), if centred
	Ratio      []float64 `json:"explained_variance_ratio,omitempty"`
	Error      float64   `json:"error"`
	ErrorKind  string    `json:"error_kind"` // "measured", "norms" (what the kept values leave of the norm), "probes" (random vectors)
	ErrorLow   float64   `json:"error_low,omitempty"`
	ErrorHigh  float64   `json:"error_high,omitempty"`
	Optimum    float64   `json:"optimum_error"`
	LowerBound bool      `json:"optimum_is_lower_bound,omitempty"`
	Norm       float64   `json:"norm"`
	Kept       float64   `json:"energy_kept"`                // 1 - error^2 / norm^2
	Missed     bool      `json:"tolerance_missed,omitempty"` // the tolerance needs a larger rank
	Passes     int       `json:"passes"`                     // over the file, or over the matrix in memory by its products
	Products   int       `json:"products,omitempty"`         // of the matrix or its transpose with a vector
	OnDisk     bool      `json:"left_on_disk,omitempty"`
	Peak       int64     `json:"peak_bytes"`
	Seconds    float64   `json:"seconds"`
	Output     string    `json:"output,omitempty"`
}

// newSVDReport describes factors of the matrix in, whose columns' mean was taken away if mean is not nil.
func newSVDReport(in *svdInput, f *lowrank.Factors, mean []float64) *svdReport {
	c := f.Cert
	r := &svdReport{
		Matrix: in.path, Format: in.format, Entries: in.entries, Omitted: in.omitted, Rank: c.Rank, Method: c.Method, Why: c.Why,
		Values: f.S, Centred: mean != nil, Error: c.Frobenius, ErrorKind: c.Estimate, ErrorLow: c.Low, ErrorHigh: c.High,
		Optimum: c.Optimum, LowerBound: c.LowerBound, Norm: c.FrobeniusNorm, Kept: c.Energy(), Missed: c.Missed,
		Passes: c.Passes, Products: c.Products, OnDisk: in.file != nil,
	}
	r.Rows, r.Cols = in.operator.Dims()
	if in.why != "" {
		r.Why = in.why
	}
	if r.ErrorKind == "" {
		r.ErrorKind = "measured"
	}
	if in.stream != nil {
		r.Passes = in.stream.Passes() // all of them: for the mean and the norm too
	}
	if r.Centred {
		for _, s := range f.S {
			r.Variance = append(r.Variance, s*s/float64(max(1, r.Rows-1)))
			ratio := 0.
			if r.Norm > 0 {
				ratio = s / r.Norm * (s / r.Norm)
			}
			r.Ratio = append(r.Ratio, ratio)
		}
	}
	return r
}

// WriteText writes the values and what they leave.
func (r *svdReport) WriteText(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	what := ""
	if r.Entries > 0 {
		what = fmt.Sprintf(", %d entries", r.Entries)
	}
	if r.Centred {
		what += ", less the mean of its columns (PCA)"
	}
	fmt.Fprintf(t, "%s: %d x %d%s, rank %d by the method %q in %.2f s\n", r.Matrix, r.Rows, r.Cols, what, r.Rank, r.Method, r.Seconds)
	if len(r.Omitted) > 0 {
		fmt.Fprintf(t, "left out, not numbers: %s\n", strings.Join(r.Omitted, ", "))
	}
	r.writeValues(t)
	least := "least possible"
	if r.LowerBound {
		least = "least possible is at least"
	}
	fmt.Fprintf(t, "\nerror\t%.6g of %.6g (Frobenius norm; %s)\n%s\t%.6g\nenergy kept\t%.4f %%\n", r.Error, r.Norm, r.errorKind(), least, r.Optimum, 100*r.Kept)
	if r.Missed {
		fmt.Fprintf(t, "tolerance\tnot reached: it takes a larger rank\n")
	}
	if r.Why != "" {
		fmt.Fprintf(t, "method\t%s: %s\n", r.Method, r.Why)
	}
	if r.Passes > 0 {
		over := "the matrix"
		if r.OnDisk {
			over = "the file"
		}
		fmt.Fprintf(t, "passes over %s\t%d\n", over, r.Passes)
	}
	fmt.Fprintf(t, "peak memory\t%.0f MiB\n", float64(r.Peak)/(1<<20))
	if r.Output != "" {
		names := "U, S, V"
		if r.Centred {
			names += ", mean"
		}
		fmt.Fprintf(t, "%s\t%s\n", names, r.Output)
	}
	return t.Flush()
}

// writeValues writes the leading singular values.
func (r *svdReport) writeValues(w io.Writer) {
	const shown = 20
	if r.Centred {
		fmt.Fprintf(w, "\n\tsingular value\tvariance\texplained\n")
	} else {
		fmt.Fprintf(w, "\n\tsingular value\n")
	}
	for i, s := range r.Values[:min(shown, len(r.Values))] {
		fmt.Fprintf(w, "%d\t%.6g", i+1, s)
		if r.Centred {
			fmt.Fprintf(w, "\t%.6g\t%.2f %%", r.Variance[i], 100*r.Ratio[i])
		}
		fmt.Fprintln(w)
	}
	if more := len(r.Values) - shown; more > 0 {
		fmt.Fprintf(w, "\tand %d more, down to %.6g\n", more, r.Values[len(r.Values)-1])
	}
}

// errorKind says what the error rests on.
func (r *svdReport) errorKind() string {
	switch r.ErrorKind {
	case "measured":
		return "measured"
	case "norms":
		return "from the norm and what is kept of it"
	case "probes":
		return fmt.Sprintf("estimated by random vectors: %.4g to %.4g with 95 %%", r.ErrorLow, r.ErrorHigh)
	}
	return r.ErrorKind
}
