package view

import "context"

// Page is one page of a list, in Relay's form.
type Page[T any] struct {
	Items   []T
	Cursors []string // one per item, opaque
	HasNext bool
	HasPrev bool
	// Count counts the whole list; it is called only when asked for.
	Count func(context.Context) (int, error)
}

// Edge is an item and the cursor that continues after it.
type Edge[T any] struct {
	Cursor string
	Node   T
}

// PageInfo says whether the list goes on.
type PageInfo struct {
	HasNextPage, HasPreviousPage bool
	StartCursor, EndCursor       *string
}

// Nodes are the items.
func (p Page[T]) Nodes() []T { return p.Items }

// Edges are the items with their cursors.
func (p Page[T]) Edges() []Edge[T] {
	edges := make([]Edge[T], len(p.Items))
	for i, item := range p.Items {
		edges[i] = Edge[T]{p.Cursors[i], item}
	}
	return edges
}

// PageInfo says whether the list goes on.
func (p Page[T]) PageInfo() PageInfo {
	info := PageInfo{HasNextPage: p.HasNext, HasPreviousPage: p.HasPrev}
	if n := len(p.Cursors); n > 0 {
		info.StartCursor, info.EndCursor = &p.Cursors[0], &p.Cursors[n-1]
	}
	return info
}

// TotalCount counts the whole list.
func (p Page[T]) TotalCount(ctx context.Context) (int, error) { return p.Count(ctx) }

// RunConnection is a page of runs.
type RunConnection struct{ Page[*Run] }

// RunGroupConnection is a page of groups of runs.
type RunGroupConnection struct{ Page[RunGroup] }

// ExperimentConnection is a page of experiments.
type ExperimentConnection struct{ Page[Experiment] }

// DatasetConnection is a page of datasets.
type DatasetConnection struct{ Page[Dataset] }

// The items of those pages.
type (
	RunEdge        = Edge[*Run]
	RunGroupEdge   = Edge[RunGroup]
	ExperimentEdge = Edge[Experiment]
	DatasetEdge    = Edge[Dataset]
)
