package simd

import "github.com/eckart-go/eckart/internal/pool"

// batchCall is a batch of products in progress, recycled like gemmCall.
type batchCall[T float] struct {
	*engine[T]
	first                     product[T]
	strideA, strideB, strideC int
	task                      func(int)
}

func newBatchCall[T float](e *engine[T]) *batchCall[T] {
	b := &batchCall[T]{engine: e}
	b.task = b.multiplyOne
	return b
}

// multiplyBatch computes batch products, of which first is the first.
func (e *engine[T]) multiplyBatch(batch int, first product[T], strideA, strideB, strideC int) {
	b := e.batches.Get().(*batchCall[T])
	b.first = first
	b.strideA, b.strideB, b.strideC = strideA, strideB, strideC
	pool.Run(batch, b.task)
	b.first = product[T]{}
	e.batches.Put(b)
}

func (b *batchCall[T]) multiplyOne(i int) {
	p := b.first
	p.a, p.b, p.c = p.a[i*b.strideA:], p.b[i*b.strideB:], p.c[i*b.strideC:]
	b.multiply(p)
}
