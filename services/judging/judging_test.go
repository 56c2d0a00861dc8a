package judging_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"millrace/evaluator"
	"millrace/event"
	"millrace/services/bus"
	"millrace/services/job"
	"millrace/services/judging"
	"millrace/services/meter"
	"millrace/storage/blob"
	"millrace/storage/s3embed"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "sk-judge-5ecret"

// endpoint speaks OpenAI's protocol: it likes the answer that says "good", the first of two that do, and does what fault says.
type endpoint struct {
	*httptest.Server
	mu    sync.Mutex
	asked map[string]int // how often, by the prompt
	fault func(w http.ResponseWriter, prompt string, n int) bool
}

func serve(t *testing.T) *endpoint {
	t.Helper()
	e := &endpoint{asked: map[string]int{}}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Messages []struct{ Content string } }
		if r.URL.Path != "/v1/chat/completions" || r.Header.Get("Authorization") != "Bearer "+secret || json.NewDecoder(r.Body).Decode(&body) != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		prompt := body.Messages[len(body.Messages)-1].Content
		e.mu.Lock()
		e.asked[prompt]++
		n, fault := e.asked[prompt], e.fault
		e.mu.Unlock()
		if fault != nil && fault(w, prompt, n) {
			return
		}
		verdict := "VERDICT: B"
		if strings.HasPrefix(prompt[strings.Index(prompt, "[Answer A]"):], "[Answer A]\ngood") {
			verdict = "VERDICT: A"
		}
		say(w, "I looked at both.\n"+verdict)
	}))
	t.Cleanup(e.Close)
	return e
}

func say(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"model": "tiny", "choices": []any{map[string]any{"message": map[string]any{"content": text}, "finish_reason": "stop"}},
		"usage": map[string]any{"prompt_tokens": 100, "completion_tokens": 10},
	})
}

// requests is how many there were, and forgets them.
func (e *endpoint) requests() (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, k := range e.asked {
		n += k
	}
	e.asked = map[string]int{}
	return n
}

