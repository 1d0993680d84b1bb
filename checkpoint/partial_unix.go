//go:build unix && !solaris && !illumos && !aix

package checkpoint

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

var errLocked = errors.New("locked")

// lockFile takes an advisory lock that ends with the process or when f is closed.
func lockFile(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return errLocked
	}
	if errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.ENOLCK) {
		return nil // some network file systems have no locks
	}
	return err
}

// renameOpen renames while the lock is still held, so that no other writer can take the old name over in between.
func renameOpen(f *os.File, from, to string) error {
	return errors.Join(os.Rename(from, to), f.Close())
}

func removeOpen(f *os.File, name string) {
	os.Remove(name)
	f.Close()
}

func isDiskFull(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

// syncFolder makes a rename durable. File systems that cannot sync a folder are left alone.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return failf(dir, "%w", err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOTSUP) {
		return failf(dir, "%w", err)
	}
	return nil
}
