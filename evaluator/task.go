package evaluator

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"millrace/evaluator/read"
	"millrace/event"
)

// TaskFormat is the version of the tasks' form.
const TaskFormat = "millrace.task/1"

// The kinds of tasks.
const (
	// Perplexity scores a text: see Evaluator.Score for the metrics.
	Perplexity = "perplexity"
	// MultipleChoice asks which of some continuations is the likeliest.
	MultipleChoice = "multiple_choice"
	// Generate continues prompts, and scores what was said if it is known what should be.
	Generate = "generate"
)

// Task is one thing to ask: a file of its own, or a part of a suite. Which fields matter depends on Kind; the others must be absent.
type Task struct {
	Format  string `json:"format,omitempty"` // of a file: TaskFormat. Absent inside a suite
	Name    string `json:"name"`
	Version int    `json:"version,omitempty"` // from 1; 0 in suites of the first format
	Kind    string `json:"kind"`

	// Source is where the examples come from. Without one a perplexity is of the dataset's held-out text, and a generate task has Prompts.
	Source   *Source   `json:"source,omitempty"`
	Template *Template `json:"template,omitempty"`
	// FewShot is how many solved examples stand before each question. They are the first of the few-shot source, or of the source itself
	// when it has none, or drawn with FewShotSeed if that is given: as Python's random.Random(seed).sample draws for question after
	// question, so that lm-eval's contexts are these to the letter.
	FewShot     int     `json:"few_shot,omitempty"`
	FewShotSeed *uint32 `json:"few_shot_seed,omitempty"`
	// Metrics are what is reported: see the kinds' constants. None means the kind's usual.
	Metrics []string `json:"metrics,omitempty"`

	// Stride is how many new tokens each window after the first scores (Perplexity). 0 is the model's context: windows are
	// disjoint, the cheapest way. Less gives tokens more context and costs context/stride times as much.
	Stride int `json:"stride,omitempty"`
	// PerDocument scores each document by itself, so that no token sees the document before (Perplexity). Otherwise the
	// held-out text is one stream, as in training. The documents of a source are always by themselves.
	PerDocument bool `json:"per_document,omitempty"`

	// Prompts are continued (Generate). Each stands at the beginning of a document; an empty one asks for a whole text.
	Prompts     []string `json:"prompts,omitempty"`
	Temperature float64  `json:"temperature,omitempty"` // 0 is greedy
	TopK        int      `json:"top_k,omitempty"`       // 0 is all
	TopP        float64  `json:"top_p,omitempty"`       // 0 is all
	MinP        float64  `json:"min_p,omitempty"`       // 0 is all
	Stop        []string `json:"stop,omitempty"`        // texts that end the answer, and are not part of it
	Repeats     int      `json:"repeats,omitempty"`     // answers a prompt; 0 is one
	Seed        uint32   `json:"seed,omitempty"`        // of the first answer; the i-th has Seed+i

	// Extract is a regular expression: what its first group matches (or the whole, without one) is the answer that is compared, instead of
	// all that was said (Generate). The last match counts.
	Extract string `json:"extract,omitempty"`
	// Ignore is what exact_match does not look at: "case", "punctuation", "numbers", "space" (white space around the answer).
	Ignore []string `json:"ignore,omitempty"`

	// MaxTokens bounds the held-out tokens that are scored, from the beginning; 0 is all (Perplexity). It is how many
	// tokens are generated a prompt (Generate).
	MaxTokens int64 `json:"max_tokens,omitempty"`
}

// Source is data in a published form. The digests pin it: the same task always asks the same. Without one the task cannot be asked.
type Source struct {
	Form          string       `json:"form"` // see read.Forms
	Digest        event.Digest `json:"digest,omitempty"`
	FewShotDigest event.Digest `json:"few_shot_digest,omitempty"` // where solved examples come from (a training or development split)
	LabelsDigest  event.Digest `json:"labels_digest,omitempty"`   // the answers, where they are published as a file of their own (PIQA)
	Limit         int64        `json:"limit,omitempty"`           // the first so many examples; 0 is all
}

// Template says how an example becomes a text. {{field}} stands for the example's field, {{choice}} for the text of a choice and {{letter}} for
// A, B, … of it; all else stands for itself. The context is
//
//	description + (prompt + delimiter + answer + separator) of each solved example + prompt
//
// and what is scored behind it is delimiter + choice. A prompt that has {{choice}} is one for each choice, so that what is scored may be the
// same behind all (WinoGrande).
type Template struct {
	Description string  `json:"description,omitempty"`
	Prompt      string  `json:"prompt"`
	Choice      string  `json:"choice,omitempty"`    // "{{choice}}" if absent
	Delimiter   *string `json:"delimiter,omitempty"` // " " if absent
	Separator   *string `json:"separator,omitempty"` // two newlines if absent
}

// Bounds of a task.
const (
	maxPrompts   = 1000
	maxGenerated = 1 << 16
	maxFewShot   = 100
	maxRepeats   = 1000
	maxStops     = 16
	maxTemplate  = 1 << 16
)

