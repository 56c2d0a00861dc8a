package evaluation

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"

	"millrace/evaluator"
	"millrace/event"
	"millrace/storage/blob"
)

// results is the file of every answer (millrace.results/1), written on the worker's disk while a suite is asked.
type results struct {
	file  *os.File
	out   *bufio.Writer
	write func(evaluator.Answer) error
	n     int64
}

// results begins a file.
func (s *Service) results(suite evaluator.Suite) (*results, error) {
	f, err := os.CreateTemp(s.Temp, "millrace-results-*")
	if err != nil {
		return nil, fmt.Errorf("evaluation: results: %w", err)
	}
	r := &results{file: f, out: bufio.NewWriterSize(f, 1<<16)}
	if r.write, err = evaluator.WriteAnswers(r.out, suite.Name, suite.Digest()); err != nil {
		r.discard()
		return nil, fmt.Errorf("evaluation: results: %w", err)
	}
	return r, nil
}

func (r *results) answer(a evaluator.Answer) error {
	r.n++
	return r.write(a)
}

// store puts the file into storage, if there is an answer in it.
func (r *results) store(ctx context.Context, blobs *blob.Store) (event.Digest, int64, error) {
	if r.n == 0 {
		return "", 0, nil
	}
	if err := r.out.Flush(); err != nil {
		return "", 0, fmt.Errorf("evaluation: results: %w", err)
	}
	ref, err := blobs.PutFile(ctx, r.file.Name())
	return event.Digest(ref.Digest), r.n, err
}

// discard removes the worker's copy.
func (r *results) discard() {
	_ = errors.Join(r.file.Close(), os.Remove(r.file.Name())) // it lies in a folder that a start empties
}
