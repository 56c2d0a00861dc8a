package rules_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"millrace/event"
	"millrace/services/keeper"
	"millrace/services/rules"
	"millrace/storage/blob"
	"millrace/storage/readmodel"
	"millrace/storage/s3embed"
)

// history is a lab whose past can be read, and whose facts happen when the test says.
type history struct {
	*lab
	keeper *keeper.Keeper
	past   *keeper.Past
	trials *rules.Trials

	mu  sync.Mutex
	now time.Time
	// heard are the places of run.noted facts that the rules have come by.
	heard chan uint64
}

var begins = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func (h *history) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *history) wait(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

// Filters and React make it a reactor, which tells how far the rules are.
func (h *history) Filters() []string { return []string{event.RunNoted{Run: "*"}.Subject()} }

func (h *history) React(_ context.Context, env event.Envelope) error {
	h.heard <- env.Seq
	return nil
}

func remember(t *testing.T, limits rules.TrialLimits) *history {
	t.Helper()
	h := &history{now: begins, heard: make(chan uint64, 1000)}
	h.lab = startAt(t, rules.Notify{}, h.clock)
	h.end()
	h.service.Reactors = []rules.Reactor{h}
	h.begin()
	ctx := context.Background()
	s3, err := s3embed.Open(ctx, s3embed.Config{Dir: filepath.Join(h.dir, "objects"), AccessKey: "test", SecretKey: "test-secret"})
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := blob.Open(ctx, blob.Config{Endpoint: s3.Endpoint(), AccessKey: "test", SecretKey: "test-secret", Bucket: "millrace"})
	if err != nil {
		t.Fatal(err)
	}
	h.keeper = &keeper.Keeper{Bus: h.bus, Blobs: blobs, Model: h.model, Archive: &keeper.Archive{Bus: h.bus, Blobs: blobs}, Temp: h.dir, Now: h.clock, Log: h.told.logger()}
	h.bus.Remember(h.keeper.Archive)
	if h.past, err = keeper.OpenPast(h.keeper, filepath.Join(h.dir, "past"), keeper.PastLimits{}); err != nil {
		t.Fatal(err)
	}
	h.trials = rules.NewTrials(h.bus, h.model, h.past, limits)
	h.trials.Now = h.clock
	t.Cleanup(func() {
		h.nothingLeft()
		if err := errors.Join(h.past.Close(), blobs.Close(), s3.Close()); err != nil {
			t.Error(err)
		}
	})
	return h
}

// nothingLeft looks for files of trials.
func (h *history) nothingLeft() {
	h.Helper()
	left, err := os.ReadDir(filepath.Join(h.dir, "past"))
	if err != nil || len(left) > 0 {
		h.Errorf("left behind: %v %v", left, err)
	}
}

// settle waits until the rules have decided all that was said, and everything that follows from it.
func (h *history) settle() {
	h.Helper()
	for {
		seq, err := h.bus.Publish(h.Context(), event.RunNoted{Run: "nobody"})
		if err != nil {
			h.Fatal(err)
		}
		h.until("what was said is heard", func() bool {
			select {
			case at := <-h.heard:
				return at == seq
			default:
				return false
			}
		})
		h.until("what was decided is done", func() bool {
			all, err := h.model.Firings(readmodel.FiringFilter{}, 10_000)
			return err == nil && !slices.ContainsFunc(all, func(f readmodel.Firing) bool { return f.Failure == nil && f.Acted == nil })
		})
		if state, err := h.bus.State(h.Context()); err != nil {
			h.Fatal(err)
		} else if state.Last == seq {
			return
		}
	}
}

func (h *history) try(r event.RuleSaved, since time.Time) rules.Trial {
	h.Helper()
	out, err := h.trials.Try(h.Context(), rules.TrialWish{Rule: r, Since: since, First: 500}, nil)
	if err != nil {
		h.Fatalf("%s: %v", r.Name, err)
	}
	return out
}

const bpb = "eval/quick/heldout/bits_per_byte"

// manyRules are of every kind of repetition and state: each decides by what nobody but itself changes.
var manyRules = []event.RuleSaved{
	{Name: "each alert", On: "run.alert_raised", When: `event.level == "error" && run.config.steps > 50`, Then: event.RawJSON(`{"stop":{"reason":"=event.title + ' of ' + run.name"}}`)},
	{Name: "once for each run", On: "run.alert_raised", When: `run.steps >= 3`, Then: event.RawJSON(`{"evaluate":{"suite":"quick"}}`), Repeat: "run"},
	{Name: "now and then", On: "run.alert_raised", When: `true`, Then: event.RawJSON(`{"webhook":{"url":"https://127.0.0.1:9/secret","title":"=event.title"}}`), Repeat: "30m"},
	{Name: "of one experiment", On: "checkpoint.saved", When: `size(run.checkpoints) > 1`, Then: event.RawJSON(`{"alert":{"title":"='checkpoint ' + string(event.step)","level":"info"}}`), Experiment: "X"},
	{Name: "best", On: "evaluation.completed", Then: event.RawJSON(`{"alias":{"alias":"best","step":"=event.step"}}`),
		When: `"` + bpb + `" in scores && (!("best" in aliases) || scores["` + bpb + `"] < aliases.best.metrics["` + bpb + `"])`},
	{Name: "points", On: "points", Metric: "*loss", When: `values.exists(v, isnan(v) || v > 8.0)`, Then: event.RawJSON(`{"webhook":{"url_env":"NOWHERE","title":"='high ' + key"}}`)},
	{Name: "failing", On: "run.alert_raised", When: `run.config.optimiser.lr > 0.1`, Then: event.RawJSON(`{"stop":{}}`)},
	{Name: "answers answers", On: "run.alert_raised", When: `event.title.startsWith("again")`, Then: event.RawJSON(`{"alert":{"title":"=event.title + '!'","level":"info"}}`)},
}

// TestATrialIsWhatTheRuleDid: rules live through a random history from its first fact on. Each, tried over all of it afterwards, decides what it
// did decide, under the same names, with the same arguments.
func TestATrialIsWhatTheRuleDid(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			h := remember(t, rules.TrialLimits{})
			random := rand.New(rand.NewPCG(seed, 7))
			h.say(event.ExperimentCreated{Experiment: "X", Name: "x"}, event.ExperimentCreated{Experiment: "Y", Name: "y"})
			saved := map[event.RuleID]event.RuleSaved{}
			for _, r := range manyRules {
				id := h.save(r)
				is, err := h.model.Rule(id)
				if err != nil {
					t.Fatal(err)
				}
				saved[id] = is.RuleSaved
			}
			tell(h, random, 40)
			h.settle()
			lived := map[event.RuleID]map[event.FiringID]event.RuleFired{}
			count := func() (n int) {
				all, err := h.model.Firings(readmodel.FiringFilter{}, 10_000)
				if err != nil {
					t.Fatal(err)
				}
				for id := range saved {
					lived[id] = map[event.FiringID]event.RuleFired{}
				}
				for _, f := range all {
					lived[f.Rule][f.Firing] = f.RuleFired
				}
				return len(all)
			}
			some := 0
			for id, r := range saved {
				trial := h.try(r, begins.Add(-time.Hour))
				if trial.Refused != nil || trial.Ended != "" || trial.FromSeq != 1 || trial.Fired != int64(len(trial.Firings)) {
					t.Errorf("%s: %+v", r.Name, trial)
				}
				if r.On == rules.Points { // they are shown when a second is over
					h.until("points are shown", func() bool { count(); return len(lived[id]) >= len(trial.Firings) })
				}
				count()
				failures := map[string]bool{}
				for _, f := range lived[id] {
					if f.Failure != nil {
						failures[f.Failure.Message] = true
						delete(lived[id], f.Firing)
					}
				}
				some += len(trial.Firings) + len(trial.Errors)
				if len(lived[id]) != len(trial.Firings) || len(failures) != len(trial.Errors) || int64(len(failures)) > trial.Failed {
					t.Errorf("%s: it fired %d times and failed in %v; tried it fires %d times and fails %d times: %+v", r.Name, len(lived[id]), failures, len(trial.Firings), trial.Failed, trial.Errors)
				}
				for _, f := range trial.Firings {
					was, ok := lived[id][f.Firing]
					is := f.RuleFired
					if r.On == rules.Points { // what is looked at together depends on the clock
						was.Seq, was.Fact, was.Step, is.Seq, is.Fact, is.Step = 0, "", nil, 0, "", nil
					}
					a, _ := json.Marshal(was)
					b, _ := json.Marshal(is)
					if !ok || string(a) != string(b) {
						t.Errorf("%s: it was\n%s\nand tried it is\n%s", r.Name, a, b)
					}
					if f.Acted == nil || f.Acted.Outcome == "" || strings.Contains(f.Acted.Result, "secret") {
						t.Errorf("%s: nothing is foreseen: %+v", r.Name, f.Acted)
					}
				}
				for _, f := range trial.Errors {
					if !failures[f.Failure.Message] {
						t.Errorf("%s: tried it fails in %q", r.Name, f.Failure.Message)
					}
				}
			}
			if some < 20 {
				t.Errorf("only %d firings: the history is too quiet", some)
			}
		})
	}
}

