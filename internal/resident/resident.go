// Package resident tells how much memory this process has taken at most.
package resident

// Peak returns the largest resident set of this process so far, in bytes: heap, stacks and the touched parts of
// memory-mapped files. Where the system does not tell, it is the memory that Go's runtime has obtained from it, which
// leaves mapped files out.
func Peak() int64 { return peak() }
