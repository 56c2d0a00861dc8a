package trainer

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"millrace/trainer/data"
	"millrace/trainer/engine"
	"millrace/trainer/model"
	"millrace/trainer/token"
)

// Objectives of Config.Objective besides "", which is the next token of a text; of conversations that is what the answers say,
// as the text's mask has it.
const (
	Classify   = "classify"   // the class of a text (Job.Labelled)
	Preference = "preference" // direct preference optimization (Job.Pairs; Rafailov et al. 2023)
	Translate  = "translate"  // by an encoder-decoder: the text that belongs to another (Job.Translations)
)

// FromExamples tells whether an objective learns from examples rather than from a text.
func FromExamples(objective string) bool {
	return objective == Classify || objective == Preference || objective == Translate
}

// Finetune says how a model is trained further from the weights of another, Job.Init. The zero Finetune changes all weights.
type Finetune struct {
	// LoRA freezes the weights and learns small matrices beside them.
	LoRA model.LoRA `json:"lora,omitzero"`
	// WarmOptimizer goes on with the moments of the base's optimizer, which must be of the same kind, and of the same architecture. The
	// schedule begins anew.
	WarmOptimizer bool `json:"warm_optimizer,omitempty"`
	// Labels are the names of a classifier's classes, by number.
	Labels Names `json:"labels,omitzero"`
	// ChatTemplate writes the prompts and answers of preferences; "" leaves them as they are.
	ChatTemplate token.ChatTemplate `json:"chat_template,omitempty"`
	// Beta is how dearly a preference-trained model's distance from its base is paid for; 0 chooses 0.1.
	Beta float64 `json:"beta,omitempty"`
	// LabelSmoothing is the share of preferences that are taken to be the wrong way around (conservative DPO).
	LabelSmoothing float64 `json:"label_smoothing,omitempty"`
	// HeldOut is the share of examples that is not learnt from; 0 chooses 0.1, -1 holds none out. Of texts the dataset decides.
	HeldOut float64 `json:"held_out,omitempty"`
}

// Names is a list of words, which has no newlines in it, as one text, so that a Config can be compared. In JSON it is a list.
type Names string

// NamesOf joins a list.
func NamesOf(list []string) Names { return Names(strings.Join(list, "\n")) }

// List is the list.
func (n Names) List() []string {
	if n == "" {
		return nil
	}
	return strings.Split(string(n), "\n")
}

// MarshalJSON writes a list.
func (n Names) MarshalJSON() ([]byte, error) { return json.Marshal(n.List()) }

// UnmarshalJSON reads a list.
func (n *Names) UnmarshalJSON(b []byte) error {
	var list []string
	if err := json.Unmarshal(b, &list); err != nil {
		return err
	}
	for i, name := range list {
		if name == "" || strings.Contains(name, "\n") {
			return fmt.Errorf("name %d is empty or has a newline in it", i)
		}
	}
	*n = NamesOf(list)
	return nil
}

func (f Finetune) resolve(objective string) Finetune {
	f.LoRA = f.LoRA.Resolve()
	if objective == Preference && f.Beta == 0 {
		f.Beta = 0.1
	}
	if FromExamples(objective) && f.HeldOut == 0 {
		f.HeldOut = 0.1
	}
	return f
}

// checkFinetune names the first key that is wrong of what is about fine-tuning.
func (c Config) checkFinetune() error {
	f := c.Finetune
	if err := f.LoRA.Validate(); err != nil {
		return fmt.Errorf("finetune.%w", err)
	}
	if f.LoRA != (model.LoRA{}) {
		if _, err := c.Model.LoRAParameters(f.LoRA); err != nil {
			return fmt.Errorf("finetune.%w", err)
		}
	}
	examples := FromExamples(c.Objective)
	labels := len(f.Labels.List())
	switch {
	case c.Objective != "" && !examples:
		return fmt.Errorf(`objective: %q is not what a %s learns; use %q, "classify", "preference" or "translate"`, c.Objective, c.Model.Arch, c.natural())
	case c.Objective == Translate && c.Model.Arch.Kind() != model.EncoderDecoder:
		return fmt.Errorf(`objective: translate is what an encoder-decoder learns, and a %s has no encoder beside a decoder; use model.arch "t5"`, c.Model.Arch)
	case f.LoRA != (model.LoRA{}) && f.WarmOptimizer:
		return fmt.Errorf("finetune.warm_optimizer: adapters have no moments yet; leave it out, or leave out finetune.lora")
	case c.Objective == Classify && c.Model.NLabel == 0:
		return fmt.Errorf("model.n_label: 0; objective classify needs the number of classes")
	case c.Objective != Classify && c.Model.NLabel != 0:
		return fmt.Errorf("model.n_label: %d classes are for objective classify", c.Model.NLabel)
	case labels != 0 && labels != c.Model.NLabel:
		return fmt.Errorf("finetune.labels: %d names for %d classes", labels, c.Model.NLabel)
	case c.Objective != Preference && (f.Beta != 0 || f.LabelSmoothing != 0 || f.ChatTemplate != ""):
		return fmt.Errorf("finetune.beta, label_smoothing and chat_template are for objective preference")
	case c.Objective == Preference && !(f.Beta > 0 && f.Beta <= 1000):
		return fmt.Errorf("finetune.beta: %g is not above 0 and at most 1000", f.Beta)
	case !(f.LabelSmoothing >= 0 && f.LabelSmoothing < 0.5):
		return fmt.Errorf("finetune.label_smoothing: %g is not at least 0 and below 0.5", f.LabelSmoothing)
	case f.ChatTemplate != "" && f.ChatTemplate.Special() == nil:
		return fmt.Errorf("finetune.chat_template: %q is not known; use %q or %q", f.ChatTemplate, token.ChatML, token.Llama3Chat)
	case !examples && f.HeldOut != 0:
		return fmt.Errorf("finetune.held_out is for objectives classify, preference and translate; a dataset says itself what is held out")
	case f.HeldOut != -1 && !(f.HeldOut >= 0 && f.HeldOut <= 0.9):
		return fmt.Errorf("finetune.held_out: %g is not between 0 and 0.9, nor -1", f.HeldOut)
	}
	return nil
}

