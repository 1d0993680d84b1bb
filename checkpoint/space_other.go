//go:build !linux && !darwin && !freebsd && !dragonfly && !windows

package checkpoint

import "errors"

func freeSpace(string) (uint64, error) { return 0, errors.ErrUnsupported }
