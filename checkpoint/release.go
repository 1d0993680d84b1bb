package checkpoint

import "unsafe"

// Release tells the operating system that a tensor's bytes are not needed for now, so that a reader of one tensor after the
// other does not end with the whole file in its resident memory. They stay readable, at the price of reading them from the
// file (or the system's cache of it) again. An unknown name is ignored.
func (c *Checkpoint) Release(name string) {
	i, ok := c.index[name]
	if !ok || len(c.data[i]) == 0 {
		return
	}
	for _, m := range c.maps {
		if lo, ok := m.offset(c.data[i]); ok {
			m.release(lo, lo+len(c.data[i]))
		}
	}
}

// Release is Checkpoint.Release for a tensor under its Hugging Face name.
func (m *Model) Release(name string) {
	if s, ok := m.stored[name]; ok {
		m.file.Release(s.name)
	}
}

// offset returns where in the mapping data begins, if it lies there.
func (m *mapping) offset(data []byte) (int, bool) {
	if len(m.bytes) == 0 {
		return 0, false
	}
	at := uintptr(unsafe.Pointer(unsafe.SliceData(data))) - uintptr(unsafe.Pointer(unsafe.SliceData(m.bytes))) // wraps below 0
	if at >= uintptr(len(m.bytes)) {
		return 0, false
	}
	return int(at), true
}
