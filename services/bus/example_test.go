package bus_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"millrace/event"
	"millrace/services/bus"
)

func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	dir, err := os.MkdirTemp("", "bus")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	b, err := bus.Open(ctx, bus.Config{Dir: dir, Source: "/node/laptop"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close(ctx)

	seq, err := b.Publish(ctx, event.RunHeartbeat{Run: "r1", Writer: "attempt-1"})
	fmt.Println("durable at", seq, err)

	enough := errors.New("enough")
	err = b.Follow(ctx, 1, nil, func(env event.Envelope) error {
		fmt.Println(env.Seq, env.Event.Subject(), "from", env.Source)
		return enough
	})
	fmt.Println(err)

	err = b.Work(ctx, bus.Group{Name: "watchers", Filters: []string{event.FactOf("run", "heartbeat")}},
		func(_ context.Context, env event.Envelope, d bus.Delivery) error {
			fmt.Println("attempt", d.Attempt, "at", env.Event.Type())
			cancel()
			return nil
		})
	fmt.Println(err)
	// Output:
	// durable at 1 <nil>
	// 1 millrace.run.r1.heartbeat from /node/laptop
	// enough
	// attempt 1 at run.heartbeat
	// context canceled
}
