package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"millrace/client"
)

// ruleTryCmd tries a rule against history.
type ruleTryCmd struct {
	ruleSource
	Rule  string `help:"A rule that is there, by its id or name, instead of a file." placeholder:"RULE"`
	Since string `help:"From when on: how long ago, or a date and time." default:"7d" placeholder:"AGO"`
	First int    `help:"List at most so many firings." default:"20"`
}

// Help is shown below the usage.
func (ruleTryCmd) Help() string {
	return `  millrace rule try careful.json
  millrace rule try --ready early-stopping --set metric=val/loss --since 36h
  millrace rule try --rule careful --since 2026-11-17

The log is read again, and at each fact the rule decides as it would have then. Nothing is published, started, stopped or sent. What the rule
would have caused did not come to pass: a run that it would have stopped goes on in history. How often it fires for a run counts from the
beginning of what is tried. It exits with 0 whether it would have fired or not. Ctrl-C ends it.`
}

func (cmd *ruleTryCmd) Run(ctx context.Context, g *Global) error {
	since, err := instant(cmd.Since, time.Now())
	if err != nil {
		return &exitError{exitUsage, fmt.Errorf("--since: %w", err)}
	}
	if cmd.First < 1 || cmd.First > 500 {
		return &exitError{exitUsage, fmt.Errorf("--first: between 1 and 500 firings are listed")}
	}
	in := client.TryRule{ID: cmd.Rule, Since: &since, First: cmd.First}
	if cmd.Rule == "" {
		var rule map[string]any
		if in.Ready, in.Set, rule, err = cmd.read("millrace rule try"); err != nil {
			return err
		}
		if len(rule) > 0 {
			if in.Rule, err = json.Marshal(rule); err != nil {
				return err
			}
		}
	} else if cmd.File != "" || cmd.Ready != "" || len(cmd.Set) > 0 || cmd.Name != "" || cmd.Experiment != "" {
		return &advised{&exitError{exitUsage, fmt.Errorf("--rule names a rule that is there, as it is: nothing else goes with it")}, "millrace rule try --help"}
	}
	b := newBar(g.JSON)
	trial, err := g.client().TryRule(ctx, in, func(done, total int64) {
		b.show(fmt.Sprintf("history %s %3d%%  %d/%d facts", cells(done, total), done*100/max(1, total), done, total))
	})
	b.end()
	if err != nil {
		return err
	}
	return g.print(trial, func(w io.Writer) error { return showTrial(w, trial) })
}

func showTrial(w io.Writer, t client.RuleTrial) error {
	var rule struct{ Name, On, Metric string }
	if err := json.Unmarshal(t.Rule, &rule); err != nil {
		return fmt.Errorf("the rule of the answer: %w", err)
	}
	lines := [][]string{{"rule", rule.Name}, {"on", ruleOn(client.Rule{On: rule.On, Metric: rule.Metric})}}
	if t.From == nil {
		lines = append(lines, []string{"history", "nothing happened since " + t.Since.Local().Format(time.DateTime)})
	} else {
		lines = append(lines, []string{"history", fmt.Sprintf("%d facts from %s to %s", t.Facts, t.From.Local().Format(time.DateTime), t.Until.Local().Format(time.DateTime))})
	}
	what := "facts"
	if rule.Metric != "" {
		what = "looks at a series"
	}
	lines = append(lines, []string{"heard", fmt.Sprintf("%d %s", t.Heard, what)}, []string{"fired", fmt.Sprintf("%d times, about %d runs", t.Fired, t.Runs)})
	if t.Failed > 0 {
		lines = append(lines, []string{"failed", fmt.Sprintf("%d times", t.Failed)})
	}
	if t.Refused != nil {
		lines = append(lines, []string{"refused", "it could not be added: " + t.Refused.Message})
		if t.Refused.Hint != "" {
			lines = append(lines, []string{"", t.Refused.Hint})
		}
	}
	if t.Ended != nil {
		lines = append(lines, []string{"ended early", *t.Ended})
	}
	for _, note := range t.Notes {
		lines = append(lines, []string{"note", note})
	}
	if err := table(w, lines); err != nil {
		return err
	}
	if len(t.Firings) > 0 {
		rows := [][]string{{"AT", "SEQ", "RUN", "ACTION", "EXPECTED", "WHAT"}}
		for _, f := range t.Firings {
			what := oneLine(f.Result)
			if f.Key != "" && f.Step != nil {
				what += fmt.Sprintf(" (%s at %d)", f.Key, *f.Step)
			}
			rows = append(rows, []string{f.At.Local().Format(time.DateTime), fmt.Sprint(f.Seq), cmp.Or(f.Run, "–"), f.Action, f.Outcome, what})
		}
		fmt.Fprintln(w)
		if err := table(w, rows); err != nil {
			return err
		}
		if more := t.Fired - int64(len(t.Firings)); more > 0 {
			fmt.Fprintf(w, "… and %d more: --first\n", more)
		}
	}
	if len(t.Errors) > 0 {
		rows := [][]string{{"AT", "SEQ", "RUN", "IT COULD NOT DECIDE"}}
		for _, f := range t.Errors {
			rows = append(rows, []string{f.At.Local().Format(time.DateTime), fmt.Sprint(f.Seq), cmp.Or(f.Run, "–"), oneLine(f.Result)})
		}
		fmt.Fprintln(w)
		return table(w, rows)
	}
	return nil
}
