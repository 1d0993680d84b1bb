// Package replace writes files whole or not at all.
package replace

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// File writes a small file through a temporary one in the same folder, which takes the place of what is at path when write
// has succeeded. After an error what was there is unchanged. Models have their own writer, in package checkpoint.
func File(path string, write func(w io.Writer) error) (err error) {
	if st, err := os.Stat(path); err == nil && !st.Mode().IsRegular() {
		return fmt.Errorf("%s exists and is no regular file; choose another name", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	if err := errors.Join(write(f), f.Chmod(0o644), f.Close()); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.Rename(f.Name(), path)
}
