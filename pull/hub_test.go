package pull

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// fakeHub answers as the Hub does: the description of a repository, its files under the commit, redirections for large ones.
type fakeHub struct {
	files map[string]string
	token string // wanted, or ""

	mu   sync.Mutex
	sent map[string]int // GET requests by file
}

const hubCommit = "0123456789abcdef0123456789abcdef01234567"

func (h *fakeHub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h.token != "" && r.Header.Get("Authorization") != "Bearer "+h.token {
		http.Error(w, "Access to model org/some is restricted.", http.StatusUnauthorized)
		return
	}
	if r.URL.Path == "/api/models/org/some/revision/main" {
		var siblings []map[string]string
		for name := range h.files {
			siblings = append(siblings, map[string]string{"rfilename": name})
		}
		json.NewEncoder(w).Encode(map[string]any{"id": "org/some", "sha": hubCommit, "siblings": siblings})
		return
	}
	name, ok := strings.CutPrefix(r.URL.Path, "/org/some/resolve/"+hubCommit+"/")
	if ok && strings.HasSuffix(name, ".safetensors") { // large files lie elsewhere
		http.Redirect(w, r, "/large/"+name, http.StatusFound)
		return
	}
	if !ok {
		name, ok = strings.CutPrefix(r.URL.Path, "/large/")
	}
	content, have := h.files[name]
	if !ok || !have {
		http.NotFound(w, r)
		return
	}
	sum := sha256.Sum256([]byte(content))
	w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:])+`"`)
	w.Header().Set("X-Repo-Commit", hubCommit)
	w.Header().Set("Content-Length", fmt.Sprint(len(content)))
	if r.Method == http.MethodGet {
		h.mu.Lock()
		h.sent[name]++
		h.mu.Unlock()
		fmt.Fprint(w, content)
	}
}

func startHub(t *testing.T, h *fakeHub) (cache string) {
	t.Helper()
	h.sent = map[string]int{}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	cache = t.TempDir()
	t.Setenv("HF_ENDPOINT", server.URL)
	t.Setenv("HF_HUB_CACHE", cache)
	t.Setenv("HF_HUB_OFFLINE", "")
	t.Setenv("HF_TOKEN", "")
	return cache
}

func TestHubRepository(t *testing.T) {
	h := &fakeHub{files: map[string]string{
		"config.json": "{}", "model.safetensors": "weights", "tokenizer.json": "{}", "README.md": "text", "pytorch_model.bin": "pickle",
		"onnx/model.onnx": "other",
	}}
	startHub(t, h)
	r, err := Pull(context.Background(), "org/some", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Origin != "hub" || len(r.Files) != 3 || r.Verified {
		t.Errorf("result %+v: expected three files from the hub, of unknown sums", r)
	}
	for _, name := range []string{"config.json", "model.safetensors", "tokenizer.json"} {
		got, err := os.ReadFile(filepath.Join(r.Path, name))
		if err != nil || string(got) != h.files[name] {
			t.Errorf("%s holds %q, %v", name, got, err)
		}
	}
	if h.sent["pytorch_model.bin"]+h.sent["onnx/model.onnx"]+h.sent["README.md"] != 0 {
		t.Errorf("files were fetched that are not part of the model: %v", h.sent)
	}
	if path, err := Resolve("org/some"); err != nil || path != r.Path {
		t.Errorf("Resolve gives %q, %v, expected %q", path, err, r.Path)
	}
	if _, err := Pull(context.Background(), "org/some", Options{}); err != nil || h.sent["model.safetensors"] != 1 {
		t.Errorf("again: %v, weights fetched %d times", err, h.sent["model.safetensors"])
	}
}

func TestHubNeedsToken(t *testing.T) {
	h := &fakeHub{files: map[string]string{"model.safetensors": "weights"}, token: "hf_right"}
	startHub(t, h)
	if _, err := Pull(context.Background(), "org/some", Options{}); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("without a token: %v", err)
	}
	t.Setenv("HF_TOKEN", "hf_right")
	if _, err := Pull(context.Background(), "org/some", Options{}); err != nil {
		t.Errorf("with the token: %v", err)
	}
}

func TestHubErrors(t *testing.T) {
	h := &fakeHub{files: map[string]string{"config.json": "{}"}}
	startHub(t, h)
	for id, want := range map[string]string{
		"org/absent": "404", "org/some": "no .safetensors file", "org/some@nosuch": "404",
	} {
		if _, err := Pull(context.Background(), id, Options{}); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), id) {
			t.Errorf("%s: %v, want %q and the name", id, err, want)
		}
	}
}

// A known model comes from the Hub if that has the right bytes; with wrong ones it is an error, and nothing of it stays.
func TestHubKnownModelIsVerified(t *testing.T) {
	content := "the model"
	h := &fakeHub{files: map[string]string{"model.gguf": content}}
	cache := startHub(t, h)
	sum := sha256.Sum256([]byte(content))
	k := Known{Name: "some", Repo: "org/some", Revision: "main", Files: []File{{"model.gguf", hex.EncodeToString(sum[:])}}}
	if err := fromHub(context.Background(), cache, k.Repo, k.Revision, k.names()); err != nil {
		t.Fatal(err)
	}
	c := newRepoCache(cache, k.Repo)
	if err := k.verify(c); err != nil {
		t.Error(err)
	}
	k.Files[0].SHA256 = strings.Repeat("0", 64)
	if err := k.verify(c); err == nil || !strings.Contains(err.Error(), "model.gguf") {
		t.Errorf("a wrong sum: %v", err)
	}
}
