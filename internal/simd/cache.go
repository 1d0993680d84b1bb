package simd

// cacheSizes are the bytes of data cache that one core sees. They set the block sizes of the matrix products, and so the
// order of summation: results may differ in rounding between machines, never between runs or thread counts on one.
type cacheSizes struct{ l1, l2, l3 int }

// caches are this machine's, or what has been common for many years where the CPU does not tell.
var caches = detectCaches(cacheSizes{l1: 32 << 10, l2: 256 << 10, l3: 4 << 20})