// tell tells n random facts; the rules come by each before the next.
func tell(h *history, random *rand.Rand, n int) {
	h.Helper()
	runs := []event.RunID{"A", "B", "C"}
	for i, id := range runs {
		h.say(
			event.RunRequested{Run: id, Name: "run " + string(id), Experiment: []event.ExperimentID{"X", "X", "Y"}[i], Spec: event.Spec{Kind: event.Train, Config: json.RawMessage(fmt.Sprintf(`{"steps":%d,"optimizer":{"lr":0.5}}`, 40+20*i))}},
			event.RunStarted{Run: id, Attempt: 1, Worker: "w"},
		)
	}
	for i := range n {
		h.wait(time.Duration(7+random.IntN(20)) * time.Minute)
		run, step := runs[random.IntN(3)], 1+random.Int64N(6)
		digest := event.DigestOf([]byte{byte(step)})
		switch random.IntN(7) {
		case 0, 1:
			h.say(event.AlertRaised{Run: run, Level: []string{"error", "warn"}[random.IntN(2)], Title: fmt.Sprint([]string{"again ", "alert "}[random.IntN(2)], i), Key: fmt.Sprint(i)})
		case 2:
			h.log(run, []string{"train/loss", "val/loss", "speed"}[random.IntN(3)], int64(i), 10*random.Float64(), 10*random.Float64())
		case 3:
			h.log(run, "val/loss", int64(i), math.NaN())
		case 4:
			h.say(event.CheckpointSaved{Run: run, Experiment: map[event.RunID]event.ExperimentID{"A": "X", "B": "X", "C": "Y"}[run], Step: step, Checkpoint: digest})
		case 5:
			h.say(event.CheckpointSaved{Run: "A", Experiment: "X", Step: step, Checkpoint: digest}, event.EvaluationCompleted{Run: "E", Of: "A", Step: step, Checkpoint: digest, Suite: "quick",
				Scores: []event.Score{{Task: "heldout", Metric: "bits_per_byte", Value: event.Number(10 * random.Float64()), N: 1}}})
		case 6:
			h.say(event.RunProgressed{Run: run, Done: step, Total: 10, Unit: "steps"})
		}
		h.settle()
	}
}

