// Package testdata finds, for tests only, the optional folder of real data that may lie beside the repository. Tests use
// it when it is there and must mean something without it.
package testdata

import (
	"os"
	"path/filepath"
	"testing"
)

// Path returns the path of name (slash separated, relative to the data folder), or skips the test when it is absent. The
// folder is $ECKART_DATA, or else shared/data beside the repository's root.
func Path(t testing.TB, name string) string {
	t.Helper()
	dir := folder()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if _, err := os.Stat(path); dir == "" || err != nil {
		t.Skipf("optional test data %q is not here; set ECKART_DATA to the folder that has it", name)
	}
	return path
}

// Model returns the path in the environment variable env (for example ECKART_SMOLLM2), or skips the test when it is unset.
func Model(t testing.TB, env string) string {
	t.Helper()
	path := os.Getenv(env)
	if path == "" {
		t.Skipf("set %s to the model's path to run this test", env)
	}
	return path
}

// folder walks up from the test's working directory to the repository's root (the folder of the main go.mod) and looks
// beside it.
func folder() string {
	if dir := os.Getenv("ECKART_DATA"); dir != "" {
		return dir
	}
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(filepath.Dir(dir), "shared", "data")
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
}
