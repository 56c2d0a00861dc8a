package evaluator

import (
	"context"
	"errors"
	"fmt"
	"io"

	"millrace/evaluator/read"
	"millrace/event"
)

// examples reads a task's source, and the solved examples if they are a source of their own.
func (w *work) examples(ctx context.Context, t Task) (all, solved []read.Example, err error) {
	s := t.Source
	if all, err = w.read(ctx, s.Form, s.Digest, read.Files{Limit: s.Limit}, s.LabelsDigest); err != nil {
		return nil, nil, err
	}
	if t.FewShot > 0 && s.FewShotDigest != "" {
		if solved, err = w.read(ctx, s.Form, s.FewShotDigest, read.Files{Solved: true}, ""); err != nil {
			return nil, nil, fmt.Errorf("few-shot examples: %w", err)
		}
	}
	return all, solved, nil
}

func (w *work) read(ctx context.Context, form string, data event.Digest, f read.Files, labels event.Digest) ([]read.Example, error) {
	open := func(d event.Digest) (io.ReadCloser, error) {
		switch {
		case d == "":
			return nil, fail(CodeNoData, errNotPinned)
		case w.Open == nil:
			return nil, fail(CodeNoData, errors.New("nobody here can open data by its digest"))
		}
		r, err := w.Open(ctx, d)
		if err != nil {
			return nil, fail(CodeNoData, fmt.Errorf("data %s: %w", d.Short(), err))
		}
		return r, nil
	}
	r, err := open(data)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	f.Data = r
	if labels != "" {
		l, err := open(labels)
		if err != nil {
			return nil, err
		}
		defer l.Close()
		f.Labels = l
	}
	all, err := read.Read(form, f)
	switch {
	case errors.Is(err, read.ErrData):
		return nil, fail(CodeData, err)
	case err != nil:
		return nil, fail(CodeNoData, fmt.Errorf("data %s: %w", data.Short(), err))
	}
	return all, nil
}
