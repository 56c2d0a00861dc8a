package graph_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"millrace/event"
	"millrace/graph"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

type message struct {
	ID      string          `json:"id,omitempty"`
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

// client speaks graphql-transport-ws.
type client struct {
	t    *testing.T
	conn *websocket.Conn
	ctx  context.Context
}

func dial(t *testing.T, l *lab) *client {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	conn, _, err := websocket.Dial(ctx, strings.Replace(l.url, "http", "ws", 1), &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}})
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadLimit(64 << 20)
	t.Cleanup(func() { conn.CloseNow() })
	c := &client{t, conn, ctx}
	c.send(message{Type: "connection_init"})
	if m := c.next(); m.Type != "connection_ack" {
		t.Fatalf("%+v", m)
	}
	return c
}

func (c *client) send(m message) {
	c.t.Helper()
	if err := wsjson.Write(c.ctx, c.conn, m); err != nil {
		c.t.Fatal(err)
	}
}

// next is the next message that is no ping.
func (c *client) next() message {
	c.t.Helper()
	for {
		var m message
		if err := wsjson.Read(c.ctx, c.conn, &m); err != nil {
			c.t.Fatal(err)
		}
		switch m.Type {
		case "ping":
			c.send(message{Type: "pong"})
		case "pong":
		default:
			return m
		}
	}
}

func (c *client) subscribe(id, query string) {
	c.t.Helper()
	payload, err := json.Marshal(map[string]string{"query": query})
	if err != nil {
		c.t.Fatal(err)
	}
	c.send(message{ID: id, Type: "subscribe", Payload: payload})
}

// value is the next value of a subscription.
func value[T any](c *client) T {
	c.t.Helper()
	m := c.next()
	var p struct {
		Data   T
		Errors []any
	}
	if err := json.Unmarshal(m.Payload, &p); err != nil || m.Type != "next" || len(p.Errors) > 0 {
		c.t.Fatalf("%s %s: %v", m.Type, m.Payload, err)
	}
	return p.Data
}

// repeat does something again and again until the returned function is called: for what only counts once a subscription stands, of
// which a client is told by its first value alone.
func repeat(t *testing.T, do func(i int)) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			do(i)
			select {
			case <-quit:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return func() { close(quit); <-done }
}

type runValue struct {
	Run struct {
		ID, Status string
		Seq        int64
		Metrics    []struct{ Last float64 }
	}
}

func TestARunIsSentAtEachChangeUntilItEnds(t *testing.T) {
	l := newLab(t)
	l.write(t, request(t, "r", "r", trainSpec("1")))
	c := dial(t, l)
	c.subscribe("1", `subscription { run(id: "r") { id status seq metrics(match: "loss") { last } } }`)
	if v := value[runValue](c).Run; v.ID != "r" || v.Status != "PENDING" {
		t.Fatalf("the first value comes at once: %+v", v)
	}
	until := func(what string, ok func(runValue) bool) {
		t.Helper()
		last := int64(0)
		for {
			v := value[runValue](c)
			if v.Run.Seq < last {
				t.Fatalf("seq went back from %d to %d", last, v.Run.Seq)
			}
			if last = v.Run.Seq; ok(v) {
				return
			}
		}
	}
	l.write(t, event.RunStarted{Run: "r", Attempt: 1, Worker: "w"})
	until("started", func(v runValue) bool { return v.Run.Status == "RUNNING" })
	l.write(t, points("r", "loss", 1, 2.5))
	until("a point", func(v runValue) bool { return len(v.Run.Metrics) == 1 && v.Run.Metrics[0].Last == 2.5 })
	l.write(t, event.RunEnded{Run: "r", Attempt: 1, Status: event.Finished})
	until("the end", func(v runValue) bool { return v.Run.Status == "FINISHED" })
	if m := c.next(); m.Type != "complete" || m.ID != "1" {
		t.Fatalf("after the end: %+v", m)
	}
	c.subscribe("2", `subscription { run(id: "r") { status } }`)
	if v := value[runValue](c); v.Run.Status != "FINISHED" {
		t.Fatalf("%+v", v)
	}
	if m := c.next(); m.Type != "complete" {
		t.Fatalf("an ended run is told once: %+v", m)
	}
	c.subscribe("3", `subscription { run(id: "nobody") { status } }`)
	if m := c.next(); !strings.Contains(string(m.Payload), "NOT_FOUND") {
		t.Fatalf("%+v %s", m, m.Payload)
	}
}

