// Command _asm writes the assembly of package simd: `go run . NAME -out FILE.s -stubs FILE.go`, one NAME per pair of files.
// It is run by `go generate` in the parent folder.
package main

import (
	"fmt"
	"os"

	. "github.com/mmcloughlin/avo/build"
)

// generators maps each NAME to the function that emits its kernels into avo's global file.
var generators = map[string]func(){
	"cpuid":  cpuid,
	"q":      quant,
	"vec":    vec,
	"half":   half,
	"gather": gather,
	"gemm":   gemm,
	"gram":   gram,
	"level1": level1,
	"pack":   pack,
	"symv":   symv,
	"trsm":   trsm,
	"poles":  poles,
}

func main() {
	if len(os.Args) < 2 || generators[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: go run . NAME -out FILE.s -stubs FILE.go -pkg simd")
		os.Exit(2)
	}
	name := os.Args[1]
	os.Args = append(os.Args[:1], os.Args[2:]...) // the rest are avo's own flags
	ConstraintExpr("amd64,!purego")
	generators[name]()
	Generate()
}
