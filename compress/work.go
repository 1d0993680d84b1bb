package compress

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"

	"github.com/eckart-go/eckart/checkpoint"
	"github.com/eckart-go/eckart/internal/replace"
	"github.com/eckart-go/eckart/structure"
)

// work is the folder in which a run keeps what it has finished, OUTPUT.work. Files appear in it complete or not at all.
type work struct {
	dir  string
	lock *flock.Flock
}

// journal identifies the run that a work folder belongs to.
type journal struct {
	Version     int    `json:"version"`
	Fingerprint string `json:"fingerprint"`
	Describes   string `json:"describes"` // for people
}

const journalVersion = 1

// openWork takes the work folder of output, so that nobody else writes it and a name that cannot be written is known before
// the long work begins. It fails while another process works on the same output.
func openWork(output string, target Target) (*work, error) {
	wanted := "folder"
	if target == GGUF {
		wanted = "file"
	}
	if st, err := os.Stat(output); err == nil && st.IsDir() != (target != GGUF) {
		return nil, fmt.Errorf("compress: %s exists and is no %s: choose another name", output, wanted)
	}
	w := &work{dir: filepath.Clean(output) + ".work"}
	if err := os.MkdirAll(w.dir, 0o755); err != nil {
		return nil, fmt.Errorf("compress: work folder: %w", err)
	}
	w.lock = flock.New(filepath.Join(w.dir, "lock"))
	switch locked, err := w.lock.TryLock(); {
	case err != nil:
		return nil, fmt.Errorf("compress: work folder: %w", err)
	case !locked:
		return nil, fmt.Errorf("compress: another process is writing %s: wait for it or choose another name", output)
	}
	return w, nil
}

// begin ties the folder to a run. With resume, what is there must be of the same run; otherwise it is removed.
func (w *work) begin(mine journal, resume bool) error {
	path := w.journalFile()
	if resume {
		var found journal
		err := readJSON(path, &found)
		if err == nil && found != mine {
			return fmt.Errorf("compress: %s is of another run (%s; this one is %s): remove it, or run without resuming", w.dir, found.Describes, mine.Describes)
		}
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	entries, err := os.ReadDir(w.dir)
	if err != nil {
		return fmt.Errorf("compress: work folder: %w", err)
	}
	for _, e := range entries {
		if e.Name() != "lock" {
			if err := os.RemoveAll(filepath.Join(w.dir, e.Name())); err != nil {
				return fmt.Errorf("compress: work folder: %w", err)
			}
		}
	}
	return writeJSON(path, mine)
}

// remove deletes the folder after the output is complete.
func (w *work) remove() error {
	w.unlock()
	if err := os.RemoveAll(w.dir); err != nil {
		return fmt.Errorf("compress: work folder: %w", err)
	}
	return nil
}

// unlock gives the folder up. Finished blocks stay for a run that resumes; a folder without a journal has none and is
// removed. The operating system does the first when a process is killed.
func (w *work) unlock() {
	if _, err := os.Stat(w.journalFile()); errors.Is(err, fs.ErrNotExist) {
		os.RemoveAll(w.dir) // what remains is an empty folder that the next run takes over
	}
	w.lock.Unlock() // closing a file that was only locked cannot lose anything
}

func (w *work) journalFile() string { return filepath.Join(w.dir, "journal.json") }

// fitted is a block that is done.
type fitted struct {
	layers  map[string]structure.Layer // by module; those left dense are absent
	reports []Layer
}

func (w *work) blockFile(i int) string {
	return filepath.Join(w.dir, fmt.Sprintf("block-%04d.safetensors", i))
}

// reportsKey is where a block's file has the reports of its layers.
const reportsKey = "eckart.certificates"

// saveBlock writes a finished block.
func (w *work) saveBlock(i int, f *fitted) error {
	var infos []checkpoint.Info
	index := structure.Index{}
	var modules []string
	for _, r := range f.reports {
		layer, ok := f.layers[r.Name]
		if !ok {
			continue
		}
		parts, err := structure.Infos(r.Name, layer)
		if err != nil {
			return err
		}
		infos = append(infos, parts...)
		index[r.Name] = structure.Describe(layer)
		modules = append(modules, r.Name)
	}
	reports, err := json.Marshal(f.reports)
	if err != nil {
		return fmt.Errorf("compress: block %d: %w", i, err)
	}
	out, err := checkpoint.CreateSafetensors(w.blockFile(i), infos, map[string]string{
		structure.MetadataKey: index.Metadata(), reportsKey: string(reports),
	})
	if err != nil {
		return err
	}
	defer out.Abort()
	for _, name := range modules {
		if err := structure.Save(out, name, f.layers[name]); err != nil {
			return err
		}
	}
	return out.Close()
}

// loadBlock reads a finished block; it is nil if block i is not there.
func (w *work) loadBlock(i int) (*fitted, error) {
	c, err := checkpoint.Open(w.blockFile(i))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer c.Close()
	f := &fitted{layers: map[string]structure.Layer{}}
	text, _ := c.Metadata()[reportsKey].(string)
	if err := json.Unmarshal([]byte(text), &f.reports); err != nil {
		return nil, fmt.Errorf("compress: %s is damaged: remove it: %w", w.blockFile(i), err)
	}
	index, err := structure.ReadIndex(c)
	if err != nil {
		return nil, err
	}
	for name, d := range index {
		if f.layers[name], err = structure.Load(c, name, d); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// survey is the file of singular values that a rule by loss needs.
func (w *work) surveyFile() string { return filepath.Join(w.dir, "survey.json") }

// trialsFile is the file of measured trials, when there is no cache.
func (w *work) trialsFile() string { return filepath.Join(w.dir, "trials.json") }

func readJSON(path string, v any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("compress: %w", err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("compress: %s is damaged: remove it: %w", path, err)
	}
	return nil
}

// writeJSON writes v whole or not at all.
func writeJSON(path string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("compress: %s: %w", path, err)
	}
	err = replace.File(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
	if err != nil {
		return fmt.Errorf("compress: %w", err)
	}
	return nil
}
