package graph_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"millrace/event"
	"millrace/graph"
)

// seeded is a run of one spec but for its seed, with a last loss and a score.
func seeded(t *testing.T, l *lab, id string, seed int, loss, score float64) {
	t.Helper()
	spec := trainSpec("0.001")
	spec.Config = json.RawMessage(fmt.Sprintf(`{"model":"gpt2","optimizer":{"lr":0.001},"seed":%d}`, seed))
	judged := event.DigestOf([]byte(id))
	l.write(t, request(t, id, id, spec), points(id, "val/loss", 1, loss+1, loss),
		event.CheckpointSaved{Run: event.RunID(id), Step: 2, Checkpoint: judged, Files: []event.File{{Name: "m", Digest: judged, Size: 1}}},
		event.EvaluationCompleted{Run: event.RunID("eval-" + id), Of: event.RunID(id), Step: 2, Checkpoint: judged, Suite: "quick", SuiteDigest: suite, Scores: []event.Score{{Task: "cloze", Metric: "acc", Value: event.Number(score), N: 10, Higher: true}}},
	)
}

func TestRunsThatDifferInTheirSeedAlone(t *testing.T) {
	l := newLab(t)
	for i, x := range [][2]float64{{2, 0.5}, {4, 0.7}, {math.NaN(), 0.9}, {3, 0.3}} {
		seeded(t, l, fmt.Sprint("s", i), i, x[0], x[1])
	}
	l.write(t, request(t, "other", "other", trainSpec("0.002")), points("other", "val/loss", 1, 1))
	repro := request(t, "again", "again", trainSpec("0.001"))
	repro.Spec.Config = json.RawMessage(`{"model":"gpt2","optimizer":{"lr":0.001},"seed":0}`)
	repro.Branch = &event.Branch{From: "s0", Kind: event.Reproduction}
	l.write(t, repro)
	type spread struct {
		Key                 string
		N                   int
		Mean, Std, Min, Max float64
		Best                struct{ ID string }
	}
	got := get[struct {
		CompareRuns struct {
			Seeds []struct {
				Runs            []struct{ ID string }
				Paths           []string
				Metrics, Scores []spread
			}
		}
	}](t, l, `{ compareRuns(ids: ["s0", "s1", "other", "s2", "s3", "again"]) { seeds { runs { id } paths
		metrics { key n mean std min max best { id } } scores { key n mean std min max best { id } } } } }`, nil).CompareRuns.Seeds
	if len(got) != 1 || len(got[0].Runs) != 4 || got[0].Runs[2].ID != "s2" || fmt.Sprint(got[0].Paths) != "[seed]" {
		t.Fatalf("%+v", got)
	}
	want := spread{Key: "val/loss", N: 3, Mean: 3, Std: 1, Min: 2, Max: 4}
	want.Best.ID = "s0"
	if m := got[0].Metrics; len(m) != 1 || m[0] != want {
		t.Errorf("%+v", m)
	}
	if s := got[0].Scores; len(s) != 1 || s[0].Key != "quick/cloze/acc" || s[0].N != 4 || math.Abs(s[0].Mean-0.6) > 1e-12 || math.Abs(s[0].Std-0.2581988897471611) > 1e-12 || s[0].Best.ID != "s2" {
		t.Errorf("%+v", s)
	}
}

func TestAThousandRunsAreComparedByOneMetric(t *testing.T) {
	l := newLab(t)
	var ids []string
	for i := range 1000 {
		id := fmt.Sprintf("run-%04d", i)
		ids = append(ids, id)
		l.write(t, request(t, id, id, trainSpec(fmt.Sprint(i))))
		if i%2 == 0 {
			l.write(t, points(id, "loss", 1, float64(i)))
		}
	}
	got := get[struct {
		CompareRuns struct {
			Metrics []struct {
				Key      string
				Last     []*float64
				LastStep []*int64
			}
			Costs struct{ Dollars []float64 }
		}
	}](t, l, `query($ids: [ID!]!) { compareRuns(ids: $ids) { metrics(keys: ["loss"]) { key last lastStep } costs { dollars } } }`, map[string]any{"ids": ids}).CompareRuns
	m := got.Metrics[0]
	if len(m.Last) != 1000 || m.Last[999] != nil || m.Last[998] == nil || *m.Last[998] != 998 || *m.LastStep[0] != 1 || len(got.Costs.Dollars) != 1000 {
		t.Errorf("%d values", len(m.Last))
	}
	for _, dear := range []string{"config { path }", "seeds { paths }", "samples { source }", "usage { samples }", "metrics { key }", "datasets { of { id } }"} {
		if code := l.code(t, `query($ids: [ID!]!) { compareRuns(ids: $ids) { `+dear+` } }`, map[string]any{"ids": ids}); code != "BAD_USER_INPUT" && code != "COMPLEXITY_LIMIT_EXCEEDED" {
			t.Errorf("%s: %s", dear, code)
		}
	}
}

