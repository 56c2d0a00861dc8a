package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"millrace/client"
)

func Example() {
	ctx := context.Background()
	c := client.New("http://127.0.0.1:7070", "")
	made, err := c.Start(ctx, client.StartRun{
		Kind:   "CURATE",
		Config: json.RawMessage(`{"name": "notes", "sources": [{"folder": "/srv/notes"}]}`),
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := c.WatchRun(ctx, made.ID, func(r client.Run) error { made = r; return nil }); err != nil {
		log.Fatal(err)
	}
	run, err := c.Start(ctx, client.StartRun{
		Kind:   "TRAIN",
		Config: json.RawMessage(`{"model": {"n_layer": 6}, "steps": 2000}`),
		Inputs: []client.Input{{Role: "dataset", Digest: made.Output("dataset")}},
		Suites: []string{"quick"},
	})
	if err != nil {
		log.Fatal(err)
	}
	err = c.WatchRun(ctx, run.ID, func(r client.Run) error {
		if loss, ok := r.Last("train/loss"); ok {
			fmt.Println(r.Status, loss)
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
}

func ExampleRefused() {
	c := client.New("http://127.0.0.1:7070", "")
	_, err := c.Start(context.Background(), client.StartRun{Kind: "TRAIN", Config: json.RawMessage(`{"lerning_rate": 1}`)})
	var refused *client.Refused
	switch {
	case errors.As(err, &refused):
		fmt.Println("not granted:", refused, "what to do:", refused.Hint())
	case errors.Is(err, client.ErrUnreachable):
		fmt.Println("start a node with: millrace up")
	}
}

func ExampleClient_Compare() {
	c := client.New("http://127.0.0.1:7070", "")
	comparison, err := c.Compare(context.Background(), []string{"01M7ZQM8224RHPV1JZH3ADFW1W", "01M7ZQM7S18NQBRFFKZ49QSD7V"})
	if err != nil {
		log.Fatal(err)
	}
	for _, d := range comparison.Config {
		fmt.Println(d.Path, d.Values)
	}
}

// ExampleClient_Events reads the whole log once.
func ExampleClient_Events() {
	ctx := context.Background()
	c := client.New("http://127.0.0.1:7070", "")
	_, _, last, _, err := c.System(ctx)
	if err != nil {
		log.Fatal(err)
	}
	err = c.Events(ctx, 1, last, nil, func(e client.LoggedEvent) error {
		fmt.Println(e.Seq, e.Type, e.Subject)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
}

// ExampleOpen is a training script.
func ExampleOpen() {
	run, err := client.Open(client.RunOptions{
		Name: "small", Experiment: "learning rate",
		Config: map[string]any{"lr": 3e-4, "model": map[string]int{"n_layer": 6}},
	})
	if err != nil {
		log.Fatal(err) // this machine's disk: a tracker that is away is no error
	}
	fmt.Println(run.URL())

	loss := run.Metric("train/loss")
	train := func(step int64) float64 { return 1 / float64(step) }
	for step := int64(1); step <= 1000; step++ {
		loss.Log(step, train(step))
		select {
		case <-run.StopRequested():
			step = 1000 // save a checkpoint, then end
		default:
		}
	}
	run.Text("sample", 1000, "The mill", " turns as the water runs.")
	run.Artifact("model.safetensors", "model")

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run.End(ctx, "", nil); errors.Is(err, client.ErrNotSent) {
		fmt.Println("the rest is sent by the next run, or by: millrace sync")
	}
}

// ExampleLogger_Writer sends the console to the run as well.
func ExampleLogger_Writer() {
	run, err := client.Open(client.RunOptions{})
	if err != nil {
		log.Fatal(err)
	}
	log.SetOutput(io.MultiWriter(os.Stderr, run.Writer("stderr")))
}

// ExampleRunOptions_writer is one rank of several that log to one run. The first rank ends it, the others close.
func ExampleRunOptions_writer() {
	rank := os.Getenv("RANK")
	run, err := client.Open(client.RunOptions{ID: os.Getenv("RUN_ID"), Writer: "rank" + rank})
	if err != nil {
		log.Fatal(err)
	}
	run.Log(1, map[string]float64{"tokens_per_second": 17_000})
	ctx := context.Background()
	if rank == "0" {
		err = run.End(ctx, "", nil)
	} else {
		err = run.Close(ctx)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// ExampleSync sends what processes left that died while the tracker was away.
func ExampleSync() {
	journals, err := client.Sync(context.Background(), "", client.SyncOptions{})
	if err != nil {
		log.Fatal(err)
	}
	for _, j := range journals {
		fmt.Println(j.Run, j.State, j.Points, j.Error)
	}
}
