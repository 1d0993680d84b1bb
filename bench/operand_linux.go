package main

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// hugeFrom is the size in bytes from which NumPy asks for huge pages under an array.
const hugeFrom = 4 << 20

// onHugePages asks for huge pages under an array that has not been written yet, as NumPy does on Linux: translating addresses
// of a large matrix with small pages costs up to a tenth of the time of a product with a vector.
func onHugePages[T scalar](x []T) []T {
	size, page := len(x)*int(unsafe.Sizeof(T(0))), unix.Getpagesize()
	if size < hugeFrom {
		return x
	}
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), size)
	skip := -int(uintptr(unsafe.Pointer(&bytes[0]))) & (page - 1)
	_ = unix.Madvise(bytes[skip:skip+(size-skip)&^(page-1)], unix.MADV_HUGEPAGE) // only advice: a system may have none
	return x
}
