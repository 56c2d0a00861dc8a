package fetch

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"
)

// question is one request: a prompt's n-th sample.
type question struct {
	Prompt
	id     sampleID
	sample int // from 0
}

// sampleID is the beginning of the sha256 over what is asked and its place: 8 bytes prompt's number, 8 bytes sample's, model,
// 0, system, 0, instruction, 0, input.
type sampleID [16]byte

func (id sampleID) String() string { return hex.EncodeToString(id[:]) }

func (s Synthetic) id(number, sample int, p Prompt) sampleID {
	b := binary.LittleEndian.AppendUint64(nil, uint64(number))
	b = binary.LittleEndian.AppendUint64(b, uint64(sample))
	b = fmt.Appendf(b, "%s\x00%s\x00%s\x00%s", s.Model, s.System, p.Instruction, p.Input)
	h := sha256.Sum256(b)
	return sampleID(h[:16])
}

// questions are all requests, in order. The file of prompts is read as it goes; its errors name the line.
func (s Synthetic) questions(ctx context.Context) iter.Seq2[question, error] {
	return func(yield func(question, error) bool) {
		number := 0
		for p, err := range s.prompts(ctx) {
			if err == nil && (number+1)*s.Samples > maxSamples {
				err = fmt.Errorf("more than %d samples: make several sources", maxSamples)
			}
			if err != nil {
				yield(question{}, fmt.Errorf("fetch: synthetic: %w", err))
				return
			}
			for n := range s.Samples {
				if !yield(question{p, s.id(number, n, p), n}, nil) {
					return
				}
			}
			number++
		}
	}
}

func (s Synthetic) prompts(ctx context.Context) iter.Seq2[Prompt, error] {
	return func(yield func(Prompt, error) bool) {
		for _, p := range s.Prompts {
			if !yield(p, nil) {
				return
			}
		}
		for _, t := range s.Topics {
			if !yield(Prompt{Instruction: strings.ReplaceAll(s.Template, topicMark, t)}, nil) {
				return
			}
		}
		if s.PromptsFile == "" {
			return
		}
		f, err := os.Open(s.PromptsFile)
		if err != nil {
			yield(Prompt{}, err)
			return
		}
		defer f.Close() // read only
		readPrompts(ctx, s.PromptsFile, f, yield)
	}
}

// readPrompts reads JSON Lines of prompts; blank lines are passed over.
func readPrompts(ctx context.Context, name string, r io.Reader, yield func(Prompt, error) bool) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), 2*maxPrompt)
	for n := 1; lines.Scan(); n++ {
		if err := ctx.Err(); err != nil {
			yield(Prompt{}, err)
			return
		}
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		var p Prompt
		err := strict(line, &p)
		if err == nil {
			err = p.check()
		}
		if err != nil {
			yield(Prompt{}, fmt.Errorf("%s, line %d: %w: want {\"instruction\": …, \"input\": …}", name, n, err))
			return
		}
		if !yield(p, nil) {
			return
		}
	}
	if err := lines.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			err = fmt.Errorf("a line of more than %d bytes", 2*maxPrompt)
		}
		yield(Prompt{}, fmt.Errorf("%s: %w", name, err))
	}
}
