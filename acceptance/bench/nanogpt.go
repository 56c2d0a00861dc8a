package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"millrace/client"
)

// shakespeare runs the recipe of acceptance/nanogpt on the text through a node, as anybody would, and returns the last validation
// loss: the mean over windows that cover the last tenth of the text.
func shakespeare(ctx context.Context, b *bench, text string) (loss float64, took time.Duration, err error) {
	raw, err := os.ReadFile(text)
	if err != nil {
		return 0, 0, fmt.Errorf("TINYSHAKESPEARE: %w", err)
	}
	folder := filepath.Join(b.tmp, "shakespeare")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return 0, 0, err
	}
	if err := os.WriteFile(filepath.Join(folder, "text.txt"), raw, 0o644); err != nil {
		return 0, 0, err
	}
	recipe, err := os.ReadFile("acceptance/nanogpt/recipe.json")
	if err != nil {
		return 0, 0, err
	}
	config, err := os.ReadFile("acceptance/nanogpt/config.json")
	if err != nil {
		return 0, 0, err
	}
	quoted, err := json.Marshal(folder)
	if err != nil {
		return 0, 0, err
	}
	url, _, _, stop, err := b.node(ctx, filepath.Join(b.tmp, "nanogpt"))
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	c := client.New(url, "")
	set, err := ended(ctx, c, client.StartRun{Kind: "CURATE", Config: bytes.ReplaceAll(recipe, []byte(`"TEXT_FOLDER"`), quoted)})
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	run, err := ended(ctx, c, client.StartRun{Kind: "TRAIN", Config: config, Inputs: []client.Input{{Role: "dataset", Digest: set.Output("dataset")}}, Suites: []string{}})
	if err != nil {
		return 0, 0, err
	}
	loss, ok := run.Last("val/loss")
	if !ok {
		return 0, 0, errors.New("the run has no validation loss")
	}
	return loss, time.Since(began), nil
}
