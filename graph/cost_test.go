package graph_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"millrace/cost"
	"millrace/event"
)

// Runs of five sizes on four amounts of text whose losses follow a law: the fit finds it, and predicts by it.
func TestALawOfOnesOwnRuns(t *testing.T) {
	l := newLab(t)
	data := event.DigestOf([]byte("data"))
	facts := []event.Event{event.DatasetPublished{Dataset: data, Name: "text", VocabSize: 512}}
	law := cost.Parametric{E: 1.2, A: 90, B: 700, Alpha: 0.3, Beta: 0.35}
	for i, width := range []int{32, 64, 128, 256, 512} {
		for j, tokens := range []float64{1e6, 4e6, 1.6e7, 6.4e7} {
			id := event.RunID(fmt.Sprintf("size-%d-%d", i, j))
			config := fmt.Sprintf(`{"model": {"arch": "gpt2", "n_layer": 4, "n_head": 4, "d_model": %d, "context": 128, "vocab_size": %d, "bias": true}}`, width, 512*(i%2)) // 0: the tokenizer decides
			n, err := cost.Shape{Vocab: 512, DModel: width, NLayer: 4, NHead: 4, Context: 128, Bias: true, Tied: true}.Parameters()
			if err != nil {
				t.Fatal(err)
			}
			spec := event.Spec{Kind: event.Train, Config: json.RawMessage(config), Inputs: []event.Input{{Role: "dataset", Digest: data}}}
			facts = append(facts, event.RunRequested{Run: id, Name: string(id), Spec: spec},
				event.MetricsLogged{Frames: []event.Frame{{Run: id, Writer: "w", Series: []event.Series{
					{Key: "val/loss", Steps: []int64{5, 10}, Times: []int64{1, 2}, Values: []float64{9, law.Loss(float64(n.Total), tokens)}},
					{Key: "tokens", Steps: []int64{10}, Times: []int64{2}, Values: []float64{tokens}},
				}}}})
		}
	}
	facts = append(facts, event.RunRequested{Run: "odd", Name: "odd", Spec: event.Spec{Kind: event.Train, Config: json.RawMessage(`{"model": 7}`)}})
	l.write(t, facts...)
	a := l.ask(t, `{
		lossFit(input: {params: 1e7, tokens: 1e8}) { points { run params tokens loss } refused error near law { e a b alpha beta } low { alpha } high { alpha } predicted { low typical high } }
		costEstimate(input: {run: "size-0-0", device: "cpu"}) { params }
	}`, nil)
	if len(a.Errors) > 0 {
		t.Fatalf("%+v", a.Errors)
	}
	var got struct {
		LossFit struct {
			Points    []struct{ Run string }
			Refused   *string
			Error     float64
			Near      bool
			Law       struct{ E, A, B, Alpha, Beta float64 }
			Predicted struct{ Low, Typical, High float64 }
		}
		CostEstimate struct{ Params float64 }
	}
	if err := json.Unmarshal(a.Data, &got); err != nil {
		t.Fatal(err)
	}
	f := got.LossFit
	if len(f.Points) != 20 || f.Refused != nil || f.Error > 1e-3 || !f.Near {
		t.Fatalf("%s", a.Data)
	}
	want := law.Loss(1e7, 1e8)
	if math.Abs(f.Predicted.Typical/want-1) > 0.005 || f.Predicted.Low > f.Predicted.Typical || f.Predicted.High < f.Predicted.Typical {
		t.Errorf("predicted %+v, want %.4f", f.Predicted, want)
	}
	if got.CostEstimate.Params != 32*512+32*128+4*(12*32*32+13*32)+2*32 {
		t.Errorf("%g parameters", got.CostEstimate.Params)
	}
	if refused := l.ask(t, `{ lossFit(input: {filter: {name: {contains: "size-0"}}}) { refused law { e } } }`, nil); !strings.Contains(string(refused.Data), "at least 8 runs") {
		t.Errorf("%s", refused.Data)
	}
	// The language of people picks as the filter does, and says where it is wrong.
	var picked struct {
		LossFit struct{ Points []struct{ Run string } }
	}
	for question, want := range map[string]int{
		`where: "name ~ 'size-0' and config.model.d_model = 32"`: 4, `where: "config.model.d_model > 100"`: 12, `where: "config.model.d_model > 100", filter: {name: {contains: "size-4"}}`: 4,
	} {
		a := l.ask(t, `{ lossFit(input: {`+question+`}) { points { run } } }`, nil)
		if len(a.Errors) > 0 || json.Unmarshal(a.Data, &picked) != nil || len(picked.LossFit.Points) != want {
			t.Errorf("%s: %d runs, want %d: %+v", question, len(picked.LossFit.Points), want, a.Errors)
		}
	}
	if bad := l.ask(t, `{ lossFit(input: {where: "name = "}) { refused } }`, nil); len(bad.Errors) != 1 || bad.Errors[0].Extensions["argument"] != "where" {
		t.Errorf("%+v", bad.Errors)
	}
}

