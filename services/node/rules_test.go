package node_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"millrace/client"
	"millrace/event"
	"millrace/services/node"
)

// ruled writes rules where a node's configuration finds them.
func ruled(t *testing.T, rules ...string) node.Rules {
	t.Helper()
	dir := t.TempDir()
	var r node.Rules
	for i, text := range rules {
		file := filepath.Join(dir, string(rune('a'+i))+".json")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		r.Files = append(r.Files, file)
	}
	return r
}

// all reads the log's facts of a type.
func all[E event.Event](t *testing.T, c *client.Client) (out []E) {
	t.Helper()
	var zero E
	for _, raw := range facts(t, c, string(zero.Type()), "") {
		var e E
		if err := json.Unmarshal(raw, &e); err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

// eventually waits for something to become true; what tells how it stands otherwise.
func eventually(t *testing.T, is func() bool, what func() any) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !is(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			raw, _ := json.MarshalIndent(what(), "", " ")
			t.Fatalf("it did not become so: %s", raw)
		}
	}
}

// firings are what rules decided and what came of it.
func firings(t *testing.T, c *client.Client) any {
	return []any{all[event.RuleFired](t, c), all[event.RuleActed](t, c)}
}

// endless is a training that nobody waits for the end of.
func endless(every int) client.StartRun { return training(500_000, every) }

