package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"millrace/client"
)

// contestCmd is contests: people and models judge what models answered.
type contestCmd struct {
	Open  contestOpenCmd  `cmd:"" help:"Open a contest between what evaluations have heard."`
	List  contestListCmd  `cmd:"" help:"List contests."`
	Show  contestShowCmd  `cmd:"" help:"Show a contest: ratings, how entries did against each other, how far raters agree."`
	Judge contestJudgeCmd `cmd:"" help:"Let a model vote, behind any endpoint that speaks OpenAI's protocol."`
	Close contestCloseCmd `cmd:"" help:"End the voting."`
}

type contestOpenCmd struct {
	Name        string   `arg:"" help:"What the contest is called."`
	Evaluations []string `help:"Evaluations of one suite whose answers are kept, or runs: then the newest of each." placeholder:"RUN,…" required:""`
	Task        string   `help:"The one task whose answers are judged; every one with answers without it."`
	Suite       string   `help:"Where runs are named: the suite to look for evaluations of."`
	Mode        string   `help:"pair: which of two answers is better; scale: how good one is, 1 to 5." enum:"pair,scale" default:"pair"`
	Guidelines  string   `help:"File with what raters are to look at." type:"existingfile" placeholder:"FILE"`
	Labels      []string `help:"What the entries are called, in their order; run and step without it." placeholder:"NAME,…"`
	Overlap     int64    `help:"By how many people a question is answered before the next is begun." default:"2"`
	Daily       int64    `help:"How many votes one person may cast in a day." default:"500"`
}

// Help is shown below the usage.
func (contestOpenCmd) Help() string {
	return `  millrace contest open answers --evaluations base,tuned --task samples --guidelines rules.md
  then open the page /judge of the node, or let a model judge: millrace contest judge answers --help (docs/judging.md)`
}

func (cmd *contestOpenCmd) Run(ctx context.Context, g *Global) error {
	c := g.client()
	in := client.OpenContest{Name: cmd.Name, Mode: strings.ToUpper(cmd.Mode), Labels: cmd.Labels, Task: cmd.Task, Suite: cmd.Suite, Overlap: cmd.Overlap, DailyVotes: cmd.Daily, By: os.Getenv("USER")}
	if cmd.Guidelines != "" {
		raw, err := os.ReadFile(cmd.Guidelines)
		if err != nil {
			return err
		}
		in.Guidelines = string(raw)
	}
	for _, e := range cmd.Evaluations {
		run, err := c.Find(ctx, e)
		if err != nil {
			return err
		}
		in.Evaluations = append(in.Evaluations, run.ID)
	}
	made, err := c.OpenContest(ctx, in)
	if err != nil {
		return err
	}
	return g.print(made, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "contest %s: %d prompts that all of %d entries answered, %d left out\n  %s/judge/%s\n", made.Name, made.Items, len(made.Entries), made.Missing, c.URL(), made.ID)
		return err
	})
}

type contestListCmd struct {
	First int `help:"How many, newest first." default:"50"`
}

func (cmd *contestListCmd) Run(ctx context.Context, g *Global) error {
	all, err := g.client().Contests(ctx, cmd.First)
	if err != nil {
		return err
	}
	return g.print(all, func(w io.Writer) error {
		if len(all) == 0 {
			_, err := fmt.Fprintln(w, "no contest; open one with: millrace contest open")
			return err
		}
		rows := [][]string{{"ID", "NAME", "MODE", "SUITE", "ENTRIES", "PROMPTS", "PEOPLE'S VOTES", "MODELS' VOTES", "STATE"}}
		for _, c := range all {
			state := "open"
			if c.ClosedAt != nil {
				state = "closed " + c.ClosedAt.Local().Format(time.DateOnly)
			}
			rows = append(rows, []string{c.ID, c.Name, strings.ToLower(c.Mode), c.Suite, fmt.Sprint(len(c.Entries)), fmt.Sprint(c.Items), fmt.Sprint(c.HumanVotes), fmt.Sprint(c.ModelVotes), state})
		}
		return table(w, rows)
	})
}

type contestShowCmd struct {
	Contest string `arg:"" help:"Its id or name."`
	Of      string `help:"Whose votes count for ratings: ${enum}." enum:"all,humans,models" default:"all"`
	Judge   string `help:"Of models' votes only those of this run." placeholder:"RUN"`
}

func (cmd *contestShowCmd) Run(ctx context.Context, g *Global) error {
	c, err := g.client().Contest(ctx, cmd.Contest, strings.ToUpper(cmd.Of), cmd.Judge)
	if err != nil {
		return contestMissing(err)
	}
	return g.print(c, func(w io.Writer) error { return showContest(w, c) })
}

// contestMissing says how to find contests.
func contestMissing(err error) error {
	if errors.Is(err, client.ErrNotFound) {
		return &advised{err, "list them with: millrace contest list"}
	}
	return err
}

