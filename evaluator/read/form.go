package read

import (
	"maps"
	"slices"
)

// Example is one item of a benchmark. What of it is there depends on the form: see Forms.
type Example struct {
	ID    string // unique within the source, and the same each time it is read
	Group string // the subject, for forms that have several (MMLU)
	// Fields are what templates may ask for.
	Fields map[string]string
	// Choices are the candidate answers, of which those at Right are right, in order.
	Choices []string
	Right   []int
	// References are what an answer is compared with, the first of which is shown in solved examples.
	References []string
	// Text is a document, and Original the form of it whose words and bytes are counted.
	Text, Original string
	// Program is code that tests an answer: see Program.
	Program *Program
}

// Program is how code that a model wrote is run: Head + answer + Tail, in Language.
type Program struct{ Language, Head, Tail string }

// Form is a form in which data is published.
type Form struct {
	Kinds  []string // of tasks it serves
	Fields []string // that templates may ask for, besides those of the data itself
	About  string   // one line for people
	// OneMore: lm-eval draws one more solved example than it shows, as for all benchmarks that it judges on their validation split.
	OneMore bool
}

// Serves tells whether tasks of a kind can ask data of this form.
func (f Form) Serves(kind string) bool { return slices.Contains(f.Kinds, kind) }

const (
	choice   = "multiple_choice"
	generate = "generate"
	text     = "perplexity"
)

// Forms are the forms that can be read, by name.
func Forms() map[string]Form {
	return map[string]Form{
		"jsonl":          {[]string{choice, generate, text}, nil, "JSON lines: {question, choices, answer} (answer an index, a letter or the text), {prompt, references} or {text}", false},
		"text":           {[]string{text}, nil, "one document of plain text", false},
		"wikitext":       {[]string{text}, nil, "WikiText: raw text with a line \" = Title = \" before each page, or JSON lines {page}; judged as lm-eval does, detokenised", false},
		"hellaswag":      {[]string{choice}, []string{"query"}, "HellaSwag: JSON lines {activity_label, ctx_a, ctx_b, endings, label}", true},
		"arc":            {[]string{choice}, []string{"question"}, "ARC, OpenBookQA: JSON lines {question: {stem, choices: [{text, label}]}, answerKey}, or {question, choices: {text, label}, answerKey}", false},
		"mmlu":           {[]string{choice}, []string{"question", "subject", "A", "B", "C", "D"}, "MMLU: a tar of dev/<subject>_dev.csv and test/<subject>_test.csv, one such CSV, or JSON lines {question, subject, choices, answer}", false},
		"truthfulqa_mc1": {[]string{choice}, []string{"question"}, "TruthfulQA, one right answer: mc_task.json, or JSON lines {question, mc1_targets}", false},
		"truthfulqa_mc2": {[]string{choice}, []string{"question"}, "TruthfulQA, all right answers: mc_task.json, or JSON lines {question, mc2_targets}", false},
		"lambada":        {[]string{choice}, []string{"context", "word"}, "LAMBADA: JSON lines {text}, or a passage a line; the last word is what is asked", false},
		"piqa":           {[]string{choice}, []string{"goal"}, "PIQA: JSON lines {goal, sol1, sol2} with a file of labels, or with label", true},
		"winogrande":     {[]string{choice}, []string{"before", "after"}, "WinoGrande: JSON lines {sentence, option1, option2, answer}", true},
		"humaneval":      {[]string{generate}, []string{"prompt"}, "HumanEval: JSON lines {task_id, prompt, test, entry_point}; answers are run as Python", false},
	}
}

// Names are those of Forms, in order.
func Names() []string { return slices.Sorted(maps.Keys(Forms())) }