// ParseTask reads a task's file.
func ParseTask(data []byte) (Task, error) {
	var t Task
	if err := strict(data, &t); err != nil {
		return Task{}, err
	}
	switch {
	case t.Format != TaskFormat:
		return Task{}, fmt.Errorf("%w: format %.40q: this version reads tasks of %q", ErrSuite, t.Format, TaskFormat)
	case t.Name == "" || len(t.Name) > maxName || strings.ContainsAny(t.Name, "@/"):
		return Task{}, fmt.Errorf("%w: task name %.100q: want 1 to %d bytes without @ and /", ErrSuite, t.Name, maxName)
	case t.Version < 1:
		return Task{}, fmt.Errorf("%w: task %s: version %d: versions begin at 1", ErrSuite, t.Name, t.Version)
	}
	if err := t.check(); err != nil {
		return Task{}, fmt.Errorf("%w: task %s: %w", ErrSuite, t.Name, err)
	}
	return t, nil
}

// JSON is the canonical form of a task as a file.
func (t Task) JSON() []byte {
	t.Format = TaskFormat
	return canonical(t)
}

// Digest names exactly what a task asks: the sha256 of JSON.
func (t Task) Digest() event.Digest { return event.DigestOf(t.JSON()) }

// Suite is a suite of this task alone, by its name and version.
func (t Task) Suite() Suite {
	v := max(t.Version, 1)
	t.Format = ""
	return Suite{Format: SuiteFormat, Name: t.Name, Version: v, Tasks: []Task{t}}
}

// first tells whether suites of the first format could ask this.
func (t Task) first() bool {
	return t.Kind != MultipleChoice && t.Version == 0 && t.Source == nil && t.Template == nil && t.FewShot == 0 && t.FewShotSeed == nil && len(t.Metrics) == 0 &&
		t.TopP == 0 && t.MinP == 0 && len(t.Stop) == 0 && t.Repeats == 0 && t.Extract == "" && len(t.Ignore) == 0
}

func (t Task) check() error {
	if t.Format != "" && t.Format != TaskFormat {
		return fmt.Errorf("format %.40q: want %s", t.Format, TaskFormat)
	}
	if t.Version < 0 {
		return fmt.Errorf("version %d: versions begin at 1", t.Version)
	}
	if err := t.checkSource(); err != nil {
		return err
	}
	switch t.Kind {
	case Perplexity:
		if t.asks() {
			return errors.New("prompts, temperature, top_k and seed are for generate, as are top_p, min_p, stop, repeats, extract and ignore")
		}
		if t.Template != nil || t.FewShot != 0 {
			return errors.New("template and few_shot are for multiple_choice and generate")
		}
		if t.Stride < 0 || t.MaxTokens < 0 {
			return fmt.Errorf("stride %d and max_tokens %d must not be negative", t.Stride, t.MaxTokens)
		}
	case MultipleChoice:
		if t.asks() || t.MaxTokens != 0 {
			return errors.New("prompts, max_tokens, temperature, top_k and seed are for generate, as are top_p, min_p, stop, repeats, extract and ignore")
		}
		if t.Stride != 0 || t.PerDocument {
			return errors.New("stride and per_document are for perplexity")
		}
		if t.Source == nil || t.Template == nil {
			return errors.New("multiple_choice needs a source and a template")
		}
	case Generate:
		return t.checkGenerate()
	default:
		return fmt.Errorf("kind %.40q: want %s, %s or %s", t.Kind, Perplexity, MultipleChoice, Generate)
	}
	return t.checkMetrics()
}

// asks tells whether a field is set that is for generate alone.
func (t Task) asks() bool {
	return len(t.Prompts) > 0 || t.Temperature != 0 || t.TopK != 0 || t.TopP != 0 || t.MinP != 0 || len(t.Stop) > 0 || t.Repeats != 0 || t.Seed != 0 ||
		t.Extract != "" || len(t.Ignore) > 0
}

