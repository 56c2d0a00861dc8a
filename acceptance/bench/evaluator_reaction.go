package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"millrace/client"
	"millrace/event"
)

// What is saved while reactions are timed, and how often a process is killed unless KILLS says otherwise.
const (
	reactions      = 120 // checkpoints
	reactionSuite  = "quick"
	reactionKills  = 50
	reactionSteps  = 120 // from checkpoint to checkpoint
	killedSteps    = 80  // of each training while processes are killed
	killedEvery    = 20
	reactionsLimit = 4 * time.Minute // for what is left to do at the end
)

// evaluationReactions is how fast and how surely a checkpoint is judged.
func evaluationReactions(ctx context.Context, b *bench) ([]Row, error) {
	speed, err := reactionTimes(ctx, b)
	if err != nil {
		return nil, err
	}
	sure, err := reactionsThroughKills(ctx, b)
	return append(speed, sure...), err
}

// tinyTraining is one of few milliseconds a step, on any dataset of that name.
func tinyTraining(steps, every, seed int) client.StartRun {
	return client.StartRun{
		Kind: "TRAIN", Suites: []string{reactionSuite}, Inputs: []client.Input{{Role: "dataset", Digest: "text"}},
		Config: json.RawMessage(fmt.Sprintf(`{"model":{"n_layer":2,"n_head":2,"d_model":32,"context":32},"batch_size":4,"steps":%d,"checkpoint_every":%d,"eval_every":%d,"eval_batches":1,"seed":%d}`,
			steps, every, steps, seed)),
	}
}

// smallText curates a few documents, little of which is held out.
func smallText(ctx context.Context, b *bench, c *client.Client, dir string) error {
	text, err := someText(filepath.Join(b.tmp, dir))
	if err != nil {
		return err
	}
	recipe, err := json.Marshal(map[string]any{"name": "text", "sources": []map[string]any{{"folder": text}}, "held_out": 0.01, "tokenizer": map[string]any{"kind": "byte"}})
	if err != nil {
		return err
	}
	_, err = ended(ctx, c, client.StartRun{Kind: "CURATE", Config: recipe})
	return err
}

// judgements is what the log says of checkpoints and of those that judged them.
type judgements struct {
	saved     map[savedAt]time.Time
	due       map[savedAt][]string // suites
	requests  map[string]savedAt   // by the evaluation's run
	asked     map[savedAt]time.Time
	began     map[savedAt]time.Time
	completed map[string]int // by run, step and suite
	open      map[string]bool
	again     int // attempts after the first, of trainings and evaluations
	failed    []string
}

// savedAt is a checkpoint's place.
type savedAt struct {
	run  event.RunID
	step int64
}

func (s savedAt) on(suite string) string { return fmt.Sprintf("%s@%d %s", s.run, s.step, suite) }

// judged reads the whole log.
func judged(ctx context.Context, c *client.Client) (*judgements, error) {
	_, _, last, _, err := c.System(ctx)
	if err != nil {
		return nil, err
	}
	j := &judgements{
		saved: map[savedAt]time.Time{}, due: map[savedAt][]string{}, requests: map[string]savedAt{},
		asked: map[savedAt]time.Time{}, began: map[savedAt]time.Time{}, completed: map[string]int{}, open: map[string]bool{},
	}
	err = c.Events(ctx, 1, last, nil, func(e client.LoggedEvent) error { return j.add(e) })
	return j, err
}

