package graph

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"

	"millrace/evaluator"
	"millrace/event"
	"millrace/graph/internal/gen"
	"millrace/graph/internal/view"
	"millrace/storage/readmodel"
)

// Suites makes suites whole in storage, and reads them. Its methods are safe for concurrent use.
type Suites interface {
	// Prepare stores a definition with the files of its tasks, and returns the fact that says so. Its errors are about the definition.
	Prepare(ctx context.Context, definition []byte, data []event.TaskData) (event.SuiteSaved, error)
	// Suite reads a suite.
	Suite(ctx context.Context, digest event.Digest) (evaluator.Suite, error)
}

// suites lists what comes with the program and what was saved.
func (r *resolver) suites(ctx context.Context, name string) ([]gen.Suite, error) {
	out := []gen.Suite{}
	builtIn, err := evaluator.Suites()
	if err != nil {
		return nil, err
	}
	for _, s := range builtIn {
		if name == "" || s.Name == name {
			out = append(out, suiteView(s))
		}
	}
	saved, err := r.Model.Suites(name)
	if err != nil {
		return nil, err
	}
	for _, s := range saved {
		one, err := r.savedSuite(ctx, s)
		if err != nil {
			return nil, err
		}
		out = append(out, *one)
	}
	slices.SortStableFunc(out, func(a, b gen.Suite) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return a.Version - b.Version
	})
	return out, nil
}

// suite finds one by name; what was saved goes before what comes with the program.
func (r *resolver) suite(ctx context.Context, name string, version int) (*gen.Suite, error) {
	saved, err := r.Model.Suite(name, version)
	if err == nil {
		return r.savedSuite(ctx, saved)
	}
	if !errors.Is(err, readmodel.ErrNotFound) {
		return nil, err
	}
	builtIn, err := evaluator.Suites()
	if err != nil {
		return nil, err
	}
	for _, s := range builtIn {
		if s.Name == name && (version == 0 || s.Version == version) {
			one := suiteView(s)
			return &one, nil
		}
	}
	return nil, nil //nolint:nilnil // there is none
}

func suiteView(s evaluator.Suite) gen.Suite {
	v := gen.Suite{Name: s.Name, Version: s.Version, Digest: string(s.Digest()), BuiltIn: true, Definition: s.JSON(), Data: []gen.SuiteData{}, Tasks: []string{}}
	for _, t := range s.Tasks {
		v.Tasks = append(v.Tasks, t.Name)
	}
	return v
}

// savedSuite reads what was saved. One whose definition is gone from storage still has its name.
func (r *resolver) savedSuite(ctx context.Context, saved readmodel.Suite) (*gen.Suite, error) {
	v := gen.Suite{Tasks: []string{}, Definition: json.RawMessage("null")}
	if r.Config.Suites != nil {
		if s, err := r.Config.Suites.Suite(ctx, saved.Digest); err == nil {
			v = suiteView(s)
		} else if ctx.Err() != nil {
			return nil, err
		}
	}
	at := saved.At
	v.Name, v.Version, v.Digest, v.BuiltIn, v.SavedAt, v.By, v.Data = saved.Name, saved.Version, string(saved.Digest), false, &at, saved.By, []gen.SuiteData{}
	for _, d := range saved.Data {
		v.Data = append(v.Data, gen.SuiteData{Task: d.Task, Role: d.Role, Digest: string(d.Digest), Bytes: d.Bytes, From: d.From})
	}
	return &v, nil
}

// saveSuite makes a suite whole and known.
func (r *resolver) saveSuite(ctx context.Context, in gen.SaveSuiteInput) (*gen.Suite, error) {
	if r.Config.Suites == nil {
		return nil, refusal{code: "UNAVAILABLE", message: "this node stores no suites: ask one with the role tracker"}
	}
	var data []event.TaskData
	for _, d := range in.Data {
		data = append(data, event.TaskData{Task: d.Task, Role: deref(d.Role), Digest: event.Digest(deref(d.Digest)), From: deref(d.From)})
	}
	fact, err := r.Config.Suites.Prepare(ctx, in.Definition, data)
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		return nil, refusal{code: "INVALID", message: err.Error(), field: []string{"definition"}}
	}
	fact.By = deref(in.By)
	if _, err := r.Tracker.Submit(ctx, fact); err != nil {
		return nil, err
	}
	return r.suite(ctx, fact.Name, fact.Version)
}

// policy reads a wish for a policy.
func policy(in *gen.EvaluationPolicyInput) *event.EvaluationPolicy {
	if in == nil {
		return nil
	}
	p := &event.EvaluationPolicy{Every: deref(in.Every), Pending: deref(in.Pending)}
	for _, s := range in.Stages {
		p.Stages = append(p.Stages, event.EvaluationStage{FromStep: s.FromStep, Suites: s.Suites})
	}
	return p
}

func policyView(p *event.EvaluationPolicy) *gen.EvaluationPolicy {
	if p == nil {
		return nil
	}
	v := &gen.EvaluationPolicy{Every: max(1, p.Every), Pending: p.Pending, Stages: []gen.EvaluationStage{}}
	if v.Pending == "" {
		v.Pending = event.PendingAll
	}
	for _, s := range p.Stages {
		v.Stages = append(v.Stages, gen.EvaluationStage{FromStep: s.FromStep, Suites: append([]string{}, s.Suites...)})
	}
	return v
}

