package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"millrace/client"
)

// ruleCmd is rules: what is done when something happens.
type ruleCmd struct {
	Add     ruleAddCmd     `cmd:"" help:"Add a rule of a file, or a ready-made one."`
	Try     ruleTryCmd     `cmd:"" help:"Tell what a rule would have done in the past week. Nothing is done."`
	List    ruleListCmd    `cmd:"" help:"List rules."`
	Show    ruleShowCmd    `cmd:"" help:"Show a rule, and what it did last."`
	Remove  ruleRemoveCmd  `cmd:"" help:"Remove a rule. What it did stays readable."`
	Enable  ruleEnableCmd  `cmd:"" help:"Let a rule act."`
	Disable ruleDisableCmd `cmd:"" help:"Let a rule be still."`
	Ready   ruleReadyCmd   `cmd:"" help:"List ready-made rules, and what can be set in them."`
	Log     ruleLogCmd     `cmd:"" help:"Show what rules did, newest first."`
}

type ruleAddCmd struct {
	ruleSource
	Note     string `help:"For people."`
	Disabled bool   `help:"Let it be still until it is enabled."`
	Replace  bool   `help:"Replace the rule of that name, if there is one."`
}

// ruleSource is where a rule comes from.
type ruleSource struct {
	File       string   `arg:"" optional:"" help:"File with the rule as JSON; - is standard input." placeholder:"FILE"`
	Ready      string   `help:"A ready-made rule: millrace rule ready lists them." placeholder:"NAME"`
	Set        []string `short:"s" help:"One setting of a ready-made rule, e.g. --set metric=val/loss." placeholder:"KEY=VALUE" sep:"none"`
	Name       string   `help:"What it is called (default: as the file or the ready-made rule says)."`
	Experiment string   `short:"e" help:"Only for runs of this experiment."`
}

// Help is shown below the usage.
func (ruleAddCmd) Help() string {
	return `  millrace rule add --ready early-stopping --set metric=val/loss --set patience=5
  millrace rule add careful.json

A file holds {"name": …, "on": …, "when": …, "then": {…}}, or {"ready": NAME, "set": {…}} (docs/rules.md).
What it would have done in the past week tells, before it is added: millrace rule try careful.json`
}

// ruleFile is what a file may hold.
type ruleFile struct {
	Ready string            `json:"ready"`
	Set   map[string]string `json:"set"`
}

