package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"millrace/event"
)

// StartRun asks for a run. Kind is CURATE, TRAIN, FINETUNE or EXTERNAL.
type StartRun struct {
	Kind       string          `json:"kind"`
	Name       string          `json:"name,omitempty"`
	Experiment string          `json:"experiment,omitempty"` // id or name
	Config     json.RawMessage `json:"config"`
	Inputs     []Input         `json:"inputs,omitempty"`
	Engine     string          `json:"engine,omitempty"`
	Suites     []string        `json:"suites,omitzero"` // nil: the experiment's; empty: none
	StopAfter  int64           `json:"stopAfter,omitempty"`
	Budget     *Budget         `json:"budget,omitempty"`
	Command    json.RawMessage `json:"command,omitempty"` // of kind EXTERNAL: what a worker starts (docs/external.md)
	Labels     []string        `json:"labels,omitempty"`
	Tags       []Tag           `json:"tags,omitempty"`
	By         string          `json:"by,omitempty"`
}

// Input is a thing the run reads: a dataset's Digest may be its name.
type Input struct {
	Role   string `json:"role"`
	Digest string `json:"digest"`
	Name   string `json:"name,omitempty"`
}

// MarshalJSON writes a tag as the schema wants it.
func (t Tag) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"key": t.Key, "value": t.Value})
}

// Start asks for a run; it is in the log when this returns.
func (c *Client) Start(ctx context.Context, s StartRun) (run Run, err error) {
	err = c.mutate(ctx, `mutation($input: StartRunInput!) { startRun(input: $input) { run {`+runFields+`} userErrors { field message hint code } } }`, "startRun", "run", s, &run)
	return run, err
}

// Stop asks a run to stop at its next safe point.
func (c *Client) Stop(ctx context.Context, id, reason string) (run Run, err error) {
	input := map[string]any{"id": id, "reason": reason}
	err = c.mutate(ctx, `mutation($input: StopRunInput!) { stopRun(input: $input) { run {`+runFields+`} userErrors { field message hint code } } }`, "stopRun", "run", input, &run)
	return run, err
}

// Reproduce does a recorded run again; steps 0 is all of them.
func (c *Client) Reproduce(ctx context.Context, id string, steps int64) (run Run, err error) {
	input := map[string]any{"id": id}
	if steps > 0 {
		input["steps"] = steps
	}
	err = c.mutate(ctx, `mutation($input: ReproduceRunInput!) { reproduceRun(input: $input) { run {`+runFields+`} userErrors { field message hint code } } }`, "reproduceRun", "run", input, &run)
	return run, err
}

// Evaluate judges a checkpoint on a suite; step 0 is the last one.
func (c *Client) Evaluate(ctx context.Context, id string, step int64, suite string) (run Run, err error) {
	input := map[string]any{"run": id, "suite": suite}
	if step > 0 {
		input["step"] = step
	}
	err = c.mutate(ctx, `mutation($input: EvaluateCheckpointInput!) { evaluateCheckpoint(input: $input) { run {`+runFields+`} userErrors { field message hint code } } }`, "evaluateCheckpoint", "run", input, &run)
	return run, err
}

// EvaluateStep is Evaluate of exactly a step, 0 too: an imported model's only one.
func (c *Client) EvaluateStep(ctx context.Context, id string, step int64, suite string) (run Run, err error) {
	input := map[string]any{"run": id, "suite": suite, "step": step}
	err = c.mutate(ctx, `mutation($input: EvaluateCheckpointInput!) { evaluateCheckpoint(input: $input) { run {`+runFields+`} userErrors { field message hint code } } }`, "evaluateCheckpoint", "run", input, &run)
	return run, err
}

// TagRun sets and removes tags.
func (c *Client) TagRun(ctx context.Context, id string, set []Tag, unset []string) (run Run, err error) {
	input := map[string]any{"id": id, "set": set, "unset": unset}
	err = c.mutate(ctx, `mutation($input: TagRunInput!) { tagRun(input: $input) { run {`+runFields+`} userErrors { field message hint code } } }`, "tagRun", "run", input, &run)
	return run, err
}

// ErrNotFound is returned when nothing has the id or name.
var ErrNotFound = errors.New("not found")

// Run fetches a run by its id.
func (c *Client) Run(ctx context.Context, id string) (Run, error) {
	var data struct{ Run *Run }
	if err := c.Do(ctx, `query($id: ID!) { run(id: $id) {`+runFields+`} }`, map[string]any{"id": id}, &data); err != nil {
		return Run{}, err
	}
	if data.Run == nil {
		return Run{}, fmt.Errorf("client: there is no run %q: %w", id, ErrNotFound)
	}
	return *data.Run, nil
}

