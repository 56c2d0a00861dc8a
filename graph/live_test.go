package graph_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"millrace/event"
	"millrace/graph"
)

type listValue struct {
	RunList struct {
		Added, Changed []struct{ ID, Name, Status string }
		Removed, Order []string
		TotalCount     int
		HasNextPage    bool
	}
}

const listFields = `{ added { id name status } changed { id name status } removed order totalCount hasNextPage }`

func TestAPageOfRunsIsKeptUpToDate(t *testing.T) {
	l := newLab(t)
	l.write(t, request(t, "a", "a", trainSpec("1")), request(t, "b", "b", trainSpec("2")))
	c := dial(t, l)
	c.subscribe("1", `subscription { runList(first: 2, orderBy: {field: CREATED, direction: DESC}) `+listFields+` }`)
	v := value[listValue](c).RunList
	if len(v.Added) != 2 || !slices.Equal(v.Order, []string{"b", "a"}) || v.TotalCount != 2 || v.HasNextPage {
		t.Fatalf("%+v", v)
	}
	l.write(t, event.RunNoted{Run: "a", Name: ptr("renamed")})
	if v = value[listValue](c).RunList; len(v.Changed) != 1 || v.Changed[0].Name != "renamed" || len(v.Added)+len(v.Removed) != 0 {
		t.Fatalf("%+v", v)
	}
	l.write(t, request(t, "c", "c", trainSpec("3"))) // pushes a off the page
	if v = value[listValue](c).RunList; len(v.Added) != 1 || v.Added[0].ID != "c" || !slices.Equal(v.Removed, []string{"a"}) || !v.HasNextPage || v.TotalCount != 3 {
		t.Fatalf("%+v", v)
	}
	l.write(t, event.RunArchived{Run: "c", Archived: true}) // and a comes back
	if v = value[listValue](c).RunList; !slices.Equal(v.Removed, []string{"c"}) || !slices.Equal(v.Order, []string{"b", "a"}) || v.Added[0].ID != "a" {
		t.Fatalf("%+v", v)
	}
	c.subscribe("2", `subscription { runList(first: -1) `+listFields+` }`)
	for {
		if m := c.next(); m.ID == "2" {
			if !strings.Contains(string(m.Payload), "BAD_USER_INPUT") {
				t.Errorf("%s", m.Payload)
			}
			break
		}
	}
}

func TestConsoleLinesComeAsTheyArePrinted(t *testing.T) {
	l := newLab(t)
	old := make([]string, 300)
	for i := range old {
		old[i] = fmt.Sprint("old ", i)
	}
	l.write(t, request(t, "r", "r", trainSpec("1")), event.RunStarted{Run: "r", Attempt: 1}, event.LinesLogged{Run: "r", Stream: "stdout", Lines: old})
	type lines struct {
		Console []struct {
			Stream, Text string
			Line         int64
		}
	}
	c := dial(t, l)
	c.subscribe("1", `subscription { console(run: "r") { stream line text } }`)
	if v := value[lines](c).Console; len(v) != 200 || v[0].Line != 100 || v[199].Text != "old 299" {
		t.Fatalf("%d lines, the first %+v", len(v), v[0])
	}
	l.write(t, event.LinesLogged{Run: "r", Stream: "stdout", First: 300, Lines: []string{"new"}}, event.LinesLogged{Run: "r", Stream: "stderr", Lines: []string{"hot"}})
	seen := map[string]bool{}
	for len(seen) < 2 {
		for _, line := range value[lines](c).Console {
			if key := fmt.Sprint(line.Stream, " ", line.Line, " ", line.Text); seen[key] {
				t.Fatalf("%s comes twice", key)
			} else {
				seen[key] = true
			}
		}
	}
	if !seen["stdout 300 new"] || !seen["stderr 0 hot"] {
		t.Fatal(seen)
	}
	l.write(t, event.LinesLogged{Run: "r", Stream: "stdout", First: 301, Lines: []string{"last"}}, event.RunEnded{Run: "r", Attempt: 1, Status: event.Finished})
	last := ""
	for {
		m := c.next()
		if m.Type == "complete" {
			break
		}
		last = string(m.Payload)
	}
	if !strings.Contains(last, `"last"`) {
		t.Errorf("the last value was %s", last)
	}
	whole := dial(t, l)
	whole.subscribe("2", `subscription { console(run: "r", stream: "stdout", from: 0) { line } }`)
	if v := value[lines](whole).Console; len(v) != 302 || v[0].Line != 0 {
		t.Errorf("%d lines from the beginning", len(v))
	}
}

