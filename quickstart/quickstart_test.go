package quickstart_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eckart-go/eckart/quickstart"
)

func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	r, err := quickstart.Run(context.Background(), quickstart.Options{Report: filepath.Join(dir, "report.html")})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(r.Model, r.Params)
	for _, run := range r.Runs {
		fmt.Printf("%-6s %s: %d parameters\n", run.Method, run.Budget, run.Params)
	}
	fmt.Println(strings.HasPrefix(r.Samples[0].Text, ", there was a little girl named Lily."))
	// Output:
	// stories260K 260032
	// svd    0.9: 232692 parameters
	// svdllm 0.9: 232692 parameters
	// svd    0.7: 188352 parameters
	// svdllm 0.7: 188352 parameters
	// true
}

// The tour shows what the papers say, on text the methods have not seen: compression costs something, less of it costs less,
// and the method that knows the inputs loses less than the one that does not, at the same size. No error is below
// its optimum, and whitening reaches it.
func TestTheTourShowsTheMainPoint(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	dir := t.TempDir()
	stages := map[string]int64{}
	r, err := quickstart.Run(context.Background(), quickstart.Options{
		Report: filepath.Join(dir, "report.html"), Picture: filepath.Join(dir, "picture.svg"),
		Progress: func(stage, _ string) func(done, total int64) {
			return func(done, total int64) { stages[stage] = total - done }
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Runs) != 4 || len(r.Samples) != 5 {
		t.Fatalf("%d runs, %d samples", len(r.Runs), len(r.Samples))
	}
	svd9, whitened9, svd7, whitened7 := r.Runs[0], r.Runs[1], r.Runs[2], r.Runs[3]
	if !(r.Baseline < whitened9.Perplexity && whitened9.Perplexity < svd9.Perplexity && whitened7.Perplexity < svd7.Perplexity &&
		whitened9.Perplexity < whitened7.Perplexity && svd9.Perplexity < svd7.Perplexity) {
		t.Errorf("perplexities: dense %v, svd %v and %v, svdllm %v and %v", r.Baseline, svd9.Perplexity, svd7.Perplexity, whitened9.Perplexity, whitened7.Perplexity)
	}
	for _, run := range r.Runs {
		// Factors are float32, of rank k: B A errs by 2 eps32 ||B|| ||A|| <= 4 eps32 sqrt(k) of the outputs, k <= 41; a sum of
		// squares, so against an error of 0.2 and more this is far below 1e-6 of it.
		if over := run.WeightedError/run.OptimumError - 1; over < -1e-6 || run.Method == "svdllm" && over > 1e-6 {
			t.Errorf("%s at %s: error %v, optimum %v", run.Method, run.Budget, run.WeightedError, run.OptimumError)
		}
		if !(run.Params < r.Params && run.Bytes > 4*run.Params && run.Bytes < r.Bytes) {
			t.Errorf("%s at %s: %d parameters, %d bytes; dense %d and %d", run.Method, run.Budget, run.Params, run.Bytes, r.Params, r.Bytes)
		}
	}
	for stage, left := range stages {
		if left != 0 {
			t.Errorf("stage %q ended with %d to go", stage, left)
		}
	}
	if len(stages) < 5 {
		t.Errorf("stages %v", stages)
	}
	checkJSON(t, r)
	leftovers(t, temporary, nil)
	leftovers(t, dir, []string{"picture.svg", "report.html"})
	html, err := os.ReadFile(r.Report)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(html), temporary) {
		t.Error("the report names the temporary folder, which is gone")
	}
}

// leftovers checks what a folder holds.
func leftovers(t *testing.T, dir string, want []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if strings.Join(names, " ") != strings.Join(want, " ") {
		t.Errorf("%s holds %v, want %v", dir, names, want)
	}
}

// checkJSON checks that the JSON object has the fields that scripts rely on.
func checkJSON(t *testing.T, r *quickstart.Result) {
	t.Helper()
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if err := json.Unmarshal(data, &object); err != nil {
		t.Fatal(err)
	}
	has := func(object map[string]any, names string) {
		for _, name := range strings.Fields(names) {
			if v, ok := object[name]; !ok || v == nil || v == "" || v == 0.0 {
				t.Errorf("field %q is %v in %v", name, v, object)
			}
		}
	}
	has(object, "model tokens baseline_ppl runs report")
	for _, run := range object["runs"].([]any) {
		has(run.(map[string]any), "method budget params bytes ppl weighted_error optimum_error seconds peak_bytes")
	}
}

// Cancelled, or with a report that cannot be written, it fails and leaves nothing behind.
func TestFailureLeavesNothing(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	dir := t.TempDir()
	path := filepath.Join(dir, "r.html")
	ctx, cancel := context.WithCancel(context.Background())
	_, err := quickstart.Run(ctx, quickstart.Options{Report: path, Progress: func(stage, _ string) func(int64, int64) {
		if stage == "fit" {
			cancel()
		}
		return func(int64, int64) {}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled while fitting: %v", err)
	}
	leftovers(t, dir, nil)
	if _, err := quickstart.Run(context.Background(), quickstart.Options{Report: filepath.Join(dir, "absent", "r.html")}); err == nil || !strings.Contains(err.Error(), "absent") {
		t.Errorf("a folder that is not there: %v", err)
	}
	leftovers(t, temporary, nil)
	leftovers(t, dir, nil)
}