// RunsOption says more about a list of runs.
type RunsOption func(variables map[string]any)

// Where picks runs in the language of conditions, e.g. `status = running and config.lr < 0.001`. Archived ones count where it names `archived`.
func Where(condition string) RunsOption { return func(v map[string]any) { v["where"] = condition } }

// Sort orders runs in the language, e.g. `metric["val/loss"].min, created desc`.
func Sort(order string) RunsOption { return func(v map[string]any) { v["sort"] = order } }

// Runs lists runs, newest first unless Sort says otherwise. filter is the schema's RunFilter.
func (c *Client) Runs(ctx context.Context, filter map[string]any, first int, after string, more ...RunsOption) (runs []Run, total int, next string, err error) {
	var data struct {
		Runs struct {
			Nodes      []Run
			TotalCount int
			PageInfo   pageInfo
		}
	}
	vars := listed(filter, first, after, more)
	err = c.Do(ctx, `query($filter: RunFilter, $where: String, $sort: String, $first: Int, $after: String) {
		runs(filter: $filter, where: $where, sort: $sort, first: $first, after: $after) {
		nodes {`+runFields+`} totalCount pageInfo { hasNextPage endCursor } } }`, vars, &data)
	return data.Runs.Nodes, data.Runs.TotalCount, data.Runs.PageInfo.next(), err
}

// pageInfo tells whether a list goes on, and from where.
type pageInfo struct {
	HasNextPage bool
	EndCursor   string
}

func (p pageInfo) next() string {
	if !p.HasNextPage {
		return ""
	}
	return p.EndCursor
}

func listed(filter map[string]any, first int, after string, more []RunsOption) map[string]any {
	vars := map[string]any{"filter": filter, "first": first}
	if after != "" {
		vars["after"] = after
	}
	for _, o := range more {
		o(vars)
	}
	return vars
}

// RunGroup is runs that have the same values at the fields grouped by.
type RunGroup struct {
	Keys []struct {
		Field string          `json:"field"`
		Value json.RawMessage `json:"value"` // null where the runs have none
		Label string          `json:"label"`
	} `json:"keys"`
	Count    int `json:"count"`
	Statuses []struct {
		Status string `json:"status"`
		Count  int    `json:"count"`
	} `json:"statuses"`
	Numbers []NumberSpread `json:"numbers"`
	Dollars event.Number   `json:"dollars"`
	Where   string         `json:"where"` // a condition that its runs fit
}

// NumberSpread is a number over the runs of a group; nil where there are too few.
type NumberSpread struct {
	Field  string        `json:"field"`
	Count  int           `json:"count"`
	NaNs   int           `json:"nans"`
	Mean   *event.Number `json:"mean"`
	Min    *event.Number `json:"min"`
	Max    *event.Number `json:"max"`
	Stddev *event.Number `json:"stddev"`
}

// RunGroups groups runs by up to 4 fields of the language (config.lr, experiment, tags.team), and sums up numbers (metric["val/loss"].min, duration)
// over each group. Sort does not count here: groups are in the order of their values.
func (c *Client) RunGroups(ctx context.Context, filter map[string]any, by, numbers []string, first int, after string, more ...RunsOption) (groups []RunGroup, total int, next string, err error) {
	var data struct {
		RunGroups struct {
			Nodes      []RunGroup
			TotalCount int
			PageInfo   pageInfo
		}
	}
	vars := listed(filter, first, after, more)
	vars["by"], vars["numbers"] = by, numbers
	delete(vars, "sort")
	err = c.Do(ctx, `query($filter: RunFilter, $where: String, $by: [String!]!, $numbers: [String!], $first: Int, $after: String) {
		runGroups(filter: $filter, where: $where, by: $by, numbers: $numbers, first: $first, after: $after) {
		nodes { keys { field value label } count statuses { status count } numbers { field count nans mean min max stddev } dollars where }
		totalCount pageInfo { hasNextPage endCursor } } }`, vars, &data)
	return data.RunGroups.Nodes, data.RunGroups.TotalCount, data.RunGroups.PageInfo.next(), err
}

// Checkpoints lists a run's checkpoints with their scores, by step.
func (c *Client) Checkpoints(ctx context.Context, id string) ([]Checkpoint, error) {
	var data struct {
		Run *struct{ Checkpoints []Checkpoint }
	}
	if err := c.Do(ctx, `query($id: ID!) { run(id: $id) { checkpoints {`+checkpointFields+`} } }`, map[string]any{"id": id}, &data); err != nil {
		return nil, err
	}
	if data.Run == nil {
		return nil, fmt.Errorf("client: there is no run %q: %w", id, ErrNotFound)
	}
	return data.Run.Checkpoints, nil
}

