package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"

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
