// Command eckart makes models smaller and says exactly what that cost. Each verb is one file of this folder; "eckart help"
// lists them.
//
// Exit status: 0 when the work was done, 1 when it failed, 2 when the command line was wrong.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	_ "github.com/eckart-go/eckart/blas/use" // gonum's matrices on our kernels
)

func main() {
	os.Exit(run(os.Args[1:]))
}

// gcPercent makes the collector run early. What this program allocates is mostly a few large arrays without pointers, which
// cost next to nothing to scan and much to keep: this takes a third off the peak of a compression.
const gcPercent = 25

// run executes one command line and returns the exit status. Ctrl-C and SIGTERM cancel the context that every verb works
// under; a second signal kills the process as usual.
func run(args []string) int {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		stop()
	}()
	e := &env{out: os.Stdout, err: os.Stderr, terminal: isTerminal(os.Stderr)}
	root := newRoot(e)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	e.endProgress()
	fmt.Fprintf(e.err, "eckart: %v\n", err)
	var usage usageError
	if errors.As(err, &usage) {
		return 2
	}
	return 1
}
