package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"millrace/event"
)

// CheckpointFile is a file of a checkpoint that lies on this machine.
type CheckpointFile struct{ Name, Path string }

// NewModel is a model from elsewhere, as ImportModel takes it.
type NewModel struct {
	Name       string            // of the run that stands for it; "" makes one up
	Experiment string            // it belongs to; a new name opens one
	Config     json.RawMessage   // what is known of it
	Tags       map[string]string // of the run
	By         string
	// Dataset is what it is judged on, by name or digest, and Suites by what; none is judged without being asked.
	Dataset string
	Suites  []string
	Files   []CheckpointFile
	// Progress is told how many bytes of all files are in the store; nil: nobody.
	Progress func(done, total int64)
}

// ImportModel makes a run of kind external with one checkpoint, at step 0, of files of this machine, and returns both. Either the checkpoint
// is there with all of its files, or the run says why not.
func (c *Client) ImportModel(ctx context.Context, m NewModel) (run RunState, checkpoint event.Digest, err error) {
	d := newDoor(c.url, c.token)
	defer d.close()
	files := make([]event.File, len(m.Files))
	var total int64
	for i, f := range m.Files {
		files[i].Name = f.Name
		if files[i].Digest, files[i].Size, err = measure(f.Path); err != nil {
			return run, "", err
		}
		total += files[i].Size
	}
	body, err := wire(map[string]any{"name": m.Name, "experiment": m.Experiment, "config": m.Config, "tags": m.Tags, "jobType": "import", "by": m.By, "heartbeatSeconds": 600})
	if err != nil {
		return run, "", err
	}
	if err := d.call(ctx, http.MethodPost, "/runs", nil, body, &run); err != nil {
		return run, "", err
	}
	checkpoint, err = d.saveCheckpoint(ctx, run.ID, m, files, total)
	end := map[string]any{"status": "finished"}
	switch {
	case ctx.Err() != nil:
		end["status"] = "stopped"
	case err != nil:
		end = map[string]any{"status": "failed", "failure": map[string]string{"code": "import", "message": err.Error(), "hint": "import it again"}}
	}
	// Also when the import was interrupted: a run that goes on without anyone would be wrong.
	if body, werr := wire(end); werr != nil {
		err = errors.Join(err, werr)
	} else {
		err = errors.Join(err, d.call(context.WithoutCancel(ctx), http.MethodPost, "/runs/"+run.ID+"/end", nil, body, &run))
	}
	return run, checkpoint, err
}

// saveCheckpoint tells of a checkpoint, and brings what the store lacks of it.
func (d *door) saveCheckpoint(ctx context.Context, run string, m NewModel, files []event.File, total int64) (event.Digest, error) {
	body, err := wire(map[string]any{"step": 0, "files": files, "dataset": m.Dataset, "suites": m.Suites, "last": true})
	if err != nil {
		return "", err
	}
	paths, sizes := map[event.Digest]string{}, map[event.Digest]int64{}
	for i, f := range files {
		paths[f.Digest], sizes[f.Digest] = m.Files[i].Path, f.Size
	}
	for range 3 { // told, brought, told again; once more for what was collected meanwhile
		var said struct {
			Saved      bool         `json:"saved"`
			Checkpoint event.Digest `json:"checkpoint"`
			Missing    []struct {
				Name   string       `json:"name"`
				Digest event.Digest `json:"digest"`
				upload
			} `json:"missing"`
		}
		if err := d.call(ctx, http.MethodPost, "/runs/"+run+"/checkpoints", nil, body, &said); err != nil {
			return "", err
		}
		if said.Saved {
			if m.Progress != nil {
				m.Progress(total, total)
			}
			return said.Checkpoint, nil
		}
		done := total
		for _, f := range said.Missing {
			done -= sizes[f.Digest]
		}
		for _, f := range said.Missing {
			if _, ok := paths[f.Digest]; !ok {
				return "", fmt.Errorf("client: the node asks for %s, which is no file of this checkpoint", f.Digest)
			}
			moved := func(n int64) {
				if m.Progress != nil {
					m.Progress(done+n, total)
				}
			}
			if err := d.upload(ctx, f.Name, paths[f.Digest], f.upload, sizes[f.Digest], moved); err != nil {
				return "", err
			}
			done += sizes[f.Digest]
		}
	}
	return "", fmt.Errorf("client: the store does not keep what it took; see \"millrace doctor\"")
}

// FindCheckpoint finds the checkpoint that a person means: RUN (its last), RUN@STEP, RUN@last, RUN@ALIAS, EXPERIMENT:ALIAS, an alias that only one
// experiment has, or a digest. ErrNotFound, ErrAmbiguous.
func (c *Client) FindCheckpoint(ctx context.Context, what string) (CheckpointPlace, error) {
	var data struct{ CheckpointNamed *CheckpointPlace }
	err := c.Do(ctx, `query($what: String!) { checkpointNamed(name: $what) { run: runId step digest size dataset: datasetDigest tokenizer: tokenizerDigest files { name digest size } } }`, map[string]any{"what": what}, &data)
	if err != nil {
		return CheckpointPlace{}, err
	}
	if data.CheckpointNamed == nil {
		return CheckpointPlace{}, fmt.Errorf("client: there is no checkpoint %q: %w", what, ErrNotFound)
	}
	return *data.CheckpointNamed, nil
}

// CheckpointPlace is a checkpoint and where its bytes are.
type CheckpointPlace struct {
	Run       string       `json:"run"`
	Step      int64        `json:"step"`
	Digest    event.Digest `json:"digest"`
	Size      int64        `json:"size"`
	Dataset   string       `json:"dataset"`
	Tokenizer event.Digest `json:"tokenizer"` // its own, or its dataset's; "" when neither is known
	Files     []event.File `json:"files"`
}

// File is a file of the checkpoint.
func (p CheckpointPlace) File(name string) (event.File, bool) {
	for _, f := range p.Files {
		if f.Name == name {
			return f, true
		}
	}
	return event.File{}, false
}
