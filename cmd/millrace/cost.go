package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"millrace/client"
	"millrace/cost"
)

// costCmd reckons what training costs: before it is done, without a node, and after.
type costCmd struct {
	Estimate costEstimateCmd `cmd:"" help:"What a model takes to train: FLOPs, device-hours, rent, purchase, energy, team."`
	Plan     costPlanCmd     `cmd:"" help:"What size to train on how much text for a budget, e.g. $10k, 5000h or 1e21 FLOPs."`
	Options  costOptionsCmd  `cmd:"" help:"Prompt an API, fine-tune an open model, or pretrain: when does which pay?"`
	Book     costBookCmd     `cmd:"" help:"The price book: show it, or add a line."`
	Of       costOfCmd       `cmd:"" default:"withargs" help:"What a run or an experiment has cost so far (also: millrace cost RUN)."`
}

// bookOf is the price book: the node's if one answers, else the one that is built in.
func bookOf(ctx context.Context, g *Global) (cost.Book, string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	lines, err := g.client().Prices(ctx)
	switch {
	case errors.Is(err, client.ErrUnreachable), errors.Is(err, context.DeadlineExceeded):
		return cost.Default(), "built-in price book, " + cost.Default()[0].From.Format(time.DateOnly), nil
	case err != nil:
		return nil, "", err
	}
	var book cost.Book
	for _, l := range lines {
		line, err := lineOf(l)
		if err != nil {
			return nil, "", err
		}
		book = append(book, line)
	}
	return book, "price book of " + g.client().URL(), nil
}

// lineOf is a line of the node's book.
func lineOf(l client.Price) (cost.Price, error) {
	from, err := time.Parse(time.DateOnly, l.From)
	if err != nil {
		return cost.Price{}, fmt.Errorf("the node's price of %q: %w", l.Device, err)
	}
	p := cost.Price{
		Device: l.Device, PerHour: l.PerHour, PerHourLow: l.PerHourLow, PerHourHigh: l.PerHourHigh, PerKWh: l.PerKWh, PUE: l.PUE, PerGBMonth: l.PerGBMonth, From: from, Source: l.Source,
		Hardware: cost.Hardware{PeakFLOPs: l.PeakFLOPs, Memory: l.Memory, Watts: l.Watts, ServerWatts: l.ServerWatts},
	}
	if l.Purchase != nil {
		p.Purchase = cost.Range(*l.Purchase)
	}
	return p, nil
}

// parseCount reads 7B, 2T, 350M, 20k or 1e9.
func parseCount(s string) (float64, error) {
	digits, unit := s, 1.0
	if s != "" {
		if at := strings.IndexByte("kmbt", s[len(s)-1]|0x20); at >= 0 {
			digits, unit = s[:len(s)-1], []float64{1e3, 1e6, 1e9, 1e12}[at]
		}
	}
	v, err := strconv.ParseFloat(digits, 64)
	if err != nil || !(v > 0) || v > 1e30 {
		return 0, &exitError{exitUsage, fmt.Errorf("%q is not a count such as 7B, 350M, 2T or 1e9", s)}
	}
	return v * unit, nil
}

// parseRange reads 0.4 or 0.3-0.5, whose middle is typical.
func parseRange(s string) (cost.Range, error) {
	low, high, both := strings.Cut(strings.TrimPrefix(s, "$"), "-")
	a, err := strconv.ParseFloat(low, 64)
	if err == nil && !both {
		return cost.Exactly(a), nil
	}
	b, err2 := strconv.ParseFloat(high, 64)
	if err != nil || err2 != nil || a > b {
		return cost.Range{}, &exitError{exitUsage, fmt.Errorf("%q is not a figure such as 0.4 or a range such as 0.3-0.5", s)}
	}
	return cost.Range{Low: a, Typical: (a + b) / 2, High: b}, nil
}

// usage turns an error of arithmetic into one of usage: it is about what was asked.
func usage(err error) error {
	for _, mine := range []error{cost.ErrBadAsk, cost.ErrBadShape, cost.ErrBadPrice, cost.ErrNoPlan, cost.ErrNoDevice} {
		if errors.Is(err, mine) {
			return &exitError{exitUsage, err}
		}
	}
	return err
}

// amount writes dollars as people say them: three digits and a unit.
func amount(v float64) string {
	switch {
	case v == 0:
		return "$0"
	case v >= 1e5:
		return "$" + cost.Short(v)
	case v >= 100:
		return fmt.Sprintf("$%.0f", v)
	}
	return dollars(v)
}

// brief writes three significant digits.
func brief(v float64) string {
	if v >= 1000 {
		return cost.Short(v)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// three are the cells of a range.
func three(name string, r cost.Range, write func(float64) string) []string {
	cell := func(v float64) string {
		if v > 1e300 {
			return "never"
		}
		return write(v)
	}
	if r.Low == r.High {
		return []string{name, "", cell(r.Typical), ""}
	}
	return []string{name, cell(r.Low), cell(r.Typical), cell(r.High)}
}

// notes prints sentences below a table.
func notes(w io.Writer, heading string, lines []string) {
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", heading)
	for _, l := range lines {
		fmt.Fprintf(w, "  %s\n", l)
	}
}