func TestCostQuestionsThatCannotBeAnswered(t *testing.T) {
	l := newLab(t)
	for question, says := range map[string]string{
		`costEstimate(input: {}) { params }`:                                                                           "give one of preset",
		`costEstimate(input: {params: 1e9, preset: "gpt2-124m"}) { params }`:                                           "give one of preset",
		`costEstimate(input: {preset: "gpt9"}) { params }`:                                                             "gpt9",
		`costEstimate(input: {params: 1e9, device: "Z80"}) { params }`:                                                 "Z80",
		`costEstimate(input: {params: 1e9, mfu: 3}) { params }`:                                                        "MFU",
		`costEstimate(input: {run: "none"}) { params }`:                                                                "none",
		`costEstimate(input: {shape: {vocab: 1, dModel: 5, nLayer: 1, nHead: 2, context: 8}}) { params }`:              "n_head",
		`costPlan(input: {}) { plans { law } }`:                                                                        "give one of flops",
		`costPlan(input: {loss: 0.0001}) { plans { law } }`:                                                            "no plan",
		`breakEven(input: {purchase: 1, rentPerRun: 1, energyPerRun: 2, deviceHours: 1, devices: 1}) { runs { low } }`: "never",
		`breakEven(input: {purchase: -1, rentPerRun: 1, deviceHours: 1, devices: 1}) { runs { low } }`:                 "purchase",
		`costOptions(input: {tokensPerMonth: 0, params: 1e9}) { cheapest }`:                                            "tokens a month",
		`lossFit(input: {experiment: "none"}) { refused }`:                                                             "none",
	} {
		a := l.ask(t, "{ "+question+" }", nil)
		if len(a.Errors) != 1 || !strings.Contains(a.Errors[0].Message, says) || strings.Contains(a.Errors[0].Message, "internal") {
			t.Errorf("%s: %+v", question, a.Errors)
		}
	}
}

// A run that goes on has a forecast and what its budget leaves.
func TestForecastOfARun(t *testing.T) {
	l := newLab(t)
	series := event.Series{Key: "train/loss"}
	facts := []event.Event{
		event.ExperimentCreated{Experiment: "x", Name: "x", Budget: &event.Budget{Dollars: 100, DeviceSeconds: 1000}},
		event.PriceSet{Device: "gpu:*", PerHour: 3600, From: "2020-01-01", Source: "a dollar a second"},
		event.RunRequested{Run: "r", Experiment: "x", Budget: &event.Budget{Dollars: 50}, Spec: event.Spec{Kind: event.Train}},
		event.RunStarted{Run: "r", Attempt: 1, Worker: "w"},
	}
	l.write(t, facts...)
	run, err := l.model.Run("r")
	if err != nil {
		t.Fatal(err)
	}
	for step := int64(1); step <= 300; step++ {
		at := run.Attempts[0].StartedAt.Add(time.Duration(step) * 200 * time.Millisecond)
		series.Steps, series.Times, series.Values = append(series.Steps, step), append(series.Times, at.UnixMicro()), append(series.Values, 1)
	}
	l.write(t, event.MetricsLogged{Frames: []event.Frame{{Run: "r", Writer: "w", Series: []event.Series{series}}}},
		event.RunProgressed{Run: "r", Phase: "train", Done: 300, Total: 900, Unit: "steps"},
		event.ResourcesSpent{Run: "r", Attempt: 1, Worker: "w", Device: event.Device{Kind: "gpu", Name: "x", Count: 1}, Seconds: 25})
	a := l.ask(t, `{ run(id: "r") { budgetLeft { dollars deviceSeconds spent } forecast { secondsLeft { low typical high } endsAt joules basis } } experiment(id: "x") { budgetLeft { dollars deviceSeconds spent } } }`, nil)
	var got struct {
		Run struct {
			BudgetLeft struct{ Dollars, DeviceSeconds, Spent *float64 }
			Forecast   struct {
				SecondsLeft struct{ Low, Typical, High float64 }
				EndsAt      time.Time
				Joules      *float64
				Basis       string
			}
		}
		Experiment struct {
			BudgetLeft struct{ Dollars, DeviceSeconds, Spent float64 }
		}
	}
	if len(a.Errors) > 0 || json.Unmarshal(a.Data, &got) != nil {
		t.Fatalf("%+v %s", a.Errors, a.Data)
	}
	f := got.Run.Forecast
	if math.Abs(f.SecondsLeft.Typical-120) > 1 || !strings.Contains(f.Basis, "of 900") || f.Joules != nil || !f.EndsAt.After(run.Attempts[0].StartedAt.Add(3*time.Minute-2*time.Second)) {
		t.Errorf("%+v", f)
	}
	if b := got.Run.BudgetLeft; b.Dollars == nil || *b.Dollars != 25 || b.DeviceSeconds != nil || *b.Spent != 0.5 {
		t.Errorf("%s", a.Data)
	}
	if b := got.Experiment.BudgetLeft; b.Dollars != 75 || b.DeviceSeconds != 975 || b.Spent != 0.25 {
		t.Errorf("%+v", b)
	}
}
