package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// ErrAmbiguous is returned when several runs are meant by what was given for one.
var ErrAmbiguous = errors.New("it means several")

// findAmong is how many of the newest runs are looked through for a part of an id.
const findAmong = 500

// Find fetches the run that a person means: by its id, by the beginning or the end of it (four characters or more, among the newest 500
// runs), or by its name, the newest of that name. Errors: ErrNotFound, ErrAmbiguous.
func (c *Client) Find(ctx context.Context, what string) (Run, error) {
	run, err := c.Run(ctx, what)
	if !errors.Is(err, ErrNotFound) {
		return run, err
	}
	notFound := err
	named, _, _, err := c.Runs(ctx, map[string]any{"name": map[string]any{"eq": what}}, 1, "")
	if err != nil {
		return Run{}, err
	}
	if len(named) == 1 {
		return named[0], nil
	}
	if len(what) < 4 {
		return Run{}, notFound
	}
	var data struct {
		Runs struct{ Nodes []struct{ ID string } }
	}
	if err := c.Do(ctx, `query($n: Int) { runs(first: $n) { nodes { id } } }`, map[string]any{"n": findAmong}, &data); err != nil {
		return Run{}, err
	}
	part, meant := strings.ToUpper(what), ""
	for _, n := range data.Runs.Nodes {
		id := strings.ToUpper(n.ID)
		if !strings.HasPrefix(id, part) && !strings.HasSuffix(id, part) {
			continue
		}
		if meant != "" {
			return Run{}, fmt.Errorf("client: run %q: %w: %s and %s, and perhaps more", what, ErrAmbiguous, meant, n.ID)
		}
		meant = n.ID
	}
	if meant == "" {
		return Run{}, notFound
	}
	return c.Run(ctx, meant)
}
