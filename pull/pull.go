package pull

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gomlx/go-huggingface/hub"
)

// Origin is where a model may come from.
type Origin uint8

// The origins. Anywhere tries the Hub first and then the mirror.
const (
	Anywhere Origin = iota
	Hub
	Mirror
)

// Options tunes Pull; its zero value is the recommended setting.
type Options struct {
	From     Origin
	Progress func(done, total int64) // bytes of the file under way; may be nil
}

// Result says what Pull left on disk.
type Result struct {
	Path     string   `json:"path"`   // what to open
	Origin   string   `json:"origin"` // "cache", "hub" or "mirror"
	Files    []string `json:"files"`
	Verified bool     `json:"verified"` // every file's SHA-256 was known and right
}

// Pull makes a model available: a short name of Models, or org/name[@revision] of the Hub. What is complete in the cache is
// not fetched again; an interrupted download goes on where it was. A file with a wrong checksum is an error and is not kept.
func Pull(ctx context.Context, name string, opts Options) (*Result, error) {
	cache, err := CacheDir()
	if err != nil {
		return nil, err
	}
	k, known := lookup(name)
	if !known {
		return pullRepo(ctx, name, cache, opts)
	}
	c := newRepoCache(cache, k.Repo)
	if c.has(k.Revision, k.Files) {
		if err := k.verify(c); err != nil {
			return nil, fmt.Errorf("%w: the cache is damaged: remove %s and pull again", err, c.dir)
		}
		return k.result(c, "cache"), nil
	}
	var hubErr error
	if opts.From != Mirror {
		if hubErr = fromHub(ctx, cache, k.Repo, k.Revision, k.names()); hubErr == nil {
			if err := k.verify(c); err != nil {
				return nil, err
			}
			return k.result(c, "hub"), nil
		}
		if opts.From == Hub || ctx.Err() != nil {
			return nil, hubErr
		}
	}
	if err := fromMirror(ctx, k, c, opts.Progress); err != nil {
		return nil, errors.Join(hubErr, err)
	}
	return k.result(c, "mirror"), nil
}

func (k Known) names() []string {
	names := make([]string, len(k.Files))
	for i, f := range k.Files {
		names[i] = f.Name
	}
	return names
}

// verify checks the sums of all files in the snapshot.
func (k Known) verify(c repoCache) error {
	for _, f := range k.Files {
		if err := verify(filepath.Join(c.snapshot(k.Revision), filepath.FromSlash(f.Name)), f.SHA256); err != nil {
			return err
		}
	}
	return nil
}

func (k Known) result(c repoCache, origin string) *Result {
	return &Result{Path: k.path(c), Origin: origin, Files: k.names(), Verified: true}
}

// fromHub fetches files of a repository into the cache.
func fromHub(ctx context.Context, cache, repo, revision string, files []string) error {
	r, err := hubRepo(cache, repo, revision)
	if err != nil {
		return err
	}
	if err := download(ctx, r, newRepoCache(cache, repo), revision, files); err != nil {
		return fmt.Errorf("pull: %s from the Hub: %w", repo, err)
	}
	return nil
}

// download fetches files into the cache and notes there which commit the revision stands for, which package hub leaves out.
func download(ctx context.Context, r *hub.Repo, c repoCache, revision string, files []string) error {
	if _, err := r.DownloadFilesCtx(ctx, files...); err != nil {
		return err
	}
	return c.setRef(revision, r.Info().CommitHash)
}

// hubRepo prepares access to a repository, unless HF_HUB_OFFLINE forbids it.
func hubRepo(cache, repo, revision string) (*hub.Repo, error) {
	if v := strings.ToLower(os.Getenv("HF_HUB_OFFLINE")); slices.Contains([]string{"1", "true", "yes", "on"}, v) {
		return nil, fmt.Errorf("pull: %s is not in the cache, and HF_HUB_OFFLINE is set", repo)
	}
	r := hub.New(repo).WithRevision(revision).WithAuth(os.Getenv("HF_TOKEN")).WithCacheDir(cache).WithProgressBar(false)
	r.Verbosity = 0 // it would print to standard output
	return r, nil
}

// wanted are the files of a repository that a model is made of. Weights in other formats are left on the Hub.
var wanted = []string{
	"*.safetensors", "*.safetensors.index.json", "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
	"special_tokens_map.json", "chat_template.jinja", "vocab.txt", "LICENSE*",
}

// pullRepo fetches a model of the Hub that has no short name.
func pullRepo(ctx context.Context, id, cache string, opts Options) (*Result, error) {
	repo, revision, err := splitID(id)
	if err != nil {
		return nil, err
	}
	if opts.From == Mirror {
		return nil, fmt.Errorf("pull: %s has no mirror", id)
	}
	r, err := hubRepo(cache, repo, revision)
	if err != nil {
		return nil, err
	}
	var files []string
	for name, err := range r.IterFileNames() {
		if err != nil {
			return nil, fmt.Errorf("pull: %s from the Hub: %w", id, err)
		}
		for _, pattern := range wanted {
			if ok, _ := path.Match(pattern, name); ok {
				files = append(files, name)
			}
		}
	}
	if !slices.ContainsFunc(files, func(f string) bool { return strings.HasSuffix(f, ".safetensors") }) {
		return nil, fmt.Errorf("pull: %s: the repository has no .safetensors file at its root", id)
	}
	c := newRepoCache(cache, repo)
	if err := download(ctx, r, c, revision, files); err != nil {
		return nil, fmt.Errorf("pull: %s from the Hub: %w", id, err)
	}
	return &Result{Path: c.snapshot(revision), Origin: "hub", Files: files}, nil
}