func TestChangedRunsAreSentAndOthersAreNot(t *testing.T) {
	l := newLab(t)
	l.write(t, story(t)...)
	c := dial(t, l)
	c.subscribe("1", `subscription { runChanged(filter: {kind: [TRAIN]}) { id status note progress { done } } }`)
	type changed struct {
		RunChanged struct {
			ID, Status, Note string
			Progress         *struct{ Done int64 }
		}
	}
	stop := repeat(t, func(i int) {
		l.write(t, event.RunNoted{Run: "curate-1", Note: ptr(fmt.Sprint("not a training run ", i))}, event.RunNoted{Run: "train-2", Note: ptr(fmt.Sprint("seen ", i))})
	})
	if v := value[changed](c).RunChanged; v.ID != "train-2" || !strings.HasPrefix(v.Note, "seen") {
		t.Fatalf("%+v", v)
	}
	stop()
	l.write(t, event.RunProgressed{Run: "repro-1", Done: 7})
	v := value[changed](c).RunChanged
	for v.ID == "train-2" { // what was noted last
		v = value[changed](c).RunChanged
	}
	if v.ID != "repro-1" || v.Progress.Done != 7 {
		t.Fatalf("%+v", v)
	}
	l.write(t, request(t, "new", "new", trainSpec("3")))
	if v := value[changed](c).RunChanged; v.ID != "new" {
		t.Fatalf("%+v", v)
	}
}

func TestWhatChangedBetweenAnAnswerAndASubscriptionIsSent(t *testing.T) {
	l := newLab(t)
	l.write(t, story(t)...)
	c := dial(t, l)
	seen := l.model.Cursor().Applied
	l.write(t, event.AliasSet{Experiment: "x", Alias: "best", Run: "train-2"})
	c.subscribe("1", fmt.Sprintf(`subscription { runChanged(after: %d) { id } }`, seen))
	type changed struct{ RunChanged struct{ ID string } }
	if v := value[changed](c).RunChanged; v.ID != "train-2" {
		t.Fatalf("%+v", v)
	}
	c = dial(t, l)
	c.subscribe("2", `subscription { runChanged(after: -1) { id } }`)
	if m := c.next(); !strings.Contains(string(m.Payload), "BAD_USER_INPUT") {
		t.Fatalf("%+v %s", m, m.Payload)
	}
}

type pointsValue struct {
	Points []struct {
		Key    string
		Steps  []int64
		Values []float64
		Reset  bool
	}
}

