package resident

import "runtime"

// obtained is what Go's runtime has from the system. It only grows, so it is a peak.
func obtained() int64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.Sys)
}
