package model

import (
	"github.com/eckart-go/eckart/quant"
	"github.com/eckart-go/eckart/structure"
)

func quantised(t quant.Type, m, n int, data []byte, bias []float32) (structure.Layer, error) {
	return nil, nil
}
