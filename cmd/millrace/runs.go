package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
	"time"

	"millrace/client"
)

// runsCmd lists runs.
type runsCmd struct {
	Kind       []string `help:"Only these kinds: ${enum}." enum:"curate,train,finetune,evaluate,external" placeholder:"KIND,…"`
	Status     []string `help:"Only these statuses: ${enum}." enum:"pending,running,finished,failed,stopped,crashed,paused" placeholder:"STATUS,…"`
	Experiment string   `short:"e" help:"Only of this experiment (its id)."`
	Text       string   `short:"t" help:"Words in name, note, tags or labels."`
	Number     int      `short:"n" help:"How many runs or groups." default:"20"`
	All        bool     `short:"a" help:"Evaluations too."`
	Archived   bool     `help:"Archived runs instead of the others."`
	Where      string   `short:"w" placeholder:"CONDITION" help:"Only runs that fit, in the language of conditions: 'status = running and config.optimizer.lr <= 3e-4', 'metric[\"val/loss\"].min < 2.1 or starred = true', '\"baseline\" in labels and created > 3d ago'."`
	Sort       string   `short:"s" placeholder:"FIELDS" help:"Order by these, each up unless desc follows: 'metric[\"val/loss\"].min, created desc'. Newest first when left out."`
	Group      []string `short:"g" sep:"none" placeholder:"FIELD" help:"Groups of runs that have the same value there instead of runs: 'config.optimizer.lr', experiment, kind, 'tags.team'. Up to 4 times."`
	Spread     []string `sep:"none" placeholder:"FIELD" help:"With --group: how this number is spread over each group, over seeds, say: 'metric[\"val/loss\"].min', duration, cost."`
}

func (cmd *runsCmd) Run(ctx context.Context, g *Global) error {
	filter := map[string]any{}
	kinds := upper(cmd.Kind)
	if len(kinds) == 0 && !cmd.All {
		kinds = []string{"CURATE", "TRAIN", "FINETUNE", "EXTERNAL"}
	}
	if len(kinds) > 0 {
		filter["kind"] = kinds
	}
	if len(cmd.Status) > 0 {
		filter["status"] = upper(cmd.Status)
	}
	if cmd.Experiment != "" {
		filter["experiment"] = cmd.Experiment
	}
	if cmd.Text != "" {
		filter["text"] = cmd.Text
	}
	if cmd.Archived {
		filter["archived"] = true
	}
	more := []client.RunsOption{}
	if cmd.Where != "" {
		more = append(more, client.Where(cmd.Where))
	}
	if cmd.Sort != "" {
		more = append(more, client.Sort(cmd.Sort))
	}
	if len(cmd.Group) > 0 {
		return cmd.groups(ctx, g, filter, more)
	}
	narrowed := len(cmd.Kind)+len(cmd.Status) > 0 || cmd.Where != "" || cmd.Experiment != "" || cmd.Text != "" || cmd.Archived
	runs, total, _, err := g.client().Runs(ctx, filter, min(max(cmd.Number, 1), 500), "", more...)
	if err != nil {
		return err
	}
	return g.print(runs, func(w io.Writer) error {
		if total == 0 {
			says := "no runs yet; begin with: millrace curate DIR"
			if narrowed {
				says = "no such runs"
			}
			_, err := fmt.Fprintln(w, says)
			return err
		}
		rows := [][]string{{"ID", "NAME", "KIND", "STATUS", "STEP", "LOSS", "BITS/BYTE", "TOKENS/S", "COST", "TIME", "STARTED"}}
		for _, r := range runs {
			rows = append(rows, runRow(r))
		}
		if err := table(w, rows); err != nil {
			return err
		}
		if total > len(runs) {
			_, err = fmt.Fprintf(w, "%d of %d; more with -n\n", len(runs), total)
		}
		return err
	})
}

// groups lists groups of runs.
func (cmd *runsCmd) groups(ctx context.Context, g *Global, filter map[string]any, more []client.RunsOption) error {
	groups, total, _, err := g.client().RunGroups(ctx, filter, cmd.Group, cmd.Spread, min(max(cmd.Number, 1), 1000), "", more...)
	if err != nil {
		return err
	}
	return g.print(groups, func(w io.Writer) error {
		if total == 0 {
			_, err := fmt.Fprintln(w, "no such runs")
			return err
		}
		rows := [][]string{slices.Concat(cmd.Group, []string{"RUNS", "STATUS", "COST"}, cmd.Spread)}
		for _, x := range groups {
			rows = append(rows, groupRow(x))
		}
		if err := table(w, rows); err != nil {
			return err
		}
		if total > len(groups) {
			_, err = fmt.Fprintf(w, "%d of %d groups; more with -n\n", len(groups), total)
		}
		return err
	})
}

func groupRow(g client.RunGroup) []string {
	var row, statuses []string
	for _, k := range g.Keys {
		label := k.Label
		if label == "" {
			label = "-"
		}
		row = append(row, clip(label, 40))
	}
	for _, s := range g.Statuses {
		statuses = append(statuses, fmt.Sprintf("%d %s", s.Count, strings.ToLower(s.Status)))
	}
	row = append(row, fmt.Sprint(g.Count), strings.Join(statuses, ", "), dollars(float64(g.Dollars)))
	for _, n := range g.Numbers {
		text := "-"
		if n.Mean != nil {
			text = number(float64(*n.Mean))
			if n.Stddev != nil {
				text += " ± " + number(float64(*n.Stddev))
			}
		}
		row = append(row, text)
	}
	return row
}

