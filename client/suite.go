package client

import (
	"context"
	"encoding/json"
	"time"

	"millrace/event"
)

// Suite is a version of a suite, by which models are judged.
type Suite struct {
	Name       string          `json:"name"`
	Version    int             `json:"version"`
	Digest     event.Digest    `json:"digest"`
	BuiltIn    bool            `json:"builtIn"`
	Tasks      []string        `json:"tasks"`
	Data       []SuiteData     `json:"data"`
	SavedAt    *time.Time      `json:"savedAt"`
	By         string          `json:"by"`
	Definition json.RawMessage `json:"definition"`
}

// SuiteData is a file that a task of a suite reads: of a wish, by its digest in storage or From s3://bucket/key.
type SuiteData struct {
	Task   string       `json:"task"`
	Role   string       `json:"role,omitempty"`
	Digest event.Digest `json:"digest,omitempty"`
	Bytes  int64        `json:"bytes,omitempty"`
	From   string       `json:"from,omitempty"`
}

const suiteFields = `name version digest builtIn tasks data { task role digest bytes from } savedAt by definition`

// ExperimentJudges tells whether an experiment, by its id or name, says itself on which suites checkpoints are judged. One that is not there
// does not.
func (c *Client) ExperimentJudges(ctx context.Context, experiment string) (bool, error) {
	var data struct {
		Experiment *struct {
			Suites     []string
			Evaluation *struct{ Stages []struct{ Suites []string } }
		}
	}
	if err := c.Do(ctx, `query($id: String!) { experiment(id: $id) { suites evaluation { stages { suites } } } }`, map[string]any{"id": experiment}, &data); err != nil {
		return false, err
	}
	x := data.Experiment
	return x != nil && (len(x.Suites) > 0 || x.Evaluation != nil && len(x.Evaluation.Stages) > 0), nil
}

// Suites lists every version of every suite; name "" is all.
func (c *Client) Suites(ctx context.Context, name string) ([]Suite, error) {
	var data struct{ Suites []Suite }
	var which any
	if name != "" {
		which = name
	}
	err := c.Do(ctx, `query($name: String) { suites(name: $name) { `+suiteFields+` } }`, map[string]any{"name": which}, &data)
	return data.Suites, err
}

// Suite finds a suite, its newest version with 0. ErrNotFound.
func (c *Client) Suite(ctx context.Context, name string, version int) (Suite, error) {
	var data struct{ Suite *Suite }
	vars := map[string]any{"name": name}
	if version > 0 {
		vars["version"] = version
	}
	if err := c.Do(ctx, `query($name: String!, $version: Int) { suite(name: $name, version: $version) { `+suiteFields+` } }`, vars, &data); err != nil {
		return Suite{}, err
	}
	if data.Suite == nil {
		return Suite{}, ErrNotFound
	}
	return *data.Suite, nil
}

// SaveSuite saves a version of a suite, or of a task as a suite of one.
func (c *Client) SaveSuite(ctx context.Context, definition json.RawMessage, files []SuiteData, by string) (s Suite, err error) {
	type given struct {
		Task   string       `json:"task"`
		Role   string       `json:"role,omitempty"`
		Digest event.Digest `json:"digest,omitempty"`
		From   string       `json:"from,omitempty"`
	}
	in := []given{}
	for _, f := range files {
		in = append(in, given{f.Task, f.Role, f.Digest, f.From})
	}
	err = c.mutate(ctx, `mutation($input: SaveSuiteInput!) { saveSuite(input: $input) { suite { `+suiteFields+` } userErrors { code message hint field } } }`,
		"saveSuite", "suite", map[string]any{"definition": definition, "data": in, "by": by}, &s)
	return s, err
}

// Evaluations are the scores of a run's checkpoints, or of the model elsewhere that the run judged.
func (c *Client) Evaluations(ctx context.Context, run string) ([]Evaluation, error) {
	var data struct {
		Run *struct{ Evaluations []Evaluation }
	}
	if err := c.Do(ctx, `query($id: ID!) { run(id: $id) { `+evaluationFields+` } }`, map[string]any{"id": run}, &data); err != nil {
		return nil, err
	}
	if data.Run == nil {
		return nil, ErrNotFound
	}
	return data.Run.Evaluations, nil
}