func TestTheQueueIsShownAtEachChange(t *testing.T) {
	l := newLab(t)
	l.write(t, request(t, "a", "a", trainSpec("1")), request(t, "b", "b", trainSpec("2")))
	type jobs struct {
		Jobs struct {
			Pending, Running int
			Waiting          []struct{ Run struct{ ID string } }
			Active           []struct {
				Run      struct{ ID string }
				Worker   string
				Attempt  int
				Progress *struct{ Done int64 }
				Waited   float64
			}
		}
	}
	c := dial(t, l)
	c.subscribe("1", `subscription { jobs(kinds: [TRAIN]) { pending running waiting { run { id } } active(first: 5) { run { id } worker attempt waited progress { done } } } }`)
	if v := value[jobs](c).Jobs; v.Pending != 2 || v.Running != 0 || v.Waiting[0].Run.ID != "a" {
		t.Fatalf("%+v", v)
	}
	l.write(t, event.RunStarted{Run: "a", Attempt: 1, Worker: "gpu-1"})
	if v := value[jobs](c).Jobs; v.Pending != 1 || v.Running != 1 || v.Active[0].Worker != "gpu-1" || v.Active[0].Attempt != 1 || v.Active[0].Waited != 2 {
		t.Fatalf("%+v", v)
	}
	l.write(t, event.RunProgressed{Run: "a", Phase: "train", Done: 7, Total: 9, Unit: "steps"})
	if v := value[jobs](c).Jobs; v.Active[0].Progress == nil || v.Active[0].Progress.Done != 7 {
		t.Fatalf("%+v", v)
	}
	l.write(t, event.RunEnded{Run: "a", Attempt: 1, Status: event.Finished})
	if v := value[jobs](c).Jobs; v.Pending != 1 || v.Running != 0 || len(v.Active) != 0 {
		t.Fatalf("%+v", v)
	}
}

func TestAlertsAreToldOfWhenTheyAreRaised(t *testing.T) {
	l := newLab(t)
	l.write(t, request(t, "a", "a", trainSpec("1")), request(t, "b", "b", trainSpec("2")), event.AlertRaised{Run: "a", Level: "info", Title: "before"})
	type alert struct {
		Alerts struct {
			RunID string
			Run   *struct{ Name string }
			Alert struct{ Level, Title string }
		}
	}
	all, one := dial(t, l), dial(t, l)
	all.subscribe("1", `subscription { alerts { runId run { name } alert { level title } } }`)
	one.subscribe("1", `subscription { alerts(run: "b") { runId run { name } alert { level title } } }`)
	stop := repeat(t, func(i int) {
		l.write(t, event.AlertRaised{Run: "a", Level: "warn", Title: "of a"}, event.AlertRaised{Run: "b", Level: "error", Title: "of b"})
	})
	defer stop()
	if v := value[alert](all).Alerts; v.Run == nil || v.Alert.Title == "before" {
		t.Errorf("%+v", v)
	}
	for range 3 {
		if v := value[alert](one).Alerts; v.RunID != "b" || v.Run.Name != "b" || v.Alert.Title != "of b" {
			t.Errorf("%+v", v)
		}
	}
}

// One who reads nothing of a list that changes all the time keeps neither the log nor the other readers waiting.
func TestAReaderWhoStandsStillHoldsNobodyUp(t *testing.T) {
	l := newLab(t)
	l.write(t, request(t, "a", "a", trainSpec("1")))
	still := dial(t, l)
	long := strings.Repeat("x", 100_000)
	for i := range 4 {
		still.subscribe(fmt.Sprint(i), `subscription { runList { changed { note id } added { note } removed } }`)
	}
	reader := dial(t, l)
	reader.subscribe("1", `subscription { runList { changed { note } order } }`)
	value[struct{}](reader)
	for i := range 100 { // 40 MB for the one who reads nothing
		l.write(t, event.RunNoted{Run: "a", Note: ptr(fmt.Sprint(i, " ", long))})
	}
	for {
		v := value[struct {
			RunList struct{ Changed []struct{ Note string } }
		}](reader)
		if n := v.RunList.Changed; len(n) == 1 && strings.HasPrefix(n[0].Note, "99 ") {
			break
		}
	}
}

// A stream of events ends with the reason, as a value without data.
func TestAStreamThatFailsSaysWhy(t *testing.T) {
	l := newLab(t, func(c *graph.Config) { c.Tracker = failing{c.Tracker} })
	body := []byte(`{"query":"subscription { events(from: 1) { seq } }"}`)
	r, err := http.NewRequest(http.MethodPost, l.url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "text/event-stream")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var lines []string
	for s := bufio.NewScanner(res.Body); s.Scan(); {
		if s.Text() != "" && s.Text() != ":" {
			lines = append(lines, s.Text())
		}
	}
	want := []string{"event: next", `data: {"data":null,"errors":[{"message":"internal error; the server's log says more"`, "event: complete"}
	if len(lines) < 3 || lines[0] != want[0] || !strings.HasPrefix(lines[1], want[1]) || !strings.Contains(lines[1], "INTERNAL") || lines[2] != want[2] {
		t.Errorf("%q", lines)
	}
}
