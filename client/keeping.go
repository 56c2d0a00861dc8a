package client

import (
	"context"
	"encoding/json"
	"time"
)

// Snapshot is a copy of the read model in storage.
type Snapshot struct {
	Seq    int64     `json:"seq"`
	At     time.Time `json:"at"`
	Digest string    `json:"digest"`
	Layout int       `json:"layout"`
	Bytes  int64     `json:"bytes"`
	Stored int64     `json:"stored"`
}

// Trimmed is what a trim of the log did, or would do.
type Trimmed struct {
	FirstSeq int64  `json:"firstSeq"`
	Archived int64  `json:"archived"`
	Stored   int64  `json:"stored"`
	Freed    int64  `json:"freed"`
	Held     string `json:"held,omitempty"`
}

// Garbage is what a collection removed, or would remove, and what it left.
type Garbage struct {
	Objects int64         `json:"objects"`
	Bytes   int64         `json:"bytes"`
	Kept    []KeptObjects `json:"kept"`
}

// KeptObjects counts objects by what refers to them.
type KeptObjects struct {
	Kind    string `json:"kind"`
	Objects int64  `json:"objects"`
	Bytes   int64  `json:"bytes"`
}

// Freed is what a deletion frees, in bytes.
type Freed struct {
	Database int64 `json:"database"`
	Storage  int64 `json:"storage"`
}

// Deleted is what was deleted, and what that frees.
type Deleted struct {
	ID    string `json:"deletedId"`
	Freed *Freed `json:"freed"`
}

// RetentionPolicy is what is kept of an experiment's runs, or without an experiment of all others.
type RetentionPolicy struct {
	Experiment *string         `json:"experiment"`
	Policy     json.RawMessage `json:"policy"`
	At         time.Time       `json:"at"`
	By         string          `json:"by"`
}

// RetentionPlan is what policies delete.
type RetentionPlan struct {
	Runs            []string   `json:"runs"`
	RunCount        int        `json:"runCount"`
	Checkpoints     []string   `json:"checkpoints"`
	CheckpointCount int        `json:"checkpointCount"`
	Pruned          int        `json:"pruned"`
	Freed           Freed      `json:"freed"`
	LogBefore       *time.Time `json:"logBefore"`
}

const (
	whyNot     = ` userErrors { field message hint code } `
	planFields = `{ runs runCount checkpoints checkpointCount pruned freed { database storage } logBefore }`
)

// TakeSnapshot puts a copy of the read model into storage.
func (c *Client) TakeSnapshot(ctx context.Context, by string) (s Snapshot, err error) {
	err = c.mutate(ctx, `mutation($input: TakeSnapshotInput!) { takeSnapshot(input: $input) { snapshot { seq at digest layout bytes stored }`+whyNot+`} }`,
		"takeSnapshot", "snapshot", map[string]any{"by": by}, &s)
	return s, err
}

// TrimLog moves the log's beginning into the archive: facts before a time, or if seq is not 0 before a place.
func (c *Client) TrimLog(ctx context.Context, before time.Time, seq int64, dry bool, by string) (t Trimmed, err error) {
	input := map[string]any{"dryRun": dry, "by": by}
	if seq != 0 {
		input["seq"] = seq
	} else {
		input["before"] = before.UTC().Format(time.RFC3339Nano)
	}
	err = c.mutate(ctx, `mutation($input: TrimLogInput!) { trimLog(input: $input) { trimmed { firstSeq archived stored freed held }`+whyNot+`} }`, "trimLog", "trimmed", input, &t)
	return t, err
}

// CollectGarbage removes objects from storage that nothing refers to and that are older than a time.
func (c *Client) CollectGarbage(ctx context.Context, older time.Duration, dry bool) (g Garbage, err error) {
	err = c.mutate(ctx, `mutation($input: CollectGarbageInput!) { collectGarbage(input: $input) { garbage { objects bytes kept { kind objects bytes } }`+whyNot+`} }`,
		"collectGarbage", "garbage", map[string]any{"olderHours": older.Hours(), "dryRun": dry}, &g)
	return g, err
}

// DeleteRun deletes a run.
func (c *Client) DeleteRun(ctx context.Context, id, by string) (Deleted, error) {
	return c.deleted(ctx, "deleteRun", "DeleteRunInput", map[string]any{"id": id, "by": by})
}

// DeleteCheckpoint deletes a run's checkpoint.
func (c *Client) DeleteCheckpoint(ctx context.Context, run string, step int64, by string) (Deleted, error) {
	return c.deleted(ctx, "deleteCheckpoint", "DeleteCheckpointInput", map[string]any{"run": run, "step": step, "by": by})
}

// DeleteDataset deletes a dataset, with force although a recorded run used it.
func (c *Client) DeleteDataset(ctx context.Context, dataset string, force bool, by string) (Deleted, error) {
	return c.deleted(ctx, "deleteDataset", "DeleteDatasetInput", map[string]any{"dataset": dataset, "force": force, "by": by})
}

// DeleteExperiment deletes an experiment with its runs.
func (c *Client) DeleteExperiment(ctx context.Context, id, by string) (Deleted, error) {
	return c.deleted(ctx, "deleteExperiment", "DeleteExperimentInput", map[string]any{"id": id, "by": by})
}

func (c *Client) deleted(ctx context.Context, name, input string, in map[string]any) (d Deleted, err error) {
	query := `mutation($input: ` + input + `!) { ` + name + `(input: $input) { deletedId freed { database storage }` + whyNot + `} }`
	return d, c.mutate(ctx, query, name, "", in, &d)
}

// Retention lists the policies of what is kept.
func (c *Client) Retention(ctx context.Context) ([]RetentionPolicy, error) {
	var out struct{ Retention []RetentionPolicy }
	err := c.Do(ctx, `query { retention { experiment policy at by } }`, nil, &out)
	return out.Retention, err
}

// SetRetention replaces the policy of an experiment, or without one the default, and tells what that deletes; dry only tells.
func (c *Client) SetRetention(ctx context.Context, experiment string, policy json.RawMessage, dry bool, by string) (p RetentionPlan, err error) {
	input := map[string]any{"policy": policy, "dryRun": dry, "by": by}
	if experiment != "" {
		input["experiment"] = experiment
	}
	err = c.mutate(ctx, `mutation($input: SetRetentionInput!) { setRetention(input: $input) { plan `+planFields+whyNot+`} }`, "setRetention", "plan", input, &p)
	return p, err
}

// ApplyRetention deletes now what the policies say; dry only tells.
func (c *Client) ApplyRetention(ctx context.Context, dry bool) (p RetentionPlan, err error) {
	err = c.mutate(ctx, `mutation($input: ApplyRetentionInput!) { applyRetention(input: $input) { plan `+planFields+whyNot+`} }`,
		"applyRetention", "plan", map[string]any{"dryRun": dry}, &p)
	return p, err
}
