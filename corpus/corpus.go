// Package corpus reads the plain text that models are calibrated and measured on, and cuts it into token sequences.
//
// A corpus is a file or a folder. Files ending in .gz are decompressed. Of a folder, the files whose names end in .txt,
// .text or .raw (or one of these and .gz) are read in name order; anything else in it, such as a README, is left out.
package corpus

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// MaxBytes is the most text Read takes from one corpus, so that a decompression bomb or a wrong path ends in an error
// instead of an exhausted machine.
const MaxBytes = 1 << 30

// ErrTooShort says that a text has fewer tokens than one sequence needs. Callers test for it with errors.Is.
var ErrTooShort = errors.New("text is too short")

// Read returns the text of the corpus at path. It fails, naming the file, when there is no text file, when a file is
// empty or holds binary data (a NUL byte, or more than 1 % of bytes outside UTF-8), and beyond MaxBytes.
func Read(path string) (string, error) {
	files, err := list(path)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	for _, file := range files {
		data, err := readFile(file, MaxBytes-int64(text.Len()))
		if err != nil {
			return "", err
		}
		if err := check(file, data); err != nil {
			return "", err
		}
		text.Write(data)
	}
	return text.String(), nil
}

// list resolves path to the files of a corpus, in name order.
func list(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("corpus: %w", err)
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path) // sorted by name
	if err != nil {
		return nil, fmt.Errorf("corpus: %w", err)
	}
	var files []string
	for _, e := range entries {
		ext := filepath.Ext(strings.TrimSuffix(e.Name(), ".gz"))
		if e.Type().IsRegular() && slices.Contains([]string{".txt", ".text", ".raw"}, ext) {
			files = append(files, filepath.Join(path, e.Name()))
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("corpus: folder %s has no .txt, .text or .raw file (optionally .gz): name a text file instead", path)
	}
	return files, nil
}

// readFile returns the file's bytes, decompressed when its name ends in .gz, at most limit of them.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("corpus: %w", err)
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		z, err := gzip.NewReader(f)
		if err != nil {
			return nil, fmt.Errorf("corpus: %s: not a gzip file: %w", path, err)
		}
		r = z
	}
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("corpus: %s: %w", path, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("corpus: %s: more than %d bytes of text: give a smaller sample", path, int64(MaxBytes))
	}
	return data, nil
}

// check refuses what is plainly not text.
func check(path string, data []byte) error {
	if len(data) == 0 {
		return fmt.Errorf("corpus: %s: the file is empty", path)
	}
	if i := bytes.IndexByte(data, 0); i >= 0 {
		return fmt.Errorf("corpus: %s: a NUL byte at offset %d: this is binary data, not text", path, i)
	}
	bad := 0
	for rest := data; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		if r == utf8.RuneError && size == 1 {
			bad++
		}
		rest = rest[size:]
	}
	if bad*100 > len(data) {
		return fmt.Errorf("corpus: %s: %d of %d bytes are not UTF-8: this is binary data or another encoding", path, bad, len(data))
	}
	return nil
}

// Blocks cuts tokens into consecutive sequences of n, dropping the incomplete rest; at most limit of them when limit is
// positive. The sequences alias tokens. It returns ErrTooShort when there is not even one.
func Blocks(tokens []int, n, limit int) ([][]int, error) {
	if n < 1 {
		return nil, fmt.Errorf("corpus: a sequence of %d tokens was asked for; it must have at least 1", n)
	}
	count := len(tokens) / n
	if count == 0 {
		return nil, fmt.Errorf("corpus: %w: %d tokens, one sequence needs %d", ErrTooShort, len(tokens), n)
	}
	if limit > 0 {
		count = min(count, limit)
	}
	blocks := make([][]int, count)
	for i := range blocks {
		blocks[i] = tokens[i*n : (i+1)*n : (i+1)*n]
	}
	return blocks, nil
}

// Sample draws count of the consecutive n-token blocks of tokens without replacement, in text order, so that a sample
// covers the whole text and no token is taken twice. The same seed draws the same blocks. When there are no more than
// count blocks it returns them all, and ErrTooShort when there is none.
func Sample(tokens []int, n, count int, seed uint64) ([][]int, error) {
	blocks, err := Blocks(tokens, n, 0)
	if err != nil || count <= 0 || count >= len(blocks) {
		return blocks, err
	}
	rng := rand.New(rand.NewPCG(seed, 0x5eed))
	chosen := rng.Perm(len(blocks))[:count]
	slices.Sort(chosen)
	sample := make([][]int, count)
	for i, c := range chosen {
		sample[i] = blocks[c]
	}
	return sample, nil
}
