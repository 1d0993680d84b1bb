//go:build unix && !solaris && !illumos && !aix

package checkpoint

import (
	"os"

	"golang.org/x/sys/unix"
)

// release drops the pages that hold bytes lo to hi-1. Neighbours on the first and last page are dropped with them, which
// costs them another read and nothing else.
func (m *mapping) release(lo, hi int) {
	page := os.Getpagesize()
	lo = lo / page * page
	hi = min((hi+page-1)/page*page, len(m.bytes))
	_ = unix.Madvise(m.bytes[lo:hi], unix.MADV_DONTNEED) // only advice: a system that does not take it keeps the pages
}
