package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/eckart-go/eckart/compress"
	"github.com/eckart-go/eckart/compress/budget"
	"github.com/eckart-go/eckart/corpus"
	"github.com/eckart-go/eckart/internal/resident"
	"github.com/eckart-go/eckart/tokenizer"
)

// The suite "compress": a whole checkpoint, SmolLM2 (ECKART_SMOLLM2), compressed to 0.8 of its layers' parameters, beside
// bench/peers/svdllm_torch.py on the same token ids. Each repetition is a process of its own on either side, in turn, so that peak
// memory is a process's. Each run gives two cases: the whole process, from its start to its end, and the part that is left
// when the peer's clock runs from the loaded model to the factors in the model; ours then still includes opening the file
// and writing the result.

const (
	compressChild  = "compress-child" // the first argument of the process that runs ours
	keepShare      = 0.8
	calibSequences = 16
	calibLength    = 256
	compressRounds = 3
)

// compressMethods are the methods to time: our name and the peer's.
var compressMethods = []struct{ ours, peer string }{{"svdllm", "svdllm"}, {"svd", "svd"}, {"asvd", "asvd"}, {"lord", "lord"}}

// compressJob is what the child process is told.
type compressJob struct {
	Model, Text, Output, Method string
}

// compressTime is what is known of a run on either side.
type compressTime struct {
	Process float64 // seconds from the start of the process to its end
	Seconds float64 // that it took by its own clock, see above
	Peak    int64
	Version string
}

