package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// bar shows how far a stage has come: one line that is redrawn on a terminal, plain lines now and then elsewhere.
type bar struct {
	w        io.Writer
	terminal bool
	stage    string
	unit     string
	start    time.Time
	shown    time.Time
	done     int64
	total    int64
	drawn    bool // the cursor stands behind a bar
}

const (
	redraw    = 100 * time.Millisecond // on a terminal
	lineEvery = 10 * time.Second       // elsewhere
)

// progress returns a callback for one stage of work, counted in unit. It ends the bar of the stage before.
func (e *env) progress(stage, unit string) func(done, total int64) {
	e.endProgress()
	if e.quiet {
		return func(int64, int64) {}
	}
	b := &bar{w: e.err, terminal: e.terminal, stage: stage, unit: unit, start: time.Now()}
	b.shown = b.start
	e.bar = b
	return b.update
}

// endProgress finishes the current bar, if there is one.
func (e *env) endProgress() {
	if e.bar != nil {
		e.bar.end()
		e.bar = nil
	}
}

func (b *bar) update(done, total int64) {
	b.done, b.total = done, total
	now := time.Now()
	every := lineEvery
	if b.terminal {
		every = redraw
	}
	if now.Sub(b.shown) < every {
		return
	}
	b.shown = now
	b.draw(now)
}

func (b *bar) draw(now time.Time) {
	line := b.line(now.Sub(b.start))
	if !b.terminal {
		fmt.Fprintln(b.w, line)
		return
	}
	fmt.Fprintf(b.w, "\r\x1b[K%s", line)
	b.drawn = true
}

// line describes the state after elapsed time: share, count, rate and time left.
func (b *bar) line(elapsed time.Duration) string {
	seconds := elapsed.Seconds()
	rate := float64(b.done) / max(seconds, 1e-9)
	if b.total <= 0 {
		return fmt.Sprintf("%-10s %d %s, %s %s/s", b.stage, b.done, b.unit, count(rate), b.unit)
	}
	share := min(1, float64(b.done)/float64(b.total))
	left := "?"
	if b.done > 0 {
		left = clock(time.Duration(seconds / share * (1 - share) * float64(time.Second)))
	}
	text := fmt.Sprintf(" %3.0f %%  %s/%s %s  %s/s  %s left", 100*share, count(float64(b.done)), count(float64(b.total)), b.unit, count(rate), left)
	if !b.terminal {
		return fmt.Sprintf("%-10s%s", b.stage, text)
	}
	width := barWidth(len(text) + 13)
	full := int(share * float64(width))
	return fmt.Sprintf("%-10s [%s%s]%s", b.stage, strings.Repeat("=", full), strings.Repeat(" ", width-full), text)
}

// barWidth returns how many cells the bar may take beside other text on this terminal.
func barWidth(other int) int {
	columns, _, err := term.GetSize(int(os.Stderr.Fd()))
	if err != nil {
		columns = 80
	}
	return max(0, min(40, columns-other-1))
}

func (b *bar) end() {
	if b.drawn {
		fmt.Fprint(b.w, "\r\x1b[K")
	}
	if b.done > 0 {
		elapsed := time.Since(b.start)
		fmt.Fprintf(b.w, "%-10s %s %s in %s\n", b.stage, count(float64(b.done)), b.unit, clock(elapsed))
	}
}

// count writes a number with at most four digits and a letter for thousands, millions, billions.
func count(v float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e4, "k"}} {
		if v >= unit.size {
			size := unit.size
			if unit.name == "k" {
				size = 1e3
			}
			return fmt.Sprintf("%.1f%s", v/size, unit.name)
		}
	}
	if v < 10 && v != float64(int64(v)) {
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// clock writes a duration as people read it: 0.8s, 42s, 3m20s, 2h05m.
func clock(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.0fs", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
}
