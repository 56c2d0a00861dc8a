package trainer_test

import (
	"strings"
	"testing"

	"millrace/trainer"
)

func TestParseLaysOverDefaults(t *testing.T) {
	c, err := trainer.Parse([]byte(`{"model":{"n_layer":2,"bias":false,"vocab_size":65},"optimizer":{"lr":0.002},"clip":0,"steps":50}`))
	if err != nil {
		t.Fatal(err)
	}
	want := trainer.Default()
	want.Model.NLayer, want.Model.Bias, want.Model.VocabSize, want.Optimizer.LR, want.Clip, want.Steps = 2, false, 65, 0.002, 0, 50
	if c != want {
		t.Errorf("%+v", c)
	}
	r, err := c.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	if r.Schedule.Warmup != 5 || r.CheckpointEvery != 10 || r.EvalEvery != 5 || r.EvalBatches != 20 || r.Clip != 0 {
		t.Errorf("resolved: %s", r.JSON())
	}
	again, err := r.Resolve()
	if err != nil || again != r {
		t.Errorf("resolving twice: %s, %v", again.JSON(), err)
	}
	back, err := trainer.Parse(r.JSON())
	if err != nil || back != r || string(back.JSON()) != string(r.JSON()) {
		t.Errorf("parsed back: %s, %v", back.JSON(), err)
	}
}

func TestZeroConfigNeedsOnlyAVocabulary(t *testing.T) {
	var c trainer.Config
	c.Model.VocabSize = 256
	r, err := c.Resolve()
	if err != nil || r.Steps != 1000 || r.Optimizer.Name != "adamw" || r.Schedule.Warmup != 100 {
		t.Errorf("%s, %v", r.JSON(), err)
	}
}

func TestConfigMistakesAreNamed(t *testing.T) {
	for in, want := range map[string]string{
		`{"model":{"n_layers":2}}`:              `unknown key "n_layers"`,
		`{"batchsize":2}`:                       `unknown key "batchsize"`,
		`{} {}`:                                 "more after the object",
		`{"steps":"many"}`:                      "steps",
		`[]`:                                    "training config",
		`{"model":{"vocab_size":5,"n_head":3}}`: "model.n_head: 3 does not divide",
		`{"model":{"vocab_size":5,"arch":"rwkv"}}`:                        "model.arch",
		`{"model":{"vocab_size":5,"context":-1}}`:                         "model.context: -1",
		`{"model":{"vocab_size":5},"steps":-1}`:                           "steps: -1",
		`{"model":{"vocab_size":5},"data":{"order":"x"}}`:                 "data.order",
		`{"model":{"vocab_size":5},"batch_size":100000}`:                  "batch_size: 100000",
		`{"model":{"vocab_size":5},"clip":-1}`:                            "clip: -1",
		`{"model":{"vocab_size":5},"schedule":{"final_fraction":2}}`:      "schedule.final_fraction",
		`{"model":{"vocab_size":5},"schedule":{"warmup":-2}}`:             "schedule.warmup",
		`{"model":{"vocab_size":5},"optimizer":{"name":"muom"}}`:          "optimizer.name",
		`{"model":{"vocab_size":5},"optimizer":{"name":"adamw","eps":0}}`: "optimizer.eps",
		`{"model":{"vocab_size":99999999}}`:                               "model.vocab_size: 99999999",
	} {
		c, err := trainer.Parse([]byte(in))
		if err == nil {
			_, err = c.Resolve()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", in, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"model":{"vocab_size":5},"steps":3}`))
	f.Add([]byte(`{"clip":1e400}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := trainer.Parse(b)
		if err != nil {
			return
		}
		if r, err := c.Resolve(); err == nil {
			if back, err := trainer.Parse(r.JSON()); err != nil || back != r {
				t.Fatalf("%s does not survive: %v", r.JSON(), err)
			}
		}
	})
}
