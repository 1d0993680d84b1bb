package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
)

// record is one line of output: a case beside one peer.
type record struct {
	Suite       string  `json:"suite"`
	Case        string  `json:"case"`
	Threads     int     `json:"threads"`
	Peer        string  `json:"peer"`         // "" when no peer ran
	PeerVersion string  `json:"peer_version"` // library, version and the kernel it chose
	Ours        float64 `json:"ours_s"`       // median seconds of one call
	PeerTime    float64 `json:"peer_s"`       // 0 when no peer ran
	Ratio       float64 `json:"ratio"`        // peer_s / ours_s

	// Of whole processes, in the suite compress.
	OursPeak int64 `json:"ours_peak_bytes,omitempty"`
	PeerPeak int64 `json:"peer_peak_bytes,omitempty"`

	// Of approximations: relative errors of both results.
	OursError float64 `json:"ours_error,omitempty"`
	PeerError float64 `json:"peer_error,omitempty"`

	work float64 // operations, tokens, bytes of one call, for the table
	unit string
}

// printer writes one record.
type printer func(record) error

func jsonPrinter(w io.Writer) printer {
	return func(r record) error {
		// Six digits are more than the clock has.
		r.Ours, r.PeerTime, r.Ratio = digits(r.Ours), digits(r.PeerTime), digits(r.Ratio)
		line, err := json.Marshal(r)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "%s\n", line)
		return err
	}
}

func digits(x float64) float64 {
	if x == 0 {
		return 0
	}
	scale := math.Pow(10, 5-math.Floor(math.Log10(math.Abs(x))))
	return math.Round(x*scale) / scale
}

func tablePrinter(w io.Writer) printer {
	header := false
	return func(r record) error {
		if !header {
			header = true
			fmt.Fprintf(w, "%-34s %7s  %-10s %11s %11s %7s  %s\n", "case", "threads", "peer", "ours", "peer's", "ratio", "ours, peer's rate")
		}
		if r.Peer == "" {
			_, err := fmt.Fprintf(w, "%-34s %7d  %-10s %11s %11s %7s  %s\n", r.Case, r.Threads, "-", duration(r.Ours), "-", "-", rate(r.work, r.Ours, r.unit))
			return err
		}
		rates := rate(r.work, r.Ours, r.unit) + ", " + rate(r.work, r.PeerTime, r.unit)
		if r.PeerError > 0 {
			rates = fmt.Sprintf("errors %.7f, %.7f", r.OursError, r.PeerError)
		}
		if r.PeerPeak > 0 {
			rates = fmt.Sprintf("peak memory %d MB, %d MB", r.OursPeak>>20, r.PeerPeak>>20)
		}
		_, err := fmt.Fprintf(w, "%-34s %7d  %-10s %11s %11s %7.2f  %s\n", r.Case, r.Threads, r.Peer,
			duration(r.Ours), duration(r.PeerTime), r.Ratio, rates)
		return err
	}
}

func duration(s float64) string {
	switch {
	case s < 1e-3:
		return fmt.Sprintf("%.2f us", s*1e6)
	case s < 1:
		return fmt.Sprintf("%.3f ms", s*1e3)
	}
	return fmt.Sprintf("%.3f s", s)
}

// rate is work per second: flops and bytes in billions and millions, tokens plainly.
func rate(work, seconds float64, unit string) string {
	switch x := work / seconds; unit {
	case "flop":
		return fmt.Sprintf("%.1f GFLOP/s", x/1e9)
	case "byte":
		return fmt.Sprintf("%.1f MB/s", x/1e6)
	default:
		return fmt.Sprintf("%.1f %s/s", x, unit)
	}
}
