package trainer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"millrace/trainer/data"
	"millrace/trainer/engine"
	"millrace/trainer/model"
	"millrace/trainer/optim"
)

// Config is everything about a training that is not tokens or hardware. Where a comment says that 0 chooses, Resolve writes
// down what was chosen, so that a resolved Config is a complete record.
type Config struct {
	Model           model.Config   `json:"model"`
	Data            Data           `json:"data"`
	BatchSize       int            `json:"batch_size"` // sequences of a micro-batch; 0 chooses 8
	GradAccum       int            `json:"grad_accum"` // micro-batches of a step; 0 chooses 1
	Steps           int64          `json:"steps"`      // 0 chooses 1000
	Optimizer       optim.Config   `json:"optimizer"`  // without a name, optim.Default
	Schedule        optim.Schedule `json:"schedule"`   // without a name, optim.DefaultSchedule; warmup -1 chooses a tenth of steps, at most 100
	Clip            float64        `json:"clip"`       // largest norm of all gradients together; 0 does not clip
	Seed            uint64         `json:"seed"`
	CheckpointEvery int64          `json:"checkpoint_every"` // steps; the last is always saved; 0 chooses a fifth of steps
	EvalEvery       int64          `json:"eval_every"`       // steps; the last is always evaluated; 0 chooses a tenth of steps
	EvalBatches     int            `json:"eval_batches"`     // batches of held-out windows, spread evenly; 0 chooses 20

	// What follows is left out of JSON where it is not used, so that configurations from before it have the digests they had.

	Objective  string     `json:"objective,omitempty"`   // what is learnt: "" what the model's kind is for: the next token, masked tokens, or what was taken out of a text; Classify and Preference learn from examples
	Corrupt    Corruption `json:"corrupt,omitzero"`      // of encoders and encoder-decoders
	Precision  string     `json:"precision,omitempty"`   // of products: "" is f32; "bf16" rounds what goes in and sums in float32; weights and moments stay float32
	BatchRamp  BatchRamp  `json:"batch_ramp,omitzero"`   // a batch that grows
	Guard      Guard      `json:"guard,omitzero"`        // what happens to spikes
	Sample     Sample     `json:"sample,omitzero"`       // texts that the model writes meanwhile
	Keep       Keep       `json:"keep,omitzero"`         // which checkpoints storage keeps; left out: all, or as a retention policy says
	LayerStats int64      `json:"layer_stats,omitempty"` // statistics of every parameter each so many steps; 0: none
	Finetune   Finetune   `json:"finetune,omitzero"`     // how a model is trained further
}

// Data says in which order the text is shown.
type Data struct {
	Order string `json:"order"` // "epoch": every window once an epoch, shuffled; "random": anywhere; "" chooses epoch
}

// Default is the training of a small model in minutes. Its model.vocab_size is 0: the tokenizer decides.
func Default() Config {
	return Config{
		Model: model.Default(), Data: Data{Order: data.Epoch}, BatchSize: 8, GradAccum: 1, Steps: 1000,
		Optimizer: optim.Default("adamw"), Schedule: optim.DefaultSchedule(), Clip: 1,
	}
}

// Parse reads a Config from JSON laid over Default, whose optimizer is the one that b names. An unknown key is an error that names it. A key "depth"
// is no key of a Config: the others are laid over what follows from it instead (see Depth).
func Parse(b []byte) (Config, error) {
	c := Default()
	var named struct {
		Depth json.RawMessage `json:"depth"`
		Model struct {
			VocabSize int `json:"vocab_size"`
		} `json:"model"`
		Optimizer struct {
			Name string `json:"name"`
		} `json:"optimizer"`
	}
	if json.Unmarshal(b, &named) == nil { // what is wrong with it is said below
		c.Optimizer = optim.Default(named.Optimizer.Name)
	}
	if named.Depth != nil {
		var err error
		if c, b, err = c.dialled(b, named.Depth, named.Model.VocabSize); err != nil {
			return Config{}, fmt.Errorf("training config: %w", err)
		}
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return Config{}, fmt.Errorf("training config: %w", plain(err))
	}
	if _, err := d.Token(); err != io.EOF {
		return Config{}, fmt.Errorf("training config: there is more after the object")
	}
	return c, nil
}

// plain says which key is unknown, in the words of the config rather than of Go's decoder.
func plain(err error) error {
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return fmt.Errorf("unknown key %s", name)
	}
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) {
		return fmt.Errorf("%s: a %s does not fit here, want %s", mismatch.Field, mismatch.Value, kindOf(mismatch.Type))
	}
	return err
}

// kindOf names a type for people.
func kindOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "text in quotes"
	case reflect.Bool:
		return "true or false"
	case reflect.Struct:
		return "a mapping of keys"
	case reflect.Float64:
		return "a number"
	}
	return "a whole number that is not negative"
}

