package checkpoint

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
)

// Folder is a Hugging Face folder under construction: everything is written into a temporary folder beside the final one,
// which takes its place on Commit. Always call Commit or Abort.
type Folder struct {
	path string
	lock *os.File
}

// lockName is the file inside the temporary folder that says that somebody is at work.
const lockName = ".lock"

// CreateFolder starts a folder. What stands at path already must be an empty folder or one that holds nothing but a
// model: it is replaced on Commit and untouched until then. A second CreateFolder of the same path fails meanwhile.
func CreateFolder(path string) (*Folder, error) {
	path = filepath.Clean(path)
	if err := checkReplaceable(path); err != nil {
		return nil, err
	}
	f := &Folder{path: path}
	if err := os.MkdirAll(f.Path(), 0o777); err != nil {
		return nil, failf(path, "%w", err)
	}
	lock, err := createLocked(filepath.Join(f.Path(), lockName))
	if err != nil {
		return nil, failf(path, "it is being written: %w", err)
	}
	f.lock = lock
	left, err := os.ReadDir(f.Path()) // of a run that was killed
	for _, e := range left {
		if e.Name() != lockName {
			err = errors.Join(err, os.RemoveAll(filepath.Join(f.Path(), e.Name())))
		}
	}
	if err != nil {
		f.Abort()
		return nil, failf(path, "%w", err)
	}
	return f, nil
}

// Path returns the temporary folder to write into.
func (f *Folder) Path() string { return f.path + partialSuffix }

// WriteFile writes a small file into the folder.
func (f *Folder) WriteFile(name string, data []byte) error {
	return writeFile(filepath.Join(f.Path(), name), data)
}

// Commit puts the folder in its final place.
func (f *Folder) Commit() error {
	if err := syncFolder(f.Path()); err != nil {
		f.Abort()
		return err
	}
	if runtime.GOOS == "windows" { // moves no folder with open files
		f.lock.Close()
		os.Remove(filepath.Join(f.Path(), lockName))
	}
	if err := f.swap(); err != nil {
		f.Abort()
		return failf(f.path, "%w", err)
	}
	os.Remove(filepath.Join(f.path, lockName))
	f.lock.Close()
	f.lock = nil
	return syncFolder(filepath.Dir(f.path))
}

// swap renames the temporary folder to the final name, moving an old one out of the way and back if that fails.
func (f *Folder) swap() error {
	old := f.path + ".replaced"
	if err := os.RemoveAll(old); err != nil {
		return err
	}
	err := os.Rename(f.path, old)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(f.Path(), f.path); err != nil {
		return errors.Join(err, os.Rename(old, f.path))
	}
	return os.RemoveAll(old)
}

// Abort removes the temporary folder. After Commit it does nothing.
func (f *Folder) Abort() {
	if f.lock == nil {
		return
	}
	if runtime.GOOS == "windows" {
		f.lock.Close()
	}
	os.RemoveAll(f.Path())
	f.lock.Close()
	f.lock = nil
}

// checkReplaceable refuses to replace a folder that holds anything but a model's files.
func checkReplaceable(path string) error {
	entries, err := os.ReadDir(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return failf(path, "%w", err)
	case len(entries) == 0:
		return nil
	}
	known := []string{".safetensors", ".json", ".jinja", ".md", ".txt", ".model", ""}
	config := false
	for _, e := range entries {
		if !e.Type().IsRegular() || !slices.Contains(known, filepath.Ext(e.Name())) {
			return failf(path, "it exists and holds %s, which is no part of a model; choose another folder", e.Name())
		}
		config = config || e.Name() == "config.json"
	}
	if !config {
		return failf(path, "it exists and is no model's folder; choose another one")
	}
	return nil
}
