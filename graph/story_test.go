package graph_test

import (
	"encoding/json"
	"math"
	"testing"

	"millrace/event"
)

// Digests and ids of the story that the golden answers tell.
var (
	dataset    = event.DigestOf([]byte("dataset"))
	tokenizer  = event.DigestOf([]byte("tokenizer"))
	recipe     = event.DigestOf([]byte("recipe"))
	checkpoint = event.DigestOf([]byte("checkpoint"))
	second     = event.DigestOf([]byte("second checkpoint"))
	suite      = event.DigestOf([]byte("suite"))
)

func trainSpec(lr string) event.Spec {
	return event.Spec{
		Kind: event.Train, Config: json.RawMessage(`{"model":"gpt2","optimizer":{"lr":` + lr + `,"name":"adamw"},"steps":400}`), Engine: "cpu",
		Inputs: []event.Input{{Role: "dataset", Digest: dataset, Name: "go-docs"}},
		Code:   event.Code{Version: "v0.1.0", Revision: "4f2d1c", Modified: true},
	}
}

func request(t testing.TB, run, name string, spec event.Spec) event.RunRequested {
	t.Helper()
	digest, err := spec.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return event.RunRequested{Run: event.RunID(run), Name: name, Spec: spec, SpecDigest: digest, By: "ada"}
}

func points(run, key string, from int64, values ...float64) event.MetricsLogged {
	s := event.Series{Key: key, Values: values}
	for i := range values {
		s.Steps = append(s.Steps, from+int64(i))
		s.Times = append(s.Times, epoch.UnixMicro()+(from+int64(i))*500_000)
	}
	return event.MetricsLogged{Gateway: "gw", Frames: []event.Frame{{Run: event.RunID(run), Writer: "attempt-1", Series: []event.Series{s}}}}
}

