package tracker

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"millrace/event"
)

// Bounds of what a run of kind external announces, in seconds.
const (
	defaultHeartbeat = 60
	maxHeartbeat     = 24 * 60 * 60
)

// silence is how long a run may show no sign of life before it counts as crashed, in heartbeats.
const silence = 3

// admitExternal completes the request for a run of somebody else's script: nobody works it, so it runs from now on. Its maker may choose
// the id; an id that is there already is answered with the run that has it.
func (t *Tracker) admitExternal(ctx context.Context, w event.RunRequested) (event.Event, error) {
	var err error
	if w.Run != "" {
		if err := t.free(w.Run); err != nil {
			return nil, err
		}
	}
	for field, text := range map[string]string{"group": w.Group, "jobType": w.JobType, "by": w.By} {
		if len(text) > maxName {
			return nil, refuse(Invalid, field, "", "%s has %d bytes, at most %d", field, len(text), maxName)
		}
	}
	if len(w.Note) > maxNote {
		return nil, refuse(Invalid, "note", "", "a note has at most %d bytes", maxNote)
	}
	if w.HeartbeatSeconds == 0 {
		w.HeartbeatSeconds = defaultHeartbeat
	}
	if w.HeartbeatSeconds < 1 || w.HeartbeatSeconds > maxHeartbeat {
		return nil, refuse(Invalid, "heartbeatSeconds", "", "a heartbeat every %d seconds; choose 1 to %d", w.HeartbeatSeconds, maxHeartbeat)
	}
	if w.At, err = t.past(w.At); err != nil {
		return nil, err
	}
	if err := t.checkFork(w.Branch); err != nil {
		return nil, err
	}
	if err := t.foreignInputs(&w); err != nil {
		return nil, err
	}
	if w.Spec.Config, err = foreignConfig(w.Spec.Config); err != nil {
		return nil, err
	}
	if w.SpecDigest, err = w.Spec.Digest(); err != nil {
		return nil, asRefusal("config", err)
	}
	if w.Experiment, err = t.experimentFor(ctx, w.Experiment, w.By); err != nil {
		return nil, err
	}
	w.Suites, w.Candidates, w.StopAfter = nil, nil, 0
	if w.Run == "" {
		id, err := t.newID()
		if err != nil {
			return nil, err
		}
		w.Run = event.RunID(id)
	}
	if w.Name == "" {
		w.Name = fmt.Sprintf("%s-%s", w.Spec.Kind, strings.ToLower(string(w.Run[max(0, len(w.Run)-6):])))
	}
	return w, nil
}

// free refuses an id that is none, or that something else has or had.
func (t *Tracker) free(id event.RunID) error {
	if !event.ValidID(string(id)) {
		return refuse(Invalid, "id", "a ULID is a good one", "%.80q cannot name a run: 1-64 letters, digits, '-' and '_'", id)
	}
	if _, err := t.Model.Deletion(id); err == nil {
		return refuse(Conflict, "id", "choose another id", "run %s was deleted", id)
	}
	if run, err := t.Model.Run(id); err == nil && !run.Bare && !run.Foreign() {
		return refuse(Conflict, "id", "choose another id", "%s is a %s run of this platform", id, run.Kind)
	}
	return nil
}

// checkFork refuses a branch that does not grow out of a run.
func (t *Tracker) checkFork(b *event.Branch) error {
	if b == nil {
		return nil
	}
	if b.Kind != event.Fork || b.Step < 0 {
		return refuse(Invalid, "fork", "", "an external run can fork from a step, 0 or later, of another run; got %q of step %d", b.Kind, b.Step)
	}
	if _, err := t.Model.Run(b.From); err != nil {
		return refuse(NotFound, "fork", "list them with: millrace runs", "there is no run %.80q to fork from", b.From)
	}
	return nil
}

// foreignInputs checks what a script says that it reads. A dataset of ours may be called by its name; other digests are taken as they are.
func (t *Tracker) foreignInputs(w *event.RunRequested) error {
	if len(w.Spec.Inputs) > maxTags {
		return refuse(Invalid, "inputs", "", "%d inputs, at most %d", len(w.Spec.Inputs), maxTags)
	}
	inputs := append([]event.Input(nil), w.Spec.Inputs...)
	for i, in := range inputs {
		if in.Role == "" || len(in.Role) > maxName || len(in.Name) > maxValue {
			return refuse(Invalid, "inputs", "", "input %d: a role has 1-%d bytes, a name at most %d", i, maxName, maxValue)
		}
		if in.Digest.Valid() {
			continue
		}
		if in.Role != "dataset" {
			return refuse(Invalid, "inputs", "", "input %q: %.80q is not a digest: sha256: and 64 hexadecimal digits", in.Role, in.Digest)
		}
		d, err := t.dataset(string(in.Digest))
		if err != nil {
			return err
		}
		inputs[i].Digest, inputs[i].Name = d.Dataset, d.Name
	}
	w.Spec.Inputs = inputs
	return nil
}

