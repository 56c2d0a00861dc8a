package bus_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"millrace/services/bus"
)

func TestDurabilitySaysWhatAPowerCutCosts(t *testing.T) {
	monitored := func(always bool) *external {
		opts := natsOptions(t)
		opts.HTTPHost, opts.HTTPPort, opts.SyncAlways = "127.0.0.1", -1, always
		return startNATS(t, opts)
	}
	lazy, always := monitored(false), monitored(true)
	monitor := func(n *external) string { return fmt.Sprintf("http://%s", n.srv.MonitorAddr()) }
	stranger := httptest.NewServer(http.NotFoundHandler())
	defer stranger.Close()
	for name, c := range map[string]struct {
		conf  bus.Config
		says  string
		warns []string
	}{
		"embedded": {bus.Config{Dir: t.TempDir()}, "fsync before every acknowledgement", nil},
		"relaxed":  {bus.Config{Dir: t.TempDir(), Relaxed: true}, "relaxed", []string{"power cut"}},
		"unasked":  {bus.Config{URL: always.URL()}, "unknown", []string{"1 replica", "no monitoring address"}},
		"stranger": {bus.Config{URL: always.URL(), Monitor: stranger.URL}, "unknown", []string{"1 replica", "404"}},
		"lazy":     {bus.Config{URL: lazy.URL(), Monitor: monitor(lazy)}, "fsync every 2m0s", []string{"1 replica", "sync_interval: always"}},
		"always":   {bus.Config{URL: always.URL(), Monitor: monitor(always) + "/"}, "fsync before every acknowledgement", []string{"1 replica"}},
	} {
		t.Run(name, func(t *testing.T) {
			summary, warnings, err := open(t, c.conf).Durability(soon(t))
			if err != nil || !strings.Contains(summary, c.says) || len(warnings) != len(c.warns) {
				t.Fatalf("%q, %q, %v", summary, warnings, err)
			}
			for i, w := range c.warns {
				if !strings.Contains(warnings[i], w) {
					t.Errorf("warning %d is %q, want %q in it", i, warnings[i], w)
				}
			}
		})
	}
}

func TestDurabilityWarnsOfAStreamThatForgets(t *testing.T) {
	n := startNATS(t, natsOptions(t))
	js := admin(t, n.URL())
	if _, err := js.CreateStream(soon(t), jetstream.StreamConfig{Name: bus.Stream, Subjects: []string{"millrace.>"}, Storage: jetstream.MemoryStorage, MaxMsgs: 10}); err != nil {
		t.Fatal(err)
	}
	b := open(t, bus.Config{URL: n.URL()})
	for range 3 {
		publish(t, b, beat("a"))
	}
	s, err := js.Stream(soon(t), bus.Stream)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteMsg(soon(t), 2); err != nil {
		t.Fatal(err)
	}
	_, warnings, err := b.Durability(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1 facts are missing between 1 and 3", "kept in memory", "remove old facts"} {
		if !strings.Contains(strings.Join(warnings, "\n"), want) {
			t.Errorf("nothing of %q in %q", want, warnings)
		}
	}
	if state, err := b.State(soon(t)); err != nil || state.Removed != 1 {
		t.Errorf("%+v, %v", state, err)
	}
}
