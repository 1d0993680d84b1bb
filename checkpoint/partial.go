package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// partialSuffix marks what is not complete. A run that was killed leaves such a file or folder; the next one takes it over.
const partialSuffix = ".partial"

// partial is a file under construction. It is locked, so that a second writer of the same path fails instead of mixing its
// bytes with ours.
type partial struct {
	f    *os.File
	path string // the final name
}

// createPartial starts a file that will have size bytes, all zero until they are written.
func createPartial(path string, size int64) (*partial, error) {
	if st, err := os.Stat(path); err == nil && !st.Mode().IsRegular() {
		return nil, failf(path, "exists and is no regular file; choose another name")
	}
	if err := checkSpace(path, size); err != nil {
		return nil, err
	}
	f, err := createLocked(path + partialSuffix)
	if err != nil {
		return nil, failf(path, "%w", err)
	}
	p := &partial{f: f, path: path}
	if err = f.Truncate(0); err == nil {
		err = f.Truncate(size)
	}
	if err != nil {
		p.abort()
		return nil, p.fail(err)
	}
	return p, nil
}

// createLocked opens or creates a file and takes its lock.
func createLocked(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	busy := fmt.Errorf("%s is being written by another process; wait for it or choose another name", filepath.Base(name))
	if err := lockFile(f); err != nil {
		f.Close()
		if errors.Is(err, errLocked) {
			return nil, busy
		}
		return nil, fmt.Errorf("locking %s: %w", filepath.Base(name), err)
	}
	// The name may have moved on between opening and locking, when the other writer finished.
	mine, err1 := f.Stat()
	now, err2 := os.Stat(name)
	if err1 != nil || err2 != nil || !os.SameFile(mine, now) {
		f.Close()
		return nil, busy
	}
	return f, nil
}

// commit makes the file durable and gives it its final name.
func (p *partial) commit() error {
	if err := p.f.Sync(); err != nil {
		p.abort()
		return p.fail(err)
	}
	if err := renameOpen(p.f, p.path+partialSuffix, p.path); err != nil {
		os.Remove(p.path + partialSuffix)
		return p.fail(err)
	}
	return syncFolder(filepath.Dir(p.path))
}

// abort removes the file. The final name is untouched.
func (p *partial) abort() {
	removeOpen(p.f, p.path+partialSuffix)
}

// fail describes a failure to write.
func (p *partial) fail(err error) error {
	if isDiskFull(err) {
		return failf(p.path, "the disk is full (%w); what was there before is unchanged", err)
	}
	return failf(p.path, "%w", err)
}

// checkSpace compares size with the free space where path will lie, if the system can tell.
func checkSpace(path string, size int64) error {
	free, err := freeSpace(filepath.Dir(path))
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return failf(path, "the folder %s does not exist", filepath.Dir(path))
		}
		return failf(path, "%w", err)
	}
	if uint64(size) > free {
		return failf(path, "needs %d bytes, the disk has %d free; free some or choose another folder", size, free)
	}
	return nil
}

// writeFile writes a small file by way of a partial one.
func writeFile(path string, data []byte) error {
	p, err := createPartial(path, int64(len(data)))
	if err != nil {
		return err
	}
	if _, err := p.f.WriteAt(data, 0); err != nil {
		p.abort()
		return p.fail(err)
	}
	return p.commit()
}
