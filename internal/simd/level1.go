package simd

// Sdot returns xᵀy. y must be at least as long as x.
func Sdot(x, y []float32) float32 { return sblas.kernel.dot(x, y[:len(x)]) }

// Ddot is Sdot in float64.
func Ddot(x, y []float64) float64 { return dblas.kernel.dot(x, y[:len(x)]) }

// Saxpy adds alpha x to y. y must be at least as long as x.
func Saxpy(alpha float32, x, y []float32) { sblas.kernel.axpy(alpha, x, y[:len(x)]) }

// Daxpy is Saxpy in float64.
func Daxpy(alpha float64, x, y []float64) { dblas.kernel.axpy(alpha, x, y[:len(x)]) }

// Sscal multiplies x by alpha. alpha = 0 leaves NaNs and infinities NaN.
func Sscal(alpha float32, x []float32) { sblas.kernel.scal(alpha, x) }

// Dscal is Sscal in float64.
func Dscal(alpha float64, x []float64) { dblas.kernel.scal(alpha, x) }

// Srot rotates the points (x_i, y_i): it overwrites x with c x + s y and y with c y - s x. y must be at least as long as x.
func Srot(x, y []float32, c, s float32) { sblas.kernel.rot(x, y[:len(x)], c, s) }

// Drot is Srot in float64.
func Drot(x, y []float64, c, s float64) { dblas.kernel.rot(x, y[:len(x)], c, s) }

// Ssumsq returns the sum of squares of x, accumulated in float64, where no float32 over- or underflows.
func Ssumsq(x []float32) float64 { return sblas.kernel.sumsq(x) }

// Dsumsq returns the sum of squares of x. It does not scale: squares may over- or underflow.
func Dsumsq(x []float64) float64 { return dblas.kernel.sumsq(x) }

// Sasum returns the sum of absolute values of x.
func Sasum(x []float32) float32 { return sblas.kernel.asum(x) }

// Dasum is Sasum in float64.
func Dasum(x []float64) float64 { return dblas.kernel.asum(x) }
