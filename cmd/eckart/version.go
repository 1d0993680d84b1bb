package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/eckart-go/eckart/internal/simd"
)

func newVersion(e *env) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version, the Go toolchain and the kernels in use",
		Example: "  eckart version --json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return e.print(currentVersion())
		},
	}
}

// versionReport says what is running.
type versionReport struct {
	Version  string `json:"version"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Kernels  string `json:"kernels"` // generic, avx2 or avx512
	Threads  int    `json:"threads"`
}

func currentVersion() versionReport {
	version := "devel"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		version = info.Main.Version
	}
	return versionReport{
		Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Kernels: simd.Level(), Threads: runtime.GOMAXPROCS(0),
	}
}

// WriteText writes one line.
func (v versionReport) WriteText(w io.Writer) error {
	_, err := fmt.Fprintf(w, "eckart %s (%s, %s, %s kernels, %d threads)\n", v.Version, v.Go, v.Platform, v.Kernels, v.Threads)
	return err
}