// looked is a quiet lab's history of 20 days: a run that asks for attention each day, and logs twice.
func looked(t *testing.T, limits rules.TrialLimits) *history {
	h := remember(t, limits)
	h.train("A")
	for day := range 20 {
		h.wait(24 * time.Hour)
		h.say(event.AlertRaised{Run: "A", Level: "warn", Title: fmt.Sprint("day ", day), Key: fmt.Sprint(day)})
		h.log("A", "loss", int64(day), float64(day))
		if day == 9 {
			if _, err := h.keeper.Snapshot(t.Context(), "test"); err != nil {
				t.Fatal(err)
			}
		}
	}
	h.settle()
	return h
}

// TestATrialLooksBackSoFar: a week unless told otherwise, with all that the lab knew then; what is tried again comes to the same, and nothing
// is published.
func TestATrialLooksBackSoFar(t *testing.T) {
	h := looked(t, rules.TrialLimits{})
	r := event.RuleSaved{Name: "n", On: "run.alert_raised", When: `run.name == "A" && size(history("loss", 100)) == metrics["loss"].count && metrics["loss"].count < 19`, Then: event.RawJSON(`{"stop":{"reason":"=event.title"}}`)}
	begun, err := h.bus.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	told := uint64(0)
	week, err := h.trials.Try(t.Context(), rules.TrialWish{Rule: r}, func(done, total uint64) { told = max(told, done) })
	if err != nil {
		t.Fatal(err)
	}
	// On day d the fold has d values: day 19's alert is left out by the last condition. A week back lies day 12's.
	if week.Fired != 7 || week.Runs != 1 || week.Heard != 8 || week.Firings[0].At != begins.Add(13*24*time.Hour) || len(week.Notes) > 0 || week.Ended != "" {
		t.Errorf("%+v", week)
	}
	if f := week.Firings[0]; f.Acted == nil || f.Acted.Result != "stop A: day 12" || f.Acted.Outcome != event.Done || f.Run != "A" || f.Seq != week.FromSeq {
		t.Errorf("%+v %+v", f, f.Acted)
	}
	if !week.Until.Equal(h.clock()) || week.UntilSeq != begun.Last || !week.From.Equal(begins.Add(13*24*time.Hour)) || told == 0 {
		t.Errorf("%v-%v, %d-%d, told %d", week.From, week.Until, week.FromSeq, week.UntilSeq, told)
	}
	all := h.try(r, begins.Add(-365*24*time.Hour))
	if all.Fired != 18 || all.Heard != 20 || all.FromSeq != 1 || len(all.Notes) != 1 || !strings.Contains(all.Notes[0], "history begins at 2026-11-01T12:00:00Z") || all.Failed != 1 {
		t.Errorf("%+v", all)
	}
	once := r
	once.Repeat = "run"
	if x := h.try(once, time.Time{}); x.Fired != 1 {
		t.Errorf("%+v", x)
	}
	once.Repeat = "60h" // 24 h lie between two, so every third
	if x := h.try(once, time.Time{}); x.Fired != 3 {
		t.Errorf("%+v", x)
	}
	few, err := h.trials.Try(t.Context(), rules.TrialWish{Rule: r, First: 2}, nil)
	if err != nil || few.Fired != 7 || len(few.Firings) != 2 || few.Firings[1].At != begins.Add(14*24*time.Hour) {
		t.Errorf("%+v %v", few, err)
	}
	a, _ := json.Marshal(week)
	b, _ := json.Marshal(h.try(r, time.Time{}))
	if string(a) != string(b) {
		t.Errorf("first\n%s\nthen\n%s", a, b)
	}
	if ended, err := h.bus.State(t.Context()); err != nil || ended.Last != begun.Last {
		t.Errorf("trials published %d facts, %v", ended.Last-begun.Last, err)
	}
	if f, err := h.model.Firings(readmodel.FiringFilter{}, 0); err != nil || len(f) > 0 {
		t.Errorf("%+v %v", f, err)
	}
}

