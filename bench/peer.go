package main

import (
	"bufio"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// Drivers speak JSON, one object a line: a request on their standard input, its answer on their standard output.
//
//	{"op":"setup","threads":2,...}  ->  {"library":"openblas","version":"...","sum":1.5,"size":20}
//	{"op":"run","calls":40,"warm":0.06}  ->  {"seconds":0.031}  untimed calls for so long, one at least, then 40 timed ones
//	anything that fails             ->  {"error":"..."}

//go:embed peers/*.py
var drivers embed.FS

// answer is a driver's reply.
type answer struct {
	Library string  `json:"library"` // short name for the record: openblas, torch, llama.cpp
	Version string  `json:"version"`
	Sum     float64 `json:"sum"`
	Size    float64 `json:"size"`
	Seconds float64 `json:"seconds"`
	// Distance is the relative error of the result, where both sides approximate.
	Distance float64 `json:"distance"`
	Error    string  `json:"error"`
}

// peer is a running driver.
type peer struct {
	name string
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
}

// startPeer runs a driver: python script, with the library settings that would distort a comparison removed.
func startPeer(ctx context.Context, name, python, script string, stderr io.Writer) (*peer, error) {
	cmd := exec.CommandContext(ctx, python, "-u", script)
	cmd.Env = peerEnvironment(os.Environ())
	cmd.Stderr = stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("driver %s: %w", name, err)
	}
	return &peer{name: name, cmd: cmd, in: in, out: bufio.NewReader(out)}, nil
}

// peerEnvironment drops what would pin a library to another machine's kernels or to a thread count of its own.
func peerEnvironment(env []string) []string {
	drop := []string{"OPENBLAS_", "OMP_", "GOTO_NUM_THREADS", "MKL_", "GGML_", "PYTHONPATH", "PYTHONHOME"}
	return slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		return slices.ContainsFunc(drop, func(prefix string) bool { return strings.HasPrefix(kv, prefix) })
	})
}

func (p *peer) ask(request map[string]any) (answer, error) {
	line, err := json.Marshal(request)
	if err != nil {
		return answer{}, err
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		return answer{}, fmt.Errorf("driver %s: %w", p.name, p.died(err))
	}
	return p.read()
}

// read takes one answer. Lines that are not JSON objects are a library's chatter and skipped.
func (p *peer) read() (answer, error) {
	for {
		line, err := p.out.ReadBytes('\n')
		if err != nil {
			return answer{}, fmt.Errorf("driver %s: %w", p.name, p.died(err))
		}
		if len(line) == 0 || line[0] != '{' {
			continue
		}
		var a answer
		if err := json.Unmarshal(line, &a); err != nil {
			return answer{}, fmt.Errorf("driver %s: answer %.80q: %w", p.name, line, err)
		}
		if a.Error != "" {
			return a, fmt.Errorf("driver %s: %s", p.name, a.Error)
		}
		return a, nil
	}
}

// died replaces the end of a pipe by how the driver ended.
func (p *peer) died(err error) error {
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) && !errors.Is(err, fs.ErrClosed) && !strings.Contains(err.Error(), "broken pipe") {
		return err
	}
	p.in.Close()
	if werr := p.cmd.Wait(); werr != nil {
		return fmt.Errorf("it ended: %w", werr)
	}
	return errors.New("it ended before it answered")
}

// setup makes the driver build a case.
func (p *peer) setup(request map[string]any, threads int) (answer, error) {
	full := map[string]any{"op": "setup", "threads": threads}
	for k, v := range request {
		full[k] = v
	}
	return p.ask(full)
}

// time is the run of a contender.
func (p *peer) time(calls int, warm time.Duration) (float64, error) {
	a, err := p.ask(map[string]any{"op": "run", "calls": calls, "warm": warm.Seconds()})
	if err == nil && !(a.Seconds > 0) {
		err = fmt.Errorf("driver %s: no time in the answer", p.name)
	}
	return a.Seconds, err
}

func (p *peer) close() {
	p.in.Close() // a driver ends with its input
	p.cmd.Wait()
}

// peerSet holds the drivers that the cases of one suite need.
type peerSet struct {
	running map[string]*peer
	folder  string
}

// openPeers starts the drivers that the cases name. Without a Python environment it says so and there are none.
func openPeers(ctx context.Context, cases []benchCase, c config, stderr io.Writer) (*peerSet, error) {
	set := &peerSet{running: map[string]*peer{}}
	var names []string
	for _, bc := range cases {
		if bc.peer != "" && wanted(c, bc.peer) && strings.Contains(bc.name, c.filter) && !slices.Contains(names, bc.peer) {
			names = append(names, bc.peer)
		}
	}
	if len(names) == 0 {
		return set, nil
	}
	python, err := findPython()
	if err != nil {
		fmt.Fprintf(stderr, "bench: no Python peers: %v\n", err)
		return set, nil
	}
	if set.folder, err = writeDrivers(); err != nil {
		return nil, err
	}
	for _, name := range names {
		p, err := startPeer(ctx, name, python, filepath.Join(set.folder, name+"_peer.py"), stderr)
		if err != nil {
			set.close()
			return nil, err
		}
		set.running[name] = p
	}
	return set, nil
}

// wanted reports whether --peers lets a driver (or gonum) run.
func wanted(c config, name string) bool { return len(c.peers) == 0 || slices.Contains(c.peers, name) }

func (s *peerSet) get(name string) *peer { return s.running[name] }

func (s *peerSet) close() {
	for _, p := range s.running {
		p.close()
	}
	if s.folder != "" {
		os.RemoveAll(s.folder)
	}
}

// writeDrivers puts the embedded scripts into a temporary folder, so that bench runs from anywhere.
func writeDrivers() (string, error) {
	folder, err := os.MkdirTemp("", "eckart-bench-")
	if err != nil {
		return "", err
	}
	scripts, err := fs.Sub(drivers, "peers")
	if err == nil {
		err = os.CopyFS(folder, scripts)
	}
	if err != nil {
		os.RemoveAll(folder)
		return "", err
	}
	return folder, nil
}

// findPython returns the interpreter of the peers' environment: ECKART_PEERS, else bench/peers/.venv of the module that the
// working directory is in.
func findPython() (string, error) {
	venv := os.Getenv("ECKART_PEERS")
	if venv == "" {
		root, err := moduleRoot()
		if err != nil {
			return "", fmt.Errorf("%w; set ECKART_PEERS to a virtual environment made by bench/peers/setup.sh", err)
		}
		venv = filepath.Join(root, "bench", "peers", ".venv")
	}
	python := filepath.Join(venv, "bin", "python")
	if runtime.GOOS == "windows" {
		python = filepath.Join(venv, "Scripts", "python.exe")
	}
	if _, err := os.Stat(python); err != nil {
		return "", fmt.Errorf("%w: run bench/peers/setup.sh, or set ECKART_PEERS to an environment it made", err)
	}
	return python, nil
}

func moduleRoot() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder, nil
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return "", errors.New("the working directory is in no Go module")
		}
		folder = parent
	}
}

// gonumVersion is the version that this program was linked with.
func gonumVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "gonum.org/v1/gonum" {
				return m.Version
			}
		}
	}
	return "unknown"
}
