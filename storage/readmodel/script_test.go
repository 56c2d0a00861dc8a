package readmodel_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"millrace/event"
	"millrace/storage/readmodel"
	"millrace/storage/readmodel/readmodeltest"
	"millrace/storage/readmodel/where"
)

var update = flag.Bool("update", false, "write the answers that the scripts in testdata get")

// TestScripts runs testdata/*.txt: facts above the dashes, questions and their answers below, more facts after the next dashes. Every script is run
// three times: as it is, with a commit after every fact, and with the file closed and opened again after every fact.
func TestScripts(t *testing.T) {
	scripts, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, path := range scripts {
		for _, manner := range []string{"plain", "commit", "reopen"} {
			t.Run(filepath.Base(path)+"/"+manner, func(t *testing.T) { runScript(t, path, manner) })
		}
	}
}

func runScript(t *testing.T, path, manner string) {
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	l := readmodeltest.Start(t)
	var out strings.Builder
	asking := false
	for n, line := range strings.Split(strings.TrimRight(string(raw), "\n"), "\n") {
		if line == "---" {
			asking = !asking
		}
		question, isQuestion := strings.CutPrefix(line, "> ")
		switch {
		case asking && isQuestion:
			out.WriteString(line + "\n" + answer(l.Model, question))
			continue
		case asking && line != "---" && line != "" && !strings.HasPrefix(line, "#"):
			continue // an answer, compared as a whole below
		case !asking && line != "---" && line != "" && !strings.HasPrefix(line, "#"):
			fact, err := parseFact(line)
			if err != nil {
				t.Fatalf("%s:%d: %v", path, n+1, err)
			}
			l.Tell(fact)
			switch manner {
			case "commit":
				if err := l.Commit(); err != nil {
					t.Fatal(err)
				}
			case "reopen":
				l.Reopen()
			}
		}
		out.WriteString(line + "\n")
	}
	if *update && manner == "plain" {
		if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, got := strings.Split(string(raw), "\n"), strings.Split(out.String(), "\n")
	for i := range min(len(want), len(got)) {
		if want[i] != got[i] {
			t.Fatalf("%s:%d\n want: %s\n  got: %s", path, i+1, want[i], got[i])
		}
	}
	if len(want) != len(got) {
		t.Fatalf("%s: %d lines, want %d", path, len(got), len(want))
	}
}

// parseFact reads "type {json}" or "metrics <run> <writer> <key>[context] [content] step:value…"; the time of a point is its step in ms.
func parseFact(line string) (event.Event, error) {
	kind, rest, _ := strings.Cut(line, " ")
	if kind != "metrics" {
		env, err := event.Decode("", func(h string) string {
			switch h {
			case event.HeaderSpec:
				return "1.0"
			case event.HeaderType:
				return event.WireType(event.Type(kind))
			case event.HeaderTime:
				return "2026-01-01T00:00:00Z"
			}
			return ""
		}, []byte(rest))
		return env.Event, err
	}
	words := strings.Fields(rest)
	f := event.Frame{Run: event.RunID(words[0]), Writer: event.WriterID(words[1])}
	key, context, _ := strings.Cut(words[2], "[")
	s := event.Series{Key: key, Context: strings.TrimSuffix(context, "]")}
	for _, w := range words[3:] {
		if w == "content" {
			f.Identity = event.ByContent
			continue
		}
		a, b, _ := strings.Cut(w, ":")
		step, err := strconv.ParseInt(a, 10, 64)
		if err != nil {
			return nil, err
		}
		v, err := strconv.ParseFloat(b, 64)
		if err != nil {
			return nil, err
		}
		s.Steps, s.Times, s.Values = append(s.Steps, step), append(s.Times, step*1000), append(s.Values, v)
	}
	f.Series = []event.Series{s}
	return event.MetricsLogged{Gateway: "g", Frames: []event.Frame{f}}, nil
}

// answer puts a question to a model; the answer has one line for each thing in it.
func answer(m *readmodel.Model, question string) string {
	w := strings.Fields(question)
	arg := func(i int) string {
		if i < len(w) {
			return w[i]
		}
		return ""
	}
	num := func(i int) int { n, _ := strconv.Atoi(arg(i)); return n }
	run := event.RunID(arg(1))
	switch w[0] {
	case "run":
		r, err := m.Run(run)
		return selected(r, err, w[2:])
	case "deletion":
		d, err := m.Deletion(run)
		d.Freed = min(d.Freed, 1) // how many is the layout's business
		return lines([]readmodel.Deletion{d}, err)
	case "runs":
		return answerRuns(m, w[1:])
	case "count":
		n, err := m.CountRuns(context.Background(), nil)
		return lines([]map[event.RunStatus]int{n}, err)
	case "keys":
		s, err := m.Keys(run)
		return seriesInfos(s, err)
	case "last":
		s, err := m.LastValues(arg(1))
		return seriesInfos(s, err)
	case "metrickeys":
		s, err := m.MetricKeys(arg(1), 0)
		return lines(s, err)
	case "series":
		s, err := m.Series(run, readmodel.SeriesQuery{Keys: w[2:3], MaxPoints: num(3)})
		return seriesLines(s, err)
	case "params":
		x, err := m.Params(run)
		return lines(x, err)
	case "config":
		x, err := m.Config(run)
		return lines([]json.RawMessage{x}, err)
	case "lines":
		x, err := m.Lines(run, arg(2), int64(num(3)), num(4))
		return lines(x, err)
	case "lastlines":
		x, err := m.LastLines(run, arg(2), num(3))
		return lines(x, err)
	case "rows":
		x, err := m.Rows(run, arg(2), int64(num(3)), num(4))
		return lines(x, err)
	case "streams":
		a, b, err := m.Streams(run)
		return lines([]any{a, b}, err)
	case "texts":
		x, err := m.Texts(run, arg(2), num(3))
		return lines(x, err)
	case "artifacts":
		x, err := m.Artifacts(run)
		return lines(x, err)
	case "alerts":
		x, err := m.Alerts(run, num(2))
		return lines(x, err)
	case "definitions":
		x, err := m.MetricDefinitions(run)
		return lines(x, err)
	case "checkpoints":
		x, err := m.Checkpoints(run)
		return lines(x, err)
	case "checkpoint":
		x, err := m.Checkpoint(run, int64(num(2)))
		return lines([]readmodel.Checkpoint{x}, err)
	case "lastcheckpoint":
		x, err := m.LastCheckpoint(run)
		return lines([]readmodel.Checkpoint{x}, err)
	case "checkpointsof":
		x, err := m.CheckpointsOf(event.Digest(arg(1)))
		return lines(x, err)
	case "evaluations":
		x, err := m.Evaluations(readmodel.EvaluationFilter{Of: run, Suite: arg(2)})
		return lines(x, err)
	case "evaluationsof":
		x, err := m.Evaluations(readmodel.EvaluationFilter{Checkpoint: event.Digest(arg(1))})
		return lines(x, err)
	case "evaluationsby":
		x, err := m.Evaluations(readmodel.EvaluationFilter{By: run})
		return lines(x, err)
	case "experiments":
		x, err := m.Experiments(readmodel.AnyArchived)
		return lines(x, err)
	case "experiment":
		x, err := m.ExperimentByName(arg(1))
		return lines([]readmodel.Experiment{x}, err)
	case "datasets":
		x, err := m.Datasets()
		return lines(x, err)
	case "using":
		x, err := m.RunsUsing(event.Digest(arg(1)))
		return lines(x, err)
	case "lineage":
		x, err := m.Lineage(arg(1))
		return lines([]readmodel.Lineage{x}, err)
	case "aliases":
		x, err := m.Aliases(event.ExperimentID(arg(1)))
		return lines(x, err)
	case "aliasesof":
		x, err := m.AliasesOf(run)
		return lines(x, err)
	case "rules":
		x, err := m.Rules()
		return lines(x, err)
	case "firings":
		x, err := m.Firings(readmodel.FiringFilter{Rule: event.RuleID(strings.Trim(arg(1), "-")), Run: event.RunID(arg(2))}, 0)
		return lines(x, err)
	case "suites":
		x, err := m.Suites(arg(1))
		return lines(x, err)
	case "sweeps":
		x, err := m.Sweeps()
		return lines(x, err)
	case "trials":
		x, err := m.Trials(event.SweepID(arg(1)))
		return lines(x, err)
	case "contests":
		x, err := m.Contests()
		return lines(x, err)
	case "contestsof":
		x, err := m.ContestsOf(run)
		return lines(x, err)
	case "votes":
		x, changed, err := m.Votes(event.ContestID(arg(1)))
		return lines(x, err) + lines([]uint64{changed}, nil)
	case "cost":
		x, err := m.RunCost(run, until(arg(2)))
		return lines([]any{x}, err)
	case "experimentcost":
		x, err := m.ExperimentCost(event.ExperimentID(arg(1)), until(arg(2)))
		return lines([]any{x}, err)
	case "compare":
		x, err := m.Compare([]event.RunID{run, event.RunID(arg(2))})
		return lines([]any{x.Config}, err) + lines([]any{x.Code, x.Environment, x.Inputs}, nil)
	}
	return "unknown question\n"
}

// until reads a time, or none.
func until(s string) time.Time {
	at, _ := time.Parse(time.RFC3339, s)
	return at
}

// field reads "name" or "name:key" or "metric:key:stat" or "metric:key:at:step".
func field(s string) where.Field {
	p := append(strings.Split(s, ":"), "", "", "")
	step, _ := strconv.ParseInt(p[3], 10, 64)
	return where.Field{Name: where.Name(p[0]), Key: p[1], Stat: where.Stat(p[2]), Step: step}
}

// constant reads a value: JSON, or a time, or else a word.
func constant(s string) where.Value {
	if at, err := time.Parse(time.RFC3339, s); err == nil {
		return where.Value{Kind: where.Time, Time: at}
	}
	if n, err := strconv.ParseFloat(s, 64); err == nil {
		return where.Value{Kind: where.Number, Number: n}
	}
	if s == "true" || s == "false" {
		return where.Value{Kind: where.Bool, Bool: s == "true"}
	}
	return where.Value{Kind: where.Word, Word: strings.Trim(s, `"`)}
}

// answerRuns reads conditions "field,op,value,…" (all must hold), "any=…+…" (one must), "not=…", "text=…", "order=field", "desc" for the order
// before it, "first=n", "page=n". Archived runs are left out unless "all" is among the words.
func answerRuns(m *readmodel.Model, words []string) string {
	all := where.And{where.Compare{Field: where.Field{Name: where.Archived}, Op: where.Equal, Values: []where.Value{{Kind: where.Bool}}}}
	var by []where.Sort
	first, page := 0, 1
	condition := func(w string) where.Expr {
		p := strings.Split(w, ",")
		c := where.Compare{Field: field(p[0]), Op: where.Op(strings.ReplaceAll(p[1], "_", " "))}
		for _, x := range p[2:] {
			c.Values = append(c.Values, constant(x))
		}
		return c
	}
	for _, w := range words {
		k, v, _ := strings.Cut(w, "=")
		switch {
		case strings.Contains(w, ",") && k != "any" && k != "not":
			all = append(all, condition(w))
		case k == "any":
			var any where.Or
			for _, part := range strings.Split(v, "+") {
				any = append(any, condition(part))
			}
			all = append(all, any)
		case k == "not":
			all = append(all, where.Not{Of: condition(v)})
		case k == "text":
			all = append(all, where.Words{Text: strings.ReplaceAll(v, "+", " ")})
		case k == "order":
			by = append(by, where.Sort{Field: field(v)})
		case k == "desc":
			if len(by) == 0 {
				by = []where.Sort{{Field: where.Field{Name: where.Created}}}
			}
			by[len(by)-1].Desc = true
		case k == "first":
			first, _ = strconv.Atoi(v)
		case k == "page":
			page, _ = strconv.Atoi(v)
		case k == "all":
			all = all[1:]
		default:
			return "unknown condition " + k + "\n"
		}
	}
	after := ""
	for {
		p, err := m.Runs(context.Background(), all, by, after, first)
		if err != nil {
			return lines[any](nil, err)
		}
		if page--; page > 0 && p.HasNext {
			after = p.Cursors[len(p.Cursors)-1]
			continue
		}
		var ids []string
		for _, r := range p.Runs {
			ids = append(ids, string(r.ID))
		}
		return fmt.Sprintf("%s of %d more %v\n", strings.Join(ids, " "), p.Total, p.HasNext)
	}
}

// selected prints some JSON fields of a value, "-" for one that is not there.
func selected(v any, err error, names []string) string {
	if err != nil {
		return lines[any](nil, err)
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return err.Error() + "\n"
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil {
		return err.Error() + "\n"
	}
	out := ""
	for _, n := range names {
		v := "-"
		if all[n] != nil {
			v = string(all[n])
		}
		out += n + " " + v + "\n"
	}
	return out
}

func lines[T any](list []T, err error) string {
	if err != nil {
		for _, known := range []error{readmodel.ErrNotFound, readmodel.ErrBadQuery} {
			if errors.Is(err, known) {
				return fmt.Sprintf("error: %v\n", err)
			}
		}
		return fmt.Sprintf("unexpected error: %v\n", err)
	}
	if len(list) == 0 {
		return "none\n"
	}
	out := ""
	for _, x := range list {
		raw, err := json.Marshal(x)
		if err != nil {
			return err.Error() + "\n"
		}
		out += string(raw) + "\n"
	}
	return out
}

func seriesInfos(list []readmodel.SeriesInfo, err error) string {
	if err != nil || len(list) == 0 {
		return lines(list, err)
	}
	out := ""
	for _, s := range list {
		out += fmt.Sprintf("%s %s[%s] by %s: %d points, %d NaN, steps %d-%d, first %v, last %v, min %v at %d, max %v at %d, revision %d\n",
			s.Run, s.Key, s.Context, s.Writer, s.Points, s.NaNs, s.FirstStep, s.LastStep, s.First, s.Last, s.Min, s.MinStep, s.Max, s.MaxStep, s.Revision)
	}
	return out
}

func seriesLines(list []readmodel.Series, err error) string {
	if err != nil || len(list) == 0 {
		return lines(list, err)
	}
	out := ""
	for _, s := range list {
		out += fmt.Sprintf("%s[%s] by %s:", s.Key, s.Context, s.Writer)
		for i := range s.Steps {
			out += fmt.Sprintf(" %d:%v", s.Steps[i], s.Values[i])
			if s.Downsampled {
				out += fmt.Sprintf("(%d in %v..%v)", s.Counts[i], s.Mins[i], s.Maxs[i])
			}
			if s.Times[i] != s.Steps[i]*1000 && s.Writer != "evaluation" && !math.IsNaN(s.Values[i]) {
				out += fmt.Sprintf("@%d", s.Times[i])
			}
		}
		out += "\n"
	}
	return out
}
