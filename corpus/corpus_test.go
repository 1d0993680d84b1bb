package corpus

import (
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func write(t *testing.T, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func zipped(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestReadFolderTakesTextInNameOrder(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "b.txt", []byte("second "))
	write(t, dir, "a.txt.gz", zipped(t, "first "))
	write(t, dir, "c.raw", []byte("third"))
	write(t, dir, "README.md", []byte("not part of the corpus"))
	write(t, dir, "c.tokens", []byte("nor this"))
	got, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if want := "first second third"; got != want {
		t.Errorf("Read = %q, want %q", got, want)
	}
}

func TestReadRefusesWhatIsNotText(t *testing.T) {
	dir := t.TempDir()
	empty := t.TempDir()
	for _, tc := range []struct{ name, path, want string }{
		{"missing", filepath.Join(dir, "none.txt"), "no such file"},
		{"empty file", write(t, dir, "empty.txt", nil), "empty"},
		{"NUL", write(t, dir, "nul.txt", []byte("text\x00text")), "NUL byte at offset 4"},
		{"not UTF-8", write(t, dir, "latin1.txt", bytes.Repeat([]byte{0xe9, 'a'}, 100)), "100 of 200 bytes are not UTF-8"},
		{"not gzip", write(t, dir, "x.gz", []byte("plain")), "not a gzip file"},
		{"cut gzip", write(t, dir, "cut.txt.gz", zipped(t, strings.Repeat("long text ", 1000))[:40]), "unexpected EOF"},
		{"folder without text", empty, "no .txt"},
	} {
		_, err := Read(tc.path)
		if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), tc.path) {
			t.Errorf("%s: error %v, want one that names %s and says %q", tc.name, err, tc.path, tc.want)
		}
	}
}

func TestSampleIsASeededSubsetInOrder(t *testing.T) {
	tokens := make([]int, 1003)
	for i := range tokens {
		tokens[i] = i
	}
	a, err := Sample(tokens, 10, 20, 3)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := Sample(tokens, 10, 20, 3)
	other, _ := Sample(tokens, 10, 20, 4)
	if !cmp.Equal(a, again) || cmp.Equal(a, other) {
		t.Error("the sample must depend on the seed, and on nothing else")
	}
	last := -1
	for _, block := range a {
		if len(block) != 10 || block[0]%10 != 0 || block[0] <= last || block[9] != block[0]+9 {
			t.Fatalf("block %v after one that starts at %d", block, last)
		}
		last = block[0]
	}
	all, err := Sample(tokens, 10, 1000, 3)
	if err != nil || len(all) != 100 {
		t.Errorf("asking for more than there is: %d blocks, %v; want all 100", len(all), err)
	}
}

func TestShortTextIsAnError(t *testing.T) {
	if _, err := Blocks(make([]int, 9), 10, 0); !errors.Is(err, ErrTooShort) {
		t.Errorf("error %v, want ErrTooShort", err)
	}
	if _, err := Blocks(make([]int, 9), 0, 0); err == nil {
		t.Error("sequences of no tokens were accepted")
	}
}