func foreignConfig(config json.RawMessage) (json.RawMessage, error) {
	if len(config) == 0 || string(config) == "null" {
		return json.RawMessage("{}"), nil
	}
	if len(config) > maxConfig {
		return nil, refuse(Invalid, "config", "log large things as an artifact", "the configuration has %d bytes, at most %d", len(config), maxConfig)
	}
	canon, err := event.CanonicalJSON(config)
	if err != nil {
		return nil, asRefusal("config", err)
	}
	if canon[0] != '{' {
		return nil, refuse(Invalid, "config", "", "a configuration is an object; got %.40s", canon)
	}
	return canon, nil
}

// admitResumption lets an external run that has ended go on: the wish names the run, the attempt is the next one.
func (t *Tracker) admitResumption(w event.RunStarted) (event.Event, bool, error) {
	run, err := t.run(w.Run)
	if err != nil {
		return nil, false, err
	}
	if !run.Foreign() {
		return nil, false, refuse(Conflict, "id", "", "run %s is a %s run of this platform: its workers start it", w.Run, run.Kind)
	}
	if !run.Status.Ended() {
		return nil, false, refuse(Conflict, "id", "log on: it goes on already", "run %s is %s", w.Run, run.Status)
	}
	if w.At, err = t.past(w.At); err != nil {
		return nil, false, err
	}
	w.Attempt = 1
	if n := len(run.Attempts); n > 0 {
		w.Attempt = run.Attempts[n-1].Attempt + 1
		if e := w.Environment; e.Host == "" && e.OS == "" {
			w.Environment = run.Attempts[n-1].Environment
		}
	}
	return w, false, nil
}

// admitEnd lets a script say how its run ended. It belongs to the attempt at hand.
func (t *Tracker) admitEnd(w event.RunEnded) (event.Event, bool, error) {
	run, err := t.run(w.Run)
	if err != nil {
		return nil, false, err
	}
	switch {
	case !run.Foreign():
		return nil, false, refuse(Conflict, "id", "stop it with: millrace stop "+string(w.Run), "run %s is a %s run of this platform: its worker ends it", w.Run, run.Kind)
	case w.Status != event.Finished && w.Status != event.Failed && w.Status != event.Stopped:
		return nil, false, refuse(Invalid, "status", "", "a run ends finished, failed or stopped; got %.40q", w.Status)
	case run.Status.Ended() && run.Status != event.Crashed && run.Status != w.Status:
		return nil, false, refuse(Conflict, "status", "resume the run first", "run %s has ended already: it is %s", w.Run, run.Status)
	}
	if f := w.Failure; f != nil && (len(f.Code) > maxName || len(f.Message) > maxNote || len(f.Hint) > maxNote) {
		return nil, false, refuse(Invalid, "failure", "log long texts as lines or as an artifact", "a failure's code has at most %d bytes, its message and hint %d each", maxName, maxNote)
	}
	if w.At, err = t.past(w.At); err != nil {
		return nil, false, err
	}
	w.Attempt = max(1, len(run.Attempts))
	if n := len(run.Attempts); n > 0 {
		w.Attempt = run.Attempts[n-1].Attempt
	}
	return w, false, nil
}

// Times of scripts that are believed, in µs since 1970: the years 1 to 9999, as for points.
const (
	firstMicro = -62135596800 * 1_000_000
	lastMicro  = 253402300799*1_000_000 + 999_999
)

// past is the time at which a script says that something was, in µs since 1970. One that lies ahead of our clock is now: 0.
func (t *Tracker) past(at int64) (int64, error) {
	if at < firstMicro || at > lastMicro {
		return 0, refuse(Invalid, "time", "times are seconds since 1970, not milliseconds", "the time %d µs lies outside the years 1 to 9999", at)
	}
	if at >= t.Now().UnixMicro() {
		return 0, nil
	}
	return at, nil
}

// patience is how long a run may be silent.
func patience(heartbeatSeconds int64) time.Duration {
	if heartbeatSeconds <= 0 {
		heartbeatSeconds = defaultHeartbeat
	}
	return silence * time.Duration(heartbeatSeconds) * time.Second
}
