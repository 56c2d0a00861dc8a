package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"millrace/client"
	"millrace/cost"
)

// costPlanCmd is millrace cost plan.
type costPlanCmd struct {
	deviceFlags
	Budget     string `help:"'$10k' or 10k$, 5000h (device-hours) or 1e21 (FLOPs)." placeholder:"AMOUNT" xor:"wish"`
	Params     string `help:"The inverse: what budget makes this size the best?" placeholder:"N" xor:"wish"`
	Loss       string `help:"The inverse: what is the least budget for this loss?" placeholder:"NATS" xor:"wish"`
	Own        bool   `help:"Fit a law to this node's own training runs, too."`
	Experiment string `short:"e" help:"With --own: only runs of this experiment (its id)."`
	Where      string `help:"With --own: only runs of which this holds, e.g. 'config.model.arch = llama' (docs/filters.md)." placeholder:"FILTER"`
}

// planned is what the command tells.
type planned struct {
	Budget *cost.Range  `json:"budget_flops,omitempty"`
	Plans  []cost.Plan  `json:"plans"`
	Own    *client.Fit  `json:"own,omitempty"`
	Refuse []string     `json:"without,omitempty"` // laws that have no answer, and why
	Rent   []cost.Range `json:"rent"`              // of each plan
}

func (cmd *costPlanCmd) Run(ctx context.Context, g *Global) error {
	a, source, err := cmd.ask(ctx, g)
	if err != nil {
		return err
	}
	find, p, err := cmd.wish(a)
	if err != nil {
		return err
	}
	laws := cost.Laws()
	if cmd.Own {
		fit, err := g.client().LossFit(ctx, cmd.Experiment, cmd.Where)
		if err != nil {
			return err
		}
		p.Own = &fit
		if fit.Law != nil {
			laws = append(laws, cost.Parametric{By: fit.Law.By, E: float64(fit.Law.E), A: float64(fit.Law.A), B: float64(fit.Law.B), Alpha: float64(fit.Law.Alpha), Beta: float64(fit.Law.Beta)})
		}
	}
	var first error
	for _, law := range laws {
		plan, err := find(law)
		if err != nil {
			p.Refuse, first = append(p.Refuse, plain(err)), orElse(first, err)
			continue
		}
		p.Plans = append(p.Plans, plan)
		e, err := cost.Ask{Params: plan.Params, Tokens: plan.Tokens, Device: a.Device, MFU: a.MFU, Rent: a.Rent}.Estimate()
		if err != nil {
			return usage(err)
		}
		p.Rent = append(p.Rent, e.Rent)
	}
	if len(p.Plans) == 0 {
		return usage(first)
	}
	return g.print(p, func(w io.Writer) error { return cmd.show(w, p, source) })
}

