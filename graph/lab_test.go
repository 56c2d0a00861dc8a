package graph_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"millrace/event"
	"millrace/graph"
	"millrace/storage/readmodel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// epoch is when everything in these tests begins.
var epoch = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

// log is a log in memory that is folded into a real read model as it is written: the least that can stand in for the tracker.
type log struct {
	model *readmodel.Model

	mu     sync.Mutex
	facts  []event.Envelope
	more   chan struct{} // closed and replaced at every fact
	made   int
	broken error // what Submit fails with, if anything
}

// refusal is what a tracker refuses with.
type refusal struct {
	code, text, hint string
	field            []string
}

func (r refusal) Error() string   { return r.text }
func (r refusal) Code() string    { return r.code }
func (r refusal) Hint() string    { return r.hint }
func (r refusal) Field() []string { return r.field }

// write publishes facts, each a second after the one before.
func (l *log) write(t testing.TB, facts ...event.Event) {
	t.Helper()
	for _, e := range facts {
		if _, err := l.publish(e); err != nil {
			t.Fatal(err)
		}
	}
}

func (l *log) publish(e event.Event) (event.Envelope, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	seq := uint64(len(l.facts) + 1)
	env := event.Envelope{ID: fmt.Sprint("fact-", seq), Source: "/test", Time: epoch.Add(time.Duration(seq) * time.Second), Seq: seq, Event: e}
	if err := l.model.Apply(env); err != nil {
		return env, err
	}
	l.facts = append(l.facts, env)
	close(l.more)
	l.more = make(chan struct{})
	return env, nil
}

// Take publishes the facts of a batch as they are numbered.
func (l *log) Take(_ context.Context, b event.Batch) (event.Receipt, error) {
	if l.broken != nil {
		return event.Receipt{}, l.broken
	}
	envs, err := b.Number()
	if err != nil {
		return event.Receipt{}, err
	}
	var got event.Receipt
	for _, env := range envs {
		made, err := l.publish(env.Event)
		if err != nil {
			return got, err
		}
		got.Seq = made.Seq
	}
	return got, nil
}

// Await has nothing to wait for: what is written is folded.
func (l *log) Await(context.Context, uint64) error { return nil }

// Submit completes a wish in the plainest way.
func (l *log) Submit(_ context.Context, wish event.Event) (event.Envelope, error) {
	l.mu.Lock()
	l.made++
	id, broken := fmt.Sprintf("made-%d", l.made), l.broken
	l.mu.Unlock()
	if broken != nil {
		return event.Envelope{}, broken
	}
	switch w := wish.(type) {
	case event.RunRequested:
		if w.Resume > 0 {
			of, err := l.model.Run(w.Run)
			if err != nil {
				return event.Envelope{}, err
			}
			w.Spec, w.Resume = of.Spec, of.Resume+1
			return l.publish(w)
		}
		if strings.Contains(string(w.Spec.Config), "no_such_key") {
			return event.Envelope{}, fmt.Errorf("resolve: %w", refusal{"INVALID", `no_such_key is not known`, "did you mean steps?", []string{"config", "no_such_key"}})
		}
		if w.Branch != nil && w.Branch.Kind == event.Reproduction {
			of, err := l.model.Run(w.Branch.From)
			if err != nil {
				return event.Envelope{}, err
			}
			w.Spec, w.Experiment = of.Spec, of.Experiment
		}
		digest, err := w.Spec.Digest()
		if err != nil {
			return event.Envelope{}, err
		}
		w.Run, w.SpecDigest = event.RunID(id), digest
		wish = w
	case event.ExperimentCreated:
		if _, err := l.model.ExperimentByName(w.Name); err == nil {
			return event.Envelope{}, refusal{code: "CONFLICT", text: "there is one of that name", field: []string{"name"}}
		}
		w.Experiment = event.ExperimentID(id)
		wish = w
	case event.RuleSaved:
		if w.Rule == "" {
			w.Rule = event.RuleID(id)
		}
		wish = w
	case event.ContestOpened:
		w.Contest, w.Overlap, w.DailyVotes = event.ContestID(id), max(1, w.Overlap), 100
		wish = w
	case event.VoteCast:
		w.Judge, w.Vote = event.Human, event.HumanVote(w.Contest, w.Rater, w.Item, w.A, w.B)
		wish = w
	case event.AliasSet:
		if w.Checkpoint == "" {
			return event.Envelope{}, refusal{code: "NOT_FOUND", text: "no such checkpoint", field: []string{"step"}}
		}
	}
	return l.publish(wish)
}