func TestPointsContinueWhereTheyWere(t *testing.T) {
	l := newLab(t)
	l.write(t, request(t, "r", "r", trainSpec("1")), points("r", "loss", 1, 1, 2, 3), points("r", "other", 1, 9))
	c := dial(t, l)
	const fields = `{ key steps values reset }`
	c.subscribe("1", `subscription { points(run: "r", keys: ["loss"]) `+fields+` }`)
	if v := value[pointsValue](c).Points; len(v) != 1 || fmt.Sprint(v[0].Steps, v[0].Values) != "[1 2 3] [1 2 3]" {
		t.Fatalf("%+v", v)
	}
	l.write(t, points("r", "loss", 4, 4))
	if v := value[pointsValue](c).Points; len(v) != 1 || fmt.Sprint(v[0].Steps, v[0].Reset) != "[4] false" {
		t.Fatalf("%+v", v)
	}
	l.write(t, event.RunRewound{Run: "r", Step: 2})
	if v := value[pointsValue](c).Points; len(v) != 1 || !v[0].Reset || fmt.Sprint(v[0].Steps) != "[1 2]" {
		t.Fatalf("what was sent before is void: %+v", v)
	}
	c.send(message{ID: "1", Type: "complete"})
	for c.next().Type != "complete" {
	}
	c.subscribe("2", `subscription { points(run: "r", keys: ["lo*"], afterStep: 1) `+fields+` }`)
	if v := value[pointsValue](c).Points; fmt.Sprint(v[0].Steps) != "[2]" {
		t.Fatalf("%+v", v)
	}
	l.write(t, points("r", "loud", 0, 5, 6, 7)) // a series that begins later begins after the step too
	if v := value[pointsValue](c).Points; v[0].Key != "loud" || fmt.Sprint(v[0].Steps) != "[2]" {
		t.Fatalf("%+v", v)
	}
}

func TestNoPointIsLostToASlowReaderAndNobodyWaitsForIt(t *testing.T) {
	l := newLab(t)
	l.write(t, request(t, "r", "r", trainSpec("1")))
	slow, quick := dial(t, l), dial(t, l)
	const query = `subscription { points(run: "r", keys: ["loss"]) { steps values } }`
	slow.subscribe("1", query)
	quick.subscribe("1", query)
	const frames, size = 300, 500
	wrote := make(chan struct{})
	go func() {
		defer close(wrote)
		values := make([]float64, size)
		for i := range frames {
			for j := range values {
				values[j] = float64(i*size + j)
			}
			if _, err := l.publish(points("r", "loss", int64(i*size), values...)); err != nil {
				t.Error(err)
			}
		}
	}()
	read := func(c *client) (messages int) {
		for next := int64(0); next < frames*size; messages++ {
			for _, s := range value[pointsValue](c).Points {
				for i, step := range s.Steps {
					if step != next || s.Values[i] != float64(next) {
						t.Fatalf("after step %d comes %d with %v", next-1, step, s.Values[i])
					}
					next++
				}
			}
		}
		return messages
	}
	read(quick)
	<-wrote // the writer did not wait for the one who has read nothing yet
	if n := read(slow); n >= frames {
		t.Errorf("the slow reader got %d messages for %d frames: nothing was merged", n, frames)
	}
}

func TestTheLogItself(t *testing.T) {
	l := newLab(t)
	l.write(t, story(t)...)
	type logged struct {
		Events struct {
			Seq                       int64
			ID, Type, Source, Subject string
			Time                      time.Time
			Body                      map[string]any
		}
	}
	c := dial(t, l)
	const fields = `{ seq id type source subject time body }`
	c.subscribe("1", `subscription { events(from: 1, types: ["dataset.published", "metrics.logged", "run.requested"]) `+fields+` }`)
	if v := value[logged](c).Events; v.Seq != 1 || v.Type != "run.requested" || v.ID != "fact-1" || v.Source != "/test" || v.Subject != "millrace.run.curate-1.requested.curate" || !v.Time.Equal(epoch.Add(time.Second)) || v.Body["name"] != "go-docs" {
		t.Fatalf("%+v", v)
	}
	if v := value[logged](c).Events; v.Seq != 3 || v.Body["vocab_size"] != 4096.0 {
		t.Fatalf("%+v", v)
	}
	for {
		v := value[logged](c).Events
		if v.Type != "metrics.logged" {
			continue
		}
		if fmt.Sprint(v.Body) != "map[keys:[train/loss] points:4 runs:[train-1]]" {
			t.Fatalf("%+v", v.Body)
		}
		break
	}
	c.send(message{ID: "1", Type: "complete"})
	for c.next().Type != "complete" {
	}
	fresh := dial(t, l)
	fresh.subscribe("2", `subscription { events { seq type } }`)
	known := int64(len(l.facts))
	stop := repeat(t, func(int) { l.write(t, event.RunHeartbeat{Run: "repro-1", Writer: "w"}) })
	if v := value[logged](fresh).Events; v.Type != "run.heartbeat" || v.Seq <= known {
		t.Fatalf("only what comes after the subscription stands: %+v", v)
	}
	stop()
	fresh = dial(t, l)
	for _, bad := range []string{`events(types: ["no.such"])`, `events(from: -1)`} {
		fresh.subscribe("3", `subscription { `+bad+` { seq } }`)
		if m := fresh.next(); !strings.Contains(string(m.Payload), "BAD_USER_INPUT") {
			t.Errorf("%s: %s", bad, m.Payload)
		}
		fresh.next()
	}
}

