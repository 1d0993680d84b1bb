package model

import (
	"github.com/gomlx/compute"
	"github.com/gomlx/compute/gobackend"
)

func defaultBackend() compute.Backend { return gobackend.GetBackend() }
