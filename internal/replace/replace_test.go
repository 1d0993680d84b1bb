package replace_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eckart-go/eckart/internal/replace"
)

func ExampleFile() {
	dir, err := os.MkdirTemp("", "replace")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "note.txt")
	for _, text := range []string{"first", "second"} {
		if err := replace.File(path, func(w io.Writer) error { _, err := io.WriteString(w, text); return err }); err != nil {
			fmt.Println(err)
		}
	}
	data, err := os.ReadFile(path)
	fmt.Println(string(data), err)
	// Output: second <nil>
}

// A writer that fails midway leaves the old file and nothing else.
func TestFailureLeavesTheOldFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	err := replace.File(path, func(w io.Writer) error {
		if _, err := io.WriteString(w, "new"); err != nil {
			t.Fatal(err)
		}
		return broken
	})
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), path) {
		t.Errorf("got error %v, expected %v with the path", err, broken)
	}
	if data, err := os.ReadFile(path); string(data) != "old" || err != nil {
		t.Errorf("the file holds %q, %v", data, err)
	}
	if entries, err := os.ReadDir(dir); len(entries) != 1 || err != nil {
		t.Errorf("%d entries are left, %v", len(entries), err)
	}
	if err := replace.File(dir, func(io.Writer) error { return nil }); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("a folder was replaced: %v", err)
	}
}
