package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/eckart-go/eckart/lowrank"
	"github.com/eckart-go/eckart/matfile"
)

// svdMethods are the words of --method.
var svdMethods = []string{lowrank.Auto: "auto", lowrank.Exact: "exact", lowrank.Gram: "gram", lowrank.Krylov: "krylov"}

// svdFlags are the flags of svd.
type svdFlags struct {
	rank   int
	method string
	array  string
	memory int64
	output string
	seed   uint64
}

func newSVD(e *env) *cobra.Command {
	var f svdFlags
	c := &cobra.Command{
		Use:   "svd MATRIX",
		Short: "Truncated singular value decomposition of a matrix file, with its error",
		Long: `Finds the -k largest singular values of a matrix and, with -o, its singular vectors: A ~ U diag(S) Vᵀ, the best approximation
of that rank. MATRIX is a NumPy file (.npy, .npz, SciPy's sparse ones too), MatrixMarket (.mtx), or numbers in text, separated
by tabs, semicolons, commas or blanks, with or without a header; any but .npz may be compressed by gzip. "-" is standard input.

Methods: exact works on the matrix itself; gram on the Gram matrix of its smaller side, several times faster, with small
singular values less accurate; krylov finds the leading part only, nearly as good as the optimum; auto takes gram where
its error is a negligible part of what the cut discards, and exact elsewhere.`,
		Example: `  eckart svd matrix.npy -k 20
  eckart svd ratings.mtx.gz -k 50 -o factors.npz --json
  cat table.csv | eckart svd - -k 3 -o folder/`,
		Args: cobra.ExactArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"npy", "npz", "mtx", "csv", "tsv", "txt", "gz"}, cobra.ShellCompDirectiveFilterFileExt
		},
		RunE: func(c *cobra.Command, args []string) error {
			method := slices.Index(svdMethods, f.method)
			if method < 0 {
				return usageError{fmt.Errorf("--method %q: expected auto, exact, gram or krylov", f.method)}
			}
			if f.rank < 1 || f.memory < 1 {
				return usageError{fmt.Errorf("-k and --memory must be positive")}
			}
			result, err := runSVD(c.Context(), args[0], f, lowrank.Options{Method: lowrank.Method(method), Krylov: lowrank.KrylovOptions{Seed: f.seed}})
			if err != nil {
				return err
			}
			return e.print(result)
		},
	}
	c.Flags().IntVarP(&f.rank, "rank", "k", 10, "singular values to find; all of them if there are fewer")
	c.Flags().StringVarP(&f.method, "method", "m", "auto", "auto, exact, gram or krylov")
	c.Flags().StringVar(&f.array, "array", "", "name of the array, if an .npz file has several")
	c.Flags().Int64Var(&f.memory, "memory", 4096, "most MiB that a compressed or sparse matrix may expand to")
	e.outputFlag(c, &f.output, "write U (m x k), S (k) and V (n x k) to this .npz file, or as .npy files into this folder")
	e.seedFlag(c, &f.seed)
	completeWords(c, "method", svdMethods)
	return c
}

// completeWords offers the words that a flag takes to the shell.
func completeWords(c *cobra.Command, flag string, words []string) {
	if err := c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag was registered before
	}
}

// runSVD decomposes the matrix at path. What is one call of a library is not interrupted: a cancelled context counts between
// reading, computing and writing.
func runSVD(ctx context.Context, path string, f svdFlags, opts lowrank.Options) (*svdReport, error) {
	m, err := matfile.Read(path, matfile.Options{Array: f.array, Limit: f.memory << 20})
	if err != nil {
		return nil, err
	}
	a, err := m.Dense()
	if err = errors.Join(err, ctx.Err()); err != nil {
		return nil, err
	}
	start := time.Now()
	factors, err := lowrank.SVD(a, min(f.rank, m.Rows, m.Cols), opts)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	cert := factors.Cert
	r := &svdReport{
		Matrix: path, Format: m.Format, Rows: m.Rows, Cols: m.Cols, Rank: cert.Rank, Method: cert.Method, Values: factors.S,
		Error: cert.Frobenius, Optimum: cert.Optimum, LowerBound: cert.LowerBound, Norm: cert.FrobeniusNorm, Kept: cert.Energy(),
		Seconds: time.Since(start).Seconds(), Output: f.output,
	}
	if m.Sparse() {
		r.Entries = m.CSR.NNZ()
	}
	if f.output == "" {
		return r, nil
	}
	u, v := factors.Triplets()
	return r, matfile.Save(f.output, matfile.NewArray("U", u), matfile.Array{Name: "S", Shape: []int{len(factors.S)}, Data: factors.S}, matfile.NewArray("V", v))
}

// svdReport is what svd found. Errors and norms are Frobenius norms.
type svdReport struct {
	Matrix     string    `json:"matrix"`
	Format     string    `json:"format"`
	Rows       int       `json:"rows"`
	Cols       int       `json:"cols"`
	Entries    int       `json:"entries,omitempty"` // of a sparse matrix
	Rank       int       `json:"rank"`
	Method     string    `json:"method"`
	Values     []float64 `json:"singular_values"`
	Error      float64   `json:"error"`
	Optimum    float64   `json:"optimum_error"`
	LowerBound bool      `json:"optimum_is_lower_bound,omitempty"`
	Norm       float64   `json:"norm"`
	Kept       float64   `json:"energy_kept"` // 1 - error^2 / norm^2
	Seconds    float64   `json:"seconds"`
	Output     string    `json:"output,omitempty"`
}

// WriteText writes the values and what they leave.
func (r *svdReport) WriteText(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	sparse := ""
	if r.Entries > 0 {
		sparse = fmt.Sprintf(", %d entries", r.Entries)
	}
	fmt.Fprintf(t, "%s: %d x %d%s, rank %d by the method %q in %.2f s\n\n", r.Matrix, r.Rows, r.Cols, sparse, r.Rank, r.Method, r.Seconds)
	const shown = 20
	fmt.Fprintf(t, "\tsingular value\n")
	for i, s := range r.Values[:min(shown, len(r.Values))] {
		fmt.Fprintf(t, "%d\t%.6g\n", i+1, s)
	}
	if more := len(r.Values) - shown; more > 0 {
		fmt.Fprintf(t, "\tand %d more, down to %.6g\n", more, r.Values[len(r.Values)-1])
	}
	least := "least possible"
	if r.LowerBound {
		least = "least possible is at least"
	}
	fmt.Fprintf(t, "\nerror\t%.6g of %.6g (Frobenius norm)\n%s\t%.6g\nenergy kept\t%.4f %%\n", r.Error, r.Norm, least, r.Optimum, 100*r.Kept)
	if r.Output != "" {
		fmt.Fprintf(t, "U, S, V\t%s\n", r.Output)
	}
	return t.Flush()
}