func (j *judgements) add(e client.LoggedEvent) error {
	switch e.Type {
	case "checkpoint.saved":
		var k event.CheckpointSaved
		if err := json.Unmarshal(e.Body, &k); err != nil {
			return err
		}
		at := savedAt{k.Run, k.Step}
		if _, ok := j.saved[at]; !ok {
			j.saved[at], j.due[at] = e.Time, k.Due()
		}
	case "run.requested":
		var r event.RunRequested
		if err := json.Unmarshal(e.Body, &r); err != nil {
			return err
		}
		j.open[string(r.Run)] = true
		if r.Branch != nil && r.Branch.Kind == event.Evaluation {
			at := savedAt{r.Branch.From, r.Branch.Step}
			j.requests[string(r.Run)], j.asked[at] = at, e.Time
		}
	case "run.started":
		var r event.RunStarted
		if err := json.Unmarshal(e.Body, &r); err != nil {
			return err
		}
		if r.Attempt > 1 {
			j.again++
		}
		at, ok := j.requests[string(r.Run)]
		if _, before := j.began[at]; ok && !before {
			j.began[at] = e.Time
		}
	case "evaluation.completed":
		var r event.EvaluationCompleted
		if err := json.Unmarshal(e.Body, &r); err != nil {
			return err
		}
		j.completed[savedAt{r.Of, r.Step}.on(r.Suite)]++
	case "run.ended":
		var r event.RunEnded
		if err := json.Unmarshal(e.Body, &r); err != nil {
			return err
		}
		delete(j.open, string(r.Run))
		if r.Status != event.Finished {
			j.failed = append(j.failed, fmt.Sprintf("%s %s %+v", r.Run, r.Status, r.Failure))
		}
	}
	return nil
}

// quiet waits until every run has ended and every checkpoint that is due has an evaluation, or the time is over.
func quiet(ctx context.Context, c *client.Client, limit time.Duration) (j *judgements, err error) {
	for deadline := time.Now().Add(limit); ; time.Sleep(500 * time.Millisecond) {
		if j, err = judged(ctx, c); err == nil && len(j.open) == 0 {
			if due, lost, _ := j.count(); due > 0 && lost == 0 {
				return j, nil
			}
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return j, errors.Join(err, ctx.Err())
		}
	}
}

// count tells how many evaluations are due, have no scores, and have scores more than once.
func (j *judgements) count() (due, lost, twice int) {
	for at, suites := range j.due {
		for _, s := range suites {
			due++
			switch n := j.completed[at.on(s)]; {
			case n == 0:
				lost++
			case n > 1:
				twice++
			}
		}
	}
	return due, lost, twice
}

// reactionTimes is from a checkpoint's fact to the start of its evaluation, by the log's times, while the training goes on.
func reactionTimes(ctx context.Context, b *bench) (_ []Row, err error) {
	url, _, _, stop, err := b.node(ctx, filepath.Join(b.tmp, "reactions"), "--threads", "1")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	c := client.New(url, "")
	if err := smallText(ctx, b, c, "reactions-text"); err != nil {
		return nil, err
	}
	began := time.Now()
	if _, err := ended(ctx, c, tinyTraining(reactions*reactionSteps, reactionSteps, 1)); err != nil {
		return nil, err
	}
	took := time.Since(began).Seconds()
	j, err := quiet(ctx, c, reactionsLimit)
	if err != nil {
		return nil, err
	}
	var waits, asks []float64
	for at, saved := range j.saved {
		start, ok := j.began[at]
		if !ok {
			return nil, fmt.Errorf("the evaluation of step %d was not started", at.step)
		}
		waits, asks = append(waits, start.Sub(saved).Seconds()), append(asks, j.asked[at].Sub(saved).Seconds())
	}
	if len(waits) < 100 {
		return nil, fmt.Errorf("only %d checkpoints were saved", len(waits))
	}
	slices.Sort(waits)
	slices.Sort(asks)
	note := fmt.Sprintf("%d checkpoints, one every %.2g s, of a training that goes on in the same process; slowest %.3f s; asked for in the log after %.3f s, p99 %.3f s",
		len(waits), took/reactions, waits[len(waits)-1], quantile(asks, 0.5), quantile(asks, 0.99))
	return []Row{
		{Name: "reaction_p50", Value: quantile(waits, 0.5), Unit: "s", Better: "lower", Note: note},
		{Name: "reaction_p99", Value: quantile(waits, 0.99), Unit: "s", Better: "lower", Bar: ptr(1), Note: "the same"},
	}, nil
}

