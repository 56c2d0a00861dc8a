package trainer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"millrace/trainer/model"
	"millrace/trainer/model/safetensors"
)

// Open opens a file of a checkpoint by its name.
type Open func(name string) (io.ReadCloser, error)

// stateFormat is the version of trainer.json.
const stateFormat = 1

// state is trainer.json. Where the text stands and every random number follow from Step and Config.
type state struct {
	Format      int        `json:"format"`
	Step        int64      `json:"step"`
	Tokens      int64      `json:"tokens"`
	Samples     int64      `json:"samples"`      // windows shown: the number of the next
	TrainTokens int64      `json:"train_tokens"` // length of the training text, to notice another
	ValLoss     *float64   `json:"val_loss"`
	Skipped     int64      `json:"skipped,omitempty"` // steps that the weights do not hold: a Guard took them out
	Guard       *watch     `json:"guard,omitempty"`
	LossScale   *lossScale `json:"loss_scale,omitempty"`
	Warm        int64      `json:"warm,omitempty"` // steps of the base's training that the optimizer's moments hold
	Config      Config     `json:"config"`
}

// maxState bounds trainer.json when it is read.
const maxState = 1 << 20

// checkpoint describes the state after the current step.
func (r *run) checkpoint() (Checkpoint, error) {
	st := state{
		Format: stateFormat, Step: r.step, Tokens: r.tokens(r.step), Samples: r.samples(r.step),
		TrainTokens: r.job.Train.Len(), Skipped: r.skipped, Guard: r.watch, LossScale: r.scale, Warm: r.warm, Config: r.config,
	}
	if finite(r.valLoss) {
		st.ValLoss = &r.valLoss
	}
	j, err := json.MarshalIndent(st, "", "  ")
	if err != nil {
		return Checkpoint{}, fmt.Errorf("trainer: %s: %w", TrainerFile, err)
	}
	j = append(j, '\n')
	c := Checkpoint{Step: r.step, Tokens: st.Tokens, Final: r.step == r.config.Steps, ValLoss: r.valLoss}
	architecture := r.config.Model.HuggingFace()
	if names := r.config.Finetune.Labels.List(); len(names) > 0 {
		if architecture, err = model.WithLabels(architecture, names); err != nil {
			return Checkpoint{}, fmt.Errorf("trainer: %w", err)
		}
	}
	c.Files = []File{{Name: ConfigFile, Size: int64(len(architecture)), Body: contents(architecture)}}
	type tensorFile struct {
		name string
		file safetensors.File
	}
	r.optimizer.Await()
	files := []tensorFile{{ModelFile, r.model.File()}, {OptimizerFile, r.optimizer.File()}}
	if r.model.LoRA() != (model.LoRA{}) {
		adapters := r.model.AdapterConfig("")
		c.Files = append(c.Files, File{Name: AdapterConfigFile, Size: int64(len(adapters)), Body: contents(adapters)})
		files = append(files, tensorFile{AdapterFile, r.model.AdapterFile()})
	}
	if t := r.job.Tokenizer; t != nil {
		c.Files = append(c.Files, File{Name: TokenizerFile, Size: int64(len(t)), Body: contents(t)})
	}
	for _, f := range files {
		t, err := newTensors(f.file)
		if err != nil {
			return Checkpoint{}, fmt.Errorf("trainer: %s: %w", f.name, err)
		}
		file := File{Name: f.name, Size: t.size(), Body: t}
		if f.name == ModelFile { // adapters and moments change with every step
			file.Parts = t.parts()
		}
		c.Files = append(c.Files, file)
	}
	c.Files = append(c.Files, File{Name: TrainerFile, Size: int64(len(j)), Body: contents(j)})
	return c, nil
}

// resume puts the run where a checkpoint left off.
func (r *run) resume(open Open) error {
	var b bytes.Buffer
	if err := with(open, TrainerFile, func(f io.Reader) error {
		_, err := b.ReadFrom(io.LimitReader(f, maxState))
		return err
	}); err != nil {
		return err
	}
	var st state
	if err := json.Unmarshal(b.Bytes(), &st); err != nil {
		return fmt.Errorf("trainer: %s: %w", TrainerFile, err)
	}
	if st.Format != stateFormat {
		return fmt.Errorf("trainer: %s has format %d; this program reads %d", TrainerFile, st.Format, stateFormat)
	}
	if err := r.config.Continues(st.Config); err != nil {
		return fmt.Errorf("trainer: cannot resume: %w", err)
	}
	if st.TrainTokens != r.job.Train.Len() {
		return fmt.Errorf("trainer: cannot resume: the text has %d tokens, the checkpoint's had %d", r.job.Train.Len(), st.TrainTokens)
	}
	if st.Step < 0 || st.Step > r.config.Steps || st.Skipped < 0 || st.Skipped > st.Step {
		return fmt.Errorf("trainer: cannot resume: the checkpoint is at step %d of %d, %d of them skipped", st.Step, r.config.Steps, st.Skipped)
	}
	if r.watch != nil && st.Guard != nil {
		if err := st.Guard.valid(r.config.Guard); err != nil {
			return fmt.Errorf("trainer: cannot resume: %w", err)
		}
		r.watch = st.Guard
	}
	if r.scale != nil && st.LossScale != nil {
		if err := st.LossScale.valid(); err != nil {
			return fmt.Errorf("trainer: cannot resume: %w", err)
		}
		r.scale = st.LossScale
	}
	if err := r.load(open); err != nil {
		return err
	}
	r.warm = st.Warm
	r.step, r.skipped, r.saver.saved = st.Step, st.Skipped, st.Step
	if st.ValLoss != nil {
		r.valLoss = *st.ValLoss
	}
	return nil
}

// load replaces what is learnt, weights or adapters, and moments by those of a checkpoint.
func (r *run) load(open Open) error {
	name, load := ModelFile, r.model.Load
	if r.model.LoRA() != (model.LoRA{}) {
		name, load = AdapterFile, r.model.LoadAdapters
	}
	if err := with(open, name, load); err != nil {
		return err
	}
	return with(open, OptimizerFile, r.optimizer.Load)
}

// Continues refuses a Config that cannot go on from a checkpoint of another one: the weights, the moments and the place in the text must
// mean the same. What it names is the first key that differs.
func (c Config) Continues(old Config) error {
	had, _ := old.Model.Resolve() // a mistake in it makes it differ
	has, _ := c.Model.Resolve()
	for _, f := range []struct {
		key  string
		same bool
	}{
		{"model", had == has}, {"data", old.Data == c.Data}, {"batch_size", old.BatchSize == c.BatchSize},
		{"grad_accum", old.GradAccum == c.GradAccum}, {"batch_ramp", old.BatchRamp == c.BatchRamp}, {"seed", old.Seed == c.Seed},
		{"precision", old.Precision == c.Precision}, {"optimizer.name", old.Optimizer.Name == c.Optimizer.Name},
		{"corrupt", old.Corrupt == c.Corrupt}, {"objective", old.Objective == c.Objective}, {"finetune", old.Finetune == c.Finetune},
	} {
		if !f.same {
			return fmt.Errorf("%s differs from the checkpoint's; to start anew from its weights, use it as initial weights", f.key)
		}
	}
	return nil
}

// with reads a file of a checkpoint.
func with(open Open, name string, read func(io.Reader) error) error {
	f, err := open(name)
	if err != nil {
		return fmt.Errorf("trainer: open the checkpoint's %s: %w", name, err)
	}
	err = read(f)
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("trainer: read the checkpoint's %s: %w", name, err)
	}
	return nil
}