// Series fetches metrics of several runs.
func (c *Client) Series(ctx context.Context, runs, keys []string, maxPoints int) ([]Series, error) {
	var data struct{ MetricSeries []Series }
	err := c.Do(ctx, `query($runs: [ID!]!, $keys: [String!]!, $max: Int) { metricSeries(runs: $runs, keys: $keys, maxPoints: $max) {`+seriesFields+`} }`,
		map[string]any{"runs": runs, "keys": keys, "max": maxPoints}, &data)
	return data.MetricSeries, err
}

// Compare puts runs side by side.
func (c *Client) Compare(ctx context.Context, ids []string) (Comparison, error) {
	var data struct{ CompareRuns Comparison }
	err := c.Do(ctx, `query($ids: [ID!]!) { compareRuns(ids: $ids) {
		runs {`+runFields+`} config { path values } environment { field values } inputs { field values }
		metrics { key last min max } scores { suite task metric higherIsBetter values stderr } } }`, map[string]any{"ids": ids}, &data)
	return data.CompareRuns, err
}

// Dataset fetches a dataset by digest or name.
func (c *Client) Dataset(ctx context.Context, idOrName string) (Dataset, error) {
	var data struct{ Dataset *Dataset }
	if err := c.Do(ctx, `query($id: String!) { dataset(id: $id) {`+datasetFields+`} }`, map[string]any{"id": idOrName}, &data); err != nil {
		return Dataset{}, err
	}
	if data.Dataset == nil {
		return Dataset{}, fmt.Errorf("client: there is no dataset %q: %w", idOrName, ErrNotFound)
	}
	return *data.Dataset, nil
}

// errStop ends a subscription from inside.
var errStop = errors.New("enough")

// WatchRun calls fn with the run at each change until it has ended, ctx ends or fn returns an error.
func (c *Client) WatchRun(ctx context.Context, id string, fn func(Run) error) error {
	return c.Subscribe(ctx, `subscription($id: ID!) { run(id: $id) {`+runFields+`} }`, map[string]any{"id": id}, func(raw json.RawMessage) error {
		var data struct{ Run Run }
		if err := json.Unmarshal(raw, &data); err != nil {
			return err
		}
		return fn(data.Run)
	})
}

// WatchRuns calls fn with every run that is new or has changed.
func (c *Client) WatchRuns(ctx context.Context, filter map[string]any, fn func(Run) error) error {
	return c.Subscribe(ctx, `subscription($filter: RunFilter) { runChanged(filter: $filter) {`+runFields+`} }`, map[string]any{"filter": filter}, func(raw json.RawMessage) error {
		var data struct{ RunChanged Run }
		if err := json.Unmarshal(raw, &data); err != nil {
			return err
		}
		return fn(data.RunChanged)
	})
}

// Events calls fn with every fact of the log from a place on; from 0 is only new ones, until 0 is for ever. It returns nil after until.
func (c *Client) Events(ctx context.Context, from, until int64, types []string, fn func(LoggedEvent) error) error {
	vars := map[string]any{}
	if from > 0 {
		vars["from"] = from
	}
	if len(types) > 0 {
		vars["types"] = types
	}
	err := c.Subscribe(ctx, `subscription($from: Int64, $types: [String!]) { events(from: $from, types: $types) { seq id type source subject time body } }`, vars, func(raw json.RawMessage) error {
		var data struct{ Events LoggedEvent }
		if err := json.Unmarshal(raw, &data); err != nil {
			return err
		}
		if until > 0 && data.Events.Seq > until {
			return errStop
		}
		if err := fn(data.Events); err != nil {
			return err
		}
		if until > 0 && data.Events.Seq == until {
			return errStop
		}
		return nil
	})
	if errors.Is(err, errStop) {
		return nil
	}
	return err
}

// Durability tells what an acknowledged fact survives, and what to mend.
func (c *Client) Durability(ctx context.Context) (summary string, warnings []string, err error) {
	var data struct {
		Durability struct {
			Summary  string
			Warnings []string
		}
	}
	err = c.Do(ctx, `{ durability { summary warnings } }`, nil, &data)
	return data.Durability.Summary, data.Durability.Warnings, err
}

// System tells the node's version and where it is in the log.
func (c *Client) System(ctx context.Context) (version string, applied, last int64, roles []string, err error) {
	var data struct {
		System struct {
			Version             string
			AppliedSeq, LastSeq int64
			Roles               []string
		}
	}
	err = c.Do(ctx, `{ system { version appliedSeq lastSeq roles } }`, nil, &data)
	return data.System.Version, data.System.AppliedSeq, data.System.LastSeq, data.System.Roles, err
}
