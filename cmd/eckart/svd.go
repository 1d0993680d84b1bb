package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/internal/resident"
	"github.com/eckart-go/eckart/linop"
	"github.com/eckart-go/eckart/lowrank"
	"github.com/eckart-go/eckart/matfile"
)

// svdMethods are the words of --method.
var svdMethods = []string{lowrank.Auto: "auto", lowrank.Exact: "exact", lowrank.Gram: "gram", lowrank.Krylov: "krylov", lowrank.Randomized: "randomized", lowrank.TwoPass: "stream"}

// svdFlags are the flags of svd.
type svdFlags struct {
	rank   int
	ranked bool // the rank was asked for
	tol    float64
	method string
	centre bool
	array  string
	memory int64 // MiB
	output string
	seed   uint64
}

func newSVD(e *env) *cobra.Command {
	var f svdFlags
	c := &cobra.Command{
		Use:   "svd MATRIX",
		Short: "Truncated singular value decomposition of a matrix file, with its error",
		Long: `Finds the -k largest singular values of a matrix, or as many as it takes for an error of --tol times the norm, and with -o its
singular vectors: A ~ U diag(S) Vᵀ, the best approximation of that rank. With --center the mean of every column is taken away
first, without making a sparse matrix dense: principal component analysis, where rows of V are the components.

MATRIX is a NumPy file (.npy, .npz, SciPy's sparse ones too), MatrixMarket (.mtx), LIBSVM's text, Parquet (its columns of
numbers), or numbers in text, separated by tabs, semicolons, commas or blanks, with or without a header; text, .npy and .mtx
may be compressed by gzip. "-" is standard input. The format is found by content.

Methods: exact works on all elements; gram on the Gram matrix of the smaller side, several times faster, with small singular
values less accurate; krylov finds the leading part only, nearly as good as the optimum, by products with the matrix; randomized
does so with a fixed number of products, as scikit-learn does; stream leaves an .npy file on disk and reads it twice.
auto takes stream for a file beyond --memory, gram or exact for a matrix that is small or where much of it is asked for, and
krylov elsewhere. The report says what was done and why, and what the error it states rests on.`,
		Example: `  eckart svd matrix.npy -k 20
  eckart svd ratings.mtx.gz -k 50 -o factors.npz --json
  eckart svd measurements.parquet --center --tol 0.05
  cat table.csv | eckart svd - -k 3 -o folder/`,
		Args: cobra.ExactArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"npy", "npz", "mtx", "csv", "tsv", "txt", "svm", "libsvm", "parquet", "gz"}, cobra.ShellCompDirectiveFilterFileExt
		},
		RunE: func(c *cobra.Command, args []string) error {
			f.ranked = c.Flags().Changed("rank")
			opts, err := f.options()
			if err != nil {
				return err
			}
			result, err := runSVD(c.Context(), e, args[0], f, opts)
			if err != nil {
				return err
			}
			return e.print(result)
		},
	}
	c.Flags().IntVarP(&f.rank, "rank", "k", 10, "singular values to find; with --tol, the most of them (unless given: any number)")
	c.Flags().Float64Var(&f.tol, "tol", 0, "least rank with an error of at most this part of the norm, instead of -k")
	c.Flags().StringVarP(&f.method, "method", "m", "auto", "auto, exact, gram, krylov, randomized or stream")
	c.Flags().BoolVar(&f.centre, "center", false, "take the mean of every column away first: principal component analysis")
	c.Flags().StringVar(&f.array, "array", "", "name of the array, if an .npz file has several")
	c.Flags().Int64Var(&f.memory, "memory", 4096, "most MiB that a matrix may take in memory")
	e.outputFlag(c, &f.output, "write U (m x k), S (k) and V (n x k), with --center the mean too, to this .npz file, or as .npy files into this folder")
	e.seedFlag(c, &f.seed)
	completeWords(c, "method", svdMethods)
	return c
}