func TestEveryFactIsFoundByItsType(t *testing.T) {
	l := newLab(t)
	l.write(t, event.Examples()...)
	c := dial(t, l)
	for i, e := range event.Examples() {
		id := fmt.Sprint(i)
		c.subscribe(id, fmt.Sprintf(`subscription { events(from: 1, types: [%q]) { seq type } }`, e.Type()))
		v := value[struct{ Events struct{ Seq int64 } }](c)
		if v.Events.Seq != int64(i+1) {
			t.Errorf("%s: found at %d, lies at %d", e.Type(), v.Events.Seq, i+1)
		}
		c.send(message{ID: id, Type: "complete"})
		for c.next().Type != "complete" {
		}
	}
}

func TestASubscriptionThatFailsSaysWhy(t *testing.T) {
	l := newLab(t, func(c *graph.Config) { c.Tracker = failing{c.Tracker} })
	c := dial(t, l)
	c.subscribe("1", `subscription { events(from: 1) { seq } }`)
	m := c.next()
	if m.Type != "error" || !strings.Contains(string(m.Payload), "INTERNAL") || strings.Contains(string(m.Payload), "secret") {
		t.Errorf("%s %s", m.Type, m.Payload)
	}
}

// failing is a log that breaks while it is followed.
type failing struct{ graph.Tracker }

func (failing) Follow(context.Context, uint64, []string, func(event.Envelope) error) error {
	return errDisk
}

func TestServerSentEvents(t *testing.T) {
	l := newLab(t)
	l.write(t, request(t, "r", "r", trainSpec("1")))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	body := `{"query": "subscription { run(id: \"r\") { status } }"}`
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "text/event-stream")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer resp.Body.Close()
	if got := resp.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Fatal(got)
	}
	lines := bufio.NewScanner(resp.Body)
	until := func(part string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), part) {
				return
			}
		}
		t.Fatalf("no %q came: %v", part, lines.Err())
	}
	until(`"PENDING"`)
	l.write(t, event.RunStarted{Run: "r", Attempt: 1, Worker: "w"})
	until(`"RUNNING"`)
	l.write(t, event.RunEnded{Run: "r", Attempt: 1, Status: event.Stopped})
	until(`"STOPPED"`)
	until("event: complete")
}

func TestCloseEndsSocketsAndStreamsAndAnswersQuestionsOn(t *testing.T) {
	l := newLab(t)
	l.write(t, request(t, "r", "r", trainSpec("1")))
	c := dial(t, l)
	c.subscribe("1", `subscription { run(id: "r") { status } }`)
	value[runValue](c)
	done := make(chan struct{})
	go func() { defer close(done); l.server.Close() }()
	for {
		var m message
		err := wsjson.Read(c.ctx, c.conn, &m)
		if err == nil {
			continue
		}
		if got := websocket.CloseStatus(err); got != websocket.StatusGoingAway {
			t.Errorf("closed with %v (%v), want going away", got, err)
		}
		break
	}
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("Close does not return")
	}
	if a := l.ask(t, `{ run(id: "r") { status } }`, nil); len(a.Errors) > 0 {
		t.Errorf("%+v", a.Errors)
	}
	_, resp, err := websocket.Dial(c.ctx, strings.Replace(l.url, "http", "ws", 1), &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}})
	if err == nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a socket after Close: %v", err)
	}
}

