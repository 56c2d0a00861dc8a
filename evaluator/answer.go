package evaluator

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"millrace/event"
)

// AnswersFormat is the version of the form of a file of answers: JSON lines, the first of which is an AnswersHeader, the others an Answer
// each, in the order in which they were asked.
const AnswersFormat = "millrace.results/1"

// AnswersHeader is the first line of a file of answers.
type AnswersHeader struct {
	Format      string       `json:"format"`
	Suite       string       `json:"suite"`
	SuiteDigest event.Digest `json:"suite_digest"`
}

// Answer is one example: what was asked, what the model said of it, and how that was scored.
type Answer struct {
	Task string `json:"task"`
	ID   string `json:"id"` // of the example, within its task; the same in every evaluation of the task
	// Prompt is the example's own part of the context: the description and the solved examples before it are left out. Long ones lose
	// their beginning.
	Prompt  string   `json:"prompt,omitempty"`
	Choices []string `json:"choices,omitempty"`
	// LogProbs are ln p of each choice (MultipleChoice).
	LogProbs []event.Number `json:"logprobs,omitempty"`
	Want     string         `json:"want,omitempty"`
	Got      []string       `json:"got,omitempty"` // the choice taken, or every text that was generated
	// Scores are the example's part in each metric: 0 or 1 of an accuracy, nats of a likelihood.
	Scores map[string]event.Number `json:"scores,omitempty"`
}

// ErrAnswers is wrapped by every error that says a file of answers is wrong.
var ErrAnswers = errors.New("answers")

// Bounds of a file of answers.
const (
	maxAnswerLine = 8 << 20
	maxKept       = 1 << 16 // bytes of a text that an answer keeps
)

// WriteAnswers begins a file of answers; what it returns writes one, and is what Evaluator.Answer wants.
func WriteAnswers(w io.Writer, suite string, digest event.Digest) (func(Answer) error, error) {
	line := func(v any) error {
		raw, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrAnswers, err)
		}
		if len(raw) > maxAnswerLine {
			return fmt.Errorf("%w: one of %d bytes, the limit is %d", ErrAnswers, len(raw), maxAnswerLine)
		}
		_, err = w.Write(append(raw, '\n'))
		return err
	}
	if err := line(AnswersHeader{AnswersFormat, suite, digest}); err != nil {
		return nil, err
	}
	return func(a Answer) error { return line(a) }, nil
}

// ReadAnswers reads a file of answers as a stream. The answers end with the first error, which wraps ErrAnswers unless it is r's.
func ReadAnswers(r io.Reader) (AnswersHeader, iter.Seq2[Answer, error], error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxAnswerLine+1)
	at := 0
	next := func(into any) error {
		at++
		if !lines.Scan() {
			switch err := lines.Err(); {
			case errors.Is(err, bufio.ErrTooLong):
				return fmt.Errorf("%w: line %d is longer than %d bytes", ErrAnswers, at, maxAnswerLine)
			case err != nil:
				return err
			}
			return io.EOF
		}
		d := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		if err := d.Decode(into); err != nil {
			return fmt.Errorf("%w: line %d: %w", ErrAnswers, at, err)
		}
		return nil
	}
	var h AnswersHeader
	if err := next(&h); errors.Is(err, io.EOF) {
		return h, nil, fmt.Errorf("%w: the file is empty", ErrAnswers)
	} else if err != nil {
		return h, nil, err
	}
	if h.Format != AnswersFormat {
		return h, nil, fmt.Errorf("%w: format %.40q: this version reads %q", ErrAnswers, h.Format, AnswersFormat)
	}
	return h, func(yield func(Answer, error) bool) {
		for {
			var a Answer
			err := next(&a)
			if errors.Is(err, io.EOF) {
				return
			}
			if err == nil && (a.Task == "" || a.ID == "") {
				err = fmt.Errorf("%w: line %d has no task or no id", ErrAnswers, at)
			}
			if !yield(a, err) || err != nil {
				return
			}
		}
	}, nil
}
