//go:build amd64 && !purego

package simd

// detectCaches asks CPUID for the data and unified caches: leaf 4 on Intel, 0x8000001D on AMD, which have one layout.
// What the CPU does not report is taken from fallback.
func detectCaches(fallback cacheSizes) cacheSizes {
	const intel, amd = 4, 0x8000001d
	found := fallback
	maxLeaf, _, _, _ := cpuid(0, 0)
	maxExtended, _, _, _ := cpuid(0x80000000, 0)
	switch {
	case maxExtended >= amd && found.read(amd):
	case maxLeaf >= intel && found.read(intel):
	}
	return found
}

// read takes sizes from one leaf and reports whether it held any.
func (s *cacheSizes) read(leaf uint32) (any bool) {
	for sub := range uint32(16) { // a hypervisor that repeats an entry forever must not hang us
		eax, ebx, ecx, _ := cpuid(leaf, sub)
		kind := eax & 31
		if kind == 0 {
			break
		}
		if kind == 2 { // instructions
			continue
		}
		ways, partitions, line, sets := ebx>>22+1, ebx>>12&0x3ff+1, ebx&0xfff+1, ecx+1
		size := int(ways) * int(partitions) * int(line) * int(sets)
		switch eax >> 5 & 7 {
		case 1:
			s.l1, any = size, true
		case 2:
			s.l2 = size
		case 3:
			s.l3 = size
		}
	}
	return any
}
