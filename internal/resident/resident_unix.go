//go:build linux || darwin

package resident

import (
	"runtime"

	"golang.org/x/sys/unix"
)

func peak() int64 {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		return obtained()
	}
	if runtime.GOOS == "linux" {
		return int64(usage.Maxrss) * 1024 // Linux counts kilobytes, Darwin bytes
	}
	return int64(usage.Maxrss)
}