// Follow hands on what was written and what will be.
func (l *log) Follow(ctx context.Context, from uint64, filters []string, fn func(event.Envelope) error) error {
	for next := max(from, 1); ; next++ {
		l.mu.Lock()
		more := l.more
		known := uint64(len(l.facts))
		var env event.Envelope
		if next <= known {
			env = l.facts[next-1]
		}
		l.mu.Unlock()
		if next > known {
			select {
			case <-more:
				next--
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if !fits(filters, env.Event.Subject()) {
			continue
		}
		if err := fn(env); err != nil {
			return err
		}
	}
}

func fits(filters []string, subject string) bool {
	if len(filters) == 0 {
		return true
	}
	have := strings.Split(subject, ".")
next:
	for _, f := range filters {
		want := strings.Split(f, ".")
		if len(want) != len(have) {
			continue
		}
		for i := range want {
			if want[i] != "*" && want[i] != have[i] {
				continue next
			}
		}
		return true
	}
	return false
}

// LastSeq is the last fact's place.
func (l *log) LastSeq(context.Context) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return uint64(len(l.facts)), l.broken
}

// lab is a read model, a log and a server over them.
type lab struct {
	*log
	server *graph.Server
	url    string
	errors *bytes.Buffer // what was logged
}

// newLab opens a lab in a temporary directory. After the test, the log folded anew must say what the read model says.
func newLab(t testing.TB, change ...func(*graph.Config)) *lab {
	t.Helper()
	model, err := readmodel.Open(filepath.Join(t.TempDir(), "model.db"), readmodel.Options{Identity: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{log: &log{model: model, more: make(chan struct{})}, errors: &bytes.Buffer{}}
	config := graph.Config{
		Durability: func(context.Context) (string, []string, error) { return "one copy", []string{"keep three"}, nil },
		Model:      model, Tracker: l.log, Version: "v0.1.0", Roles: []string{"tracker", "api"},
		Log:         slog.New(slog.NewTextHandler(l.errors, &slog.HandlerOptions{Level: slog.LevelError})),
		Now:         func() time.Time { return epoch.Add(time.Hour) },
		MinInterval: time.Millisecond,
	}
	_, stored := judged()
	config.Blob = stored.open
	for _, c := range change {
		c(&config)
	}
	l.server = graph.Handler(config)
	web := httptest.NewServer(l.server)
	l.url = web.URL
	t.Cleanup(func() {
		if err := l.server.Close(); err != nil {
			t.Error(err)
		}
		web.CloseClientConnections()
		web.Close()
		if err := model.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// answer is what GraphQL says.
type answer struct {
	Data   json.RawMessage
	Errors []struct {
		Message    string
		Path       []any
		Extensions map[string]any
	}
}

// ask posts an operation in process.
func (l *lab) ask(t testing.TB, query string, variables map[string]any) answer {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/graphql", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	l.server.ServeHTTP(w, r)
	var a answer
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
	return a
}

// get asks and decodes; an error fails the test.
func get[T any](t testing.TB, l *lab, query string, variables map[string]any) T {
	t.Helper()
	a := l.ask(t, query, variables)
	if len(a.Errors) > 0 {
		t.Fatalf("%s: %+v", query, a.Errors)
	}
	var v T
	if err := json.Unmarshal(a.Data, &v); err != nil {
		t.Fatalf("%v in %s", err, a.Data)
	}
	return v
}

// code is the code of an operation's only error.
func (l *lab) code(t testing.TB, query string, variables map[string]any) string {
	t.Helper()
	a := l.ask(t, query, variables)
	if len(a.Errors) != 1 {
		t.Fatalf("%s: want one error, got %+v, %s", query, a.Errors, a.Data)
	}
	code, _ := a.Errors[0].Extensions["code"].(string)
	return code
}

var errDisk = errors.New("the disk at /secret/path is full")
