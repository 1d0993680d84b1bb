package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"eckart": func() { os.Exit(run(os.Args[1:])) }})
}

// Every verb is tested by a script that a user could have typed.
func TestScripts(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			data := filepath.Join(root, "quickstart", "data")
			env.Setenv("MODEL", filepath.Join(data, "stories260K.bin"))
			env.Setenv("TEXT", filepath.Join(data, "calibration.txt"))
			env.Setenv("HELDOUT", filepath.Join(data, "heldout.txt"))
			env.Setenv("MATRICES", filepath.Join(root, "matfile", "testdata"))
			env.Setenv("ECKART_CACHE", env.WorkDir+"/cache")
			env.Setenv("HF_HOME", env.WorkDir+"/hf")
			return nil
		},
	})
}

// Every command has help and an example, and no flag hides another.
func TestCommandsAreDocumentedAndFlagsAgree(t *testing.T) {
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		if c.Short == "" || (c.Runnable() && c.Example == "") {
			t.Errorf("%s: no short help or no example", c.CommandPath())
		}
		short := map[string]string{}
		check := func(f *pflag.Flag) {
			if other, taken := short[f.Shorthand]; taken && f.Shorthand != "" && other != f.Name {
				t.Errorf("%s: -%s means both --%s and --%s", c.CommandPath(), f.Shorthand, other, f.Name)
			}
			short[f.Shorthand] = f.Name
			if f.Usage == "" {
				t.Errorf("%s: --%s has no help", c.CommandPath(), f.Name)
			}
		}
		c.Flags().VisitAll(check)
		c.InheritedFlags().VisitAll(check)
		for _, child := range c.Commands() {
			visit(child)
		}
	}
	for _, c := range newRoot(&env{}).Commands() {
		visit(c)
	}
}
