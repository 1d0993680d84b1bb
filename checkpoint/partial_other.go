//go:build !unix || solaris || illumos || aix

package checkpoint

import (
	"errors"
	"os"
)

// renameOpen closes first: Windows renames no open file.
func renameOpen(f *os.File, from, to string) error {
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(from, to)
}

func removeOpen(f *os.File, name string) {
	f.Close()
	os.Remove(name)
}

func syncFolder(string) error { return nil } // there is no portable way

var errLocked = errors.New("locked")