// A client that stops reading is dropped, and does not hold the shutdown up.
func TestASilentClientIsDropped(t *testing.T) {
	l := newLab(t, func(c *graph.Config) { c.WriteTimeout = 200 * time.Millisecond })
	l.write(t, request(t, "r", "r", trainSpec("1")))
	c := dial(t, l)
	c.subscribe("1", `subscription { points(run: "r", keys: ["*"]) { steps values } }`)
	values := make([]float64, 20_000)
	for i := range values {
		values[i] = float64(i) + 0.123456789
	}
	for i := range 40 { // many megabytes: more than the sockets' buffers take
		l.write(t, points("r", fmt.Sprint("k", i), 0, values...))
	}
	time.Sleep(time.Second)
	done := make(chan struct{})
	go func() { defer close(done); l.server.Close() }()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("a client that reads nothing holds Close up")
	}
}

func TestPingsKeepASocketAliveAndSilenceEndsIt(t *testing.T) {
	t.Parallel() // it waits for seconds
	l := newLab(t, func(c *graph.Config) { c.KeepAlive = time.Second })
	c := dial(t, l)
	pings := 0
	for {
		var m message
		err := wsjson.Read(c.ctx, c.conn, &m)
		if err != nil {
			break // dropped, because the later pings were not answered
		}
		if m.Type != "ping" {
			continue
		}
		if pings++; pings == 1 {
			c.send(message{Type: "pong"})
		}
	}
	if pings < 2 {
		t.Errorf("dropped after %d pings, the first of which was answered", pings)
	}
	if c.ctx.Err() != nil {
		t.Error("nobody dropped the silent socket")
	}
}

func TestSocketsOfOtherPagesAndProtocolsAreRefused(t *testing.T) {
	l := newLab(t)
	for _, c := range []struct {
		origin   string
		protocol string
		want     int
	}{
		{"https://evil.example", "graphql-transport-ws", http.StatusForbidden},
		{"null", "graphql-transport-ws", http.StatusForbidden},
		{"http://localhost:5173", "graphql-transport-ws", http.StatusSwitchingProtocols},
		{l.url, "graphql-transport-ws", http.StatusSwitchingProtocols},
		{"", "graphql-ws", http.StatusBadRequest},
		{"", "", http.StatusBadRequest},
	} {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		header := http.Header{}
		if c.origin != "" {
			header.Set("Origin", c.origin)
		}
		options := &websocket.DialOptions{HTTPHeader: header}
		if c.protocol != "" {
			options.Subprotocols = []string{c.protocol}
		}
		conn, resp, err := websocket.Dial(ctx, strings.Replace(l.url, "http", "ws", 1), options)
		if resp == nil || resp.StatusCode != c.want {
			t.Errorf("%+v: %v, %v", c, resp, err)
		}
		if conn != nil {
			conn.CloseNow()
		}
		cancel()
	}
}

func TestAMessageThatIsNoneEndsTheSocketAndNothingElse(t *testing.T) {
	l := newLab(t)
	other := dial(t, l)
	c := dial(t, l)
	if err := c.conn.Write(c.ctx, websocket.MessageText, []byte(`{"type": 7`)); err != nil {
		t.Fatal(err)
	}
	for {
		if _, _, err := c.conn.Read(c.ctx); err != nil {
			break
		}
	}
	big := dial(t, l)
	_ = big.conn.Write(big.ctx, websocket.MessageText, bytes.Repeat([]byte("x"), 2<<20))
	for {
		if _, _, err := big.conn.Read(big.ctx); err != nil {
			break
		}
	}
	other.subscribe("1", `subscription { run(id: "nobody") { id } }`)
	if m := other.next(); m.Type != "next" {
		t.Errorf("%+v", m)
	}
}