// answersOf opens the answers of an evaluation; false when it kept none, or they are gone. close ends the reading.
func (r *resolver) answersOf(ctx context.Context, e *view.Evaluation) (_ iter.Seq2[evaluator.Answer, error], closing func(), ok bool, err error) {
	if e == nil || e.Results == "" || r.Blob == nil {
		return nil, nil, false, nil
	}
	f, err := r.Blob(ctx, e.Results)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, false, nil
	}
	if err != nil {
		return nil, nil, false, err
	}
	_, all, err := evaluator.ReadAnswers(f)
	if err != nil {
		return nil, nil, false, errors.Join(err, f.Close())
	}
	return all, func() { _ = f.Close() }, true, nil // it was only read
}

// behind reads what `next` said: how many examples of the file are behind.
func behind(s *string) (int64, error) {
	if s == nil || *s == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(*s, 10, 64)
	if err != nil || n < 0 {
		return 0, badInput("after is not what next said")
	}
	return n, nil
}

// answers reads a page. The file is read from its beginning: nothing of it is held.
func (r *resolver) answers(ctx context.Context, e *view.Evaluation, task *string, onlyWrong *bool, first *int, next *string) (*gen.AnswerPage, error) {
	page := &gen.AnswerPage{Nodes: []gen.Answer{}}
	skip, err := behind(next)
	if err != nil {
		return nil, err
	}
	all, closing, ok, err := r.answersOf(ctx, e)
	if err != nil || !ok {
		return page, err
	}
	defer closing()
	size, at := pageSize(first), int64(0)
	for a, err := range all {
		if err != nil {
			return nil, fmt.Errorf("results of evaluation %s: %w", e.Run, err)
		}
		if at++; at <= skip || task != nil && *task != a.Task {
			continue
		}
		if right, judged := a.Right(); deref(onlyWrong) && (right || !judged) {
			continue
		}
		if len(page.Nodes) == size {
			s := strconv.FormatInt(at-1, 10)
			page.Next = &s
			return page, nil
		}
		page.Nodes = append(page.Nodes, answerView(a))
	}
	return page, nil
}

func answerView(a evaluator.Answer) gen.Answer {
	v := gen.Answer{
		Task: a.Task, ID: a.ID, Prompt: a.Prompt, Choices: append([]string{}, a.Choices...), LogProbs: append([]event.Number{}, a.LogProbs...),
		Want: a.Want, Got: append([]string{}, a.Got...), Scores: []gen.AnswerScore{},
	}
	for _, m := range slices.Sorted(maps.Keys(a.Scores)) {
		v.Scores = append(v.Scores, gen.AnswerScore{Metric: m, Value: a.Scores[m]})
	}
	if right, judged := a.Right(); judged {
		v.Right = &right
	}
	return v
}

// difference holds two evaluations against each other, nil when one has no answers.
func (r *resolver) difference(ctx context.Context, was, is event.RunID, task *string, change *gen.AnswerChange, first *int, next *string) (*gen.EvaluationDifference, error) {
	skip, err := behind(next)
	if err != nil {
		return nil, err
	}
	var both [2]iter.Seq2[evaluator.Answer, error]
	for i, run := range []event.RunID{was, is} {
		e, err := r.evaluationBy(run)
		if err != nil {
			return nil, err
		}
		all, closing, ok, err := r.answersOf(ctx, e)
		if err != nil || !ok {
			return nil, err
		}
		defer closing()
		both[i] = all
	}
	d := &gen.EvaluationDifference{Scores: []gen.ScoreDifference{}, Nodes: []gen.AnswerPair{}}
	size, at := pageSize(first), int64(0)
	scores, err := evaluator.Paired(both[0], both[1], func(p evaluator.Pair) bool {
		at++
		if task != nil && *task != p.Is.Task {
			return true
		}
		switch p.Change {
		case evaluator.NewlyRight:
			d.NewlyRight++
		case evaluator.NewlyWrong:
			d.NewlyWrong++
		case evaluator.StillRight:
			d.StillRight++
		case evaluator.StillWrong:
			d.StillWrong++
		}
		as := gen.AnswerChange(strings.ToUpper(p.Change))
		if at <= skip || change != nil && *change != as || d.Next != nil {
			return true
		}
		if len(d.Nodes) == size {
			s := strconv.FormatInt(at-1, 10)
			d.Next = &s
			return true
		}
		before, now := answerView(p.Was), answerView(p.Is)
		d.Nodes = append(d.Nodes, gen.AnswerPair{Change: as, Was: &before, Is: &now})
		return true
	})
	if err != nil {
		return nil, err
	}
	for _, s := range scores {
		if task != nil && *task != s.Task {
			continue
		}
		v := gen.ScoreDifference{Task: s.Task, Metric: s.Metric, Was: event.Number(s.Was), Is: event.Number(s.Is), Difference: event.Number(s.Difference), N: s.N}
		if s.N > 1 {
			e := event.Number(s.Stderr)
			v.Stderr = &e
		}
		d.Scores = append(d.Scores, v)
	}
	return d, nil
}
