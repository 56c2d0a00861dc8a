package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"millrace/client"
	"millrace/cost"
)

// costBookCmd is millrace cost book.
type costBookCmd struct {
	Show costBookShowCmd `cmd:"" default:"withargs" help:"Show what is in force, or the whole history."`
	Set  costBookSetCmd  `cmd:"" help:"Add a line to the node's book; costs of all runs change at once, because prices are applied when read."`
}

type costBookShowCmd struct {
	History bool `help:"Every line ever written, in its order."`
}

func (cmd *costBookShowCmd) Run(ctx context.Context, g *Global) error {
	book, source, err := bookOf(ctx, g)
	if err != nil {
		return err
	}
	lines := []cost.Price(book)
	if !cmd.History {
		lines = book.InForce(time.Now())
	}
	return g.print(lines, func(w io.Writer) error {
		known := func(v float64, write func(float64) string) string {
			if v == 0 {
				return "-"
			}
			return write(v)
		}
		rows := [][]string{{"DEVICE", "$/HOUR", "RANGE", "$/KWH", "PUE", "$/GB MONTH", "PEAK", "MEMORY", "WATTS", "IN A SERVER", "PURCHASE", "FROM", "SOURCE"}}
		for _, p := range lines {
			rent, purchase := "-", "-"
			if r := p.Rent(); r.Low != r.High {
				rent = fmt.Sprintf("%g-%g", r.Low, r.High)
			}
			if p.Purchase.Known() {
				purchase = amount(p.Purchase.Low) + "-" + amount(p.Purchase.High)
			}
			rows = append(rows, []string{
				p.Device, fmt.Sprintf("%g", p.PerHour), rent, known(p.PerKWh, number), known(p.PUE, number), known(p.PerGBMonth, number), known(p.PeakFLOPs, func(v float64) string { return count(v) + "FLOP/s" }),
				known(p.Memory, func(v float64) string { return fmt.Sprintf("%.0f GB", v/1e9) }), known(p.Watts, number), known(p.ServerWatts, number), purchase, p.From.Format(time.DateOnly), p.Source,
			})
		}
		if err := table(w, rows); err != nil {
			return err
		}
		_, err := fmt.Fprintln(w, "\n"+source)
		return err
	})
}

// costBookSetCmd adds a line.
type costBookSetCmd struct {
	Device     string  `arg:"" help:"A pattern over kind:name, e.g. \"gpu:*H200*\", \"cpu:*\" or \"storage:*\"."`
	PerHour    string  `help:"Dollars for a device-hour, e.g. 2.5; or a range, 2-3. Of storage nothing." placeholder:"DOLLARS"`
	PerKWh     float64 `name:"per-kwh" help:"Dollars for a kilowatt-hour, where the rent has no energy in it."`
	PUE        float64 `name:"pue" help:"What the building draws for each joule of the device, 1 or more."`
	PerGBMonth float64 `name:"per-gb-month" help:"Dollars for 10⁹ bytes stored for 30 days, of \"storage:*\"."`
	Peak       float64 `help:"Its operations a second, 16-bit products without sparsity, e.g. 989e12."`
	Memory     float64 `help:"Its memory in GB."`
	Watts      float64 `help:"Its watts at most."`
	Server     float64 `help:"Its watts with its share of a server."`
	Purchase   string  `help:"Dollars for one, e.g. 30000, or a range." placeholder:"DOLLARS"`
	From       string  `help:"Date from which it counts (default: today)." placeholder:"YYYY-MM-DD"`
	Source     string  `help:"Where the price is from."`
}

func (cmd *costBookSetCmd) Run(ctx context.Context, g *Global) error {
	perHour := cmd.PerHour
	switch {
	case perHour == "" && strings.HasPrefix(cmd.Device, "storage:"):
		perHour = "0"
	case perHour == "":
		return &exitError{exitUsage, fmt.Errorf("say what an hour of it costs: --per-hour DOLLARS")}
	}
	rent, err := parseRange(perHour)
	if err != nil {
		return err
	}
	p := client.Price{
		Device: cmd.Device, PerHour: rent.Typical, PerKWh: cmd.PerKWh, PUE: cmd.PUE, PerGBMonth: cmd.PerGBMonth, PeakFLOPs: cmd.Peak, Memory: cmd.Memory * 1e9,
		Watts: cmd.Watts, ServerWatts: cmd.Server, From: cmd.From, Source: cmd.Source,
	}
	if rent.Low != rent.High {
		p.PerHourLow, p.PerHourHigh = rent.Low, rent.High
	}
	if cmd.Purchase != "" {
		r, err := parseRange(cmd.Purchase)
		if err != nil {
			return err
		}
		p.Purchase = (*client.Range)(&r)
	}
	set, err := g.client().SetPrice(ctx, p)
	if err != nil {
		return err
	}
	return g.print(set, func(w io.Writer) error {
		price, unit := set.PerHour, "an hour"
		if set.PerHour == 0 && set.PerGBMonth > 0 {
			price, unit = set.PerGBMonth, "a gigabyte and month"
		}
		_, err := fmt.Fprintf(w, "%s costs $%s %s from %s on\n", set.Device, strconv.FormatFloat(price, 'g', -1, 64), unit, set.From)
		return err
	})
}

// costOfCmd is millrace cost RUN.
type costOfCmd struct {
	What string `arg:"" name:"run|experiment" help:"A run (its id, the beginning or end of it, or its name), or an experiment (its id or name)."`
}

func (cmd *costOfCmd) Run(ctx context.Context, g *Global) error {
	l, err := g.client().Ledger(ctx, cmd.What)
	if err != nil {
		return err
	}
	return g.print(l, func(w io.Writer) error {
		rows := [][]string{{l.Kind, l.Name + "  " + l.ID}}
		if l.Runs > 0 {
			rows = append(rows, []string{"runs", strconv.Itoa(l.Runs)})
		}
		c := l.Cost
		rows = append(rows,
			[]string{"cost", dollars(float64(c.Dollars))},
			[]string{"  devices", fmt.Sprintf("%s for %s device-seconds (%.3g hours)", dollars(float64(c.DeviceDollars)), number(float64(c.DeviceSeconds)), float64(c.DeviceSeconds)/3600)},
			[]string{"  energy", energyLine(c)},
			[]string{"  storage", storageLine(c)})
		for _, d := range c.Devices {
			rows = append(rows, []string{"  on", fmt.Sprintf("%s:%s × %d, %s s", d.Kind, d.Name, d.Count, number(float64(d.Seconds)))})
		}
		if len(c.Unpriced) > 0 {
			rows = append(rows, []string{"  without a price", strings.Join(c.Unpriced, ", ") + " (left out; add one with: millrace cost book set)"})
		}
		return table(w, rows)
	})
}

func storageLine(c client.Cost) string {
	s := dollars(float64(c.StorageDollars)) + " so far"
	if c.StoredBytes > 0 {
		s += fmt.Sprintf("; %s kept, %s a month", bytes(int64(c.StoredBytes)), dollars(float64(c.StorageDollarsPerMonth)))
	}
	return s
}

func energyLine(c client.Cost) string {
	if c.Joules == nil {
		return "not told by the devices"
	}
	return fmt.Sprintf("%s for %sJ (%.3g kWh)", dollars(float64(c.EnergyDollars)), count(float64(*c.Joules)), float64(*c.Joules)/3.6e6)
}
