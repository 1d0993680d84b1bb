package pull

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/eckart-go/eckart/internal/replace"
)

// CacheDir returns the Hub's cache folder: $HF_HUB_CACHE, or hub under $HF_HOME, or hub under huggingface in the user's
// cache folder ($XDG_CACHE_HOME or ~/.cache), as in huggingface_hub.
func CacheDir() (string, error) {
	if dir := os.Getenv("HF_HUB_CACHE"); dir != "" {
		return dir, nil
	}
	if dir := os.Getenv("HF_HOME"); dir != "" {
		return filepath.Join(dir, "hub"), nil
	}
	base := os.Getenv("XDG_CACHE_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("pull: no home folder for the cache: set HF_HOME: %w", err)
		}
		base = filepath.Join(home, ".cache")
	}
	return filepath.Join(base, "huggingface", "hub"), nil
}

// repoCache is the folder of one repository in the cache: blobs by content, snapshots of links to them, refs from names of
// revisions to snapshots.
type repoCache struct{ dir string }

func newRepoCache(cache, repo string) repoCache {
	return repoCache{filepath.Join(cache, "models--"+strings.ReplaceAll(repo, "/", "--"))}
}

// snapshot returns the folder of a revision, which may be a name in refs or a commit.
func (c repoCache) snapshot(revision string) string {
	if data, err := os.ReadFile(filepath.Join(c.dir, "refs", revision)); err == nil {
		if commit := strings.TrimSpace(string(data)); validPart(commit) {
			revision = commit
		}
	}
	return filepath.Join(c.dir, "snapshots", revision)
}

// setRef notes which commit a revision is.
func (c repoCache) setRef(revision, commit string) error {
	if revision == commit {
		return nil
	}
	if !validPart(commit) {
		return fmt.Errorf("the Hub gives no usable commit for revision %s: %q", revision, commit)
	}
	path := filepath.Join(c.dir, "refs", revision)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return replace.File(path, func(w io.Writer) error {
		_, err := io.WriteString(w, commit)
		return err
	})
}

// blob returns the path of content with the given SHA-256, which is how the Hub names large files.
func (c repoCache) blob(sum string) string { return filepath.Join(c.dir, "blobs", sum) }

// has reports whether the snapshot of a revision has all files.
func (c repoCache) has(revision string, files []File) bool {
	for _, f := range files {
		if _, err := os.Stat(filepath.Join(c.snapshot(revision), filepath.FromSlash(f.Name))); err != nil {
			return false
		}
	}
	return len(files) > 0
}

// link makes the snapshot's entry for a blob: a relative symbolic link, or a copy where the system has no links.
func (c repoCache) link(revision, name, sum string) error {
	path := filepath.Join(c.snapshot(revision), filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("pull: %w", err)
	}
	target, err := filepath.Rel(filepath.Dir(path), c.blob(sum))
	if err != nil {
		return fmt.Errorf("pull: %w", err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("pull: %w", err)
	}
	if os.Symlink(target, path) == nil {
		return nil
	}
	return copyFile(path, c.blob(sum))
}

func copyFile(dst, src string) error {
	in, err := os.Open(src)
	if err != nil {
		return fmt.Errorf("pull: %w", err)
	}
	defer in.Close()
	out, err := os.Create(dst)
	if err != nil {
		return fmt.Errorf("pull: %w", err)
	}
	_, err = io.Copy(out, in)
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		os.Remove(dst)
		return fmt.Errorf("pull: copying to %s: %w", dst, err)
	}
	return nil
}

// verify checks the SHA-256 of the file at path.
func verify(path, want string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("pull: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return fmt.Errorf("pull: %s: %w", path, err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		return fmt.Errorf("pull: %s: SHA-256 %s, expected %s", path, got, want)
	}
	return nil
}

// Resolve turns what a user calls a model into a path: a file or folder that exists, a short name of Models, or org/name
// with an optional @revision, the last two if they are in the cache. Otherwise the error says how to get it.
func Resolve(name string) (string, error) {
	if _, err := os.Stat(name); err == nil {
		return name, nil
	}
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	if k, ok := lookup(name); ok {
		c := newRepoCache(cache, k.Repo)
		if !c.has(k.Revision, k.Files) {
			return "", fmt.Errorf("pull: %s is not here yet: run \"eckart pull %s\" (%s, %s)", name, name, k.About, k.Licence)
		}
		return k.path(c), nil
	}
	if strings.Count(name, "/") != 1 || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "/") {
		return "", fmt.Errorf("pull: no file or folder %s, and no model is called that", name)
	}
	repo, revision, err := splitID(name)
	if err != nil {
		return "", err
	}
	dir := newRepoCache(cache, repo).snapshot(revision)
	if _, err := os.Stat(dir); err != nil {
		return "", fmt.Errorf("pull: no file or folder %s, and the Hub's cache has no such model: run \"eckart pull %s\"", name, name)
	}
	return dir, nil
}

// path returns what opens the model.
func (k Known) path(c repoCache) string {
	dir := c.snapshot(k.Revision)
	if k.Folder {
		return dir
	}
	return filepath.Join(dir, filepath.FromSlash(k.Files[0].Name))
}
