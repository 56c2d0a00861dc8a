package trainer_test

import (
	"bytes"
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"millrace/trainer"
	"millrace/trainer/data"
	"millrace/trainer/engine/cpu"
	"millrace/trainer/model"
	"millrace/trainer/model/safetensors"
	"millrace/trainer/optim"
)

// base trains the model that others begin at.
func base(t *testing.T) *memory {
	t.Helper()
	m := newMemory()
	if _, err := trainer.Run(context.Background(), job(tiny(), fast(t, 1), m)); err != nil {
		t.Fatal(err)
	}
	return m
}

// tuning is a job that begins at step 40 of a base.
func tuning(t *testing.T, c trainer.Config, from, to *memory) trainer.Job {
	t.Helper()
	j := job(c, fast(t, 1), to)
	j.Init = from.open(40)
	return j
}

func run(t *testing.T, j trainer.Job) trainer.Result {
	t.Helper()
	r, err := trainer.Run(context.Background(), j)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func tensors(t *testing.T, file []byte) map[string][]float32 {
	t.Helper()
	f, err := safetensors.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]float32{}
	for _, e := range f.Entries {
		out[e.Name] = make([]float32, e.Elements())
		if err := f.Next(out[e.Name], nil); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// With adapters training begins at the base's loss, to the bit, changes and keeps moments of them alone, resumes to the same bits, and saves
// merged weights that compute the same.
func TestLoRATraining(t *testing.T) {
	from := base(t)
	c := tiny()
	c.Steps, c.Seed, c.Optimizer.LR = 20, 9, 0.03
	full := newMemory()
	run(t, tuning(t, c, from, full))
	c.Finetune.LoRA = model.LoRA{Rank: 2, Targets: "attention,mlp.c_fc", Dropout: 0.1} // B is 0: nothing is dropped from the first loss
	straight := newMemory()
	run(t, tuning(t, c, from, straight))
	if a, b := full.value(1, "train/loss"), straight.value(1, "train/loss"); math.Float64bits(a) != math.Float64bits(b) {
		t.Errorf("the first loss is %v with adapters and %v without", b, a)
	}
	if a, b := from.value(40, "val/loss"), straight.value(20, "val/loss"); !(b < a) {
		t.Errorf("the held-out loss went from %g to %g", a, b)
	}
	files := straight.checkpoints[20]
	was, is := tensors(t, from.checkpoints[40]["model.safetensors"]), tensors(t, files["model.safetensors"])
	for name, v := range is {
		adapted := strings.HasSuffix(name, "c_attn.weight") || strings.HasSuffix(name, "c_fc.weight") || strings.HasSuffix(name, "attn.c_proj.weight")
		if slices.Equal(v, was[name]) == adapted {
			t.Errorf("%s: adapted %t, but the same %t", name, adapted, !adapted)
		}
	}
	for name := range tensors(t, files["optimizer.safetensors"]) {
		if !strings.Contains(name, "lora_") {
			t.Errorf("moments are kept of %s", name)
		}
	}
	if len(files["adapter_model.safetensors"]) == 0 || !bytes.Contains(files["adapter_config.json"], []byte(`"r": 2`)) {
		t.Error("there are no adapters in the checkpoint")
	}
	kept := c
	kept.Finetune = trainer.Finetune{}
	kept.Steps, kept.EvalEvery, kept.Optimizer.LR = 1, 1, 0
	merged := newMemory()
	j := job(kept, fast(t, 1), merged)
	j.Init = straight.open(20)
	run(t, j)
	if a, b := straight.value(20, "val/loss"), merged.value(1, "val/loss"); math.Abs(a-b) > 1e-5 {
		t.Errorf("the held-out loss is %g with adapters and %g with the merged weights", a, b)
	}

	shifts := newMemory()
	j = tuning(t, c, from, shifts)
	j.StopAfter = 7
	run(t, j)
	j = tuning(t, c, from, shifts)
	j.Resume = shifts.open(7)
	run(t, j)
	delete(shifts.checkpoints, 7)
	same(t, straight, shifts, 1)

	j = job(c, fast(t, 1), newMemory())
	j.Resume = shifts.open(20)
	if _, err := trainer.Run(context.Background(), j); err == nil || !strings.Contains(err.Error(), "Init") {
		t.Errorf("adapters without a base: %v", err)
	}
}

// Moments of the base are gone on with: of two first steps on the same text they are apart by what the base had.
func TestWarmOptimizer(t *testing.T) {
	from := base(t)
	c := tiny()
	c.Steps = 1
	cold, warm := newMemory(), newMemory()
	run(t, tuning(t, c, from, cold))
	c.Finetune.WarmOptimizer = true
	run(t, tuning(t, c, from, warm))
	had := tensors(t, from.checkpoints[40]["optimizer.safetensors"])
	a, b := tensors(t, cold.checkpoints[1]["optimizer.safetensors"]), tensors(t, warm.checkpoints[1]["optimizer.safetensors"])
	const name = "exp_avg.transformer.h.0.mlp.c_fc.weight"
	some := 0.0
	for i := range a[name] {
		want := 0.9 * float64(had[name][i])
		some += math.Abs(want)
		if got := float64(b[name][i]) - float64(a[name][i]); math.Abs(got-want) > 1e-6 {
			t.Fatalf("moment %d: %g more than without, want %g", i, got, want)
		}
	}
	if some == 0 {
		t.Error("the base had no moments")
	}
	if !bytes.Contains(warm.checkpoints[1]["trainer.json"], []byte(`"warm": 40`)) {
		t.Error("trainer.json does not say how many steps the moments hold")
	}
	c.Optimizer = optim.Default("sgd")
	if _, err := trainer.Run(context.Background(), tuning(t, c, from, newMemory())); err == nil || !strings.Contains(err.Error(), "warm_optimizer") {
		t.Errorf("moments of another optimizer: %v", err)
	}
}

// labelled are texts whose class is whether they have a 7 in them.
func labelled(n int, seed uint64) data.Labelled {
	l := data.Labelled{Names: []string{"none", "seven"}}
	for i := range n {
		ids := text(8, seed+uint64(i))
		for j := range ids {
			ids[j] = (ids[j] + int32(i)) % 7
		}
		label := int32(i % 2)
		if label == 1 {
			ids[1+i%6] = 7
		}
		l.Texts, l.Labels = append(l.Texts, ids[:5+i%4]), append(l.Labels, label)
	}
	for i, ids := range l.Texts {
		l.Labels[i] = 0
		if slices.Contains(ids, 7) {
			l.Labels[i] = 1
		}
	}
	return l
}

func TestClassifying(t *testing.T) {
	from := base(t)
	c := tiny()
	c.Objective, c.Model.NLabel, c.Model.Pool, c.Finetune.Labels = trainer.Classify, 2, model.MeanToken, trainer.NamesOf([]string{"none", "seven"})
	c.Steps, c.EvalEvery, c.CheckpointEvery, c.EvalBatches, c.Optimizer.LR = 60, 20, 30, 10, 0.03
	classifying := func(to *memory) trainer.Job {
		j := tuning(t, c, from, to)
		j.Train, j.Val = nil, nil
		j.Labelled, j.LabelledVal = labelled(200, 3), labelled(40, 1003)
		return j
	}
	straight := newMemory()
	run(t, classifying(straight))
	if first, last := straight.value(1, "train/loss"), straight.value(60, "train/loss"); math.Abs(first-math.Ln2) > 0.2 || last > 0.3 {
		t.Errorf("the loss went from %g to %g", first, last)
	}
	if a := straight.value(60, "val/accuracy"); a < 0.95 {
		t.Errorf("%g of the held-out texts are told right", a)
	}
	files := straight.checkpoints[60]
	if names, err := model.Labels(files["config.json"]); err != nil || !slices.Equal(names, []string{"none", "seven"}) {
		t.Errorf("%v, %v", names, err)
	}
	config, err := model.ParseHuggingFace(files["config.json"])
	if err != nil || config.NLabel != 2 || config.Pool != model.MeanToken {
		t.Fatalf("%+v, %v", config, err)
	}
	if _, err := model.Read(config, cpu.Reference(), bytes.NewReader(files["model.safetensors"])); err != nil {
		t.Error(err)
	}
	shifts := newMemory()
	j := classifying(shifts)
	j.StopAfter = 33
	run(t, j)
	j = classifying(shifts)
	j.Init, j.Resume = nil, shifts.open(33)
	run(t, j)
	delete(shifts.checkpoints, 33)
	same(t, straight, shifts, 1)
}

// pairs prefer answers that count on to answers that count back.
func pairs(n int) []data.Pair {
	var out []data.Pair
	for i := range n {
		prompt := []int32{int32(i % 11), int32((i + 1) % 11), int32((i + 2) % 11)}
		answer := func(step int) data.Answered {
			ids := slices.Clone(prompt)
			for k := range 2 + i%3 {
				ids = append(ids, int32((i+2+(k+1)*step+110)%11))
			}
			return data.Answered{IDs: ids, Answer: 3}
		}
		out = append(out, data.Pair{Chosen: answer(-1), Rejected: answer(1)})
	}
	return out
}

// The first loss is ln 2 to the bit, as the model is its reference; then it comes to prefer what it had held for unlikely. A resumed run asks
// the base again and goes on to the same bits, with adapters too.
func TestPreferences(t *testing.T) {
	from := base(t)
	for name, lora := range map[string]model.LoRA{"full": {}, "lora": {Rank: 4}} {
		t.Run(name, func(t *testing.T) {
			c := tiny()
			c.Objective, c.Finetune.LoRA = trainer.Preference, lora
			c.Steps, c.EvalEvery, c.CheckpointEvery, c.Optimizer.LR = 30, 10, 10, 0.005
			preferring := func(to *memory) trainer.Job {
				j := tuning(t, c, from, to)
				j.Train, j.Val = nil, nil
				all := pairs(40)
				j.Pairs, j.PairsVal = all[:32], all[32:]
				j.Tokenizer = []byte(`{"a tokenizer":1}`)
				return j
			}
			straight := newMemory()
			run(t, preferring(straight))
			if loss := straight.value(1, "train/loss"); loss != math.Ln2 {
				t.Errorf("the first loss is %v, want ln 2", loss)
			}
			if straight.value(1, "train/reward_margin") != 0 || straight.value(1, "train/accuracy") != 0 {
				t.Error("the model has rewards before it has learnt")
			}
			if a, m := straight.value(30, "val/accuracy"), straight.value(30, "val/reward_margin"); a < 0.9 || m < 0.3 || straight.value(30, "train/loss") > 0.55 {
				t.Errorf("accuracy %g, margin %g, loss %g", a, m, straight.value(30, "train/loss"))
			}
			if string(straight.checkpoints[30]["tokenizer.json"]) != `{"a tokenizer":1}` {
				t.Error("the tokenizer is not in the checkpoint")
			}
			shifts := newMemory()
			j := preferring(shifts)
			j.StopAfter = 13
			run(t, j)
			j = preferring(shifts)
			j.Resume = shifts.open(13)
			run(t, j)
			delete(shifts.checkpoints, 13)
			same(t, straight, shifts, 1)
		})
	}
}

func TestFineTuningNamesWhatIsWrong(t *testing.T) {
	for want, change := range map[string]func(c *trainer.Config){
		`objective: "guess"`:            func(c *trainer.Config) { c.Objective = "guess" },
		"finetune.lora.rank: -1":        func(c *trainer.Config) { c.Finetune.LoRA.Rank = -1 },
		`finetune.lora.targets: "x"`:    func(c *trainer.Config) { c.Finetune.LoRA = model.LoRA{Rank: 1, Targets: "x"} },
		"finetune.warm_optimizer":       func(c *trainer.Config) { c.Finetune = trainer.Finetune{LoRA: model.LoRA{Rank: 1}, WarmOptimizer: true} },
		"model.n_label: 0":              func(c *trainer.Config) { c.Objective = trainer.Classify },
		"model.n_label: 3 classes":      func(c *trainer.Config) { c.Model.NLabel = 3 },
		"finetune.labels: 1 names":      func(c *trainer.Config) { c.Objective, c.Model.NLabel, c.Finetune.Labels = trainer.Classify, 2, "a" },
		"finetune.beta: -1":             func(c *trainer.Config) { c.Objective, c.Finetune.Beta = trainer.Preference, -1 },
		"chat_template are for":         func(c *trainer.Config) { c.Finetune.ChatTemplate = "chatml" },
		`finetune.chat_template: "x"`:   func(c *trainer.Config) { c.Objective, c.Finetune.ChatTemplate = trainer.Preference, "x" },
		"finetune.label_smoothing: 0.5": func(c *trainer.Config) { c.Objective, c.Finetune.LabelSmoothing = trainer.Preference, 0.5 },
		"finetune.held_out is for":      func(c *trainer.Config) { c.Finetune.HeldOut = 0.2 },
		"finetune.held_out: 0.95":       func(c *trainer.Config) { c.Objective, c.Finetune.HeldOut = trainer.Preference, 0.95 },
		"adapters and preferences need": func(c *trainer.Config) { c.Finetune.LoRA.Rank = 1 },
		"there are none to learn from":  func(c *trainer.Config) { c.Objective, c.Model.NLabel = trainer.Classify, 2 },
	} {
		c := tiny()
		change(&c)
		j := job(c, fast(t, 1), newMemory())
		if _, err := trainer.Run(context.Background(), j); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	c, err := trainer.Parse([]byte(`{"objective":"classify","model":{"n_label":2,"vocab_size":11},"finetune":{"labels":["a","b b"],"lora":{"rank":2}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if c, err = c.Resolve(); err != nil {
		t.Fatal(err)
	}
	back, err := trainer.Parse(c.JSON())
	if err != nil || back != c || !bytes.Contains(c.JSON(), []byte(`"labels":["a","b b"]`)) || !bytes.Contains(c.JSON(), []byte(`"alpha":4,"targets":"all"`)) {
		t.Errorf("%s, %v", c.JSON(), err)
	}
}
