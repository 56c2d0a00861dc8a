package readmodel

import (
	"encoding/binary"
	"encoding/json"
	"time"

	"millrace/event"
)

// storedParam is a parameter and when it was logged.
type storedParam struct {
	event.Param
	Seq uint64    `json:"seq"`
	At  time.Time `json:"at"`
}

// paramsLogged keeps the newest value of a path, or the first where it was to be written once.
func (f *fold) paramsLogged(e event.ParamsLogged) error {
	st := f.run(e.Run)
	if st == nil {
		return nil
	}
	for _, p := range e.Params {
		if raw := f.v.get(tableParam, string(e.Run), parts(p.Path)); raw != nil {
			if old, err := decode[storedParam](raw); err != nil || old.WriteOnce {
				continue
			}
		}
		p.Value = validJSON(p.Value)
		if err := f.put(tableParam, string(e.Run), parts(p.Path), storedParam{p, f.env.Seq, f.at}); err != nil {
			return err
		}
	}
	if err := f.reconfigure(st); err != nil {
		return err
	}
	return f.edit(e.Run, func(*Run) {})
}

// stamped is a value with its time in front, in µs.
func stamped(at time.Time, text []byte) []byte {
	out := binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(text)), uint64(at.UnixMicro()))
	return append(out, text...)
}

func cutStamp(value []byte) (time.Time, []byte) {
	if len(value) < 8 {
		return time.Time{}, value
	}
	return time.UnixMicro(int64(binary.BigEndian.Uint64(value))).UTC(), value[8:]
}

func (f *fold) linesLogged(e event.LinesLogged) error {
	if f.run(e.Run) == nil {
		return nil
	}
	for i, line := range e.Lines {
		f.pending.put(tableLine, string(e.Run), parts(e.Stream, e.First+int64(i)), stamped(f.at, []byte(line)))
	}
	return f.editLive(e.Run, nil)
}

func (f *fold) rowsLogged(e event.RowsLogged) error {
	if f.run(e.Run) == nil {
		return nil
	}
	for i, row := range e.Rows {
		f.pending.put(tableRow, string(e.Run), parts(e.Stream, e.First+int64(i)), stamped(f.at, validJSON(row)))
	}
	return f.editLive(e.Run, nil)
}

func (f *fold) textLogged(e event.TextLogged) error {
	if f.run(e.Run) == nil {
		return nil
	}
	f.alive(e.Run)
	return f.put(tableText, string(e.Run), parts(e.Step, e.Key, string(e.Writer)), Text{e, f.at})
}

func (f *fold) artifactLogged(e event.ArtifactLogged) error {
	if f.run(e.Run) == nil {
		return nil
	}
	rest := parts(e.Path)
	if e.Step != nil {
		rest += parts(*e.Step)
	}
	is := Artifact{e, f.at}
	if is.keeps() {
		if err := f.hold(e.Run, e.File.Digest, e.File.Size); err != nil {
			return err
		}
	}
	if raw := f.v.get(tableArtifact, string(e.Run), rest); raw != nil {
		was, err := decode[Artifact](raw)
		if err != nil {
			return err
		}
		if was.keeps() {
			if err := f.release(e.Run, was.File.Digest); err != nil {
				return err
			}
		}
	}
	if err := f.put(tableArtifact, string(e.Run), rest, is); err != nil {
		return err
	}
	f.alive(e.Run)
	if e.File.Digest == "" {
		return nil
	}
	if e.Role == "input" {
		return f.edge(Edge{From: string(e.File.Digest), To: RunNode(e.Run), Role: e.Role, Name: e.Path})
	}
	return f.edge(Edge{From: RunNode(e.Run), To: string(e.File.Digest), Role: e.Role, Name: e.Path})
}

func (f *fold) alertRaised(e event.AlertRaised) error {
	if f.run(e.Run) == nil {
		return nil
	}
	if e.Key != "" {
		if known, err := f.alerted(e); known || err != nil {
			return err
		}
	}
	f.pending.put(tableAlertOrder, "", parts(f.env.Seq), []byte(e.Run))
	return f.put(tableAlert, string(e.Run), parts(f.env.Seq), Alert{e, f.env.Seq, f.at})
}

// alerted tells whether the run has an alert of that key.
func (f *fold) alerted(e event.AlertRaised) (known bool, err error) {
	f.v.scan(tableAlert, string(e.Run), span{}, func(_, raw []byte) bool {
		a, derr := decode[Alert](raw)
		known, err = known || a.Key == e.Key, derr
		return !known && err == nil
	})
	return known, err
}

func (f *fold) metricDefined(e event.MetricDefined) error {
	if f.run(e.Run) == nil {
		return nil
	}
	return f.put(tableDefinition, string(e.Run), parts(e.Key), e)
}

// edge notes that one thing came of another, at both ends.
func (f *fold) edge(e Edge) error {
	raw, err := json.Marshal(e)
	if err != nil {
		return err
	}
	f.pending.put(tableEdge, e.From, parts(edgeDown, e.To, e.Role), raw)
	f.pending.put(tableEdge, e.To, parts(edgeUp, e.From, e.Role), raw)
	return nil
}

const (
	edgeUp   byte = 'u' // to what it came of
	edgeDown byte = 'd' // to what came of it
)

// RunNode is a run's name as the end of an Edge.
func RunNode(id event.RunID) string { return "run:" + string(id) }