func orElse(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// wish is how a plan is found by a law.
func (cmd *costPlanCmd) wish(a cost.Ask) (func(cost.Law) (cost.Plan, error), planned, error) {
	var p planned
	switch {
	case cmd.Params != "":
		n, err := parseCount(cmd.Params)
		return func(law cost.Law) (cost.Plan, error) { return cost.ForParams(law, n) }, p, err
	case cmd.Loss != "":
		l, err := parseCount(cmd.Loss)
		return func(law cost.Law) (cost.Plan, error) { return cost.ForLoss(law, l) }, p, err
	case cmd.Budget == "":
		return nil, p, &exitError{exitUsage, fmt.Errorf("say what to plan for: --budget 10k$, --budget 5000h, --budget 1e21, --params 7B or --loss 2.5")}
	}
	var budget cost.Range
	var err error
	switch {
	case strings.Contains(cmd.Budget, "$"):
		budget, err = budgetOf(a, strings.Trim(cmd.Budget, "$"), "")
	case strings.HasSuffix(cmd.Budget, "h"):
		budget, err = budgetOf(a, "", cmd.Budget)
	default:
		var flops float64
		flops, err = parseCount(cmd.Budget)
		budget = cost.Exactly(flops)
	}
	p.Budget = &budget
	return func(law cost.Law) (cost.Plan, error) { return cost.For(law, budget.Typical) }, p, err
}

func (cmd *costPlanCmd) show(w io.Writer, p planned, source string) error {
	if b := p.Budget; b != nil {
		if b.Low == b.High {
			fmt.Fprintf(w, "A budget of %.3g FLOPs.\n\n", b.Typical)
		} else {
			fmt.Fprintf(w, "%s on %s is %.3g FLOPs, %.3g to %.3g; planned for the middle.\n\n", cmd.Budget, cmd.GPU, b.Typical, b.Low, b.High)
		}
	}
	rows := [][]string{{"LAW", "PARAMETERS", "TOKENS", "TOKENS/PARAM", "FLOPS", "LOSS", "RENT"}}
	for i, plan := range p.Plans {
		rows = append(rows, []string{
			plan.Law, cost.Short(plan.Params), cost.Short(plan.Tokens), fmt.Sprintf("%.3g", plan.Tokens/plan.Params), fmt.Sprintf("%.3g", plan.FLOPs), fmt.Sprintf("%.3f", plan.Loss),
			amount(p.Rent[i].Low) + " to " + amount(p.Rent[i].High),
		})
	}
	if err := table(w, rows); err != nil {
		return err
	}
	fmt.Fprintln(w, "\nTokens grow with size here: ten times the parameters take about 100 times the FLOPs. Losses are in nats a token, each of its own law's text: compare sizes, not losses, across laws.")
	fmt.Fprintln(w, "6 FLOPs a parameter and token; rent by the "+source+".")
	for _, why := range p.Refuse {
		fmt.Fprintln(w, "Without:", why)
	}
	if p.Own != nil && p.Own.Law != nil {
		var most float64
		for _, run := range p.Own.Points {
			most = max(most, float64(run.Params))
		}
		if plan := p.Plans[len(p.Plans)-1]; plan.Params > 10*most {
			fmt.Fprintf(w, "The law of one's own runs has seen %s parameters at most: what it says of %s is a guess.\n", cost.Short(most), cost.Short(plan.Params))
		}
	}
	if p.Own != nil && p.Own.Refused != "" {
		fmt.Fprintln(w, "Without a law of one's own:", p.Own.Refused)
	}
	return nil
}

// costOptionsCmd is millrace cost options.
type costOptionsCmd struct {
	deviceFlags
	PerMonth string  `required:"" help:"Tokens read and written a month, e.g. 500M." placeholder:"TOKENS"`
	Params   string  `default:"7B" help:"Size of the model to serve, fine-tune or train." placeholder:"N"`
	Tokens   string  `default:"chinchilla" help:"Tokens to pretrain on; \"chinchilla\": 20 a parameter." placeholder:"N"`
	Tune     string  `default:"100M" help:"Tokens to fine-tune on." placeholder:"N"`
	Months   float64 `default:"12" help:"For how many months." placeholder:"N"`
	API      string  `name:"api" help:"Dollars for a million tokens of an API, in and out mixed, e.g. 1 or 0.2-5." placeholder:"DOLLARS"`
	Team     float64 `help:"People who pretrain for six months; a third of that time to fine-tune." placeholder:"PEOPLE"`
}

func (cmd *costOptionsCmd) Run(ctx context.Context, g *Global) error {
	a, source, err := cmd.ask(ctx, g)
	if err != nil {
		return err
	}
	var counts [4]float64
	for i, s := range []string{cmd.PerMonth, cmd.Params, cmd.Tokens, cmd.Tune} {
		if s == "chinchilla" {
			continue
		}
		if counts[i], err = parseCount(s); err != nil {
			return err
		}
	}
	a.Params, a.Tokens = counts[1], counts[2]
	pretrain, err := a.Estimate()
	if err != nil {
		return usage(err)
	}
	if a.Rent.Known() {
		a.Device.PerHourLow, a.Device.PerHour, a.Device.PerHourHigh = a.Rent.Low, a.Rent.Typical, a.Rent.High
	}
	use := cost.Use{
		TokensPerMonth: counts[0], Months: cmd.Months, Params: counts[1], TuneTokens: counts[3], Device: a.Device, Pretrain: pretrain,
		TuneTeam: cost.Team{People: cmd.Team, Months: 2}.Dollars(), PretrainTeam: cost.Team{People: cmd.Team, Months: 6}.Dollars(),
	}
	if cmd.API != "" {
		if use.APIPerMillion, err = parseRange(cmd.API); err != nil {
			return err
		}
	}
	d, err := use.Decide()
	if err != nil {
		return usage(err)
	}
	d.Assumed = append(append(d.Assumed, pretrain.Assumed...), source)
	if cmd.Team == 0 {
		d.Assumed = append(d.Assumed, "nobody's work (--team)")
	}
	return g.print(d, func(w io.Writer) error {
		rows := [][]string{{"OPTION", "UP FRONT", "A MONTH", fmt.Sprintf("%g MONTHS, LOW", cmd.Months), "TYPICAL", "HIGH", "CHEAPER THAN THE API AFTER"}}
		for i, o := range d.Options {
			after := "-"
			switch {
			case i > 0 && o.EvenMonths.Typical > 1e300:
				after = "never"
			case i > 0:
				after = fmt.Sprintf("%.1f months", o.EvenMonths.Typical)
			}
			rows = append(rows, []string{o.Name, amount(o.UpFront.Typical), amount(o.PerMonth.Typical), amount(o.Total.Low), amount(o.Total.Typical), amount(o.Total.High), after})
		}
		if err := table(w, rows); err != nil {
			return err
		}
		fmt.Fprintf(w, "\nBy dollars alone: %s. What the model is worth, who may see the text and whether an open model is good enough are not in it.\n", d.Cheapest)
		notes(w, "Assumed:", d.Assumed)
		return nil
	})
}