type lab struct {
	bus     *bus.Bus
	blobs   *blob.Store
	contest event.ContestOpened
}

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// newLab opens a log, a store, and a contest of two entries and three prompts: the first one's answers are good, of the last prompt both are.
func newLab(t *testing.T) *lab {
	t.Helper()
	t.Setenv("TEST_JUDGE_API_KEY", secret)
	b, err := bus.Open(soon(t), bus.Config{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	s3, err := s3embed.Open(soon(t), s3embed.Config{Dir: t.TempDir(), AccessKey: "access", SecretKey: "secretsecret", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := blob.Open(soon(t), blob.Config{Endpoint: s3.Endpoint(), AccessKey: "access", SecretKey: "secretsecret", Bucket: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(blobs.Close(), s3.Close()); err != nil {
			t.Error(err)
		}
	})
	l := &lab{bus: b, blobs: blobs, contest: event.ContestOpened{
		Contest: "C", Name: "which", Mode: event.Pairs, Guidelines: "be kind", Suite: "s", SuiteDigest: event.DigestOf([]byte("suite")), Items: 3, Seed: 1, Overlap: 1, DailyVotes: 10,
	}}
	for entry, texts := range [][]string{{"good 0", "good 1", "good 2"}, {"poor 0", "", "good, too"}} {
		var file bytes.Buffer
		write, err := evaluator.WriteAnswers(&file, "s", l.contest.SuiteDigest)
		if err != nil {
			t.Fatal(err)
		}
		for i, text := range texts {
			if err := write(evaluator.Answer{Task: "s", ID: fmt.Sprint(i), Prompt: fmt.Sprint("prompt ", i), Got: []string{text}}); err != nil {
				t.Fatal(err)
			}
		}
		ref, err := blobs.Put(soon(t), file.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		l.contest.Entries = append(l.contest.Entries, event.ContestEntry{Label: fmt.Sprint("m", entry), Evaluation: event.RunID(fmt.Sprint("E", entry)), Results: event.Digest(ref.Digest)})
	}
	return l
}

// request asks for a judge's run.
func (l *lab) request(t *testing.T, run event.RunID, endpoint string, change map[string]any) event.RunRequested {
	t.Helper()
	config := map[string]any{"contest": "which", "endpoint": endpoint + "/v1", "model": "tiny", "api_key_env": "TEST_JUDGE_API_KEY", "allow_private": true, "concurrency": 1, "tries": 2, "requests": 2, "input_price": 1, "output_price": 10}
	for k, v := range change {
		config[k] = v
	}
	raw, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := judging.Resolve(event.Spec{Kind: event.Judge, Config: raw}, func(name string) (event.ContestOpened, error) {
		if name != "which" {
			return event.ContestOpened{}, errors.New("there is none")
		}
		return l.contest, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	req := event.RunRequested{Run: run, Spec: spec}
	if _, err := l.bus.Publish(soon(t), req); err != nil {
		t.Fatal(err)
	}
	return req
}

// work lets a judge work until the test or stop ends it.
func (l *lab) work(t *testing.T) (stop func()) {
	t.Helper()
	m := meter.New(meter.Config{Dir: t.TempDir()})
	runner := &job.Runner{
		Bus: l.bus, Meter: m, Worker: "here", Environment: func() event.Environment { return event.Environment{} }, Device: event.Device{Kind: "cpu", Name: "x", Count: 1},
		Lease: 200 * time.Millisecond, Backoff: []time.Duration{time.Millisecond}, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	}
	s := &judging.Service{Jobs: runner, Bus: l.bus, Blobs: l.blobs, Pause: time.Millisecond, Now: time.Now, Log: runner.Log}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.Run(ctx); err != nil && ctx.Err() == nil {
			t.Error(err)
		}
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		<-done
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// told is what the log has of a run.
type told struct {
	end   event.RunEnded
	votes []event.VoteCast
	spent event.ResourcesSpent
	lines []string
	last  map[string]float64
	all   string // every fact as JSON
}

var errOver = errors.New("over")

// until follows the log until enough says so.
func (l *lab) until(t *testing.T, run event.RunID, enough func(told) bool) told {
	t.Helper()
	got := told{last: map[string]float64{}}
	err := l.bus.Follow(soon(t), 1, nil, func(env event.Envelope) error {
		raw, err := json.Marshal(env.Event)
		if err != nil {
			return err
		}
		got.all += string(raw)
		switch e := env.Event.(type) {
		case event.VoteCast:
			if e.Run == run {
				got.votes = append(got.votes, e)
			}
		case event.ResourcesSpent:
			if e.Run == run {
				got.spent = e
			}
		case event.LinesLogged:
			got.lines = append(got.lines, e.Lines...)
		case event.MetricsLogged:
			for _, f := range e.Frames {
				for _, s := range f.Series {
					got.last[s.Key] = s.Values[len(s.Values)-1]
				}
			}
		case event.RunEnded:
			if e.Run == run {
				got.end = e
			}
		}
		if enough(got) {
			return errOver
		}
		return nil
	})
	if !errors.Is(err, errOver) {
		t.Fatalf("%v; %+v", err, got)
	}
	return got
}

func (l *lab) ended(t *testing.T, run event.RunID) told {
	t.Helper()
	return l.until(t, run, func(g told) bool { return g.end.Run == run })
}

func TestAJudgeVotesInBothOrders(t *testing.T) {
	l, e := newLab(t), serve(t)
	req := l.request(t, "J", e.URL, nil)
	l.work(t)
	got := l.ended(t, "J")
	if got.end.Status != event.Finished || got.end.Steps != 6 || len(got.votes) != 6 || e.requests() != 6 {
		t.Fatalf("%+v", got)
	}
	first := map[string]string{}
	for _, v := range got.votes {
		if v.Judge != event.ModelJudge || v.Rater != "tiny" || v.Contest != "C" || v.Vote != event.ModelVote("C", "J", v.Item, v.A, v.B) {
			t.Errorf("%+v", v)
		}
		first[fmt.Sprint(v.Item, v.A)] = v.Choice
	}
	for what, want := range map[string]string{"s/00": "a", "s/01": "b", "s/10": "a", "s/11": "b", "s/20": "a", "s/21": "a"} { // both are good: the first wins
		if first[what] != want {
			t.Errorf("%s: %q, want %q", what, first[what], want)
		}
	}
	if got.spent.Tokens != 660 || got.spent.Paid < 0.0011999 || got.spent.Paid > 0.0012001 {
		t.Errorf("%+v", got.spent)
	}
	if got.last["judge/first_share"] != 4./6 || got.last["judge/turned_share"] != 1./3 || got.last["judge/votes"] != 6 || got.last["judge/undecided"] != 0 {
		t.Errorf("%v", got.last)
	}
	if strings.Contains(got.all, secret) {
		t.Error("the key is in the log")
	}
	for _, in := range req.Spec.Inputs {
		if in.Role != "results" || !in.Digest.Valid() {
			t.Errorf("%+v", in)
		}
	}
	if !strings.Contains(string(req.Spec.Config), judging.PairPrompt) || !strings.Contains(string(req.Spec.Config), "VERDICT: BOTH_BAD") {
		t.Errorf("the prompt is no part of the specification: %s", req.Spec.Config)
	}
}

// A worker that is gone in the middle leaves votes; the next one asks for the others only, and no question twice.
func TestAJudgeGoesOnWithoutAskingAgain(t *testing.T) {
	l, e := newLab(t), serve(t)
	hold := make(chan struct{})
	served := 0
	e.fault = func(http.ResponseWriter, string, int) bool {
		e.mu.Lock()
		served++
		third := served == 3
		e.mu.Unlock()
		if third {
			<-hold
		}
		return false
	}
	l.request(t, "J", e.URL, nil)
	stop := l.work(t)
	l.until(t, "J", func(g told) bool { return len(g.votes) == 2 })
	go func() { time.Sleep(50 * time.Millisecond); close(hold) }()
	stop()
	e.mu.Lock()
	e.fault = nil
	e.mu.Unlock()
	e.requests()
	l.work(t)
	got := l.ended(t, "J")
	seen := map[event.VoteID]bool{}
	for _, v := range got.votes {
		if seen[v.Vote] {
			t.Errorf("%s is there twice", v.Vote)
		}
		seen[v.Vote] = true
	}
	if n := e.requests(); got.end.Status != event.Finished || got.end.Attempt < 2 || len(seen) != 6 || n > 4 {
		t.Errorf("%d votes, %d requests after the crash, %+v", len(seen), n, got.end)
	}
}

func TestNonsenseAndFaultsLeaveItemsUndecided(t *testing.T) {
	l, e := newLab(t), serve(t)
	e.fault = func(w http.ResponseWriter, prompt string, n int) bool {
		switch {
		case strings.Contains(prompt, "prompt 0"):
			say(w, "I like A best of all.")
		case strings.Contains(prompt, "prompt 1") && n == 1:
			say(w, "VERDICT: maybe A")
		case strings.Contains(prompt, "prompt 2"):
			w.WriteHeader(http.StatusInternalServerError)
		default:
			return false
		}
		return true
	}
	l.request(t, "J", e.URL, nil)
	l.work(t)
	got := l.ended(t, "J")
	undecided := 0
	for _, v := range got.votes {
		if v.Choice == event.Undecided {
			undecided++
			if v.Item != "s/0" || !strings.Contains(v.Comment, "I like A") {
				t.Errorf("%+v", v)
			}
		}
	}
	if got.end.Status != event.Finished || len(got.votes) != 4 || undecided != 2 || got.last["judge/unanswered"] != 2 || got.last["judge/undecided"] != 2 || e.requests() != 4+4+4 {
		t.Errorf("%d undecided, %+v", undecided, got)
	}
	if said := strings.Join(got.lines, "\n"); !strings.Contains(said, "answered 500") || !strings.Contains(said, "4 of 6 questions have a vote, 2 of them undecided; 2 were not answered") {
		t.Error(said)
	}
}

func TestAJudgeThatCannotBeAskedFailsTheRun(t *testing.T) {
	l, e := newLab(t), serve(t)
	l.work(t)
	e.fault = func(w http.ResponseWriter, _ string, _ int) bool { w.WriteHeader(http.StatusBadGateway); return true }
	for run, c := range map[event.RunID]struct {
		change map[string]any
		code   string
	}{
		"down": {nil, "judge_unavailable"}, "private": {map[string]any{"allow_private": false}, "judge_unavailable"}, "denied": {map[string]any{"api_key_env": ""}, "judge_denied"}, "unset": {map[string]any{"api_key_env": "UNSET_TEST_API_KEY"}, "judge_denied"},
	} {
		l.request(t, run, e.URL, c.change)
		if got := l.ended(t, run); got.end.Status != event.Failed || got.end.Failure == nil || got.end.Failure.Code != c.code || got.end.Failure.Hint == "" {
			t.Errorf("%s: %+v %+v", run, got.end, got.end.Failure)
		}
	}
	e.mu.Lock()
	e.fault = nil
	e.mu.Unlock()
	l.request(t, "poor", e.URL, map[string]any{"budget_tokens": 150})
	if got := l.ended(t, "poor"); got.end.Failure == nil || got.end.Failure.Code != "over_budget" || len(got.votes) != 2 {
		t.Errorf("%+v", got)
	}
	if _, err := l.bus.Publish(soon(t), event.ContestClosed{Contest: "C"}); err != nil {
		t.Fatal(err)
	}
	l.request(t, "late", e.URL, nil)
	if got := l.ended(t, "late"); got.end.Failure == nil || got.end.Failure.Code != "contest_closed" || len(got.votes) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestConfigurationsThatCannotBe(t *testing.T) {
	l := newLab(t)
	find := func(string) (event.ContestOpened, error) { return l.contest, nil }
	for config, want := range map[string]string{
		`{}`: "contest is not given", `[]`: "configuration", `{"contest":"which","endpoint":"http://x/v1","model":"m","tires":3}`: `unknown field "tires"`,
		`{"contest":"which","endpoint":"x","model":"m"}`: "endpoint is no URL", `{"contest":"which","endpoint":"http://x/v1","model":"m","api_key_env":"HOME"}`: "_API_KEY",
		`{"contest":"which","endpoint":"http://x/v1","model":"m","tries":0}`: "tries is 0", `{"contest":"which","endpoint":"http://x/v1","model":"m","input_price":-1}`: "input_price",
		`{"contest":"which","endpoint":"http://x/v1","model":"m","prompt":{"template":"{a}"}}`: "{prompt}",
	} {
		if _, err := judging.Resolve(event.Spec{Config: []byte(config)}, find); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", config, err)
		}
	}
}
