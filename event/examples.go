package event

import (
	"encoding/json"
	"math"
)

// Examples is one filled-in fact of every type, in the order of Set: what the golden bytes, the AsyncAPI document and the
// read model's tests are made from.
func Examples() []Event {
	const run, other = RunID("01HZX3V9M8Q4T6W2Y5B7C9D1FE"), RunID("01HZX3V9M8Q4T6W2Y5B7C9D1FF")
	const exp = ExperimentID("01HZX3V9M8Q4T6W2Y5B7C9D1EX")
	const worker = WorkerID("laptop-training-1")
	digest := DigestOf([]byte("example"))
	step, exit := int64(200), 1
	left, joules, stderr := 12.5, Number(321.5), Number(0.01)
	name, note, no := "baseline", "learning rate doubled", false
	model, ready, stage := "model", "ready", "Staging"
	spec := Spec{
		Kind: Train, Config: json.RawMessage(`{"seed":1337,"steps":400}`), Engine: "cpu",
		Inputs: []Input{{Role: "dataset", Digest: digest, Name: "go-docs"}},
		Code:   Code{Version: "v0.1.0", Revision: "4f2d1c"},
	}
	specDigest, _ := spec.Digest()
	policy := &EvaluationPolicy{Every: 2, Pending: PendingNewest, Stages: []EvaluationStage{{FromStep: 1000, Suites: []string{"quick", "arithmetic"}}}}
	pins := []SuitePin{{Name: "arithmetic", Version: 2, Digest: digest}}
	usage := Usage{
		At: 1790000000000000, CPUPercent: 187.5, MachinePercent: 96, RSS: 412 << 20, MemoryUsed: 3 << 30, MemoryTotal: 24 << 30,
		DiskRead: 1 << 20, DiskWritten: 2 << 20, DiskFree: 80 << 30, NetReceived: 1000, NetSent: 2000, Joules: &joules,
		GPUs: []GPUUsage{{Index: 0, Name: "NVIDIA H200", Percent: 98, MemoryUsed: 70 << 30, MemoryTotal: 141 << 30, Watts: &joules, Throttled: []string{"power"}}},
	}
	return []Event{
		RunRequested{
			Run: run, Experiment: exp, Name: name, Spec: spec, SpecDigest: specDigest, StopAfter: 50,
			Branch: &Branch{From: other, Kind: Reproduction}, Candidates: []Digest{digest}, Suites: []string{"quick"},
			Tags: map[string]string{"purpose": "demo"}, Labels: []string{"small"}, By: "ada",
			Note: note, Group: "sweep-1", JobType: "train", HeartbeatSeconds: 60, ForeignID: "lunar-sweep-7",
			Environment: &Environment{Host: "rack-7", OS: "linux", Arch: "arm64", Go: ""},
			From:        &CheckpointSaved{Run: other, Step: step, Checkpoint: digest, Files: []File{{Name: "model.safetensors", Digest: digest, Size: 4 << 20}}, Dataset: digest, Tokens: 204800},
			Resume:      1, Attempts: 2, SaveAt: []int64{231}, Budget: &Budget{Dollars: 2.5}, At: 1789990000250000, Depth: 1,
			Evaluation: policy, Pins: pins, GivesWay: true,
		},
		RunStarted{
			Run: run, Attempt: 2, Worker: worker, ResumedFrom: &step, At: 1789990000250000,
			Environment: Environment{OS: "linux", Arch: "amd64", Go: "go1.26", Binary: digest, CPU: "Xeon", Cores: 2, Memory: 24 << 30, Engine: "cpu", Kernels: "avx512", Threads: 2},
		},
		RunProgressed{Run: run, Phase: "train", Done: 200, Total: 400, Unit: "steps", SecondsLeft: &left},
		RunHeartbeat{Run: run, Writer: "rank-0", State: "preempting"},
		RunStopRequested{Run: run, By: "ada", Reason: "diverging", Pause: true},
		RunEnded{Run: run, Attempt: 2, Status: Failed, Steps: 231, Failure: &Failure{Code: "nan_loss", Message: "the loss is NaN at step 231", Hint: "lower the learning rate"}, Outputs: []Input{{Role: "checkpoint", Digest: digest}}, ExitCode: &exit, At: 1789990000250000},
		RunTagged{Run: run, Set: map[string]string{"stage": "review"}, Unset: []string{"purpose"}, AddLabels: []string{"keep"}, RemoveLabels: []string{"small"}},
		RunNoted{Run: run, Name: &name, Note: &note},
		RunArchived{Run: run, Archived: true},
		RunDeleted{Run: run, By: "ada"},
		RunRewound{Run: run, Step: 200},
		ReproductionVerified{Run: run, Of: other, Verdict: "different", Points: 49, Digests: 1, FirstDifference: &Difference{Step: 17, Key: "train/loss", Was: "5.25", Is: "5.5"}, Environment: []string{"kernels: avx512 → avx2"}},
		MetricsLogged{Gateway: worker, Frames: []Frame{{
			Run: run, Writer: "attempt-1",
			Series: []Series{
				{Key: "train/loss", Steps: []int64{1, 2, 3}, Times: []int64{1790000000000000, 1790000000200000, 1790000000400000}, Values: []float64{5.5, math.NaN(), math.Inf(1)}},
				{Key: "lr", Context: `{"group":"decay"}`, Steps: []int64{3, -1}, Times: []int64{1790000000400000, 0}, Values: []float64{1e-3, math.Copysign(0, -1)}},
			},
		}, {Run: other, Writer: "rank-0", Identity: ByContent}}},
		MetricDefined{Run: run, Key: "val/*", Summary: []string{"min", "last"}, Goal: "min", StepKey: "tokens", Unit: "nats", Hidden: true},
		ParamsLogged{Run: run, Params: []Param{{Path: "optimizer.lr", Value: RawJSON(`0.001`), Origin: "client", WriteOnce: true}}},
		RowsLogged{Run: run, Stream: "history", First: 7, Rows: []RawJSON{RawJSON(`{"loss":1.5}`)}},
		LinesLogged{Run: run, Stream: "stdout", First: 12, Lines: []string{"step 12 done"}},
		TextLogged{Run: run, Writer: "attempt-1", Key: "sample", Step: step, Prompt: "func ", Text: "func main() {"},
		ArtifactLogged{Run: run, Path: "plots/loss.png", Role: "image", Step: &step, File: File{Name: "loss.png", Digest: digest, Size: 1024, MD5: "1a79a4d60de6718e8e5b326e338ae533"}, Media: "image/png"},
		AlertRaised{Run: run, Level: "warn", Title: "loss spike", Text: "z-score 8.1 at step 231", Key: "spike at step 231", Depth: 1},
		BatchLogged{Run: run, Facts: []PackedFact{
			{Type: "run.tagged", Body: RawJSON(`{"run":"01HZX3V9M8Q4T6W2Y5B7C9D1FE","set":{"stage":"review"}}`)},
			{Type: "run.progressed", Body: RawJSON(`{"run":"01HZX3V9M8Q4T6W2Y5B7C9D1FE","phase":"train","done":200,"total":400,"unit":"steps"}`)},
		}},
		ExperimentCreated{Experiment: exp, Name: "learning rate", Objective: &Objective{Metric: "eval/quick/heldout/bits_per_byte", Direction: "min"}, Suites: []string{"quick"}, Budget: &Budget{Dollars: 5, DeviceSeconds: 3600}, Note: note, Entity: "lab", Evaluation: policy, By: "ada"},
		ExperimentUpdated{Experiment: exp, Name: &name, Objective: &Objective{Metric: "val/loss", Direction: "min"}, Suites: []string{"quick"}, Budget: &Budget{Dollars: 9}, Note: &note, Archived: &no, Evaluation: policy, Clear: []string{"objective"}},
		DatasetPublished{Dataset: digest, Name: "go-docs", Run: other, Recipe: digest, Source: digest, Tokenizer: digest, VocabSize: 4096, Splits: []Split{{Name: "train", Tokens: 3000000, Documents: 900, Bytes: 9500000, Shards: 3}}, Dropped: []Dropped{{Reason: "duplicate", Documents: 12, Bytes: 34000}}, Bytes: 6100000},
		CheckpointSaved{Run: run, Experiment: exp, Step: step, Checkpoint: digest, Files: []File{{Name: "model.safetensors", Digest: digest, Size: 4 << 20}}, Dataset: digest, Suites: []string{"quick"}, Tokens: 204800, Last: true, Number: 4, Evaluation: policy, Pins: pins},
		CheckpointDeleted{Run: run, Step: 100, Checkpoint: digest},
		AliasSet{Experiment: exp, Alias: "best", Run: run, Step: step, Checkpoint: digest, By: "ada", Depth: 1},
		EvaluationCompleted{Run: other, Of: run, Step: step, Checkpoint: digest, Suite: "quick", SuiteDigest: digest, Scores: []Score{{Task: "heldout", Metric: "bits_per_byte", Value: 1.75, Stderr: &stderr, N: 64}}, Samples: []Sample{{Task: "sample", Prompt: "func ", Text: "main() {"}}, Version: 2, Failed: []TaskFailure{{Task: "sums", Code: "missing_data", Message: "its data is not in storage"}}, Results: digest, Answers: 512, Model: "tiny-1", SecondsWaited: 0.25, Seconds: 1.5},
		UsageSampled{Run: run, Worker: worker, Usage: usage},
		ResourcesSpent{Run: run, Attempt: 2, Worker: worker, Device: Device{Kind: "cpu", Name: "Xeon", Count: 2}, Seconds: 84.5, Joules: &joules, FLOPs: 1.5e12, Tokens: 204800, Stored: 4 << 20, Moved: 6 << 20, Paid: 0.0125},
		PriceSet{Device: "gpu:*H200*", PerHour: 3.5, PerKWh: 0.08, PerGBMonth: 0.023, From: "2026-05-01", Source: "specialty clouds, 2026-05",
			PerHourLow: 2.5, PerHourHigh: 7, PUE: 1.1, PeakFLOPs: 989.4e12, Memory: 141e9, Watts: 700, ServerWatts: 1275, Purchase: 32500, PurchaseLow: 28000, PurchaseHigh: 40000},
		RuleSaved{Rule: "01HZX3V9M8Q4T6W2Y5B7C9D1RU", Name: "stop on NaN", On: "metrics.logged", When: "isnan(value)", Then: RawJSON(`{"stop":{}}`), Enabled: true, By: "ada", Version: 2, Experiment: exp, Metric: "*loss*", Repeat: "run", Note: note},
		RuleRemoved{Rule: "01HZX3V9M8Q4T6W2Y5B7C9D1RU", By: "ada"},
		RuleFired{Rule: "01HZX3V9M8Q4T6W2Y5B7C9D1RU", Seq: 4711, Run: run, Action: "stop", Result: "stop requested", Firing: "01HZX3V9M8Q4T6W2Y5B7C9D1FI", Version: 2, Fact: "01HZX3V9M8Q4T6W2Y5B7C9D1FA", Step: &step, Key: "train/loss", Then: RawJSON(`{"stop":{}}`), Depth: 1, Name: "stop on NaN"},
		SnapshotTaken{Place: 4711, Fact: "01HZX3V9M8Q4T6W2Y5B7C9D1FA", Log: "MILLRACE@2026-11-01T12:00:00Z", Layout: 2, Snapshot: digest, Bytes: 64 << 20, Stored: 9 << 20, By: "ada"},
		LogArchived{Log: "MILLRACE@2026-11-01T12:00:00Z", Through: 4000, Archive: digest, Segments: 2, Facts: 3999, Bytes: 1 << 20, By: "ada"},
		RunPruned{Run: run, Console: true, System: true, By: "retention"},
		DatasetDeleted{Dataset: digest, Force: true, By: "ada"},
		ExperimentDeleted{Experiment: exp, By: "ada"},
		RetentionSet{Experiment: exp, Policy: Retention{Checkpoints: &KeptCheckpoints{Best: 3, Every: 1000, Last: 1}, FailedRunsDays: 14, ConsoleDays: 30, SystemDays: 30, LogDays: 90}, By: "ada"},
		RunStarred{Run: run, Starred: true, By: "ada"},
		RunBudgetSet{Run: run, Budget: Budget{Dollars: 2.5, DeviceSeconds: 900}, By: "ada"},
		AliasRemoved{Experiment: exp, Alias: "production", By: "ada"},
		RunBudgetReached{Run: run, Spent: Reached{Percent: 80, Budget: Budget{Dollars: 2.5}, Dollars: 2.01, DeviceSeconds: 700}},
		ExperimentBudgetReached{Experiment: exp, Run: run, Spent: Reached{Percent: 100, Budget: Budget{DeviceSeconds: 3600}, Dollars: 4.5, DeviceSeconds: 3601}},
		CollectionSaved{Collection: "01HZX3V9M8Q4T6W2Y5B7C9D1CL", Experiment: exp, Entity: "lab", Name: &name, Kind: &model, Description: &note, Set: map[string]string{"task": "lm"}, Unset: []string{"draft"}, Metadata: RawJSON(`{"license":"mit"}`), By: "ada"},
		CollectionRemoved{Collection: "01HZX3V9M8Q4T6W2Y5B7C9D1CL", By: "ada"},
		VersionSaved{Collection: "01HZX3V9M8Q4T6W2Y5B7C9D1CL", Version: 3, Run: run, Path: "model", Object: digest, Size: 4 << 20, State: &ready, Message: "checked", Stage: &stage, Description: &note, Set: map[string]string{"tested": "yes"}, Unset: []string{"draft"}, AddLabels: []string{"keep"}, RemoveLabels: []string{"old"}, Metadata: RawJSON(`{"step":200}`), TTLSeconds: &step, By: "ada"},
		VersionAliased{Collection: "01HZX3V9M8Q4T6W2Y5B7C9D1CL", Alias: "champion", Version: &step, By: "ada"},
		VersionRemoved{Collection: "01HZX3V9M8Q4T6W2Y5B7C9D1CL", Version: 2, By: "ada"},
		InputLogged{Run: run, Role: "dataset", Out: true, Name: "wiki", Digest: "6c2a01", Object: digest, Collection: "01HZX3V9M8Q4T6W2Y5B7C9D1CL", Version: &step, Source: "s3://lab/wiki", Metadata: RawJSON(`{"rows":12}`), Tags: map[string]string{"context": "training"}},
		SummaryLogged{Run: run, Values: map[string]RawJSON{"best.loss": RawJSON(`1.5`)}, Remove: []string{"worst"}},
		SpansLogged{Experiment: exp, Run: run, Trace: "5b8efff798038103d269b633813fc60c", Spans: map[string]RawJSON{"eee19b7ec3c1b174": RawJSON(`{"name":"generate"}`)}},
		ContestOpened{Contest: "01HZX3V9M8Q4T6W2Y5B7C9D1CT", Name: "summaries", Mode: Pairs, Guidelines: "Which is truer?", Suite: "quick", SuiteDigest: digest, Task: "sample", Entries: []ContestEntry{
			{Label: "baseline@200", Evaluation: "01HZX3V9M8Q4T6W2Y5B7C9D1EA", Of: run, Step: step, Results: digest},
			{Label: "doubled@200", Evaluation: "01HZX3V9M8Q4T6W2Y5B7C9D1EB", Of: other, Step: step, Results: digest},
		}, Items: 40, Missing: 2, Seed: 7, Overlap: 2, DailyVotes: 200, By: "ada"},
		ContestClosed{Contest: "01HZX3V9M8Q4T6W2Y5B7C9D1CT", By: "ada"},
		VoteCast{Vote: HumanVote("01HZX3V9M8Q4T6W2Y5B7C9D1CT", "ada", "sample/3", 1, 0), Contest: "01HZX3V9M8Q4T6W2Y5B7C9D1CT", Rater: "ada", Judge: Human, Run: run, Item: "sample/3", A: 2, B: 1, Choice: ChooseA, Score: 4, Seconds: 12.5, Comment: "truer", Withdrawn: true},
		SuiteSaved{Name: "arithmetic", Version: 2, Digest: digest, Tasks: 3, Data: []TaskData{{Task: "sums", Role: "data", Digest: digest, Bytes: 4096, From: "sums.jsonl"}}, By: "ada"},
		RuleActed{Rule: "01HZX3V9M8Q4T6W2Y5B7C9D1RU", Firing: "01HZX3V9M8Q4T6W2Y5B7C9D1FI", Seq: 4712, Outcome: "refused", Run: run, Made: other, Notification: "01HZX3V9M8Q4T6W2Y5B7C9D1NO", Result: "the run has ended", Failure: &Failure{Code: "CONFLICT", Message: "the run has ended"}},
		NotificationRequested{Notification: "01HZX3V9M8Q4T6W2Y5B7C9D1NO", Rule: "01HZX3V9M8Q4T6W2Y5B7C9D1RU", Firing: "01HZX3V9M8Q4T6W2Y5B7C9D1FI", Seq: 4712, Run: run, Channel: "webhook", URL: "https://example.com/hook", URLEnv: "HOOK_URL", SecretEnv: "HOOK_SECRET", To: []string{"ada@example.com"}, Title: "loss spike", Text: "at step 231"},
		NotificationDelivered{Notification: "01HZX3V9M8Q4T6W2Y5B7C9D1NO", Rule: "01HZX3V9M8Q4T6W2Y5B7C9D1RU", Seq: 4712, Attempt: 2, Status: 204, Seconds: 0.25},
		NotificationFailed{Notification: "01HZX3V9M8Q4T6W2Y5B7C9D1NO", Rule: "01HZX3V9M8Q4T6W2Y5B7C9D1RU", Seq: 4712, Attempts: 10, Failure: Failure{Code: "unreachable", Message: "the endpoint answered 500"}},
		SweepStarted{Sweep: "01HZX3V9M8Q4T6W2Y5B7C9D1SW", Name: "learning rates", Experiment: exp, Base: Spec{Kind: Train, Config: []byte(`{"steps":400}`), Inputs: []Input{{Role: "dataset", Digest: digest, Name: "go-docs"}}, Engine: "cpu"},
			Suites: []string{"quick"}, Space: RawJSON(`{"optimizer.lr":{"min":0.0001,"max":0.01,"log":true}}`), Method: "asha", Metric: "val/loss", Direction: "min", MaxRuns: 9, Parallel: 2, Seed: 7, MinSteps: 50, MaxSteps: 400, Eta: 3, By: "ada"},
		TrialScored{Sweep: "01HZX3V9M8Q4T6W2Y5B7C9D1SW", Number: 4, Rung: 1, Run: run, Steps: 150, Value: &joules, Failure: &Failure{Code: "nan_loss", Message: "the loss is NaN"}},
		SweepEnded{Sweep: "01HZX3V9M8Q4T6W2Y5B7C9D1SW", Status: "finished", Best: run, Number: 4, Value: &joules, Trials: 9, By: "ada"},
	}
}
