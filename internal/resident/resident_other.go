//go:build !linux && !darwin

package resident

func peak() int64 { return obtained() }