func showContest(w io.Writer, c client.Contest) error {
	t := c.Tally
	state := "open"
	if c.ClosedAt != nil {
		state = "closed"
	}
	if _, err := fmt.Fprintf(w, "%s  %s, %s\n%s of suite %s: %d prompts, %d left out; %d of %d questions are begun, %d done\n\n", c.ID, c.Name, state,
		map[string]string{"PAIR": "pairs", "SCALE": "a scale of 1 to 5"}[c.Mode], c.Suite, c.Items, c.Missing, t.Begun, t.Questions, t.Done); err != nil {
		return err
	}
	rows := [][]string{{"ENTRY", "RATING", "95 %", "WON", "LOST", "TIED"}}
	if c.Mode == "SCALE" {
		rows = [][]string{{"ENTRY", "MEAN", "± STDERR", "VOTES"}}
	}
	for _, s := range t.Standings {
		if c.Mode == "SCALE" {
			rows = append(rows, []string{s.Label, maybe(s.Mean, 2), maybe(s.Stderr, 2), fmt.Sprint(s.Votes)})
			continue
		}
		between := "–"
		if s.Low != nil && s.High != nil {
			between = maybe(s.Low, 0) + " to " + maybe(s.High, 0)
		}
		rows = append(rows, []string{s.Label, maybe(s.Rating, 0), between, fmt.Sprint(s.Won), fmt.Sprint(s.Lost), fmt.Sprint(s.Tied)})
	}
	if err := table(w, rows); err != nil {
		return err
	}
	if len(t.Raters) > 0 {
		if _, err := fmt.Fprintln(w); err != nil {
			return err
		}
		rows = [][]string{{"RATER", "VOTES", "UNDECIDED", "FIRST SHOWN WINS", "TURNS WITH THE ORDER", "κ WITH PEOPLE"}}
		for _, r := range t.Raters {
			name := r.Name
			if r.Run != nil {
				name += " (run " + *r.Run + ")"
			}
			turned := "–"
			if r.TurnedShare != nil {
				turned = fmt.Sprintf("%s of %d", maybe(r.TurnedShare, 2), r.BothOrders)
			}
			rows = append(rows, []string{name, fmt.Sprint(r.Votes), fmt.Sprint(r.Undecided), maybe(r.FirstShare, 2), turned, agreed(r.Humans)})
		}
		if err := table(w, rows); err != nil {
			return err
		}
	}
	if t.People == nil {
		return nil
	}
	_, err := fmt.Fprintf(w, "\npeople agree: %s\n", agreed(t.People))
	return err
}

func agreed(a *client.RaterAgreement) string {
	if a == nil {
		return "–"
	}
	return fmt.Sprintf("%s's κ %s over %d questions, %.0f %% the same", strings.ToUpper(a.Kind[:1])+a.Kind[1:], maybe(a.Kappa, 2), a.Items, 100*a.Same)
}

func maybe(v *float64, digits int) string {
	if v == nil {
		return "–"
	}
	return fmt.Sprintf("%.*f", digits, *v)
}

type contestCloseCmd struct {
	Contest string `arg:"" help:"Its id or name."`
}

func (cmd *contestCloseCmd) Run(ctx context.Context, g *Global) error {
	c, err := g.client().CloseContest(ctx, cmd.Contest, os.Getenv("USER"))
	if err != nil {
		return err
	}
	return g.print(c, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "contest %s is closed with %d votes of people and %d of models\n", c.Name, c.HumanVotes, c.ModelVotes)
		return err
	})
}

type contestJudgeCmd struct {
	Contest      string   `arg:"" help:"Its id or name."`
	Endpoint     string   `help:"The URL before /chat/completions, e.g. http://127.0.0.1:8000/v1." required:"" placeholder:"URL"`
	Model        string   `help:"What is asked there." required:"" placeholder:"NAME"`
	APIKeyEnv    string   `name:"api-key-env" help:"Environment variable of the worker that holds the key; its name ends in _API_KEY." placeholder:"X_API_KEY"`
	Template     string   `help:"File with what the judge is asked; it says {prompt}, {a}, {b}, {guidelines} and asks for VERDICT: A, B, TIE or BOTH_BAD, or SCORE: N." type:"existingfile" placeholder:"FILE"`
	AllowPrivate bool     `help:"The endpoint may be an address that is not one of the public internet."`
	Items        int64    `help:"At most so many prompts, from the first." placeholder:"N"`
	BudgetTokens int64    `help:"End when prompts and answers have taken so many." placeholder:"N"`
	InputPrice   float64  `help:"US dollars for a million tokens of prompts." placeholder:"N"`
	OutputPrice  float64  `help:"US dollars for a million tokens of answers." placeholder:"N"`
	Set          []string `short:"s" help:"One setting more, e.g. -s concurrency=8 -s temperature=0.5 (docs/judging.md)." placeholder:"KEY=VALUE" sep:"none"`
	Detach       bool     `short:"d" help:"Do not wait for the end."`
}

func (cmd *contestJudgeCmd) Run(ctx context.Context, g *Global) error {
	config := map[string]any{"contest": cmd.Contest, "endpoint": cmd.Endpoint, "model": cmd.Model, "allow_private": cmd.AllowPrivate}
	for key, v := range map[string]string{"api_key_env": cmd.APIKeyEnv} {
		if v != "" {
			config[key] = v
		}
	}
	for key, v := range map[string]int64{"items": cmd.Items, "budget_tokens": cmd.BudgetTokens} {
		if v != 0 {
			config[key] = v
		}
	}
	for key, v := range map[string]float64{"input_price": cmd.InputPrice, "output_price": cmd.OutputPrice} {
		if v != 0 {
			config[key] = v
		}
	}
	if cmd.Template != "" {
		raw, err := os.ReadFile(cmd.Template)
		if err != nil {
			return err
		}
		config["prompt"] = map[string]string{"name": "own", "template": string(raw)}
	}
	raw, err := json.Marshal(config)
	if err != nil {
		return err
	}
	if raw, err = withSettings(raw, cmd.Set); err != nil {
		return err
	}
	return start(ctx, g, client.StartRun{Kind: "JUDGE", Name: cmd.Model + " judges", Config: raw}, cmd.Detach)
}
