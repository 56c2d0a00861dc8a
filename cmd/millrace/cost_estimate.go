package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"millrace/cost"
)

// deviceFlags say on what, and how well it is used.
type deviceFlags struct {
	GPU   string `default:"h100" help:"Device by the name the price book knows: a100, h100, h200, b200, cpu, …"`
	MFU   string `help:"Part of the device's peak that training reaches, e.g. 0.4 or 0.3-0.5 (default: 0.3-0.5)."`
	Price string `help:"Dollars for a device-hour instead of the book's, e.g. 2.5 or 2-4."`
}

// ask fills in the device.
func (f deviceFlags) ask(ctx context.Context, g *Global) (cost.Ask, string, error) {
	var a cost.Ask
	book, source, err := bookOf(ctx, g)
	if err != nil {
		return a, "", err
	}
	if a.Device, err = book.Named(f.GPU, time.Now()); err != nil {
		return a, "", usage(err)
	}
	if f.MFU != "" {
		if a.MFU, err = parseRange(f.MFU); err != nil {
			return a, "", err
		}
	}
	if f.Price != "" {
		a.Rent, err = parseRange(f.Price)
	}
	return a, source, err
}

// costEstimateCmd is millrace cost estimate.
type costEstimateCmd struct {
	deviceFlags
	Preset  string  `help:"A published model, e.g. gpt2-124m, llama2-7b, llama3-70b; \"list\" lists them." placeholder:"NAME" xor:"model"`
	Params  string  `help:"Only a number of parameters, e.g. 7B." placeholder:"N" xor:"model"`
	Layers  int     `help:"Blocks of a model of one's own; with --width, --heads." xor:"model" placeholder:"N"`
	Width   int     `help:"Width of its residual stream." placeholder:"N"`
	Heads   int     `help:"Its attention heads." placeholder:"N"`
	KVHeads int     `name:"kv-heads" help:"Heads of keys and values, if fewer." placeholder:"N"`
	Hidden  int     `help:"Width inside its feed-forward part (default: 4 × width)." placeholder:"N"`
	Vocab   int     `help:"Tokens it knows." default:"32000" placeholder:"N"`
	Gated   bool    `help:"SwiGLU or GeGLU, with RoPE and RMSNorm, as Llama has."`
	Tied    bool    `help:"The output head is the token table."`
	Context int     `help:"Tokens of a sequence (default: the model's most; 2048)." placeholder:"N"`
	Tokens  string  `help:"Tokens to train on, e.g. 2T; or \"chinchilla\": 20 a parameter." default:"chinchilla" placeholder:"N"`
	Count   int     `help:"Devices at once." default:"1" placeholder:"N"`
	Dollars string  `help:"A budget: what share of this does it pay for?" placeholder:"AMOUNT"`
	Hours   string  `help:"A budget of device-hours." placeholder:"HOURS"`
	Buy     bool    `help:"Show purchase, what a run costs on bought devices, and when buying pays."`
	Team    float64 `help:"People who work on it." placeholder:"PEOPLE"`
	Months  float64 `help:"Months for which they do." default:"6" placeholder:"N"`
}

func (cmd *costEstimateCmd) Run(ctx context.Context, g *Global) error {
	if cmd.Preset == "list" {
		return g.print(cost.Presets(), func(w io.Writer) error {
			_, err := fmt.Fprintln(w, strings.Join(cost.Presets(), "\n"))
			return err
		})
	}
	a, source, err := cmd.ask(ctx, g)
	if err != nil {
		return err
	}
	if err := cmd.model(&a); err != nil {
		return err
	}
	a.Count, a.Context = cmd.Count, cmd.Context
	if cmd.Buy && !a.Device.Purchase.Known() {
		return &exitError{exitUsage, fmt.Errorf("the book has no purchase price for %s; add one with: millrace cost book set", cmd.GPU)}
	}
	if !cmd.Buy {
		a.Device.Purchase = cost.Range{}
	}
	if cmd.Tokens != "chinchilla" {
		if a.Tokens, err = parseCount(cmd.Tokens); err != nil {
			return err
		}
	}
	a.Team = cost.Team{People: cmd.Team, Months: cmd.Months}
	e, err := a.Estimate()
	if err != nil {
		return usage(err)
	}
	var budget *cost.Range
	if cmd.Dollars != "" || cmd.Hours != "" {
		b, err := budgetOf(a, cmd.Dollars, cmd.Hours)
		if err != nil {
			return err
		}
		budget = &b
	}
	e.Assumed = append(e.Assumed, source)
	out := struct {
		cost.Estimate
		Budget *cost.Range `json:"budget_flops,omitempty"`
	}{e, budget}
	return g.print(out, func(w io.Writer) error { return cmd.show(w, e, budget) })
}

