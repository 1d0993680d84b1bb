package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/build"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eckart-go/eckart/internal/testdata"
)

// benchDocuments returns document-sized strings: articles of wikitext, Go sources, and both with the fixture's texts.
func benchDocuments(b *testing.B) map[string][]string {
	data, err := os.ReadFile(testdata.Path(b, "wikitext-2/wiki.test.raw"))
	if err != nil {
		b.Fatal(err)
	}
	wiki := strings.SplitAfter(string(data), " \n \n = ")
	var code []string
	files, err := filepath.Glob(filepath.Join(build.Default.GOROOT, "src", "net", "http", "*.go"))
	if err != nil || len(files) == 0 {
		b.Skip("the Go sources are not here")
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			b.Fatal(err)
		}
		code = append(code, string(data))
	}
	var texts []string
	for range 10 {
		for _, s := range fixtureTexts(b) {
			texts = append(texts, lossy(s))
		}
	}
	mixed := append(append([]string{strings.Join(texts, "\n")}, wiki[:len(wiki)/2]...), code[:len(code)/4]...)
	return map[string][]string{"wikitext": wiki, "code": code, "mixed": mixed}
}

// BenchmarkEncode encodes documents on one thread. With ECKART_PEERS set (a Python environment, see bench/peers) it also times
// Hugging Face tokenizers on the same documents, before and after, and reports x-HF: its best time, of encode and
// encode_batch_fast, over ours (above 1 is faster), and x-HF-cold, the same for a first pass.
func BenchmarkEncode(b *testing.B) {
	docs := benchDocuments(b)
	for _, m := range []struct{ name, env, file string }{{"smollm2", "ECKART_SMOLLM2", ""}, {"minilm", "ECKART_MINILM", "tokenizer.json"},
		{"llama2-style", "", "sentencepiece"}} {
		for _, kind := range []string{"wikitext", "code", "mixed"} {
			b.Run(m.name+"/"+kind, func(b *testing.B) {
				path := filepath.Join(b.TempDir(), "tokenizer.json")
				if m.env == "" {
					if err := os.WriteFile(path, baseJSON(b, m.file, nil), 0o600); err != nil {
						b.Fatal(err)
					}
				} else {
					path = filepath.Join(testdata.Model(b, m.env), m.file)
				}
				benchmarkEncode(b, path, docs[kind])
			})
		}
	}
}

func benchmarkEncode(b *testing.B, path string, docs []string) {
	tok, err := Open(path)
	if err != nil {
		b.Fatal(err)
	}
	size, count := 0, 0
	var ids []int
	encode := func() {
		size, count = 0, 0
		for _, d := range docs {
			ids = tok.Encode(ids[:0], d, EncodeOptions{})
			size += len(d)
			count += len(ids)
		}
	}
	start := time.Now()
	encode()
	cold := time.Since(start).Seconds()
	peer := startPeer(b)
	before := peer.measure(b, path, docs)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		encode()
	}
	if peer == nil {
		return
	}
	after := peer.measure(b, path, docs)
	if before.IDs != count {
		b.Fatalf("%d ids, Hugging Face has %d", count, before.IDs)
	}
	ours := b.Elapsed().Seconds() / float64(b.N)
	theirs := min(before.Encode, before.Batch, after.Encode, after.Batch)
	b.ReportMetric(theirs/ours, "x-HF")
	b.ReportMetric(min(before.Cold, after.Cold)/cold, "x-HF-cold")
	b.ReportMetric(float64(size)/theirs/1e6, "HF-MB/s")
}

// hfPeer is a running bench/peers/tokenizers_peer.py, which speaks the protocol of bench/peers/driver.py.
type hfPeer struct {
	in  *json.Encoder
	out *json.Decoder
}

// hfTimes are the seconds of a pass over the documents.
type hfTimes struct {
	Cold, Encode, Batch float64
	IDs                 int
}

func startPeer(b *testing.B) *hfPeer {
	venv := os.Getenv("ECKART_PEERS")
	if venv == "" {
		return nil
	}
	cmd := exec.Command(filepath.Join(venv, "bin", "python"), filepath.Join("..", "bench", "peers", "tokenizers_peer.py"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	in, errIn := cmd.StdinPipe()
	out, errOut := cmd.StdoutPipe()
	if err := errors.Join(errIn, errOut); err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			b.Errorf("peer: %v\n%s", err, stderr.String())
		}
	})
	return &hfPeer{json.NewEncoder(in), json.NewDecoder(out)}
}

func (p *hfPeer) measure(b *testing.B, path string, docs []string) hfTimes {
	if p == nil {
		return hfTimes{}
	}
	data, err := json.Marshal(docs)
	if err != nil {
		b.Fatal(err)
	}
	file := filepath.Join(b.TempDir(), "documents.json")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		b.Fatal(err)
	}
	var t hfTimes
	for method, seconds := range map[string]*float64{"encode": &t.Encode, "batch": &t.Batch} {
		set := p.ask(b, map[string]any{"op": "setup", "tokenizer": path, "documents": file, "method": method})
		const calls = 3
		*seconds = p.ask(b, map[string]any{"op": "run", "calls": calls}).Seconds / calls
		t.IDs, t.Cold = set.IDs, set.Cold
	}
	return t
}

type hfAnswer struct {
	Seconds float64
	Cold    float64
	IDs     int
	Error   string
}

func (p *hfPeer) ask(b *testing.B, request map[string]any) hfAnswer {
	var a hfAnswer
	err := p.in.Encode(request)
	if err == nil {
		err = p.out.Decode(&a)
	}
	if err == nil && a.Error != "" {
		err = errors.New(a.Error)
	}
	if err != nil {
		b.Fatalf("peer: %v", err)
	}
	return a
}
