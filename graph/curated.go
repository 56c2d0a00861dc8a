package graph

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"millrace/curator"
	"millrace/graph/internal/view"
)

// curated opens what is stored of a dataset.
func (r *resolver) curated(ctx context.Context, d *view.Dataset) (curator.Dataset, error) {
	if r.Blob == nil {
		return curator.Dataset{}, question{code: codeUnavailable, message: "this server does not read what is stored"}
	}
	return curator.OpenDataset(ctx, d.ID(), r.Blob)
}

// stored turns what the asker can mend, of errors about a dataset's documents, into questions.
func stored(err error) error {
	switch {
	case errors.Is(err, curator.ErrNotNoted), errors.Is(err, curator.ErrRecipe), errors.Is(err, curator.ErrReread):
		return question{code: codeBadInput, message: err.Error()}
	case errors.Is(err, fs.ErrNotExist):
		return question{code: codeNotFound, message: "storage does not have all of this dataset any more"}
	}
	return err
}

// maxRedeciding is how many datasets are decided again at once; others wait.
const maxRedeciding = 2

// redecide decides again, within a time.
func (r *resolver) redecide(ctx context.Context, set curator.Dataset, filters curator.Filters) (*curator.Redecision, error) {
	within, cancel := context.WithTimeout(ctx, r.RedecideTimeout)
	defer cancel()
	var out curator.Redecision
	var err error
	select {
	case r.redeciding <- struct{}{}:
		out, err = set.Redecide(within, filters, nil)
		<-r.redeciding
	case <-within.Done():
		err = within.Err()
	}
	if err != nil && within.Err() != nil && ctx.Err() == nil {
		return nil, question{code: codeUnavailable, message: fmt.Sprintf("this takes more than %s; \"millrace curate redecide\" takes its time", r.RedecideTimeout)}
	}
	return &out, stored(err)
}