// model names the model by one of the three ways.
func (cmd *costEstimateCmd) model(a *cost.Ask) error {
	switch {
	case cmd.Preset != "":
		s, err := cost.Preset(cmd.Preset)
		if err != nil {
			return usage(err)
		}
		a.Shape = &s
	case cmd.Params != "":
		n, err := parseCount(cmd.Params)
		if err != nil {
			return err
		}
		a.Params = n
	case cmd.Layers > 0:
		s := cost.Shape{Vocab: cmd.Vocab, DModel: cmd.Width, NLayer: cmd.Layers, NHead: cmd.Heads, KVHeads: cmd.KVHeads, Hidden: cmd.Hidden, Tied: cmd.Tied, Context: max(cmd.Context, 0), Bias: !cmd.Gated}
		if s.Context == 0 {
			s.Context = 2048
		}
		if cmd.Gated {
			s.Gated, s.Positions, s.Norm = true, cost.Rotary, cost.RMSNorm
		}
		a.Shape = &s
	default:
		return &exitError{exitUsage, fmt.Errorf("name the model: --preset llama2-7b, --params 7B, or --layers, --width and --heads")}
	}
	return nil
}

// budgetOf reads what the two flags bound.
func budgetOf(a cost.Ask, dollars, hours string) (cost.Range, error) {
	var amounts [2]float64
	for i, s := range []string{strings.TrimPrefix(dollars, "$"), strings.TrimSuffix(hours, "h")} {
		if s == "" {
			continue
		}
		v, err := parseCount(s)
		if err != nil {
			return cost.Range{}, err
		}
		amounts[i] = v
	}
	b, err := a.Budget(amounts[0], amounts[1])
	return b, usage(err)
}

// show writes an estimate for people.
func (cmd *costEstimateCmd) show(w io.Writer, e cost.Estimate, budget *cost.Range) error {
	rows := [][]string{{"parameters", cost.Short(e.Params)}}
	if p := e.Parts; p != nil {
		rows[0][1] = fmt.Sprintf("%s (%d: embedding %s, attention %s, feed-forward %s, norms %s, head %s, positions %s)", cost.Short(e.Params), p.Total,
			cost.Short(float64(p.Embedding)), cost.Short(float64(p.Attention)), cost.Short(float64(p.MLP)), cost.Short(float64(p.Norm)), cost.Short(float64(p.Head)), cost.Short(float64(p.Position)))
	}
	rows = append(rows,
		[]string{"tokens", fmt.Sprintf("%s (%.3g a parameter)", cost.Short(e.Tokens), e.TokensPerParameter)},
		[]string{"FLOPs", fmt.Sprintf("%.3g (%.3g a token: forward %.3g, backward %.3g; %.1f%% attention's scores)", e.FLOPs, e.FLOPsPerToken.Training(), e.FLOPsPerToken.Forward, e.FLOPsPerToken.Backward, 100*e.FLOPsPerToken.Attention/e.FLOPsPerToken.Forward)},
		[]string{"loss", fmt.Sprintf("%.3f, on text like Chinchilla's (Besiroglu et al. 2024)", e.Loss)})
	if e.Training != nil {
		rows = append(rows, []string{"memory", fmt.Sprintf("training %s on each of %d (ZeRO 3, batch 1), serving %s (keys and values %s)", bytes(int64(e.Training.Total)), e.Count, bytes(int64(e.Serving.Total)), bytes(int64(e.Serving.Cache)))})
	}
	if err := table(w, rows); err != nil {
		return err
	}
	fmt.Fprintf(w, "\n%s\n\n", e.Says)
	rows = [][]string{{"", "LOW", "TYPICAL", "HIGH"}, three("device-hours", e.DeviceHours, brief), three(fmt.Sprintf("days on %d", e.Count), e.Days, brief), three("rent", e.Rent, amount)}
	if e.Energy != nil {
		rows = append(rows, three("energy of the devices, MWh", e.Energy.Devices, brief), three("energy with servers and building, MWh", e.Energy.Building, brief), three("energy", e.Energy.Dollars, amount))
	}
	if cmd.Buy {
		rows = append(rows, three(fmt.Sprintf("purchase of %d", e.Count), e.Purchase.Devices, amount), three("  hosts", e.Purchase.Host, amount), three("  interconnect", e.Purchase.Interconnect, amount),
			three("  all together", e.Purchase.Total, amount))
		if e.Own != nil {
			rows = append(rows, three("this run on one's own (value lost, energy)", *e.Own, amount))
		}
		if e.Even != nil {
			rows = append(rows, three("buying pays after runs", e.Even.Runs, brief), three("buying pays after days of full use", e.Even.Days, brief))
		} else {
			rows = append(rows, []string{"buying pays", "", "never", ""})
		}
	}
	if e.Team != nil {
		rows = append(rows, three(fmt.Sprintf("team of %g for %g months", cmd.Team, cmd.Months), *e.Team, amount))
	}
	if budget != nil {
		rows = append(rows, three("FLOPs the budget buys", *budget, func(v float64) string { return fmt.Sprintf("%.3g", v) }),
			three("of what this takes", budget.Scale(1/e.FLOPs), func(v float64) string { return fmt.Sprintf("%.0f%%", 100*v) }))
	}
	if err := table(w, rows); err != nil {
		return err
	}
	notes(w, "Assumed:", e.Assumed)
	return nil
}
