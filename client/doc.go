// Package client is what other Go programs import to talk to a node: logging that never waits for it and loses nothing, GraphQL calls, typed
// for the things that are done most, and subscriptions.
//
//	run, err := client.Open(client.RunOptions{Name: "first try", Config: cfg})
//	loss := run.Metric("train/loss")
//	loss.Log(step, value) // well under a microsecond, whether the tracker is there or not
//	err = run.End(ctx, "", nil)
//
//	c := client.New("http://127.0.0.1:7070", "")
//	run, err := c.Start(ctx, client.StartRun{Kind: "TRAIN", Config: cfg, Inputs: []client.Input{{Role: "dataset", Digest: "go-docs"}}})
//	err = c.WatchRun(ctx, run.ID, func(r client.Run) error { fmt.Println(r.Progress); return nil })
//
// The types you need: Logger (one process's part of a run) with its Scalars, Client, and Sync, which sends what dead processes left.
//
// Errors: ErrUnreachable when no node answers, *Refused when a wish was not granted, *QueryError when a query was wrong, *DoorError when
// something logged was refused; ErrNotSent, ErrSetAside and ErrDropped say what became of what was logged.
package client