// read brings the template with its settings, if one is named, and the rule, or what is laid over the template.
func (from *ruleSource) read(command string) (ready string, settings []client.Tag, rule map[string]any, err error) {
	fail := func(err error) (string, []client.Tag, map[string]any, error) { return "", nil, nil, err }
	set, err := keyValues("set", from.Set)
	if err != nil {
		return fail(err)
	}
	ready, rule = from.Ready, map[string]any{}
	switch {
	case (from.File == "") == (from.Ready == ""):
		return fail(&advised{&exitError{exitUsage, fmt.Errorf("name a file, or a ready-made rule by --ready, one of them")}, command + " --help"})
	case from.File != "" && len(set) > 0:
		return fail(&advised{&exitError{exitUsage, fmt.Errorf("--set is for --ready: a file says itself what it sets")}, command + " --help"})
	case from.File != "":
		raw, err := readRule(from.File)
		if err != nil {
			return fail(err)
		}
		var of ruleFile
		if json.Unmarshal(raw, &of) == nil && of.Ready != "" {
			ready, set = of.Ready, of.Set
		} else if err := json.Unmarshal(raw, &rule); err != nil {
			return fail(fmt.Errorf("%s: a rule is an object with name, on, when and then: %w", from.File, err))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(set)) {
		settings = append(settings, client.Tag{Key: key, Value: set[key]})
	}
	for key, v := range map[string]string{"name": from.Name, "experiment": from.Experiment} {
		if v != "" {
			rule[key] = v
		}
	}
	return ready, settings, rule, nil
}

func (cmd *ruleAddCmd) Run(ctx context.Context, g *Global) error {
	in := client.SaveRule{By: os.Getenv("USER")}
	var rule map[string]any
	var err error
	if in.Ready, in.Set, rule, err = cmd.read("millrace rule add"); err != nil {
		return err
	}
	if cmd.Note != "" {
		rule["note"] = cmd.Note
	}
	if cmd.Disabled {
		rule["enabled"] = false
	}
	c := g.client()
	if cmd.Replace {
		if err := replaced(ctx, c, &in, rule); err != nil {
			return err
		}
	}
	if len(rule) > 0 {
		if in.Rule, err = json.Marshal(rule); err != nil {
			return err
		}
	}
	saved, err := c.SaveRule(ctx, in)
	if err != nil {
		return err
	}
	return g.print(saved, func(w io.Writer) error { return showRule(w, saved) })
}

// replaced names the rule that has the name of what is saved, and says what it shall have where the new one is silent.
func replaced(ctx context.Context, c *client.Client, in *client.SaveRule, rule map[string]any) error {
	name, ok := rule["name"].(string)
	if !ok {
		return &advised{&exitError{exitUsage, fmt.Errorf("--replace wants to know which: name it")}, "say the name in the file, or --name NAME"}
	}
	was, err := c.Rule(ctx, name)
	if errors.Is(err, client.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	in.ID = was.ID
	if in.Ready != "" {
		return nil
	}
	for key, otherwise := range map[string]any{"metric": "", "repeat": "", "experiment": "", "note": "", "enabled": true} {
		if _, said := rule[key]; !said {
			rule[key] = otherwise
		}
	}
	return nil
}

// maxRuleFile bounds a rule's file, in bytes: a rule's own bounds are narrower.
const maxRuleFile = 1 << 20

func readRule(name string) ([]byte, error) {
	file := os.Stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		file = f
	}
	raw, err := io.ReadAll(io.LimitReader(file, maxRuleFile+1))
	if err == nil && len(raw) > maxRuleFile {
		err = fmt.Errorf("%s: a rule has at most %d bytes", name, maxRuleFile)
	}
	return raw, err
}

type ruleListCmd struct{}

func (cmd *ruleListCmd) Run(ctx context.Context, g *Global) error {
	all, err := g.client().Rules(ctx)
	if err != nil {
		return err
	}
	return g.print(all, func(w io.Writer) error {
		if len(all) == 0 {
			_, err := fmt.Fprintln(w, "no rule; add one with: millrace rule add")
			return err
		}
		rows := [][]string{{"ID", "NAME", "ON", "THEN", "FIRED", "STATE"}}
		for _, r := range all {
			rows = append(rows, []string{shortRule(r.ID), r.Name, ruleOn(r), actionOf(r.Then), fmt.Sprint(r.Firings), ruleState(r)})
		}
		return table(w, rows)
	})
}

type ruleShowCmd struct {
	Rule string `arg:"" help:"Its id or name."`
}

func (cmd *ruleShowCmd) Run(ctx context.Context, g *Global) error {
	c := g.client()
	rule, err := c.Rule(ctx, cmd.Rule)
	if err != nil {
		return ruleMissing(err)
	}
	done, err := c.RuleFirings(ctx, rule.ID, "", 10)
	if err != nil {
		return err
	}
	shown := struct {
		client.Rule
		Deeds []client.RuleFiring `json:"deeds"`
	}{rule, done}
	return g.print(shown, func(w io.Writer) error {
		if err := showRule(w, rule); err != nil || len(done) == 0 {
			return err
		}
		if _, err := fmt.Fprintln(w); err != nil {
			return err
		}
		return showFirings(w, done, false)
	})
}

type ruleRemoveCmd struct {
	Rule string `arg:"" help:"Its id or name."`
}

func (cmd *ruleRemoveCmd) Run(ctx context.Context, g *Global) error {
	c := g.client()
	rule, err := c.Rule(ctx, cmd.Rule)
	if err != nil {
		return ruleMissing(err)
	}
	if err := c.RemoveRule(ctx, rule.ID, os.Getenv("USER")); err != nil {
		return err
	}
	return g.print(rule, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "removed rule %s\n", rule.Name)
		return err
	})
}

type ruleEnableCmd struct {
	Rule string `arg:"" help:"Its id or name."`
}

func (cmd *ruleEnableCmd) Run(ctx context.Context, g *Global) error {
	return able(ctx, g, cmd.Rule, true)
}

type ruleDisableCmd struct {
	Rule string `arg:"" help:"Its id or name."`
}

func (cmd *ruleDisableCmd) Run(ctx context.Context, g *Global) error {
	return able(ctx, g, cmd.Rule, false)
}

// able lets a rule act, or be still.
func able(ctx context.Context, g *Global, name string, enabled bool) error {
	raw, err := json.Marshal(map[string]bool{"enabled": enabled})
	if err != nil {
		return err
	}
	rule, err := g.client().SaveRule(ctx, client.SaveRule{ID: name, Rule: raw, By: os.Getenv("USER")})
	if err != nil {
		return err
	}
	return g.print(rule, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "rule %s is %s\n", rule.Name, ruleState(rule))
		return err
	})
}

