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
// memory is a process's. The peer's clock starts when its model is loaded and ends with the factors in the model; ours
// includes opening the file and writing the result.

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

// compressTime is what either side answers.
type compressTime struct {
	Seconds float64
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
			r, err := compareProcesses(min(c.pace.rounds, compressRounds), ours, peer)
			if err != nil {
				return fmt.Errorf("suite compress: %s, %d threads: %w", name, threads, err)
			}
			r.Suite, r.Case, r.Threads, r.work, r.unit = "compress", name, threads, 1, "model"
			if err := print(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// compareProcesses takes ours and the peer (nil: none) in turn and compares the medians.
func compareProcesses(rounds int, ours, peer func() (compressTime, error)) (record, error) {
	var r record
	var a, b []float64
	for range rounds {
		t, err := ours()
		if err != nil {
			return r, err
		}
		a = append(a, t.Seconds)
		r.OursPeak = max(r.OursPeak, t.Peak)
		if peer == nil {
			continue
		}
		if t, err = peer(); err != nil {
			return r, err
		}
		b = append(b, t.Seconds)
		r.PeerPeak, r.Peer, r.PeerVersion = max(r.PeerPeak, t.Peak), "torch", t.Version
	}
	r.Ours = median(a)
	if peer != nil {
		r.PeerTime = median(b)
		r.Ratio = r.PeerTime / r.Ours
	}
	return r, nil
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
	out, err := cmd.Output()
	if err != nil {
		return t, fmt.Errorf("eckart: %w", err)
	}
	return t, json.Unmarshal(out, &t)
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
	out, err := cmd.Output()
	if err != nil {
		return compressTime{}, fmt.Errorf("svdllm_torch.py: %w", err)
	}
	var answer struct {
		Torch   string             `json:"torch"`
		Seconds map[string]float64 `json:"seconds"`
		Peak    int64              `json:"peak_bytes"`
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		return compressTime{}, fmt.Errorf("svdllm_torch.py: answer %.80q: %w", out, err)
	}
	return compressTime{Seconds: answer.Seconds["compress"], Peak: answer.Peak, Version: "torch " + answer.Torch}, nil
}