// TestReadyMadeRulesStopRuns: early stopping, with a threshold that no improvement reaches, and a budget in dollars. Both end real trainings.
func TestReadyMadeRulesStopRuns(t *testing.T) {
	t.Parallel()
	c, _ := lab(t, node.Config{Data: t.TempDir(), Addr: "127.0.0.1:0", Threads: 1, Rules: ruled(t,
		`{"ready":"early-stopping","set":{"least":"100.0","patience":"3"}}`, `{"ready":"stop-at-budget","set":{"dollars":"20"}}`)})
	finish(t, c, begin(t, c, curation(t, corpus(t, 40), 300)).ID)
	run := stands(t, c, begin(t, c, endless(50)).ID, "STOPPED")
	stops := facts(t, c, "run.stop_requested", run.ID)
	if len(stops) != 1 || !strings.Contains(string(stops[0]), "val/loss has not become better for ") {
		t.Errorf("%s", stops)
	}
	if got, err := c.Series(t.Context(), []string{run.ID}, []string{"val/loss"}, 10_000); err != nil || len(got) != 1 || len(got[0].Steps) < 4 {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := c.SetPrice(t.Context(), client.Price{Device: "cpu:*", PerHour: 360_000}); err != nil {
		t.Fatal(err)
	}
	dear := stands(t, c, begin(t, c, endless(400_000)).ID, "STOPPED")
	stops = facts(t, c, "run.stop_requested", dear.ID)
	if len(stops) != 1 || !strings.Contains(string(stops[0]), "it has cost ") {
		t.Errorf("%s", stops)
	}
	for _, a := range all[event.RuleActed](t, c) {
		if a.Outcome != event.Done {
			t.Errorf("%+v", a)
		}
	}
}

// TestRollbackOnSpike with a threshold under the median, so that any loss is a spike: the training is stopped and goes on from its checkpoint
// as another at half the learning rate, that one too, and so on, until rules have answered rules three times.
func TestRollbackOnSpike(t *testing.T) {
	t.Parallel()
	c, _ := lab(t, node.Config{Data: t.TempDir(), Addr: "127.0.0.1:0", Threads: 1, Rules: ruled(t, `{"ready":"rollback-on-spike","set":{"times":"0.5"}}`)})
	finish(t, c, begin(t, c, curation(t, corpus(t, 40), 300)).ID)
	first := begin(t, c, endless(60))
	eventually(t, func() bool {
		return slices.ContainsFunc(all[event.RuleFired](t, c), func(f event.RuleFired) bool { return f.Failure != nil })
	}, func() any { return firings(t, c) })
	fired, acted := all[event.RuleFired](t, c), all[event.RuleActed](t, c)
	if len(fired) != 4 || fired[3].Failure.Code != "too_deep" || len(acted) != 3 {
		t.Fatalf("%+v %+v", fired, acted)
	}
	rate := func(id string) float64 {
		run, err := c.Run(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		var config struct{ Optimizer struct{ LR float64 } }
		if err := json.Unmarshal(run.Config, &config); err != nil || config.Optimizer.LR == 0 {
			t.Fatalf("%s %v", run.Config, err)
		}
		return config.Optimizer.LR
	}
	id := first.ID
	for i, a := range acted {
		made := string(a.Made)
		if a.Outcome != event.Done || string(a.Run) != id || rate(made) != rate(id)/2 {
			t.Fatalf("%d: %+v, a rate of %v after %v", i, a, rate(made), rate(id))
		}
		stands(t, c, id, "STOPPED")
		if from := facts(t, c, "run.requested", made); len(from) != 1 {
			t.Errorf("asked for %d times", len(from))
		}
		if !filesOf(t, c, made)["from "+id+" by fork"] {
			t.Errorf("%s does not come from %s", made, id)
		}
		id = made
	}
	if _, err := c.Stop(t.Context(), id, "enough"); err != nil {
		t.Fatal(err)
	}
	stands(t, c, id, "STOPPED")
}

// TestRulesStartRuns: when a training ends another is trained, it is reproduced, forked and evaluated; each of them once, and none of what
// they make.
func TestRulesStartRuns(t *testing.T) {
	t.Parallel()
	seed := training(40, 20)
	seed.Name = "seed"
	on := func(name, then string) string {
		return `{"name":"` + name + `","on":"run.ended","when":"run.name == 'seed' && run.status == 'finished'","then":{` + then + `}}`
	}
	c, _ := lab(t, node.Config{Data: t.TempDir(), Addr: "127.0.0.1:0", Threads: 1, Rules: ruled(t,
		on("train", `"train":{"name":"another","inputs":[{"role":"dataset","digest":"mill"}],"config":`+string(training(10, 10).Config)+`}`),
		on("reproduce", `"reproduce":{"name":"again"}`),
		on("fork", `"fork":{"name":"further","step":20,"config":{"steps":"=run.config.steps + 20"}}`),
		on("evaluate", `"evaluate":{"suite":"samples"}`),
	)})
	finish(t, c, begin(t, c, curation(t, corpus(t, 40), 300)).ID)
	eventually(t, func() bool { return len(all[event.RuleSaved](t, c)) == 4 }, func() any { return nil })
	run := finish(t, c, begin(t, c, seed).ID)
	eventually(t, func() bool { return len(all[event.RuleActed](t, c)) == 4 }, func() any { return firings(t, c) })
	made := map[string]client.Run{}
	for _, a := range all[event.RuleActed](t, c) {
		if a.Outcome != event.Done || a.Made == "" {
			t.Fatalf("%+v", a)
		}
		r := finish(t, c, string(a.Made))
		made[r.Name] = r
		if r.Kind == "EVALUATE" {
			made["evaluation"] = r
		}
	}
	if made["evaluation"].ID == "" {
		t.Errorf("%+v", made)
	}
	for name, steps := range map[string]int64{"another": 10, "again": 40, "further": 60} {
		got, err := c.Series(t.Context(), []string{made[name].ID}, []string{"train/loss"}, 10_000)
		if err != nil || len(got) != 1 || got[0].Steps[len(got[0].Steps)-1] != steps {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
	if v := judged(t, c, made["again"].ID); v.Verdict != "identical" {
		t.Errorf("%+v", v)
	}
	ks, err := c.Checkpoints(t.Context(), run.ID)
	if err != nil || len(ks) == 0 || len(ks[len(ks)-1].Evaluations) != 1 {
		t.Errorf("%+v %v", ks, err)
	}
	if n := len(all[event.RuleFired](t, c)); n != 4 {
		t.Errorf("%d firings", n)
	}
}

// TestARollbackWithoutAChangeComesToTheSameEnd: the run is paused, rewound and resumed once, and ends to the bit as one that was left alone.
func TestARollbackWithoutAChangeComesToTheSameEnd(t *testing.T) {
	t.Parallel()
	steps := 6000
	back := training(steps, 500)
	back.Name = "back"
	c, _ := lab(t, node.Config{Data: t.TempDir(), Addr: "127.0.0.1:0", Threads: 1, Rules: ruled(t,
		`{"name":"back","on":"points","metric":"train/loss","when":"run.name == 'back' && size(run.checkpoints) > 0 && run.status == 'running'","then":{"rollback":{}}}`)})
	finish(t, c, begin(t, c, curation(t, corpus(t, 40), 300)).ID)
	run := begin(t, c, back)
	eventually(t, func() bool { return len(all[event.RuleActed](t, c)) == 1 }, func() any { return firings(t, c) })
	a := all[event.RuleActed](t, c)[0]
	if a.Outcome != event.Done || !strings.Contains(a.Result, "resumed") {
		t.Fatalf("%+v", a)
	}
	done := finish(t, c, run.ID)
	if rewound := facts(t, c, "run.rewound", run.ID); len(rewound) != 1 || done.Attempts != 2 {
		t.Errorf("%s, %d attempts", rewound, done.Attempts)
	}
	same(t, c, done, finish(t, c, begin(t, c, training(steps, 500)).ID), steps)
}

// TestAlertOnRegression: a checkpoint that is worse than the promoted one is told of, by the ready-made rule, and a rule on alerts sends it out.
// Tried against history both rules come to what they did.
func TestAlertOnRegression(t *testing.T) {
	t.Parallel()
	came := make(chan string, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		came <- string(body)
	}))
	defer hook.Close()
	const metric = "eval/quick/heldout/bits_per_byte"
	config := ruled(t,
		`{"ready":"alert-on-regression","set":{"metric":"`+metric+`","by":"1.0"}}`,
		`{"name":"tell","on":"run.alert_raised","when":"event.title.contains('regressed')","then":{"webhook":{"url":"`+hook.URL+`","title":"=event.title","text":"=event.text"}}}`)
	config.AllowPrivate = true
	c, _ := lab(t, node.Config{Data: t.TempDir(), Addr: "127.0.0.1:0", Threads: 1, Rules: config})
	finish(t, c, begin(t, c, curation(t, corpus(t, 40), 300)).ID)
	wish := training(150, 10)
	wish.Experiment = "mills"
	run := finish(t, c, begin(t, c, wish).ID)
	promote := func(step int) {
		var answer struct {
			SetAlias struct{ UserErrors []client.UserError }
		}
		if err := c.Do(t.Context(), `mutation($i: SetAliasInput!) { setAlias(input: $i) { userErrors { message } } }`,
			map[string]any{"i": map[string]any{"experiment": "mills", "alias": "production", "run": run.ID, "step": step}}, &answer); err != nil || len(answer.SetAlias.UserErrors) > 0 {
			t.Fatal(answer, err)
		}
	}
	judge := func(step int64) {
		e, err := c.EvaluateStep(t.Context(), run.ID, step, "quick")
		if err != nil {
			t.Fatal(err)
		}
		finish(t, c, e.ID)
	}
	eventually(t, func() bool { return len(all[event.RuleSaved](t, c)) == 2 }, func() any { return nil })
	judge(10) // the first: nothing is promoted, and nothing to compare it with
	promote(10)
	judge(150) // better
	promote(150)
	judge(20) // worse than the last promoted one, better than the one before
	select {
	case body := <-came:
		if !strings.Contains(body, metric+" regressed at step 20") || !strings.Contains(body, " of production") {
			t.Error(body)
		}
	case <-time.After(time.Minute):
		raw, _ := json.Marshal(firings(t, c))
		t.Fatalf("no message came: %s", raw)
	}
	eventually(t, func() bool { return len(all[event.NotificationDelivered](t, c)) == 1 }, func() any { return firings(t, c) })
	fired := all[event.RuleFired](t, c)
	if len(fired) != 2 || fired[0].Name == "" {
		t.Fatalf("%+v", fired)
	}
	for _, f := range fired {
		told := int64(0)
		trial, err := c.TryRule(t.Context(), client.TryRule{ID: string(f.Rule)}, func(done, _ int64) { told = done })
		if err != nil || trial.Fired != 1 || len(trial.Firings) != 1 || trial.Failed != 0 || trial.Refused != nil || told < trial.Facts {
			t.Fatalf("%s: %+v %v, told %d", f.Name, trial, err, told)
		}
		is := trial.Firings[0]
		if is.ID != string(f.Firing) || is.Seq != int64(f.Seq) || is.Run != string(f.Run) || is.Name != f.Name || string(is.Then) != string(f.Then) || is.Outcome != event.Done {
			t.Errorf("%+v, and it was %+v", is, f)
		}
	}
	if again := all[event.RuleFired](t, c); len(again) != 2 || len(came) != 0 {
		t.Errorf("trials did something: %+v", again)
	}
}