func runRow(r client.Run) []string {
	started := "-"
	if r.StartedAt != nil {
		started = r.StartedAt.Local().Format(time.DateTime)
	}
	return []string{
		r.ID, clip(r.Name, 28), strings.ToLower(r.Kind), strings.ToLower(r.Status), step(r), last(r, "train/loss"), last(r, bitsPerByte(r)),
		last(r, "tokens_per_second"), dollars(float64(r.Cost.Dollars)), clock(seconds(float64(r.Seconds))), started,
	}
}

// step is how far a run is.
func step(r client.Run) string {
	for _, m := range r.Metrics {
		if m.Key == "train/loss" {
			return fmt.Sprint(m.LastStep)
		}
	}
	return "-"
}

func last(r client.Run, key string) string {
	if v, ok := r.Last(key); ok && key != "" {
		return number(v)
	}
	return "-"
}

// bitsPerByte finds the key under which the evaluation's bits per byte lie.
func bitsPerByte(r client.Run) string {
	for _, m := range r.Metrics {
		if strings.HasSuffix(m.Key, "/bits_per_byte") {
			return m.Key
		}
	}
	return ""
}

func upper(s []string) []string {
	out := make([]string, len(s))
	for i, v := range s {
		out[i] = strings.ToUpper(v)
	}
	return out
}

// showCmd shows one run.
type showCmd struct {
	ID string `arg:"" name:"run" help:"${run}"`
}

func (cmd *showCmd) Run(ctx context.Context, g *Global) error {
	c := g.client()
	run, err := c.Find(ctx, cmd.ID)
	if err != nil {
		return err
	}
	checkpoints, err := c.Checkpoints(ctx, run.ID)
	if err != nil {
		return err
	}
	full := struct {
		client.Run
		Checkpoints []client.Checkpoint `json:"checkpoints"`
	}{run, checkpoints}
	return g.print(full, func(w io.Writer) error { return showRun(w, run, checkpoints) })
}

func showRun(w io.Writer, r client.Run, checkpoints []client.Checkpoint) error {
	rows := [][]string{
		{"run", r.ID}, {"name", r.Name}, {"kind", strings.ToLower(r.Kind)}, {"status", strings.ToLower(r.Status)},
		{"time", clock(seconds(float64(r.Seconds)))}, {"cost", costLine(r.Cost)}, {"spec", r.SpecDigest}, {"worker", r.Worker},
	}
	if r.Experiment != nil {
		rows = append(rows, []string{"experiment", r.Experiment.Name})
	}
	if r.Failure != nil {
		rows = append(rows, []string{"failure", r.Failure.Message}, []string{"what to do", r.Failure.Hint})
	}
	if v := r.Reproduction; v != nil {
		rows = append(rows, []string{"verdict", verdictLine(*v)})
	}
	for _, o := range r.Outputs {
		rows = append(rows, []string{o.Role, o.Digest})
	}
	if err := table(w, rows); err != nil {
		return err
	}
	if len(r.Metrics) > 0 {
		rows = [][]string{{"METRIC", "LAST", "STEP", "MIN", "MAX", "POINTS"}}
		sort.Slice(r.Metrics, func(a, b int) bool { return r.Metrics[a].Key < r.Metrics[b].Key })
		for _, m := range r.Metrics {
			if strings.HasPrefix(m.Key, "system/") {
				continue
			}
			rows = append(rows, []string{m.Key, number(float64(m.Last)), fmt.Sprint(m.LastStep), number(float64(m.Min)), number(float64(m.Max)), fmt.Sprint(m.Points)})
		}
		fmt.Fprintln(w)
		if err := table(w, rows); err != nil {
			return err
		}
	}
	for _, k := range checkpoints {
		fmt.Fprintf(w, "\ncheckpoint of step %d  %s  %s\n", k.Step, k.Digest, bytes(k.Size))
		for _, e := range k.Evaluations {
			for _, s := range e.Scores {
				spread := ""
				if s.Stderr != nil {
					spread = " ± " + number(float64(*s.Stderr))
				}
				fmt.Fprintf(w, "  %s %s %s: %s%s\n", e.Suite, s.Task, s.Metric, number(float64(s.Value)), spread)
			}
			for _, s := range e.Samples {
				fmt.Fprintf(w, "  sample: %q\n", clip(s.Prompt+s.Text, 160))
			}
		}
	}
	return nil
}

func costLine(c client.Cost) string {
	s := fmt.Sprintf("%s for %s device-seconds", dollars(float64(c.Dollars)), number(float64(c.DeviceSeconds)))
	if c.Joules != nil {
		s += ", " + count(float64(*c.Joules)) + "J"
	}
	if c.FLOPs > 0 {
		s += ", " + count(float64(c.FLOPs)) + "FLOP"
	}
	if len(c.Unpriced) > 0 {
		s += "; without a price: " + strings.Join(c.Unpriced, ", ")
	}
	return s
}
