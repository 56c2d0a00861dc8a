package ingest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"millrace/event"
	"millrace/storage/readmodel"
)

// runView is a run as a script sees it.
type runView struct {
	ID            event.RunID     `json:"id"`
	Name          string          `json:"name"`
	Kind          event.RunKind   `json:"kind"`
	Status        event.RunStatus `json:"status"`
	URL           string          `json:"url"`
	StopRequested bool            `json:"stopRequested"`
	StopReason    string          `json:"stopReason"`
	RewoundTo     *int64          `json:"rewoundTo"`
	// Seq is the place in the log up to which this is true.
	Seq uint64 `json:"seq"`
}

// view is a run as it stands.
func (s *Server) view(r *http.Request, id event.RunID) (runView, error) {
	seq := s.Model.Cursor().Applied
	run, err := s.Model.Run(id)
	if errors.Is(err, readmodel.ErrNotFound) {
		return runView{}, &fault{code: codeNotFound, field: "id", message: "there is no run \"" + string(id) + "\"", hint: "open it first: POST /api/v1/runs"}
	}
	if err != nil {
		return runView{}, err
	}
	v := runView{ID: run.ID, Name: run.Name, Kind: run.Kind, Status: run.Status, URL: s.baseURL(r) + "/run/" + string(run.ID), RewoundTo: run.RewoundTo, Seq: seq}
	if run.Stop != nil {
		v.StopRequested, v.StopReason = true, run.Stop.Reason
	}
	return v, nil
}

// openBody is what opens a run.
type openBody struct {
	ID               event.RunID        `json:"id"`
	Name             string             `json:"name"`
	Experiment       event.ExperimentID `json:"experiment"`
	Config           json.RawMessage    `json:"config"`
	Tags             map[string]string  `json:"tags"`
	Labels           []string           `json:"labels"`
	Note             string             `json:"note"`
	Group            string             `json:"group"`
	JobType          string             `json:"jobType"`
	HeartbeatSeconds int64              `json:"heartbeatSeconds"`
	Inputs           []inputBody        `json:"inputs"`
	Environment      *event.Environment `json:"environment"`
	Code             event.Code         `json:"code"`
	Fork             *struct {
		Run  event.RunID `json:"run"`
		Step int64       `json:"step"`
	} `json:"fork"`
	By   string  `json:"by"`
	Time instant `json:"time"` // when the script began
}

// instant is a time as points have one, in µs since 1970; 0: now.
type instant int64

func (t *instant) UnmarshalJSON(b []byte) error {
	s := &scanner{b: b}
	at, bad := s.moment(0)
	if bad == nil {
		bad = s.end()
	}
	if bad != nil {
		return bad.in("time")
	}
	*t = instant(at)
	return nil
}

type inputBody struct {
	Role   string       `json:"role"`
	Digest event.Digest `json:"digest"`
	Name   string       `json:"name"`
}

// openRun makes a run of kind external; one that is there already is answered as it is.
func (s *Server) openRun(w http.ResponseWriter, r *http.Request) error {
	var in openBody
	if err := s.decode(w, r, &in); err != nil {
		return err
	}
	if in.ID != "" {
		if run, err := s.Model.Run(in.ID); err == nil && !run.Bare && run.Kind == event.External {
			return s.answerRun(w, r, in.ID, http.StatusOK)
		}
	}
	wish := event.RunRequested{
		Run: in.ID, Experiment: in.Experiment, Name: in.Name, Tags: in.Tags, Labels: in.Labels, By: in.By,
		Note: in.Note, Group: in.Group, JobType: in.JobType, HeartbeatSeconds: in.HeartbeatSeconds, Environment: in.Environment, At: int64(in.Time),
		Spec: event.Spec{Kind: event.External, Config: in.Config, Code: in.Code},
	}
	for _, i := range in.Inputs {
		wish.Spec.Inputs = append(wish.Spec.Inputs, event.Input(i))
	}
	if in.Fork != nil {
		wish.Branch = &event.Branch{From: in.Fork.Run, Step: in.Fork.Step, Kind: event.Fork}
	}
	env, err := s.Tracker.Submit(r.Context(), wish)
	if err != nil {
		return err
	}
	return s.answerRun(w, r, env.Event.(event.RunRequested).Run, http.StatusCreated)
}

func (s *Server) answerRun(w http.ResponseWriter, r *http.Request, id event.RunID, status int) error {
	v, err := s.view(r, id)
	if err != nil {
		return err
	}
	answer(w, status, v)
	return nil
}

func (s *Server) showRun(w http.ResponseWriter, r *http.Request) error {
	id, err := runID(r)
	if err != nil {
		return err
	}
	return s.answerRun(w, r, id, http.StatusOK)
}

