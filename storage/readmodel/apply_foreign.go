package readmodel

import (
	"time"

	"millrace/event"
)

// Input is a thing that a foreign script says it read or made.
type Input struct {
	event.InputLogged
	At time.Time `json:"at"`
}

// inputLogged keeps the newest word on (role, in or out, name, digest).
func (f *fold) inputLogged(e event.InputLogged) error {
	if f.run(e.Run) == nil {
		return nil
	}
	if e.Metadata != nil {
		e.Metadata = validJSON(e.Metadata)
	}
	way := edgeUp
	if e.Out {
		way = edgeDown
	}
	if err := f.put(tableInput, string(e.Run), parts(way, e.Role, e.Name, e.Digest), Input{e, f.at}); err != nil {
		return err
	}
	f.alive(e.Run)
	var nodes []string
	if e.Object != "" {
		nodes = append(nodes, string(e.Object))
	}
	if e.Collection != "" && e.Version != nil {
		nodes = append(nodes, CollectionNode(e.Collection, *e.Version))
	}
	for _, node := range nodes {
		edge := Edge{From: node, To: RunNode(e.Run), Role: e.Role, Name: e.Name}
		if e.Out {
			edge.From, edge.To = edge.To, edge.From
		}
		if err := f.edge(edge); err != nil {
			return err
		}
	}
	return nil
}

// summaryLogged keeps the newest value of each path.
func (f *fold) summaryLogged(e event.SummaryLogged) error {
	if f.run(e.Run) == nil {
		return nil
	}
	for _, path := range e.Remove {
		f.pending.remove(tableSummary, string(e.Run), parts(path))
	}
	for path, value := range e.Values {
		f.pending.put(tableSummary, string(e.Run), parts(path), validJSON(value))
	}
	f.alive(e.Run)
	return nil
}

// spansLogged keeps the newest word on each span, with its run or, where it has none, its experiment.
func (f *fold) spansLogged(e event.SpansLogged) error {
	group := "experiment:" + string(e.Experiment)
	if e.Run != "" {
		if f.run(e.Run) == nil {
			return nil
		}
		group = string(e.Run)
		f.alive(e.Run)
	}
	for id, s := range e.Spans {
		f.pending.put(tableSpan, group, parts(e.Trace, id), stamped(f.at, validJSON(s)))
	}
	return nil
}

// named notes under which name a foreign script knows its run. The first run of a name keeps it.
func (f *fold) named(e event.RunRequested) {
	if e.ForeignID == "" || f.v.get(tableForeign, string(e.Experiment), parts(e.ForeignID)) != nil {
		return
	}
	f.pending.put(tableForeign, string(e.Experiment), parts(e.ForeignID), []byte(e.Run))
}