// reactionsThroughKills kills one of two processes at random, KILLS times (50): the one that has log, storage, tracker and trainings, and the
// one that evaluates. Each time another training is asked for. At the end every checkpoint has one evaluation of each of its suites in the log.
func reactionsThroughKills(ctx context.Context, b *bench) (_ []Row, err error) {
	kills := reactionKills
	if s := os.Getenv("KILLS"); s != "" {
		if kills, err = strconv.Atoi(s); err != nil || kills < 1 {
			return nil, fmt.Errorf("KILLS=%s is no number of kills", s)
		}
	}
	var addrs [3]string
	for i := range addrs {
		if addrs[i], err = quietPort(); err != nil {
			return nil, err
		}
	}
	data := filepath.Join(b.tmp, "reaction-desk")
	args := []string{"--roles", "tracker,curation,training", "--threads", "1", "--worker", "desk", "--addr", addrs[0], "--nats-listen", addrs[1], "--s3-listen", addrs[2]}
	type process struct {
		name, data string
		args       []string
		pid, kills int
		stop       func() error
	}
	desk := &process{name: "training", data: data, args: args}
	up := func(p *process) error {
		_, _, pid, stop, err := b.node(ctx, p.data, p.args...)
		p.pid, p.stop = pid, stop
		return err
	}
	if err := up(desk); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, desk.stop()) }()
	raw, err := os.ReadFile(filepath.Join(data, "secrets.json"))
	if err != nil {
		return nil, err
	}
	var secrets struct {
		S3AccessKey string `json:"s3_access_key"`
		S3SecretKey string `json:"s3_secret_key"`
		NATSToken   string `json:"nats_token"`
	}
	if err := json.Unmarshal(raw, &secrets); err != nil {
		return nil, err
	}
	judge := &process{name: "evaluation", data: filepath.Join(b.tmp, "reaction-judge"), args: []string{
		"--roles", "evaluation", "--addr", "127.0.0.1:0", "--worker", "judge", "--nats-url", "nats://" + addrs[1], "--nats-token", secrets.NATSToken,
		"--s3-endpoint", "http://" + addrs[2], "--s3-access-key", secrets.S3AccessKey, "--s3-secret-key", secrets.S3SecretKey,
	}}
	if err := up(judge); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, judge.stop()) }()
	c := client.New("http://"+addrs[0], "")
	if err := smallText(ctx, b, c, "killed-text"); err != nil {
		return nil, err
	}
	random := rand.New(rand.NewPCG(1, 2))
	both := []*process{desk, judge}
	for i := range kills {
		for tries := 0; ; tries++ { // the process may just have come back
			if _, err := c.Start(ctx, tinyTraining(killedSteps, killedEvery, i+1)); err == nil {
				break
			} else if tries == 100 || ctx.Err() != nil {
				return nil, err
			}
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Duration(100+random.IntN(900)) * time.Millisecond)
		p := both[random.IntN(2)]
		proc, err := os.FindProcess(p.pid)
		if err == nil {
			err = proc.Kill()
		}
		if err != nil {
			return nil, err
		}
		p.kills++
		_ = p.stop() // it says that it was killed
		if err := up(p); err != nil {
			return nil, err
		}
	}
	j, err := quiet(ctx, c, reactionsLimit)
	if err != nil {
		return nil, err
	}
	due, lost, twice := j.count()
	note := fmt.Sprintf("%d kill -9 of the process of log, tracker and trainings, %d of that of evaluations; %d evaluations due, %d attempts after a first one", desk.kills, judge.kills, due, j.again)
	if len(j.open)+len(j.failed) > 0 {
		note += fmt.Sprintf("; %d runs have not ended, not finished: %q", len(j.open), j.failed)
	}
	return []Row{
		{Name: "kills_lost", Value: float64(lost), Unit: "evaluations", Better: "lower", Bar: ptr(0), Note: note},
		{Name: "kills_twice", Value: float64(twice), Unit: "evaluations", Better: "lower", Bar: ptr(0), Note: "the same; facts in the log"},
	}, nil
}
