package pool

// Beside runs f on a goroutine of its own, beside the caller: for reading and writing files, not for numerics. What it
// returns waits for f and returns its results; it may be called several times.
func Beside[T any](f func() (T, error)) func() (T, error) {
	var v T
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		v, err = f()
	}()
	return func() (T, error) {
		<-done
		return v, err
	}
}