// needsBase tells whether also a resumed training reads the weights that it began with.
func (c Config) needsBase() bool {
	return c.Finetune.LoRA != (model.LoRA{}) || c.Objective == Preference
}

// trainingBytes estimates the memory of a training: with adapters the frozen weights have no gradients and no moments.
func (c Config) trainingBytes() float64 {
	t, b := c.Model.Context, c.BatchSize
	if c.Objective == Preference {
		b *= 2
	}
	need := c.Model.TrainingBytes(b, t)
	if c.Finetune.LoRA != (model.LoRA{}) {
		n, _ := c.Model.LoRAParameters(c.Finetune.LoRA) // 0 where it is wrong, which is said elsewhere
		need += 16*float64(n) - 12*float64(c.Model.Parameters().Total)
	}
	return need
}

// newModel makes the model that is trained.
func (c Config) newModel(k engine.Kernels) (*model.Model, error) {
	if c.Finetune.LoRA != (model.LoRA{}) {
		return model.NewAdapted(c.Model, c.Finetune.LoRA, k, c.Seed)
	}
	return model.New(c.Model, k, c.Seed)
}

// files of a checkpoint with adapters, as PEFT names them, and that of a tokenizer.
const (
	AdapterConfigFile = "adapter_config.json"
	AdapterFile       = "adapter_model.safetensors"
	TokenizerFile     = "tokenizer.json"
)

// start fills the weights with those of Job.Init, and the moments if asked.
func (r *run) start(open Open) error {
	var base model.Config
	err := with(open, ConfigFile, func(f io.Reader) error {
		b, err := io.ReadAll(io.LimitReader(f, maxState))
		if err == nil {
			base, err = model.ParseHuggingFace(b)
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := with(open, ModelFile, func(f io.Reader) error { return r.model.Begin(base, f, r.config.Seed) }); err != nil {
		return err
	}
	if p, ok := r.objective.(*preference); ok {
		if err := p.refer(r.model, r.heldOut); err != nil {
			return fmt.Errorf("trainer: the base's opinion of the pairs: %w", err)
		}
	}
	if !r.config.Finetune.WarmOptimizer || r.job.Resume != nil {
		return nil
	}
	var st state
	if err := with(open, TrainerFile, func(f io.Reader) error { return json.NewDecoder(io.LimitReader(f, maxState)).Decode(&st) }); err != nil {
		return err
	}
	if had := st.Config.Optimizer.Name; had != r.config.Optimizer.Name {
		return fmt.Errorf("trainer: finetune.warm_optimizer: the base was trained by %s, this is %s; leave it out", had, r.config.Optimizer.Name)
	}
	if err := with(open, OptimizerFile, r.optimizer.Load); err != nil {
		return fmt.Errorf("%w; leave out finetune.warm_optimizer", err)
	}
	r.warm = st.Warm + st.Step - st.Skipped
	return nil
}

// examples makes the objectives that learn from examples rather than from a text.
func (r *run) examples() (err error) {
	c, j := r.config, r.job
	var train, heldOut objective
	switch c.Objective {
	case Classify:
		longest := max(j.Labelled.Longest(), j.LabelledVal.Longest())
		train, err = newClassify(c, r.model, j.Labelled, longest, true)
		if err == nil && len(j.LabelledVal.Texts) > 0 {
			heldOut, err = newClassify(c, r.model, j.LabelledVal, longest, false)
		}
	case Translate:
		source, target := longestOf(j.Translations, j.TranslationsVal)
		train, err = newTranslate(c, r.model, j.Translations, source, target, true)
		if err == nil && len(j.TranslationsVal) > 0 {
			heldOut, err = newTranslate(c, r.model, j.TranslationsVal, source, target, false)
		}
	case Preference:
		longest := max(longest(j.Pairs), longest(j.PairsVal))
		train, err = newPreference(c, r.model, j.Pairs, longest, true)
		if err == nil && len(j.PairsVal) > 0 {
			heldOut, err = newPreference(c, r.model, j.PairsVal, longest, false)
		}
	}
	if err != nil {
		return fmt.Errorf("trainer: examples: %w", err)
	}
	r.objective = train
	if heldOut != nil {
		r.heldOut, err = newHeldOut(c, heldOut)
	}
	return err
}

// length stands for the text of a training that has none: as many windows as there are examples.
type length int64

func (n length) Len() int64 { return int64(n) }
func (n length) Read([]int32, int64) error {
	return fmt.Errorf("trainer: examples are no text")
}

// text is what the length of the training is counted by.
func (j Job) text(c Config) data.Tokens {
	switch c.Objective {
	case Classify:
		return length(len(j.Labelled.Texts) * c.Model.Context)
	case Preference:
		return length(len(j.Pairs) * c.Model.Context)
	case Translate:
		return length(len(j.Translations) * c.Model.Context)
	}
	return j.Train
}

// measuring is an objective that can tell more than its loss.
type measuring interface {
	// measures are means over what was run since the last call, by key without "train/" or "val/".
	measures() []Point
}

// measured adds what an objective has measured.
func (r *run) measured(prefix string, o objective) {
	if m, ok := o.(measuring); ok {
		for _, p := range m.measures() {
			r.points = append(r.points, Point{prefix + p.Key, p.Value})
		}
	}
}