// Resolve fills in what was left to choose and checks the result. The first mistake is named by its key. Resolving twice
// changes nothing.
func (c Config) Resolve() (Config, error) {
	def := Default()
	if c.Model.Arch == "" {
		c.Model.Arch = def.Model.Arch
	}
	for _, f := range []struct {
		value *int
		def   int
	}{
		{&c.Model.NLayer, def.Model.NLayer}, {&c.Model.NHead, def.Model.NHead}, {&c.Model.DModel, def.Model.DModel},
		{&c.Model.Context, def.Model.Context}, {&c.BatchSize, def.BatchSize}, {&c.GradAccum, def.GradAccum}, {&c.EvalBatches, 20},
	} {
		if *f.value == 0 {
			*f.value = f.def
		}
	}
	if c.Data.Order == "" {
		c.Data.Order = def.Data.Order
	}
	if c.Steps == 0 {
		c.Steps = def.Steps
	}
	if c.Optimizer.Name == "" {
		c.Optimizer = def.Optimizer
	}
	if c.Schedule.Name == "" {
		c.Schedule = def.Schedule
	}
	c.Schedule = c.Schedule.Resolve(c.Steps)
	c.Guard = c.Guard.resolve()
	if c.Objective == c.natural() {
		c.Objective = ""
	}
	c.Corrupt = c.resolveCorruption()
	if c.Sample.Every > 0 && c.Sample.Tokens == 0 {
		c.Sample.Tokens = 64
	}
	c.Finetune = c.Finetune.resolve(c.Objective)
	if c.Precision == string(engine.F32) {
		c.Precision = ""
	}
	if c.CheckpointEvery == 0 {
		c.CheckpointEvery = max(1, (c.Steps+4)/5)
	}
	if c.EvalEvery == 0 {
		c.EvalEvery = max(1, (c.Steps+9)/10)
	}
	if err := c.validate(); err != nil {
		return c, err
	}
	c.Model = c.Model.Record()
	return c, nil
}

// Limits that keep products of sizes in range.
const (
	maxBatch = 1 << 16
	maxSteps = 1 << 40
)

func (c Config) validate() error {
	if c.Model.VocabSize == 0 {
		return fmt.Errorf("model.vocab_size: 0; set it to the number of tokens the tokenizer knows")
	}
	if err := c.Model.Validate(); err != nil {
		return err
	}
	if c.Data.Order != data.Epoch && c.Data.Order != data.Random {
		return fmt.Errorf(`data.order: %q is not known; use "epoch" or "random"`, c.Data.Order)
	}
	for _, f := range []struct {
		key        string
		value, max int64
	}{
		{"batch_size", int64(c.BatchSize), maxBatch}, {"grad_accum", int64(c.GradAccum), maxBatch}, {"steps", c.Steps, maxSteps},
		{"checkpoint_every", c.CheckpointEvery, maxSteps}, {"eval_every", c.EvalEvery, maxSteps}, {"eval_batches", int64(c.EvalBatches), maxSteps},
	} {
		if f.value < 1 || f.value > f.max {
			return fmt.Errorf("%s: %d is not between 1 and %d", f.key, f.value, f.max)
		}
	}
	if err := c.Optimizer.Validate(); err != nil {
		return err
	}
	if err := c.Schedule.Validate(); err != nil {
		return err
	}
	if !(c.Clip >= 0 && c.Clip <= 1e30) {
		return fmt.Errorf("clip: %g is not a norm; use 1, or 0 for no clipping", c.Clip)
	}
	if err := c.checkCorruption(); err != nil {
		return err
	}
	switch engine.Precision(c.Precision) {
	case "", engine.BF16, engine.FP16:
	default:
		return fmt.Errorf(`precision: %q is not known; use "f32" or "bf16"`, c.Precision)
	}
	if c.LayerStats < 0 || c.LayerStats > maxSteps {
		return fmt.Errorf("layer_stats: %d is not between 0 (never) and %d steps", c.LayerStats, int64(maxSteps))
	}
	if err := c.Keep.validate(); err != nil {
		return err
	}
	if err := c.checkSample(); err != nil {
		return err
	}
	if err := c.checkRamp(); err != nil {
		return err
	}
	if err := c.checkFinetune(); err != nil {
		return err
	}
	return c.Guard.validate()
}

// JSON is the canonical form: every key, in the order of the type. Parse reads it back exactly.
func (c Config) JSON() []byte {
	b, err := json.Marshal(c)
	if err != nil {
		panic(err) // only NaN or infinity could fail, which validate refuses
	}
	return b
}

// TokensPerStep is how many targets a step learns from, once a BatchRamp is over.
func (c Config) TokensPerStep() int64 {
	return int64(c.BatchSize) * int64(c.GradAccum) * int64(c.window())
}