// options checks the flags and returns what they ask of package lowrank.
func (f *svdFlags) options() (lowrank.Options, error) {
	method := slices.Index(svdMethods, f.method)
	switch {
	case method < 0:
		return lowrank.Options{}, usageError{fmt.Errorf("--method %q: expected auto, exact, gram, krylov, randomized or stream", f.method)}
	case f.rank < 1 || f.memory < 1:
		return lowrank.Options{}, usageError{fmt.Errorf("-k and --memory must be positive")}
	case !(f.tol >= 0 && f.tol < 1):
		return lowrank.Options{}, usageError{fmt.Errorf("--tol %v: expected 0 < tol < 1", f.tol)}
	case f.tol > 0 && (lowrank.Method(method) != lowrank.Auto && lowrank.Method(method) != lowrank.TwoPass):
		return lowrank.Options{}, usageError{fmt.Errorf("--tol has a method of its own: leave --method %s away", f.method)}
	}
	return lowrank.Options{
		Method: lowrank.Method(method), Tol: f.tol,
		Krylov: lowrank.KrylovOptions{Seed: f.seed}, Randomized: lowrank.RandomizedOptions{Seed: f.seed},
	}, nil
}

// rankFor returns the rank to ask for of an m x n matrix.
func (f *svdFlags) rankFor(path string, m, n int) (int, error) {
	switch {
	case f.ranked && f.rank > min(m, n):
		return 0, fmt.Errorf("%s: rank %d of a matrix of %d x %d: expected 1 to %d", path, f.rank, m, n, min(m, n))
	case f.tol > 0 && !f.ranked:
		return 0, nil
	}
	return min(f.rank, m, n), nil
}

// completeWords offers the words that a flag takes to the shell.
func completeWords(c *cobra.Command, flag string, words []string) {
	if err := c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag was registered before
	}
}

// runSVD decomposes the matrix at path.
func runSVD(ctx context.Context, e *env, path string, f svdFlags, opts lowrank.Options) (*svdReport, error) {
	in, err := openMatrix(ctx, e, path, f, opts.Method)
	if err != nil {
		return nil, err
	}
	defer in.close()
	m, n := in.operator.Dims()
	k, err := f.rankFor(path, m, n)
	if err == nil {
		err = in.fits(k, f.memory<<20)
	}
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if in.file != nil && opts.Method == lowrank.Auto && f.tol == 0 {
		opts.Method = lowrank.TwoPass
		in.why = fmt.Sprintf("with its elements in memory it would take more than --memory %d MiB", f.memory)
	}
	factors, mean, err := in.decompose(ctx, k, f.centre, opts)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r := newSVDReport(in, factors, mean)
	if f.output != "" {
		u, v := factors.Triplets()
		if in.swapped {
			u, v = v, u
		}
		arrays := []matfile.Array{matfile.NewArray("U", u), {Name: "S", Shape: []int{len(factors.S)}, Data: factors.S}, matfile.NewArray("V", v)}
		if f.centre {
			arrays = append(arrays, matfile.Array{Name: "mean", Shape: []int{len(mean)}, Data: mean})
		}
		if err := matfile.Save(f.output, arrays...); err != nil {
			return nil, err
		}
		r.Output = f.output
	}
	r.Seconds, r.Peak = time.Since(start).Seconds(), resident.Peak()
	return r, nil
}

// decompose returns the factors, and the mean of the columns if it was taken away.
func (in *svdInput) decompose(ctx context.Context, k int, centre bool, opts lowrank.Options) (*lowrank.Factors, []float64, error) {
	if in.file == nil { // a file's elements are checked as they are read
		if err := linop.CheckFinite(in.operator); err != nil {
			return nil, nil, err
		}
	}
	if in.transposed && !centre { // by the file's rows, one pass is enough where by the matrix's it takes two
		in.swapped = true
		f, err := lowrank.OperatorSVD(linop.WithContext(ctx, in.stream), k, opts)
		return f, nil, linop.TransposedError(err)
	}
	a := in.operator
	var mean []float64
	if centre {
		c, err := linop.Centre(a)
		if err != nil {
			return nil, nil, err
		}
		a, mean = c, c.Mean()
	}
	if dense, ok := in.operator.(linop.Dense); ok {
		if centre {
			for i := range dense.Rows {
				floats.Sub(dense.Data[i*dense.Stride:][:dense.Cols], mean)
			}
		}
		f, err := lowrank.SVD(mat.NewDense(dense.Rows, dense.Cols, dense.Data), k, opts)
		return f, mean, err
	}
	f, err := lowrank.OperatorSVD(linop.WithContext(ctx, a), k, opts)
	return f, mean, err
}
