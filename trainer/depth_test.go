package trainer_test

import (
	"fmt"
	"strings"
	"testing"

	"millrace/trainer"
	"millrace/trainer/model"
)

// One number sets model, batch, rate and budget; what is given beside it is laid over them.
func TestDepth(t *testing.T) {
	c, err := trainer.Parse([]byte(`{"depth": 12, "seed": 7}`))
	if err != nil {
		t.Fatal(err)
	}
	if c.Model.Arch != model.Llama || c.Model.NLayer != 12 || c.Model.DModel != 768 || c.Model.NHead != 6 || c.Seed != 7 {
		t.Errorf("%+v", c)
	}
	if c.TokensPerStep() != 1<<19 || c.Optimizer.LR != 6e-4 {
		t.Errorf("%d tokens a step at a rate of %g; want those of the reference", c.TokensPerStep(), c.Optimizer.LR)
	}
	short, err := trainer.Parse([]byte(`{"depth": 12, "model": {"context": 512, "vocab_size": 32768}, "batch_size": 16}`))
	if err != nil {
		t.Fatal(err)
	}
	if short.TokensPerStep() != c.TokensPerStep() || short.Steps != c.Steps || short.BatchSize != 16 || short.Model.Context != 512 {
		t.Errorf("a shorter context makes %+v", short)
	}
	// What is recorded says the same without the dial.
	r, err := short.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	if back, err := trainer.Parse(r.JSON()); err != nil || back != r || strings.Contains(string(r.JSON()), "depth") {
		t.Errorf("%s came back as %+v, %v", r.JSON(), back, err)
	}
	last := trainer.Config{}
	for n := 2; n <= 30; n += 2 { // deeper models learn longer, from larger batches, at lower rates
		c, err := trainer.Parse(fmt.Appendf(nil, `{"depth": %d}`, n))
		if err != nil {
			t.Fatal(err)
		}
		if c.Steps*c.TokensPerStep() <= last.Steps*last.TokensPerStep() || c.TokensPerStep() < last.TokensPerStep() {
			t.Errorf("depth %d: %d steps of %d tokens, less than before", n, c.Steps, c.TokensPerStep())
		}
		last = c
	}
	for in, want := range map[string]string{
		`{"depth": 0}`: "depth: 0 is not between", `{"depth": "x"}`: `depth: "x" is not a whole number`, `{"depth": 2, "dept": 3}`: `unknown key "dept"`,
		`{"depth": 2, "model": {"n_head": 7}}`: "",
	} {
		_, err := trainer.Parse([]byte(in))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", in, err, want)
		}
	}
}