// What differs between recipes is read from the manifests in storage.
func TestRecipesThatDiffer(t *testing.T) {
	m, _ := judged()
	l := newLab(t)
	l.write(t, story(t)...)
	spec := trainSpec("1")
	spec.Inputs = []event.Input{{Role: "dataset", Digest: m.Digest()}}
	l.write(t, request(t, "on-judged", "", spec))
	got := get[struct {
		CompareRuns struct {
			Datasets struct {
				Fields []struct {
					Field  string
					Values []*string
				}
				Recipe []struct {
					Path   string
					Values []any
				}
				Sources []struct{ Field string }
			}
		}
	}](t, l, `{ compareRuns(ids: ["train-1", "on-judged"]) { datasets { fields { field values } recipe { path values } sources { field } } } }`, nil).CompareRuns.Datasets
	if len(got.Recipe) == 0 || got.Recipe[0].Values[0] != nil || len(got.Sources) == 0 || len(got.Fields) == 0 {
		t.Errorf("%+v", got)
	}
}

func TestAConfigurationThatIsAValueHereAndAnObjectThere(t *testing.T) {
	l := newLab(t)
	for id, config := range map[string]string{"a": `{"x":1,"same":{"y":2},"o":{"p":{"q":1}}}`, "b": `{"x":{"z":2},"same":{"y":2},"o":{"p":{"q":2}}}`} {
		spec := trainSpec("1")
		spec.Config = json.RawMessage(config)
		l.write(t, request(t, id, id, spec))
	}
	a := l.ask(t, `{ compareRuns(ids: ["a", "b"]) { configTree } }`, nil)
	if got := string(a.Data); got != `{"compareRuns":{"configTree":{"o":{"p":{"q":[1,2]}},"x":{"=":[1,null],"z":[null,2]}}}}` {
		t.Error(got)
	}
}

func TestLineageHasItsBounds(t *testing.T) {
	l := newLab(t, func(*graph.Config) {})
	l.write(t, story(t)...)
	for query, want := range map[string]string{
		`{ lineage(of: "nobody") { truncated } }`:             "NOT_FOUND",
		`{ lineage(of: "exp-lr") { truncated } }`:             "BAD_USER_INPUT",
		`{ lineage(of: "train-1", depth: -1) { truncated } }`: "BAD_USER_INPUT",
		`{ lineage(of: "train-1", first: 0) { truncated } }`:  "BAD_USER_INPUT",
		`{ run { id } }`: "BAD_USER_INPUT",
		`{ run(id: "train-1", by: {name: "baseline"}) { id } }`: "BAD_USER_INPUT",
		`{ run(by: {name: "baseline", id: "train-1"}) { id } }`: "GRAPHQL_VALIDATION_FAILED",
		`{ dataset { id } }`: "BAD_USER_INPUT",
		`{ run(id: "train-1") { alertsPage(first: -1) { totalCount } } }`:                     "BAD_USER_INPUT",
		`{ run(id: "train-1") { consolePage(stream: "stdout", after: "!") { totalCount } } }`: "BAD_USER_INPUT",
	} {
		if got := l.code(t, query, nil); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	unknown := event.DigestOf([]byte("nobody knows this"))
	got := get[struct {
		Lineage struct {
			Nodes []struct {
				ID, Kind string
				Object   *struct{}
			}
		}
	}](t, l, `query($of: ID!) { lineage(of: $of) { nodes { id kind object { id } } } }`, map[string]any{"of": unknown}).Lineage.Nodes
	if len(got) != 1 || got[0].Kind != "ARTIFACT" || got[0].Object != nil || !strings.HasPrefix(got[0].ID, "sha256:") {
		t.Errorf("%+v", got)
	}
}