// TestATrialIsBounded: by facts, by its asker, one at a time; and it leaves nothing behind.
func TestATrialIsBounded(t *testing.T) {
	h := looked(t, rules.TrialLimits{Facts: 12, Patience: 50 * time.Millisecond})
	r := event.RuleSaved{Name: "n", On: "run.alert_raised", When: "true", Then: event.RawJSON(`{"alert":{"title":"t","level":"info"}}`)}
	if x := h.try(r, begins); x.Facts != 12 || !strings.Contains(x.Ended, "12 facts were folded") {
		t.Errorf("%+v", x)
	}
	if x, err := h.trials.Try(t.Context(), rules.TrialWish{Rule: r, Time: time.Nanosecond}, nil); err == nil && x.Ended == "" {
		t.Errorf("%+v", x)
	}
	ctx, cancel := context.WithCancel(t.Context())
	h.trials.Limits.Facts = 1 << 30
	if _, err := h.trials.Try(ctx, rules.TrialWish{Rule: r, Since: begins}, func(uint64, uint64) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	h.nothingLeft()
	entered, goOn := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		_, err := h.trials.Try(t.Context(), rules.TrialWish{Rule: r, Since: begins}, func(uint64, uint64) {
			select {
			case <-entered:
			default:
				close(entered)
				<-goOn
			}
		})
		done <- err
	}()
	<-entered
	_, err := h.trials.Try(t.Context(), rules.TrialWish{Rule: r}, nil)
	var refused interface{ Code() string }
	if !errors.As(err, &refused) || refused.Code() != "UNAVAILABLE" {
		t.Errorf("beside another: %v", err)
	}
	close(goOn)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestATrialSaysWhatCouldNotBeSaved, and tries it all the same; what cannot be read is refused.
func TestATrialSaysWhatCouldNotBeSaved(t *testing.T) {
	h := remember(t, rules.TrialLimits{})
	h.say(event.ExperimentCreated{Experiment: "X", Name: "x"})
	h.train("A")
	h.say(event.AlertRaised{Run: "A", Level: "warn", Title: "hot"})
	h.save(event.RuleSaved{Name: "there", On: "run.ended", When: "true", Then: event.RawJSON(`{"stop":{}}`)})
	h.settle()
	loop := event.RuleSaved{Name: "loop", On: "run.alert_raised", When: "true", Then: event.RawJSON(`{"alert":{"title":"again"}}`)}
	if x := h.try(loop, begins); x.Refused == nil || !strings.Contains(x.Refused.Error(), "never end") || x.Fired != 1 || x.Firings[0].Acted.Result != "alert (warn): again" {
		t.Errorf("%+v", x)
	}
	same := event.RuleSaved{Name: "There", On: "run.alert_raised", When: "true", Then: event.RawJSON(`{"stop":{}}`), Experiment: "x"}
	if x := h.try(same, begins); x.Refused != nil || x.Fired != 1 || x.Rule.Version != 2 || x.Rule.Experiment != "X" {
		t.Errorf("%+v", x)
	}
	for want, r := range map[string]event.RuleSaved{
		"no experiment": {Name: "n", On: "run.ended", When: "true", Then: event.RawJSON(`{"stop":{}}`), Experiment: "nowhere"},
		"run has no":    {Name: "n", On: "run.ended", When: "run.stats", Then: event.RawJSON(`{"stop":{}}`)},
		"cannot be on":  {Name: "n", On: "run.heartbeat", When: "true", Then: event.RawJSON(`{"stop":{}}`)},
	} {
		var refused *rules.Error
		if _, err := h.trials.Try(t.Context(), rules.TrialWish{Rule: r}, nil); !errors.As(err, &refused) || !strings.Contains(err.Error(), want) || len(refused.Field()) == 0 {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestWhatIsToBeExpectedOfAnAction is said for each, and that there is nothing to do, or that it cannot be.
func TestWhatIsToBeExpectedOfAnAction(t *testing.T) {
	h := remember(t, rules.TrialLimits{})
	h.say(event.ExperimentCreated{Experiment: "X", Name: "x"})
	h.train("A")
	h.train("B")
	for step := range int64(3) {
		h.say(event.CheckpointSaved{Run: "A", Experiment: "X", Step: 10 * (step + 1), Checkpoint: event.DigestOf([]byte{byte(step)})})
	}
	h.say(event.AliasSet{Experiment: "X", Alias: "best", Run: "A", Step: 10})
	h.log("A", "loss", 25, 9)
	h.say(event.AlertRaised{Run: "A", Level: "warn", Title: "hot"})
	h.say(event.RunEnded{Run: "B", Attempt: 1, Status: event.Finished})
	h.settle()
	for _, c := range []struct{ on, metric, then, outcome, result string }{
		{"run.alert_raised", "", `{"stop":{"reason":"=event.title"}}`, event.Done, "stop A: hot"},
		{"run.alert_raised", "", `{"stop":{"pause":true}}`, event.Done, "pause A"},
		{"run.ended", "", `{"stop":{}}`, event.Needless, "run B is finished"},
		{"run.ended", "", `{"stop":{"run":"C"}}`, event.Refused, `there is no run "C"`},
		{"run.ended", "", `{"alias":{"alias":"best"}}`, event.Refused, "run B has no checkpoint"},
		{"run.ended", "", `{"rollback":{}}`, event.Refused, "run B has no checkpoint to go back to"},
		{"run.alert_raised", "", `{"alias":{"alias":"best"}}`, event.Done, "best is A at step 30, not A at step 10"},
		{"points", "loss", `{"rollback":{"reason":"spike"}}`, event.Done, "rewind A to step 20 and resume it: spike"},
		{"points", "loss", `{"rollback":{"config":{"optimizer.lr":"=double(run.config.optimizer.lr) * 0.5"}}}`, event.Done, `stop A and go on from step 20 with {"optimizer.lr":0.25}`},
		{"points", "loss", `{"evaluate":{"suite":"quick"}}`, event.Done, "evaluate A at step 25 by suite quick"},
		{"run.ended", "", `{"fork":{"step":20}}`, event.Done, "fork B at step 20"},
		{"run.ended", "", `{"reproduce":{}}`, event.Done, "reproduce B"},
		{"run.ended", "", `{"train":{"inputs":[],"name":"='after ' + run.name"}}`, event.Done, "train after B"},
		{"run.ended", "", `{"webhook":{"url":"https://hooks.example.com/secret","title":"=run.name"}}`, event.Done, "webhook to hooks.example.com: B"},
		{"run.ended", "", `{"webhook":{"url_env":"HOOK","title":"t"}}`, event.Done, "webhook to the address in $HOOK: t"},
		{"run.ended", "", `{"email":{"to":["a@example.com","b@example.com"],"title":"t"}}`, event.Done, "e-mail to a@example.com, b@example.com: t"},
	} {
		x := h.try(event.RuleSaved{Name: "n", On: event.Type(c.on), Metric: c.metric, When: "true", Then: event.RawJSON(c.then)}, begins)
		if len(x.Firings) != 1 {
			t.Errorf("%s: %+v", c.then, x)
			continue
		}
		a := x.Firings[0].Acted
		result := a.Result
		if a.Failure != nil {
			result = a.Failure.Message
		}
		if a.Outcome != c.outcome || result != c.result {
			t.Errorf("%s: %s %q, want %s %q", c.then, a.Outcome, result, c.outcome, c.result)
		}
	}
}
