package node_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"millrace/acceptance/freeport"
	"millrace/client"
	"millrace/event"
	"millrace/services/bus"
	"millrace/services/node"
)

// TestKilledWhileRulesFireEveryFiringIsOnceInEffect: alerts come without an end while the node is killed again and again. Each is answered by
// another alert, by a run and by a webhook, once, and each answer by a rule on answers.
func TestKilledWhileRulesFireEveryFiringIsOnceInEffect(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED in the race pass: a child process is killed, run in the pass before it")
	}
	t.Parallel()
	var mu sync.Mutex
	came := map[string]int{}
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		came[r.Header.Get("Millrace-Delivery")]++
		mu.Unlock()
	}))
	defer hook.Close()
	on := func(name, title, then string) string {
		return fmt.Sprintf(`{"name":%q,"on":"run.alert_raised","when":"event.title.startsWith('%s')","then":%s}`, name, title, then)
	}
	nats := freeport.Addr(t)
	rules := ruled(t,
		on("answer", "in ", `{"alert":{"title":"='out ' + event.title"}}`),
		on("work", "in ", fmt.Sprintf(`{"curate":{"name":"=event.title.replace(' ', '-')","config":{"name":"mill","sources":[{"folder":%q}]}}}`, corpus(t, 3))),
		on("tell", "in ", fmt.Sprintf(`{"webhook":{"url":%q,"title":"=event.title"}}`, hook.URL)),
		on("second", "out ", `{"alert":{"title":"='second ' + event.title"}}`),
	)
	rules.AllowPrivate = true
	config := node.Config{Data: t.TempDir(), Addr: freeport.Addr(t), Roles: []node.Role{node.Tracker}, NATS: node.NATS{Listen: nats, Token: "a-test-token"}, Rules: rules}
	proc := spawn(t, config)
	defer func() { end(proc) }()
	c := client.New("http://"+config.Addr, "")
	eventually(t, func() bool { return len(all[event.RuleSaved](t, c)) == 4 }, func() any { return nil })

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b, err := bus.Open(ctx, bus.Config{URL: "nats://" + nats, Token: "a-test-token", Source: "/test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close(context.WithoutCancel(ctx))
	if _, err := b.Publish(ctx, event.RunStarted{Run: "alerted", Attempt: 1, Worker: "w"}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			a := event.AlertRaised{Run: "alerted", Level: "warn", Title: fmt.Sprintf("in %d", i), Key: fmt.Sprint(i)}
			if _, err := b.Publish(ctx, a); err != nil && ctx.Err() == nil {
				t.Errorf("alert %d: %v", i, err)
				return
			}
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	})
	for i := range 4 {
		time.Sleep(time.Duration(150+100*i) * time.Millisecond) // anywhere in what it does
		end(proc)
		proc = spawn(t, config)
	}
	cancel()
	wg.Wait()

	in := map[string]bool{}
	for _, a := range all[event.AlertRaised](t, c) {
		if len(a.Title) > 3 && a.Title[:3] == "in " {
			in[a.Title] = true
		}
	}
	if len(in) == 0 {
		t.Fatal("no alert came through")
	}
	eventually(t, func() bool {
		return len(all[event.RuleActed](t, c)) >= 4*len(in) && len(all[event.NotificationDelivered](t, c)) >= len(in)
	}, func() any { return firings(t, c) })

	fired, acted := map[event.FiringID]int{}, map[event.FiringID]int{}
	for _, f := range all[event.RuleFired](t, c) {
		if fired[f.Firing]++; f.Failure != nil {
			t.Errorf("%+v", f)
		}
	}
	for _, a := range all[event.RuleActed](t, c) {
		if acted[a.Firing]++; a.Outcome != event.Done {
			t.Errorf("%+v", a)
		}
	}
	if len(fired) != 4*len(in) || len(acted) != 4*len(in) {
		t.Errorf("%d alerts, %d firings, %d acted on", len(in), len(fired), len(acted))
	}
	for id, n := range fired {
		if n != 1 || acted[id] != 1 {
			t.Errorf("%s was decided %d times and acted on %d times", id, n, acted[id])
		}
	}
	answers, runs := map[string]map[string]bool{}, map[string]int{}
	for _, a := range all[event.AlertRaised](t, c) { // said twice with one key they are one
		if answers[a.Title] == nil {
			answers[a.Title] = map[string]bool{}
		}
		answers[a.Title][a.Key] = true
	}
	for _, r := range all[event.RunRequested](t, c) {
		runs[r.Name]++
	}
	for title := range in {
		name := "in-" + title[3:]
		if len(answers["out "+title]) != 1 || len(answers["second out "+title]) != 1 || runs[name] != 1 {
			t.Errorf("%s: %d answers, %d answers to these, %d runs", title, len(answers["out "+title]), len(answers["second out "+title]), runs[name])
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(came) != len(in) || len(all[event.NotificationDelivered](t, c)) != len(in) {
		t.Errorf("%d webhooks of %d alerts", len(came), len(in))
	}
	again := 0
	for _, n := range came {
		again += n - 1
	}
	t.Logf("%d alerts; %d webhooks came again under the name that they had", len(in), again)
}
