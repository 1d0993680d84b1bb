package compress

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eckart-go/eckart/checkpoint"
	"github.com/eckart-go/eckart/compress/budget"
	"github.com/eckart-go/eckart/corpus"
	"github.com/eckart-go/eckart/model"
	"github.com/eckart-go/eckart/structure"
)

const (
	storiesModel = "../quickstart/data/stories260K.bin"
	storiesText  = "../quickstart/data/calibration.txt"
)

// options are settings that finish in a fraction of a second on the small model.
func options(t *testing.T, method string) Options {
	t.Helper()
	m, err := Lookup(method)
	if err != nil {
		t.Fatal(err)
	}
	return Options{Method: m, Text: storiesText, Length: 64, Sequences: 16, Cache: cache}
}

// cache is shared by all tests of a run, as it is by all runs of a user.
var cache string

func TestMain(m *testing.M) {
	if output := os.Getenv("COMPRESS_TEST_CHILD"); output != "" {
		child(output)
		return
	}
	dir, err := os.MkdirTemp("", "compress-test-")
	if err != nil {
		panic(err)
	}
	cache = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// tree returns the contents of a file, or of all files of a folder by name.
func tree(t *testing.T, path string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		rel, _ := filepath.Rel(path, name)
		files[rel] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func run1(t *testing.T, output string, opts Options) *Report {
	t.Helper()
	r, err := Run(context.Background(), storiesModel, output, opts)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Every method keeps the budget, and no layer is below the optimum of its rank; the whitened methods reach it up to what
// rounding factors to float16 adds.
func TestCertificates(t *testing.T) {
	for _, m := range Methods() {
		output := filepath.Join(t.TempDir(), "out")
		r := run1(t, output, options(t, m.Name))
		if !(r.Keep <= 0.8 && r.Keep > 0.75) || r.After.Params >= r.Before.Params || r.After.MulAdds >= r.Before.MulAdds || r.After.Bytes <= 0 {
			t.Errorf("%s: keep %v, sizes %+v to %+v", m.Name, r.Keep, r.Before, r.After)
		}
		if len(r.Layers) != 35 {
			t.Fatalf("%s: %d layers, expected 35", m.Name, len(r.Layers))
		}
		var kept int64
		for _, l := range r.Layers {
			if l.Dense() {
				kept += int64(l.M) * int64(l.N)
				continue
			}
			kept += l.Params
			// Rounding moves the factors by 2^-11 of themselves, and so B A by at most twice that in norm: ||B|| ||A|| in
			// units of ||W T|| is at most the number of columns with an even split; the rank bounds it.
			slack := float64(l.Rank) * 0x1p-10 * l.WeightedNorm
			if l.Weighted < l.Optimum*(1-1e-9)-slack*1e-3 {
				t.Errorf("%s: %s: error %v below the optimum %v", m.Name, l.Name, l.Weighted, l.Optimum)
			}
			if optimal := m.Objective >= Whitened && m.Update == Keep; optimal && l.Weighted > l.Optimum+slack {
				t.Errorf("%s: %s: error %v, the optimum is %v", m.Name, l.Name, l.Weighted, l.Optimum)
			}
			if m.Update == Refit && l.PathAfter > l.PathBefore*(1+1e-9) {
				t.Errorf("%s: %s: the update raised the error from %v to %v", m.Name, l.Name, l.PathBefore, l.PathAfter)
			}
		}
		if kept != int64(math.Round(r.Keep*float64(params(t)))) {
			t.Errorf("%s: layers hold %d parameters, the report says %.6f of %d", m.Name, kept, r.Keep, params(t))
		}
		checkStored(t, output, r)
	}
}

// params counts the parameters of the linear layers of the small model: 5 blocks of width 64, 4 key-value heads of 8, MLP 172.
func params(t *testing.T) int64 {
	t.Helper()
	return 5 * (2*64*64 + 2*32*64 + 3*172*64)
}

// checkStored opens the output as a user would and compares its layers with the report.
func checkStored(t *testing.T, output string, r *Report) {
	t.Helper()
	m, err := model.Open(output, model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	index, err := structure.ReadIndex(m.Source().Source())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range r.Layers {
		if d, ok := index[l.Name]; ok == l.Dense() || d.Rank != l.Rank {
			t.Errorf("%s: rank %d in the report, %+v in the file", l.Name, l.Rank, d)
		}
	}
	if meta := m.Source().Metadata(); meta[reportsKey] == nil || meta[runKey] == nil {
		t.Errorf("the output's metadata has no certificates: %d keys", len(meta))
	}
	if _, err := m.Logits(context.Background(), []int{1, 403, 407}); err != nil {
		t.Error(err)
	}
}

// The factors in the output are those that were measured: the certificate can be checked from the files alone.
func TestCertificateFollowsFromFiles(t *testing.T) {
	output := filepath.Join(t.TempDir(), "out")
	r := run1(t, output, options(t, "svdllm"))
	original, err := checkpoint.OpenModel(storiesModel)
	if err != nil {
		t.Fatal(err)
	}
	defer original.Close()
	c, err := checkpoint.Open(output)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, l := range r.Layers[:7] {
		w, err := original.Float32(l.Name+".weight", nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := c.Float32(l.Name+".B", nil)
		if err != nil {
			t.Fatal(err)
		}
		a, err := c.Float32(l.Name+".A", nil)
		if err != nil {
			t.Fatal(err)
		}
		var sum float64
		for i := range l.M {
			for j := range l.N {
				e := float64(w[i*l.N+j])
				for k := range l.Rank {
					e -= float64(b[i*l.Rank+k]) * float64(a[k*l.N+j])
				}
				sum += e * e
			}
		}
		// Measured in float32: rounding of sqrt(n) 2^-24, see lowrank.Spectrum.CertifyFloat32.
		if got := math.Sqrt(sum); math.Abs(got-l.Frobenius) > math.Sqrt(float64(l.N))*0x1p-24*l.FrobeniusNorm {
			t.Errorf("%s: ||W - B A|| = %v from the files, %v in the report", l.Name, got, l.Frobenius)
		}
	}
}

// A run that is cut off goes on where it was, and ends with the same bytes as one that was not.
func TestInterruptedRunResumes(t *testing.T) {
	for _, method := range []string{"svdllm", "svdllm-u", "svdllm2"} {
		whole := filepath.Join(t.TempDir(), "out")
		run1(t, whole, options(t, method))
		broken := filepath.Join(t.TempDir(), "out")
		ctx, cancel := context.WithCancel(context.Background())
		opts := options(t, method)
		opts.Progress = func(stage, _ string) func(int64, int64) {
			return func(done, _ int64) {
				if stage == "fit" && done == 2 {
					cancel()
				}
			}
		}
		if _, err := Run(ctx, storiesModel, broken, opts); !errors.Is(err, context.Canceled) {
			t.Fatalf("%s: error %v, want context.Canceled", method, err)
		}
		if _, err := os.Stat(broken); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: an unfinished output has its final name", method)
		}
		opts = options(t, method)
		opts.Resume = true
		r := run1(t, broken, opts)
		if r.Resumed != 2 {
			t.Errorf("%s: %d blocks resumed, 2 were finished", method, r.Resumed)
		}
		if !maps.Equal(tree(t, whole), tree(t, broken)) {
			t.Errorf("%s: the resumed output differs", method)
		}
		if _, err := os.Stat(broken + ".work"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: the work folder is left", method)
		}
	}
}

// child is the process that TestKilledRunResumes kills.
func child(output string) {
	m, err := Lookup("svdllm-u")
	if err != nil {
		panic(err)
	}
	_, err = Run(context.Background(), "../quickstart/data/stories260K.bin", output, Options{
		Method: m, Text: storiesText, Length: 64, Sequences: 16, Cache: os.Getenv("COMPRESS_TEST_CACHE"),
	})
	if err != nil {
		panic(err)
	}
}

// kill -9 at different moments: the output is the old one or the new one, and --resume completes it.
func TestKilledRunResumes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("processes are not killed alike on Windows")
	}
	whole := filepath.Join(t.TempDir(), "out")
	run1(t, whole, options(t, "svdllm-u"))
	want := tree(t, whole)
	for _, after := range []string{"journal.json", "block-0000.safetensors", "block-0003.safetensors"} {
		output := filepath.Join(t.TempDir(), "out")
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "COMPRESS_TEST_CHILD="+output, "COMPRESS_TEST_CACHE="+t.TempDir())
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
			if _, err := os.Stat(filepath.Join(output+".work", after)); err == nil {
				break
			}
			if _, err := os.Stat(output); err == nil {
				break // it was faster than we looked
			}
			if time.Now().After(deadline) {
				t.Fatalf("no %s after a minute", after)
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		cmd.Wait() // it was killed: the error says so
		opts := options(t, "svdllm-u")
		opts.Resume = true
		run1(t, output, opts)
		if !maps.Equal(want, tree(t, output)) {
			t.Errorf("killed after %s: the resumed output differs", after)
		}
	}
}

func TestThreadsDoNotChangeABit(t *testing.T) {
	var first map[string]string
	for _, procs := range []int{1, 3} {
		old := runtime.GOMAXPROCS(procs)
		output := filepath.Join(t.TempDir(), "out")
		opts := options(t, "svdllm2")
		opts.Cache = t.TempDir()
		run1(t, output, opts)
		runtime.GOMAXPROCS(old)
		files := tree(t, output)
		if first == nil {
			first = files
		} else if !maps.Equal(first, files) {
			t.Errorf("GOMAXPROCS=%d gives other bytes", procs)
		}
	}
}

// Dense outputs hold the products of the same factors, and biases where the method adds them.
func TestDenseTargetsComputeTheSame(t *testing.T) {
	for _, method := range []string{"svdllm", "lord"} {
		opts := options(t, method)
		opts.Type = checkpoint.OutF32
		opts.Include = regexp.MustCompile(`layers\.[0-3]\.`) // the last block has no biases of its own
		dir := t.TempDir()
		factors := filepath.Join(dir, "factors")
		run1(t, factors, opts)
		a := logits(t, factors)
		for _, name := range []string{"dense", "dense.gguf"} {
			opts.Target = HuggingFace
			if strings.HasSuffix(name, ".gguf") {
				opts.Target = GGUF
			}
			output := filepath.Join(dir, name)
			run1(t, output, opts)
			b := logits(t, output)
			var diff, norm float64
			for i := range a {
				diff += math.Pow(float64(a[i])-float64(b[i]), 2)
				norm += math.Pow(float64(a[i]), 2)
			}
			// Two ways to round every product of 172 terms or fewer in float32, through five blocks.
			if rel := math.Sqrt(diff / norm); !(rel < 5*172*0x1p-23) {
				t.Errorf("%s as %s: logits differ by %v", method, name, rel)
			}
		}
	}
}

func logits(t *testing.T, path string) []float32 {
	t.Helper()
	m, err := model.Open(path, model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	l, err := m.Logits(context.Background(), []int{1, 403, 407, 261, 378})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestBudgetInBytes(t *testing.T) {
	opts := options(t, "svdllm")
	opts.Budget = budget.Budget{Bytes: 450_000}
	r := run1(t, filepath.Join(t.TempDir(), "out"), opts)
	tensors := 2 * r.After.Params // float16
	if tensors > 450_000 || tensors < 440_000 {
		t.Errorf("%d bytes of tensors for a budget of 450000", tensors)
	}
}

func TestBadInputIsAnErrorThatHelps(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	short, binary := file("short.txt", "Too short."), file("binary.txt", "a\x00b")
	blocked := filepath.Join(file("blocked", "a file"), "out")
	for _, tc := range []struct {
		name   string
		change func(*Options)
		output string
		want   string
		is     error
	}{
		{name: "no text", change: func(o *Options) { o.Text = "" }, want: "no calibration text"},
		{name: "short text", change: func(o *Options) { o.Text = short }, want: "short.txt", is: corpus.ErrTooShort},
		{name: "binary text", change: func(o *Options) { o.Text = binary }, want: "NUL byte"},
		{name: "budget 1.5", change: func(o *Options) { o.Budget.Keep = 1.5 }, is: budget.ErrImpossible},
		{name: "budget too small", change: func(o *Options) { o.Budget.Keep = 0.001 }, is: budget.ErrImpossible},
		{name: "fewer bytes than the embedding", change: func(o *Options) { o.Budget.Bytes = 1000 }, is: budget.ErrImpossible},
		{name: "bytes of a dense output", change: func(o *Options) { o.Budget.Bytes, o.Target = 450_000, HuggingFace }, is: budget.ErrImpossible},
		{name: "context", change: func(o *Options) { o.Length = 100_000 }, want: "expected at least 1 of 2 to 512"},
		{name: "nothing to do", change: func(o *Options) { o.Include = regexp.MustCompile("nothing") }, want: "no layer is left"},
		{name: "quantised factors", change: func(o *Options) { o.Type = checkpoint.OutQ8_0 }, want: "has no type q8_0"},
		{name: "a file in the place of a folder", change: func(o *Options) {}, output: short, want: "is no folder"},
		{name: "unwritable", change: func(o *Options) {}, output: blocked, want: "blocked"},
	} {
		opts := options(t, "svdllm")
		tc.change(&opts)
		output := tc.output
		if output == "" {
			output = filepath.Join(dir, "out")
		}
		_, err := Run(context.Background(), storiesModel, output, opts)
		if err == nil || !strings.Contains(err.Error(), tc.want) || (tc.is != nil && !errors.Is(err, tc.is)) {
			t.Errorf("%s: error %v, want %q %v", tc.name, err, tc.want, tc.is)
		}
		for _, path := range []string{output, output + ".work"} {
			if _, err := os.Stat(path); err == nil && path != short {
				t.Errorf("%s: %s was left", tc.name, path)
			}
		}
	}
}

func TestOutputOfAnotherRunIsNotTouched(t *testing.T) {
	output := filepath.Join(t.TempDir(), "out")
	run1(t, output, options(t, "svd"))
	before := tree(t, output)
	held, err := openWork(output, Factors)
	if err != nil {
		t.Fatal(err)
	}
	if err := held.begin(journal{journalVersion, "x", "something else"}, false); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(context.Background(), storiesModel, output, options(t, "svdllm")); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("error %v, want one about another process", err)
	}
	held.unlock()
	opts := options(t, "svdllm")
	opts.Resume = true
	if _, err := Run(context.Background(), storiesModel, output, opts); err == nil || !strings.Contains(err.Error(), "another run") {
		t.Errorf("resuming a foreign work folder: error %v", err)
	}
	if !maps.Equal(before, tree(t, output)) {
		t.Error("the old output changed")
	}
	r := run1(t, output, options(t, "svdllm")) // without Resume it starts anew and replaces the output
	if r.Method != "svdllm" || maps.Equal(before, tree(t, output)) {
		t.Error("the output was not replaced")
	}
}

func TestCompressedModelIsNotCompressedAgain(t *testing.T) {
	output := filepath.Join(t.TempDir(), "out")
	run1(t, output, options(t, "svd"))
	_, err := Run(context.Background(), output, output+"2", options(t, "svd"))
	if err == nil || !strings.Contains(err.Error(), "compressed before") {
		t.Errorf("error %v", err)
	}
}

func TestPlanPredictsTheRun(t *testing.T) {
	for _, name := range []string{"svdllm", "lord"} {
		opts := options(t, name)
		forecast, err := Plan(storiesModel, "out", opts)
		if err != nil {
			t.Fatal(err)
		}
		r := run1(t, filepath.Join(t.TempDir(), "out"), opts)
		if forecast.Matrices != 35 || forecast.Params != r.After.Params || math.Abs(forecast.Keep-r.Keep) > 1e-12 {
			t.Errorf("%s: forecast %+v, run kept %v and %d parameters", name, forecast, r.Keep, r.After.Params)
		}
	}
}

func TestNamesAreUnique(t *testing.T) {
	var names []string
	for _, m := range Methods() {
		names = append(names, m.Name)
		if got, err := Lookup(m.Name); err != nil || got != m {
			t.Errorf("Lookup(%q) = %+v, %v", m.Name, got, err)
		}
	}
	slices.Sort(names)
	if len(slices.Compact(names)) != len(Methods()) {
		t.Errorf("names %v", names)
	}
	if _, err := Lookup("magic"); err == nil || !strings.Contains(err.Error(), "svdllm") {
		t.Errorf("unknown method: %v", err)
	}
}