type ruleReadyCmd struct{}

func (cmd *ruleReadyCmd) Run(ctx context.Context, g *Global) error {
	all, err := g.client().ReadyRules(ctx)
	if err != nil {
		return err
	}
	return g.print(all, func(w io.Writer) error {
		for _, r := range all {
			var set []string
			for _, key := range slices.Sorted(maps.Keys(r.Set)) {
				if r.Set[key] == "" {
					set = append(set, key+" (must be set)")
				} else {
					set = append(set, key+"="+r.Set[key])
				}
			}
			if _, err := fmt.Fprintf(w, "%s\n  %s\n  set: %s\n", r.Name, r.Note, strings.Join(set, ", ")); err != nil {
				return err
			}
		}
		return nil
	})
}

type ruleLogCmd struct {
	Rule  string `arg:"" optional:"" help:"Its id or name; all without it."`
	About string `help:"Only what was done about this run." placeholder:"RUN"`
	First int    `help:"At most so many." default:"50"`
}

func (cmd *ruleLogCmd) Run(ctx context.Context, g *Global) error {
	c := g.client()
	run := ""
	if cmd.About != "" {
		found, err := c.Find(ctx, cmd.About)
		if err != nil {
			return err
		}
		run = found.ID
	}
	done, err := c.RuleFirings(ctx, cmd.Rule, run, cmd.First)
	if err != nil {
		return err
	}
	return g.print(done, func(w io.Writer) error {
		if len(done) == 0 {
			_, err := fmt.Fprintln(w, "nothing was done")
			return err
		}
		return showFirings(w, done, true)
	})
}

// showFirings prints what was done, with the rules' names or without.
func showFirings(w io.Writer, done []client.RuleFiring, names bool) error {
	head := []string{"AT", "RUN", "ACTION", "OUTCOME", "MADE", "RESULT"}
	if names {
		head = append([]string{"RULE"}, head...)
	}
	rows := [][]string{head}
	for _, f := range done {
		row := []string{f.At.Local().Format(time.DateTime), cmp.Or(f.Run, "–"), cmp.Or(f.Action, "–"), f.Outcome, cmp.Or(f.Made, "–"), oneLine(f.Result)}
		if names {
			row = append([]string{cmp.Or(f.Name, f.Rule)}, row...)
		}
		rows = append(rows, row)
	}
	return table(w, rows)
}

func oneLine(s string) string { return strings.ReplaceAll(s, "\n", " ") }

func showRule(w io.Writer, r client.Rule) error {
	lines := [][]string{{"rule", r.Name}, {"id", shortRule(r.ID)}, {"on", ruleOn(r)}, {"when", r.When}, {"then", string(r.Then)}}
	for _, more := range [][2]string{{"repeat", r.Repeat}, {"experiment", r.Experiment}, {"note", r.Note}} {
		if more[1] != "" {
			lines = append(lines, []string{more[0], more[1]})
		}
	}
	lines = append(lines, []string{"state", fmt.Sprintf("%s, version %d, fired %d times", ruleState(r), r.Version, r.Firings)})
	if r.Trouble != nil {
		lines = append(lines, []string{"trouble", *r.Trouble})
	}
	return table(w, lines)
}

func ruleState(r client.Rule) string {
	switch {
	case !r.Enabled:
		return "disabled"
	case r.Trouble != nil:
		return "in trouble"
	}
	return "enabled"
}

// ruleOn is what a rule waits for.
func ruleOn(r client.Rule) string {
	if r.Metric != "" {
		return "points of " + r.Metric
	}
	return r.On
}

// actionOf is the name of a rule's action.
func actionOf(then json.RawMessage) string {
	var action map[string]json.RawMessage
	if json.Unmarshal(then, &action) != nil {
		return "–"
	}
	return strings.Join(slices.Sorted(maps.Keys(action)), " ")
}

// shortRule is a rule's own id, without the prefix that makes it unique among all objects.
func shortRule(id string) string { return strings.TrimPrefix(id, "rule:") }

// ruleMissing says how to find rules.
func ruleMissing(err error) error {
	if errors.Is(err, client.ErrNotFound) {
		return &advised{err, "list them with: millrace rule list"}
	}
	return err
}
