package backend

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/notimplemented"
	"github.com/pkg/errors"

	"github.com/eckart-go/eckart/internal/simd"
)

// Name is what the backend is registered under: GOMLX_BACKEND=eckart, or "eckart:retain=0" with options.
const Name = "eckart"

func init() {
	compute.Register(Name, func(config string) (compute.Backend, error) {
		opts, err := ParseOptions(config)
		if err != nil {
			return nil, err
		}
		return NewWithOptions(opts), nil
	})
}

// Options tunes a Backend. The zero value is the recommended setting.
type Options struct {
	// Retain is how many bytes of freed buffers are kept for reuse: 0 means 256 MiB, negative none.
	Retain int64
}

// ParseOptions reads the configuration string of GOMLX_BACKEND, comma-separated key=value pairs. The only key is retain,
// the number of bytes of freed buffers to keep (0: keep none).
func ParseOptions(config string) (Options, error) {
	var opts Options
	for field := range strings.SplitSeq(config, ",") {
		if field == "" {
			continue
		}
		key, value, _ := strings.Cut(field, "=")
		if key != "retain" {
			return Options{}, errors.Errorf("backend: unknown option %q in %q: the only option is retain=BYTES", key, config)
		}
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 0 {
			return Options{}, errors.Errorf("backend: option retain=%q: want a number of bytes, zero or more", value)
		}
		opts.Retain = n
		if n == 0 {
			opts.Retain = -1
		}
	}
	return opts, nil
}

// Backend implements compute.Backend on the CPU. Its methods may be called from several goroutines.
type Backend struct {
	memory    memory
	finalized atomic.Bool
}

var _ compute.Backend = (*Backend)(nil)

// New returns a backend with the default options.
func New() *Backend { return NewWithOptions(Options{}) }

// NewWithOptions returns a backend.
func NewWithOptions(opts Options) *Backend {
	b := new(Backend)
	b.memory.retain = opts.Retain
	if opts.Retain == 0 {
		b.memory.retain = 256 << 20
	}
	return b
}

// Name returns "eckart".
func (b *Backend) Name() string { return Name }

// String returns "eckart".
func (b *Backend) String() string { return Name }

// Description names the kernels in use and the number of threads.
func (b *Backend) Description() string {
	return fmt.Sprintf("Eckart's pure Go backend (%s kernels, %d threads)", simd.Level(), runtime.GOMAXPROCS(0))
}

// NumDevices returns 1: the CPU.
func (b *Backend) NumDevices() int { return 1 }

// DeviceDescription describes the CPU; deviceNum is 0.
func (b *Backend) DeviceDescription(compute.DeviceNum) string { return "CPU, " + simd.Level() }

// Capabilities lists the operations and element types that are implemented.
func (b *Backend) Capabilities() compute.Capabilities { return capabilities.Clone() }

// Builder starts a new computation.
func (b *Backend) Builder(name string) compute.Builder {
	builder := &Builder{backend: b, name: name, Builder: notimplemented.Builder{ErrFn: notImplemented}}
	builder.main = &Function{builder: builder, Function: notimplemented.Function{ErrFn: notImplemented}}
	return builder
}

// Finalize drops the retained memory. Buffers and executables must not be used afterwards.
func (b *Backend) Finalize() {
	b.finalized.Store(true)
	b.memory.trim(0)
}

// IsFinalized reports whether Finalize was called.
func (b *Backend) IsFinalized() bool { return b.finalized.Load() }

// notImplemented is the error of an operation that this backend lacks; GoMLX falls back to a decomposition where it has one.
func notImplemented(op compute.OpType) error {
	return errors.Wrapf(compute.ErrNotImplemented, "backend: %s", op)
}

// supported lists the element types that buffers and operations accept. Float16 and BFloat16 are stored; arithmetic on them
// is done in float32 and rounded once per operation.
var supported = map[dtypes.DType]bool{
	dtypes.Bool: true, dtypes.Int8: true, dtypes.Int16: true, dtypes.Int32: true, dtypes.Int64: true,
	dtypes.Uint8: true, dtypes.Uint16: true, dtypes.Uint32: true, dtypes.Uint64: true,
	dtypes.Float16: true, dtypes.BFloat16: true, dtypes.Float32: true, dtypes.Float64: true,
}