// showWriter tells the newest batch of a writer that was taken.
func (s *Server) showWriter(w http.ResponseWriter, r *http.Request) error {
	id, err := runID(r)
	if err != nil {
		return err
	}
	writer := event.WriterID(r.PathValue("writer"))
	if !event.ValidID(string(writer)) {
		return invalid("%.80q cannot name a writer: 1-64 letters, digits, '-' and '_'", writer).in("writer")
	}
	if _, err := s.view(r, id); err != nil {
		return err
	}
	last, err := s.Model.LastSequence(id, writer)
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, struct {
		Writer   event.WriterID `json:"writer"`
		Sequence uint64         `json:"sequence"`
	}{writer, event.BatchTaken(last)})
	return nil
}

// heartbeat is a sign of life of a writer that has nothing to tell.
func (s *Server) heartbeat(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Writer event.WriterID `json:"writer"`
	}
	return s.wish(w, r, &in, func(id event.RunID) event.Event { return event.RunHeartbeat{Run: id, Writer: in.Writer} })
}

// end is a script's last word.
func (s *Server) end(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Writer   event.WriterID  `json:"writer"`
		Status   event.RunStatus `json:"status"`
		ExitCode *int            `json:"exitCode"`
		Failure  *event.Failure  `json:"failure"`
		Time     instant         `json:"time"`
	}
	return s.wish(w, r, &in, func(id event.RunID) event.Event {
		return event.RunEnded{Run: id, Status: in.Status, ExitCode: in.ExitCode, Failure: in.Failure, At: int64(in.Time)}
	})
}

// resume lets a run that has ended go on; one that goes on is answered as it is.
func (s *Server) resume(w http.ResponseWriter, r *http.Request) error {
	id, err := runID(r)
	if err != nil {
		return err
	}
	if run, err := s.Model.Run(id); err == nil && run.Kind == event.External && !run.Status.Ended() {
		return s.answerRun(w, r, id, http.StatusOK)
	}
	var in struct {
		By   string  `json:"by"`
		Time instant `json:"time"`
	}
	return s.wish(w, r, &in, func(id event.RunID) event.Event { return event.RunStarted{Run: id, At: int64(in.Time)} })
}

// rewind hides what was logged after a step; it stays in the log.
func (s *Server) rewind(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Step *int64 `json:"step"`
	}
	id, err := runID(r)
	if err != nil {
		return err
	}
	if err := s.decode(w, r, &in); err != nil {
		return err
	}
	if in.Step == nil {
		return invalid("it is missing").in("step")
	}
	if _, err := s.Tracker.Submit(r.Context(), event.RunRewound{Run: id, Step: *in.Step}); err != nil {
		return err
	}
	return s.answerRun(w, r, id, http.StatusOK)
}

// wish reads a body, submits what it wishes for, and answers with the run as it stands then.
func (s *Server) wish(w http.ResponseWriter, r *http.Request, in any, make func(event.RunID) event.Event) error {
	id, err := runID(r)
	if err != nil {
		return err
	}
	if err := s.decode(w, r, in); err != nil {
		return err
	}
	if _, err := s.Tracker.Submit(r.Context(), make(id)); err != nil {
		return err
	}
	return s.answerRun(w, r, id, http.StatusOK)
}

// decode reads a small body into a struct; fields that it does not have are refused. No body is an empty object.
func (s *Server) decode(w http.ResponseWriter, r *http.Request, into any) error {
	return s.body(w, r, maxSmall, func(b []byte) error {
		if len(bytes.TrimSpace(b)) == 0 {
			return nil
		}
		if bad := unmarshal(b, into); bad != nil {
			return bad
		}
		return nil
	})
}

// unmarshal reads JSON into a struct, strictly, and says where it is at fault.
func unmarshal(b []byte, into any) *fault {
	s := &scanner{b: b}
	raw, bad := s.raw() // bounds its depth, and mends bare NaN
	if bad == nil {
		bad = s.end()
	}
	if bad != nil {
		return bad
	}
	dec := json.NewDecoder(bytes.NewReader(bytes.Clone(raw))) // what is decoded may keep parts of it
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	var wrong *json.UnmarshalTypeError
	var inner *fault
	switch {
	case err == nil:
		return nil
	case errors.As(err, &inner):
		return inner
	case errors.As(err, &wrong):
		return invalid("a %s cannot be a %s", wrong.Value, wrong.Type.Kind()).in(wrong.Field)
	case strings.HasPrefix(err.Error(), "json: unknown field "):
		name := strings.Trim(strings.TrimPrefix(err.Error(), "json: unknown field "), `"`)
		return invalid("there is no such field").in(shown([]byte(name)))
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return invalid("the body ends too soon")
	}
	return invalid("%s", strings.TrimPrefix(err.Error(), "json: "))
}
