package node

import (
	"context"
	"errors"

	"millrace/event"
	"millrace/services/evaluation"
	"millrace/storage/readmodel"
)

// library is the suites as this process knows them: of the read model where there is one, else of the log.
func (n *Node) library() evaluation.Library {
	l := evaluation.Library{Blobs: n.blobs}
	if n.model == nil {
		l.Saved = evaluation.LastSaved(n.bus)
		return l
	}
	l.Saved = func(_ context.Context, name string, version int) (event.SuiteSaved, bool, error) {
		s, err := n.model.Suite(name, version)
		if errors.Is(err, readmodel.ErrNotFound) {
			return event.SuiteSaved{}, false, nil
		}
		return s.SuiteSaved, err == nil, err
	}
	l.All = func() ([]event.SuiteSaved, error) {
		all, err := n.model.Suites("")
		out := make([]event.SuiteSaved, len(all))
		for i, s := range all {
			out[i] = s.SuiteSaved
		}
		return out, err
	}
	return l
}

// suites is what GraphQL asks of the library.
type suites struct{ evaluation.Library }

// Prepare stores a definition with the files of its tasks.
func (s suites) Prepare(ctx context.Context, definition []byte, data []event.TaskData) (event.SuiteSaved, error) {
	given := make([]evaluation.Data, len(data))
	for i, d := range data {
		given[i] = evaluation.Data{Task: d.Task, Role: d.Role, Digest: d.Digest, From: d.From}
	}
	return s.Library.Prepare(ctx, definition, given)
}
