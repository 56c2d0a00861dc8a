package data

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// ErrExamples is wrapped by every error about a file of examples.
var ErrExamples = errors.New("examples")

// Bounds on files of examples. A file is held in memory.
const (
	MaxExamplesBytes = 1 << 30
	maxExamples      = 1 << 24
	maxExampleBytes  = 16 << 20 // of a line
)

// eachLine calls fn with every line that is not blank, and its number counted from 1.
func eachLine(file []byte, fn func(n int, line []byte) error) error {
	if len(file) > MaxExamplesBytes {
		return fmt.Errorf("%w: a file of %d bytes, the limit is %d", ErrExamples, len(file), MaxExamplesBytes)
	}
	for n := 1; len(file) > 0; n++ {
		line, rest, _ := bytes.Cut(file, []byte("\n"))
		file = rest
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if n > maxExamples {
			return fmt.Errorf("%w: more than %d lines", ErrExamples, maxExamples)
		}
		if len(line) > maxExampleBytes {
			return fmt.Errorf("%w: line %d has %d bytes, the limit is %d", ErrExamples, n, len(line), maxExampleBytes)
		}
		if !utf8.Valid(line) {
			return fmt.Errorf("%w: line %d is not UTF-8", ErrExamples, n)
		}
		if err := fn(n, line); err != nil {
			return fmt.Errorf("%w: line %d: %w", ErrExamples, n, err)
		}
	}
	return nil
}

// object decodes a line, in the words of the file rather than of Go's decoder.
func object(line []byte, into any) error {
	err := json.Unmarshal(line, into)
	var mismatch *json.UnmarshalTypeError
	switch {
	case errors.As(err, &mismatch) && mismatch.Field != "":
		return fmt.Errorf("%q: a %s does not fit here", mismatch.Field, mismatch.Value)
	case err != nil:
		return fmt.Errorf("not a JSON object: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}