func runCompress(ctx context.Context, c config, print printer, stderr io.Writer) error {
	modelPath := os.Getenv("ECKART_SMOLLM2")
	if modelPath == "" {
		return errors.New("suite compress: no model: set ECKART_SMOLLM2 to SmolLM2-135M-Instruct.Q4_1.gguf (eckart pull smollm2 gets it)")
	}
	text := dataFile("sotu", "sotu.txt.gz")
	if text == "" {
		return errors.New("suite compress: no calibration text: set ECKART_DATA to a folder with sotu/sotu.txt.gz")
	}
	folder, err := os.MkdirTemp("", "eckart-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	ids := filepath.Join(folder, "ids.json")
	if err := writeCalibration(modelPath, text, ids); err != nil {
		return err
	}
	script := ""
	python, err := findPython()
	if err != nil || !wanted(c, "torch") {
		fmt.Fprintf(stderr, "bench: no Python peers: %v\n", err)
	} else {
		scripts, err := writeDrivers()
		if err != nil {
			return err
		}
		defer os.RemoveAll(scripts)
		script = filepath.Join(scripts, "svdllm_torch.py")
	}
	for _, threads := range c.threads {
		for _, m := range compressMethods {
			name := fmt.Sprintf("%s keep %.1f", m.ours, keepShare)
			if !strings.Contains(name, c.filter) {
				continue
			}
			job := compressJob{Model: modelPath, Text: text, Output: filepath.Join(folder, "out"), Method: m.ours}
			ours := func() (compressTime, error) { return timeOurs(ctx, job, threads, stderr) }
			var peer func() (compressTime, error)
			if script != "" {
				peer = func() (compressTime, error) {
					return timeTorch(ctx, python, script, modelPath, ids, m.peer, threads, stderr)
				}
			}
			process, loaded, err := compareProcesses(min(c.pace.rounds, compressRounds), ours, peer)
			if err != nil {
				return fmt.Errorf("suite compress: %s, %d threads: %w", name, threads, err)
			}
			process.Case, loaded.Case = name, name+", model loaded"
			for _, r := range []record{process, loaded} {
				r.Suite, r.Threads, r.work, r.unit = "compress", threads, 1, "model"
				if err := print(r); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// compareProcesses takes ours and the peer (nil: none) in turn and compares the medians: of whole processes, and of their
// own clocks.
func compareProcesses(rounds int, ours, peer func() (compressTime, error)) (process, loaded record, err error) {
	var a, b []compressTime
	for range rounds {
		t, err := ours()
		if err != nil {
			return process, loaded, err
		}
		a = append(a, t)
		if peer == nil {
			continue
		}
		if t, err = peer(); err != nil {
			return process, loaded, err
		}
		b = append(b, t)
	}
	process = compareTimes(a, b, func(t compressTime) float64 { return t.Process })
	loaded = compareTimes(a, b, func(t compressTime) float64 { return t.Seconds })
	return process, loaded, nil
}

// compareTimes makes a record of the medians of one clock; b is empty when no peer ran.
func compareTimes(a, b []compressTime, clock func(compressTime) float64) record {
	var r record
	pick := func(times []compressTime, peak *int64) float64 {
		var seconds []float64
		for _, t := range times {
			seconds = append(seconds, clock(t))
			*peak = max(*peak, t.Peak)
		}
		return median(seconds)
	}
	r.Ours = pick(a, &r.OursPeak)
	if len(b) > 0 {
		r.PeerTime = pick(b, &r.PeerPeak)
		r.Peer, r.PeerVersion, r.Ratio = "torch", b[0].Version, r.PeerTime/r.Ours
	}
	return r
}

// writeCalibration writes the token ids of the sequences that compress.Run draws from the text.
func writeCalibration(modelPath, text, out string) error {
	t, err := tokenizer.Open(modelPath)
	if err != nil {
		return err
	}
	s, err := corpus.Read(text)
	if err != nil {
		return err
	}
	tokens := t.Encode(nil, s, tokenizer.EncodeOptions{Literal: true})
	sequences, err := corpus.Sample(tokens, calibLength, calibSequences, 0)
	if err != nil {
		return err
	}
	data, err := json.Marshal(sequences)
	if err != nil {
		return err
	}
	return os.WriteFile(out, data, 0o600)
}

// timeOurs runs compress.Run in a process of its own.
func timeOurs(ctx context.Context, job compressJob, threads int, stderr io.Writer) (compressTime, error) {
	var t compressTime
	self, err := os.Executable()
	if err != nil {
		return t, err
	}
	arg, err := json.Marshal(job)
	if err != nil {
		return t, err
	}
	defer os.RemoveAll(job.Output)
	cmd := exec.CommandContext(ctx, self, compressChild, string(arg))
	cmd.Env = append(os.Environ(), "GOMAXPROCS="+strconv.Itoa(threads))
	cmd.Stderr = stderr
	start := time.Now()
	out, err := cmd.Output()
	if err != nil {
		return t, fmt.Errorf("eckart: %w", err)
	}
	err = json.Unmarshal(out, &t)
	t.Process = time.Since(start).Seconds()
	return t, err
}

// compressInChild is the child process: it compresses and prints the time. It returns the exit code.
func compressInChild(arg string) int {
	var job compressJob
	err := json.Unmarshal([]byte(arg), &job)
	if err == nil {
		err = compressOnce(job, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

func compressOnce(job compressJob, w io.Writer) error {
	method, err := compress.Lookup(job.Method)
	if err != nil {
		return err
	}
	debug.SetGCPercent(25) // as the command does
	start := time.Now()
	_, err = compress.Run(context.Background(), job.Model, job.Output, compress.Options{
		Method: method, Budget: budget.Budget{Keep: keepShare}, Text: job.Text, Sequences: calibSequences, Length: calibLength,
	})
	if err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(compressTime{Seconds: time.Since(start).Seconds(), Peak: resident.Peak(), Version: runtime.Version()})
}

// timeTorch runs the PyTorch script.
func timeTorch(ctx context.Context, python, script, modelPath, ids, method string, threads int, stderr io.Writer) (compressTime, error) {
	cmd := exec.CommandContext(ctx, python, script, modelPath, "--calib", ids, "--method", method,
		"--keep", fmt.Sprint(keepShare), "--threads", strconv.Itoa(threads))
	cmd.Env = peerEnvironment(os.Environ())
	cmd.Stderr = stderr
	start := time.Now()
	out, err := cmd.Output()
	if err != nil {
		return compressTime{}, fmt.Errorf("svdllm_torch.py: %w", err)
	}
	process := time.Since(start).Seconds()
	var answer struct {
		Torch   string             `json:"torch"`
		Seconds map[string]float64 `json:"seconds"`
		Peak    int64              `json:"peak_bytes"`
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		return compressTime{}, fmt.Errorf("svdllm_torch.py: answer %.80q: %w", out, err)
	}
	return compressTime{Process: process, Seconds: answer.Seconds["compress"], Peak: answer.Peak, Version: "torch " + answer.Torch}, nil
}