// story is a small lab's day: a dataset is curated, a model trained twice and fine-tuned, evaluated, reproduced; a run crashes, one is
// archived, a foreign script logs without asking.
func story(t testing.TB) []event.Event {
	const exp = event.ExperimentID("exp-lr")
	joules, watts, stderr, left := event.Number(321.5), event.Number(412), event.Number(0.01), 12.5
	first, other, curate := request(t, "train-1", "baseline", trainSpec("0.001")), request(t, "train-2", "hotter", trainSpec("0.002")), event.RunRequested{}
	curate = request(t, "curate-1", "go-docs", event.Spec{Kind: event.Curate, Config: json.RawMessage(`{"source":"docs"}`)})
	first.Experiment, other.Experiment = exp, exp
	first.Tags, first.Labels = map[string]string{"purpose": "demo", "team": "lab"}, []string{"small"}
	other.Tags = map[string]string{"purpose": "sweep"}
	repro := request(t, "repro-1", "again", trainSpec("0.001"))
	repro.Experiment, repro.Branch, repro.StopAfter = exp, &event.Branch{From: "train-1", Kind: event.Reproduction}, 50
	tune := request(t, "tune-1", "tuned", event.Spec{Kind: event.Finetune, Config: json.RawMessage(`{"steps":10}`), Inputs: []event.Input{{Role: "checkpoint", Digest: checkpoint}}})
	saved := event.CheckpointSaved{
		Run: "train-1", Experiment: exp, Step: 200, Checkpoint: checkpoint, Dataset: dataset, Suites: []string{"quick"}, Tokens: 204800,
		Files: []event.File{{Name: "model.safetensors", Digest: event.DigestOf([]byte("a")), Size: 4 << 20}, {Name: "optimizer.safetensors", Digest: event.DigestOf([]byte("b")), Size: 8 << 20}},
	}
	last := saved
	last.Step, last.Checkpoint, last.Tokens, last.Last = 400, second, 409600, true
	judge, err := event.EvaluationRequest(saved, "quick", suite, event.Code{Version: "v0.1.0"}, "")
	if err != nil {
		t.Fatal(err)
	}
	judge.Run = "eval-1"
	usage := event.Usage{
		At: epoch.UnixMicro(), CPUPercent: 187.5, MachinePercent: 96, RSS: 412 << 20, MemoryUsed: 3 << 30, MemoryTotal: 24 << 30, DiskRead: 1, DiskWritten: 2,
		DiskFree: 80 << 30, NetReceived: 1000, NetSent: 2000, Joules: &joules,
		GPUs: []event.GPUUsage{{Index: 0, Name: "NVIDIA H200", Percent: 98, MemoryUsed: 70 << 30, MemoryTotal: 141 << 30, Watts: &watts, Celsius: &left2, Joules: &joules, Throttled: []string{"power"}, OwnMemory: 60 << 30,
			Processes: []event.GPUProcess{{PID: 4711, MemoryUsed: 60 << 30}, {PID: 7}}}},
	}
	later := usage
	later.At, later.CPUPercent = usage.At+1_000_000, 55
	return []event.Event{
		curate,
		event.RunStarted{Run: "curate-1", Attempt: 1, Worker: "laptop-1", Environment: event.Environment{OS: "linux", Arch: "amd64", Go: "go1.26"}},
		event.DatasetPublished{Dataset: dataset, Name: "go-docs", Run: "curate-1", Recipe: recipe, Source: event.DigestOf([]byte("source")), Tokenizer: tokenizer, VocabSize: 4096, Splits: []event.Split{{Name: "train", Tokens: 3_000_000, Documents: 900, Bytes: 9_500_000, Shards: 3}}, Dropped: []event.Dropped{{Reason: "duplicate", Documents: 12, Bytes: 34_000}}, Bytes: 6_100_000},
		event.RunEnded{Run: "curate-1", Attempt: 1, Status: event.Finished, Outputs: []event.Input{{Role: "dataset", Digest: dataset, Name: "go-docs"}}},
		event.ExperimentCreated{Experiment: exp, Name: "learning rate", Objective: &event.Objective{Metric: "val/loss", Direction: "min"}, Suites: []string{"quick"}, Budget: &event.Budget{Dollars: 5, DeviceSeconds: 3600}, Note: "which is best?", By: "ada"},
		first, other,
		event.RunStarted{Run: "train-1", Attempt: 1, Worker: "laptop-2", Environment: event.Environment{Host: "laptop", OS: "linux", Arch: "amd64", Go: "go1.26", Binary: event.DigestOf([]byte("binary")), CPU: "Xeon", Cores: 2, Memory: 24 << 30, Engine: "cpu", Kernels: "avx512", Threads: 2, GPUs: []string{"NVIDIA H200"}}},
		event.RunStarted{Run: "train-2", Attempt: 1, Worker: "laptop-3", Environment: event.Environment{Host: "laptop", OS: "linux", Arch: "amd64", Go: "go1.26", Kernels: "avx2", Engine: "cpu"}},
		points("train-1", "train/loss", 1, 5.5, 4.5, math.NaN(), 3.5),
		points("train-1", "val/loss", 2, 4.75, 3.75),
		points("train-2", "train/loss", 1, 5.5, math.Inf(1)),
		points("train-2", "val/loss", 2, 9),
		event.UsageSampled{Run: "train-1", Worker: "laptop-2", Usage: usage},
		event.UsageSampled{Run: "train-1", Worker: "laptop-2", Usage: later},
		event.ResourcesSpent{Run: "train-1", Attempt: 1, Worker: "laptop-2", Device: event.Device{Kind: "cpu", Name: "Xeon", Count: 2}, Seconds: 7200, Joules: &joules, FLOPs: 1.5e12, Tokens: 204800, Stored: 4 << 20},
		event.ResourcesSpent{Run: "train-1", Attempt: 1, Worker: "laptop-2", Device: event.Device{Kind: "tpu", Name: "v9", Count: 1}, Seconds: 10},
		saved, last,
		event.AliasSet{Experiment: exp, Alias: "best", Run: "train-1", Step: 200, Checkpoint: checkpoint, By: "ada"},
		judge,
		event.EvaluationCompleted{Run: "eval-1", Of: "train-1", Step: 200, Checkpoint: checkpoint, Suite: "quick", SuiteDigest: suite, Scores: []event.Score{{Task: "heldout", Metric: "bits_per_byte", Value: 1.75, Stderr: &stderr, N: 64}, {Task: "cloze", Metric: "acc_norm", Value: 0.5, N: 10, Higher: true}}, Samples: []event.Sample{{Task: "sample", Prompt: "func ", Text: "main() {"}}, SecondsWaited: 0.25, Seconds: 1.5},
		event.RunEnded{Run: "eval-1", Attempt: 1, Status: event.Finished},
		event.TextLogged{Run: "train-1", Writer: "attempt-1", Key: "sample", Step: 200, Prompt: "func ", Text: "func main() {"},
		event.LinesLogged{Run: "train-1", Stream: "stdout", First: 1, Lines: []string{"step 1", "step 2", "step 3"}},
		event.LinesLogged{Run: "train-1", Stream: "stderr", First: 1, Lines: []string{"warning: hot"}},
		event.AlertRaised{Run: "train-1", Level: "warn", Title: "loss spike", Text: "z-score 8.1"},
		event.RunProgressed{Run: "train-1", Phase: "train", Done: 400, Total: 400, Unit: "steps", SecondsLeft: &left},
		event.RunEnded{Run: "train-1", Attempt: 1, Status: event.Finished, Steps: 400, Outputs: []event.Input{{Role: "checkpoint", Digest: second}}},
		event.RunStopRequested{Run: "train-2", By: "ada", Reason: "diverging"},
		event.RunEnded{Run: "train-2", Attempt: 1, Status: event.Failed, Failure: &event.Failure{Code: "nan_loss", Message: "the loss is NaN at step 3", Hint: "lower the learning rate"}},
		repro,
		event.RunStarted{Run: "repro-1", Attempt: 1, Worker: "laptop-2"},
		event.ReproductionVerified{Run: "repro-1", Of: "train-1", Verdict: "different", Points: 49, Digests: 1, FirstDifference: &event.Difference{Step: 17, Key: "train/loss", Was: "5.25", Is: "5.5"}, Environment: []string{"kernels: avx512 → avx2"}},
		tune,
		event.RunNoted{Run: "train-2", Note: ptr("too hot")},
		points("foreign-1", "loss", 1, 1, 0.5),
		request(t, "old-1", "old", trainSpec("0.1")),
		event.RunArchived{Run: "old-1", Archived: true},
		event.PriceSet{Device: "cpu:*xeon*", PerHour: 0.1, From: "2026-06-01", Source: "our own"},
		judgedPublished(),
		event.ArtifactLogged{Run: "train-1", Path: "plots/loss.png", Role: "image", Step: ptr(int64(200)), File: event.File{Name: "loss.png", Digest: event.DigestOf([]byte("png")), Size: 4096}, Media: "image/png"},
		event.RuleSaved{Rule: "keep-best", Name: "keep the best", On: "millrace.evaluation.completed", When: "better", Then: event.RawJSON(`{"alias":"best"}`), Enabled: true, By: "ada"},
	}
}

var left2 = event.Number(61)

func ptr[T any](v T) *T { return &v }
