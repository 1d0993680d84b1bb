// Command bench measures Eckart beside its peers: OpenBLAS, PyTorch, llama.cpp, Hugging Face tokenizers, gonum.
//
//	go run ./bench --suite gemm --threads 1,2 --json
//
// Every case runs ours and its peers in turn (A B C A B C ...) in one process tree on one machine, each as often as
// gives stable medians, and prints
//
//	{"suite":"gemm","case":"Sgemm NN n=512","threads":1,"peer":"openblas","peer_version":"...","ours_s":...,"peer_s":...,"ratio":...}
//
// one object a line with --json, a table without. ratio is peer_s / ours_s: above 1 ours is faster. Before the clock starts,
// both sides compute the case once from the same numbers and have to agree.
//
// Python peers are small drivers in bench/peers, run in the environment that bench/peers/setup.sh makes (default
// bench/peers/.venv; ECKART_PEERS names another). Without it the suites say so and run ours, and gonum where it has the
// routine.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
)

// config is what the command line chose.
type config struct {
	threads []int
	filter  string // only cases whose name contains it
	peers   []string
	pace    pace
}

// suites in the order of the help text. A suite returns its cases, or why it has none.
var suites = []struct {
	name, about string
	cases       func() ([]benchCase, error)
	run         func(ctx context.Context, c config, print printer, stderr io.Writer) error // instead of cases
}{
	{"gemm", "matrix products and BLAS against OpenBLAS and gonum", gemmCases, nil},
	{"dense", "eigenvalues, Cholesky and QR against LAPACK on OpenBLAS", denseCases, nil},
	{"sketch", "truncated singular value decompositions at equal error, against scikit-learn, ARPACK, PyTorch and fbpca", sketchCases, nil},
	{"model", "SmolLM2 prompt processing, decoding and tokenising", modelCases, nil},
	{"compress", "compressing a whole checkpoint against PyTorch", nil, runCompress},
	{"train", "training steps against PyTorch", noCases("package pretrain"), nil},
}

func noCases(missing string) func() ([]benchCase, error) {
	return func() ([]benchCase, error) {
		return nil, fmt.Errorf("no cases yet: it measures %s, which is not in the tree", missing)
	}
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == compressChild {
		os.Exit(compressInChild(os.Args[2]))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	var usage usageError
	switch {
	case errors.As(err, &usage):
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// usageError is a mistake on the command line.
type usageError struct{ error }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	suite := flags.String("suite", "", "gemm, dense, sketch, model, compress or train")
	threads := flags.String("threads", "1,2", "thread counts to run with, separated by commas")
	asJSON := flags.Bool("json", false, "one JSON object a line")
	filter := flags.String("filter", "", "run only the cases whose name contains this")
	only := flags.String("peers", "", "run only these peers, separated by commas (default: all that are there)")
	rounds := flags.Int("rounds", 9, "rounds a case at most; slow cases take fewer, but 3 at least")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return usageError{err}
	}
	c := config{filter: *filter, pace: defaultPace(*rounds)}
	for word := range strings.SplitSeq(*threads, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || n < 1 || n > 1024 {
			return usageError{fmt.Errorf("--threads %q: want counts like 1,2", *threads)}
		}
		c.threads = append(c.threads, n)
	}
	if *only != "" {
		c.peers = strings.Split(*only, ",")
	}
	print := tablePrinter(stdout)
	if *asJSON {
		print = jsonPrinter(stdout)
	}
	for _, s := range suites {
		if s.name == *suite && s.run != nil {
			return s.run(ctx, c, print, stderr)
		}
		if s.name == *suite {
			cases, err := s.cases()
			if err != nil {
				return fmt.Errorf("suite %s: %w", s.name, err)
			}
			return runSuite(ctx, s.name, cases, c, print, stderr)
		}
	}
	var names []string
	for _, s := range suites {
		names = append(names, s.name)
	}
	return usageError{fmt.Errorf("--suite %q: want one of %s", *suite, strings.Join(names, ", "))}
}
