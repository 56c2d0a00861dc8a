// Package client is what other Go programs import to talk to a node: GraphQL calls, typed for the things that are done most, and
// subscriptions.
//
//	c := client.New("http://127.0.0.1:7070", "")
//	run, err := c.Start(ctx, client.StartRun{Kind: "TRAIN", Config: cfg, Inputs: []client.Input{{Role: "dataset", Digest: "go-docs"}}})
//	err = c.WatchRun(ctx, run.ID, func(r client.Run) error { fmt.Println(r.Progress); return nil })
//
// Errors: ErrUnreachable when no node answers, *Refused when a wish was not granted, *QueryError when a query was wrong.
package client