func (t Task) checkGenerate() error {
	if t.Stride != 0 || t.PerDocument {
		return errors.New("stride and per_document are for perplexity")
	}
	if t.Source == nil && (len(t.Prompts) == 0 || len(t.Prompts) > maxPrompts) {
		return fmt.Errorf("%d prompts: want 1 to %d", len(t.Prompts), maxPrompts)
	}
	if t.Source != nil && (len(t.Prompts) > 0 || t.Template == nil) {
		return errors.New("a task with a source has a template, and no prompts of its own")
	}
	if t.Source == nil && (t.Template != nil || t.FewShot != 0 || len(t.Metrics) > 0 || t.Extract != "" || len(t.Ignore) > 0) {
		return errors.New("template, few_shot, metrics, extract and ignore want a source, which says what the answers should be")
	}
	if t.MaxTokens < 1 || t.MaxTokens > maxGenerated {
		return fmt.Errorf("max_tokens %d: want 1 to %d", t.MaxTokens, maxGenerated)
	}
	if !(t.Temperature >= 0) || math.IsInf(t.Temperature, 0) || t.TopK < 0 {
		return fmt.Errorf("temperature %v and top_k %d must not be negative", t.Temperature, t.TopK)
	}
	if !(t.TopP >= 0 && t.TopP <= 1) || !(t.MinP >= 0 && t.MinP <= 1) {
		return fmt.Errorf("top_p %v and min_p %v must be between 0 and 1", t.TopP, t.MinP)
	}
	if t.Repeats < 0 || t.Repeats > maxRepeats {
		return fmt.Errorf("repeats %d: want 1 to %d", t.Repeats, maxRepeats)
	}
	if len(t.Stop) > maxStops || slices.Contains(t.Stop, "") {
		return fmt.Errorf("%d stop texts, the limit is %d, and none may be empty", len(t.Stop), maxStops)
	}
	for _, what := range t.Ignore {
		if !slices.Contains([]string{"case", "punctuation", "numbers", "space"}, what) {
			return fmt.Errorf("ignore %.40q: want case, punctuation, numbers or space", what)
		}
	}
	return t.checkMetrics()
}

func (t Task) checkSource() error {
	if t.FewShot < 0 || t.FewShot > maxFewShot {
		return fmt.Errorf("few_shot %d: want 0 to %d", t.FewShot, maxFewShot)
	}
	if t.FewShot == 0 && t.FewShotSeed != nil {
		return errors.New("few_shot_seed without few_shot")
	}
	if p := t.Template; p != nil && len(p.Description)+len(p.Prompt)+len(p.Choice) > maxTemplate {
		return fmt.Errorf("a template of more than %d bytes", maxTemplate)
	}
	if t.Source == nil {
		return nil
	}
	form, ok := read.Forms()[t.Source.Form]
	if !ok {
		return fmt.Errorf("source.form %.40q: there are %s", t.Source.Form, strings.Join(read.Names(), ", "))
	}
	if !form.Serves(t.Kind) {
		return fmt.Errorf("source.form %s is for %s, not for %s", t.Source.Form, strings.Join(form.Kinds, " and "), t.Kind)
	}
	if t.Source.Limit < 0 {
		return fmt.Errorf("source.limit %d must not be negative", t.Source.Limit)
	}
	for name, d := range map[string]event.Digest{"digest": t.Source.Digest, "few_shot_digest": t.Source.FewShotDigest, "labels_digest": t.Source.LabelsDigest} {
		if d != "" && !d.Valid() {
			return fmt.Errorf("source.%s %.80q is no digest", name, d)
		}
	}
	return nil
}

// usual are the metrics of a kind when a task names none, and all that it has.
var usual = map[string]struct{ usual, all []string }{
	Perplexity: {
		[]string{"loss", "perplexity", "bits_per_byte", "byte_perplexity"},
		[]string{"loss", "perplexity", "bits_per_byte", "byte_perplexity", "word_perplexity"},
	},
	MultipleChoice: {
		[]string{"acc", "acc_norm"},
		[]string{"acc", "acc_norm", "acc_bytes", "acc_mutual_info", "exact_match", "perplexity", "mc1", "mc2"},
	},
	Generate: {nil, []string{"exact_match", "bleu", "chrf", "chrf++", "rouge1", "rouge2", "rougeL", "rougeLsum", "pass@K, such as pass@1"}},
}

func (t Task) checkMetrics() error {
	for i, m := range t.Metrics {
		if slices.Contains(t.Metrics[:i], m) {
			return fmt.Errorf("metrics: %.40q is there twice", m)
		}
		if k, ok := strings.CutPrefix(m, "pass@"); ok && t.Kind == Generate {
			n, err := strconv.Atoi(k)
			if err != nil || n < 1 || n > max(t.Repeats, 1) {
				return fmt.Errorf("metrics: %.40q: K is 1 to repeats, which is %d", m, max(t.Repeats, 1))
			}
			continue
		}
		if !slices.Contains(usual[t.Kind].all, m) {
			return fmt.Errorf("metrics: %.40q: a %s task has %s", m, t.Kind, strings.Join(usual[t.Kind].all, ", "))
		}
	}
	return nil
}

// metrics are what a task reports.
func (t Task) metrics() []string {
	if len(t.Metrics) > 0 {
		return t.Metrics
	}
	return usual[t.Kind].usual
}

// Warnings are why a task will fail, as far as that can be known before its data is read.
func (t Task) Warnings() []Failure {
	var all []Failure
	warn := func(code string, err error) {
		all = append(all, Failure{Task: t.Name, Code: code, Message: err.Error()})
	}
	if t.Source != nil && t.Source.Digest == "" {
		warn(CodeNoData, errNotPinned)
	}
	if t.Template != nil {
		if _, err := t.Template.parse(); err != nil {
			warn(CodeTemplate, err)
		}
	}
	return all
}
