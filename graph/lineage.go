package graph

import (
	"context"
	"strings"

	"millrace/event"
	"millrace/graph/internal/gen"
	"millrace/graph/internal/view"
	"millrace/storage/readmodel"
)

// lineageGraph follows what a thing came from, and what that came from, and so on, and the same the other way: from what came of it one
// does not go back up, or everything that reads one dataset would belong together. Nearer things come first.
func (r *resolver) lineageGraph(ctx context.Context, of string, depth *int, direction *gen.LineageDirection, first *int) (*gen.LineageGraph, error) {
	hops, most := 3, 200
	if depth != nil {
		hops = *depth
	}
	if first != nil {
		most = *first
	}
	if hops < 0 || hops > maxHops || most < 1 || most > maxLineage {
		return nil, badInput("depth is %d, want 0 to %d; first is %d, want 1 to %d", hops, maxHops, most, maxLineage)
	}
	root, err := r.lineageRoot(of)
	if err != nil {
		return nil, err
	}
	t := tracing{resolver: r, most: most, at: map[string]int{}, edge: map[gen.LineageEdge]bool{}, out: &gen.LineageGraph{Nodes: []view.LineageNode{}, Edges: []gen.LineageEdge{}}}
	if err := t.add(root, "", 0); err != nil {
		return nil, err
	}
	up, down := []string{root}, []string{root}
	if direction != nil && *direction == gen.LineageDirectionDown {
		up = nil
	}
	if direction != nil && *direction == gen.LineageDirectionUp {
		down = nil
	}
	for hop := 1; hop <= hops && len(up)+len(down) > 0; hop++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if up, err = t.step(up, -hop); err != nil {
			return nil, err
		}
		if down, err = t.step(down, hop); err != nil {
			return nil, err
		}
	}
	t.out.Truncated = t.out.Truncated || t.goesOn(up, true) || t.goesOn(down, false)
	return t.out, nil
}

// lineageRoot is what the read model calls a thing.
func (r *resolver) lineageRoot(id string) (string, error) {
	if event.Digest(id).Valid() {
		return id, nil
	}
	n, err := r.node(id)
	if err != nil {
		return "", err
	}
	switch n := n.(type) {
	case *view.Run:
		return readmodel.RunNode(n.ID), nil
	case *view.Evaluation:
		return readmodel.RunNode(n.Run), nil
	case *view.Checkpoint:
		return string(n.Digest()), nil
	case *view.LoggedArtifact:
		return string(n.Digest()), nil
	case nil:
		return "", notFound("there is nothing with the id %q", id)
	}
	return "", badInput("%q has no lineage; runs, datasets, checkpoints, evaluations and digests have", id)
}

// tracing is a lineage as far as it was followed.
type tracing struct {
	*resolver
	most int
	at   map[string]int // places in out.Nodes, by what the read model calls them
	edge map[gen.LineageEdge]bool
	out  *gen.LineageGraph
}

// step goes one edge on from some things: up where distance is negative.
func (t *tracing) step(from []string, distance int) (next []string, err error) {
	for _, node := range from {
		l, err := t.Model.Lineage(node)
		if err != nil {
			return nil, err
		}
		edges := l.Down
		if distance < 0 {
			edges = l.Up
		}
		for _, e := range edges {
			other := e.To
			if distance < 0 {
				other = e.From
			}
			if _, known := t.at[other]; !known {
				if len(t.out.Nodes) == t.most {
					t.out.Truncated = true
					continue
				}
				if err := t.add(other, e.Name, distance); err != nil {
					return nil, err
				}
				next = append(next, other)
			}
			shown := gen.LineageEdge{From: shownNode(e.From), To: shownNode(e.To), Role: e.Role}
			if !t.edge[shown] {
				t.edge[shown] = true
				t.out.Edges = append(t.out.Edges, shown)
			}
		}
	}
	return next, nil
}

// goesOn tells whether there is something beyond.
func (t *tracing) goesOn(from []string, up bool) bool {
	for _, node := range from {
		l, err := t.Model.Lineage(node)
		if err == nil && (up && len(l.Up) > 0 || !up && len(l.Down) > 0) {
			return true
		}
	}
	return false
}

func shownNode(node string) string { return strings.TrimPrefix(node, runNode) }

// add notes a thing, by what is known of it.
func (t *tracing) add(node, name string, distance int) error {
	n := view.LineageNode{ID: shownNode(node), Kind: string(gen.LineageKindArtifact), Name: name, Distance: distance}
	if id, ok := cutNode(node); ok {
		n.Kind = string(gen.LineageKindRun)
		run, err := t.run(id)
		if err != nil {
			return err
		}
		if run != nil {
			n.Name = run.Name
			if run.Kind() == event.Evaluate {
				n.Kind = string(gen.LineageKindEvaluation)
			}
		}
	} else if d, err := t.dataset(node); err != nil {
		return err
	} else if d != nil {
		n.Kind, n.Name = string(gen.LineageKindDataset), d.Name
	} else if saved, err := t.Model.CheckpointsOf(event.Digest(node)); err != nil {
		return err
	} else if len(saved) > 0 {
		n.Kind = string(gen.LineageKindCheckpoint)
	}
	t.at[node] = len(t.out.Nodes)
	t.out.Nodes = append(t.out.Nodes, n)
	return nil
}
