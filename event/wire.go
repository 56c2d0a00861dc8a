package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Header names of the CloudEvents 1.0 attributes, as they travel.
const (
	HeaderSpec    = "ce-specversion"
	HeaderID      = "ce-id"
	HeaderType    = "ce-type"
	HeaderSource  = "ce-source"
	HeaderTime    = "ce-time"
	HeaderContent = "content-type"

	// Extension attributes, absent where a fact has no writer.
	HeaderWriter   = "ce-writer"
	HeaderSequence = "ce-sequence"
)

// MaxBody bounds a body in bytes, for both directions. A message of the log must fit in one NATS message (1 MiB).
const MaxBody = 1 << 20

// ErrUnknownType is returned for a fact that this version does not know: written by a newer one.
var ErrUnknownType = errors.New("unknown event type")

// ErrMalformed is returned for headers or a body that cannot be read.
var ErrMalformed = errors.New("malformed event")

const (
	wireTypePrefix = "millrace."
	wireTypeSuffix = ".v1"
	jsonContent    = "application/json"
	frameContent   = "application/vnd.millrace.frames.v1"
)

// WireType is the CloudEvents type of a fact.
func WireType(t Type) string { return wireTypePrefix + string(t) + wireTypeSuffix }

// Encode writes a fact as headers and body. The body is JSON, or column frames for MetricsLogged. Subjects are built from
// ids, so an id that could break out of its place in the subject is refused.
func Encode(env Envelope) (map[string]string, []byte, error) {
	if env.Event == nil {
		return nil, nil, fmt.Errorf("event: encode: no event: %w", ErrMalformed)
	}
	t := env.Event.Type()
	if err := checkSubject(env.Event); err != nil {
		return nil, nil, fmt.Errorf("event: encode %s: %w", t, err)
	}
	var body []byte
	var err error
	content := jsonContent
	if m, ok := env.Event.(MetricsLogged); ok {
		content = frameContent
		body, err = AppendFrames(nil, m.Frames)
	} else {
		body, err = json.Marshal(env.Event)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("event: encode %s: %w", t, err)
	}
	if len(body) > MaxBody {
		return nil, nil, fmt.Errorf("event: encode %s: %d bytes, at most %d fit in one message: %w", t, len(body), MaxBody, ErrMalformed)
	}
	head := map[string]string{
		HeaderSpec:    "1.0",
		HeaderID:      env.ID,
		HeaderType:    WireType(t),
		HeaderSource:  env.Source,
		HeaderTime:    env.Time.UTC().Format(time.RFC3339Nano),
		HeaderContent: content,
	}
	if env.Writer != "" {
		if !ValidID(string(env.Writer)) {
			return nil, nil, fmt.Errorf("event: encode %s: writer %q: %w", t, env.Writer, ErrBadID)
		}
		head[HeaderWriter], head[HeaderSequence] = string(env.Writer), strconv.FormatUint(env.Sequence, 10)
	}
	return head, body, nil
}

// Decode reads what Encode wrote. header looks an attribute up, "" when absent. Unknown fields of the body are ignored:
// a newer version may have added them.
func Decode(subject string, header func(string) string, body []byte) (Envelope, error) {
	if v := header(HeaderSpec); v != "1.0" {
		return Envelope{}, fmt.Errorf("event: decode: CloudEvents version %q, want 1.0: %w", v, ErrMalformed)
	}
	if len(body) > MaxBody {
		return Envelope{}, fmt.Errorf("event: decode: body of %d bytes, at most %d: %w", len(body), MaxBody, ErrMalformed)
	}
	name := header(HeaderType)
	t, ok := strings.CutPrefix(name, wireTypePrefix)
	if ok {
		t, ok = strings.CutSuffix(t, wireTypeSuffix)
	}
	zero := zeroOf(Type(t))
	if !ok || zero == nil {
		return Envelope{}, fmt.Errorf("event: decode %q: %w", name, ErrUnknownType)
	}
	when, err := time.Parse(time.RFC3339Nano, header(HeaderTime))
	if err != nil {
		return Envelope{}, fmt.Errorf("event: decode %s: time %q: %w", t, header(HeaderTime), ErrMalformed)
	}
	env := Envelope{ID: header(HeaderID), Source: header(HeaderSource), Time: when.UTC()}
	if w := header(HeaderWriter); w != "" {
		n, err := strconv.ParseUint(header(HeaderSequence), 10, 64)
		if err != nil || !ValidID(w) {
			return Envelope{}, fmt.Errorf("event: decode %s: fact %q of writer %q: %w", t, header(HeaderSequence), w, ErrMalformed)
		}
		env.Writer, env.Sequence = WriterID(w), n
	}
	if _, ok := zero.(MetricsLogged); ok {
		frames, err := ParseFrames(body)
		if err != nil {
			return Envelope{}, fmt.Errorf("event: decode %s: %w", t, err)
		}
		parts := strings.Split(subject, ".")
		if len(parts) != 4 {
			return Envelope{}, fmt.Errorf("event: decode %s: subject %q: %w", t, subject, ErrMalformed)
		}
		env.Event = MetricsLogged{Gateway: WorkerID(parts[2]), Frames: frames}
		return env, nil
	}
	v := reflect.New(reflect.TypeOf(zero))
	if err := json.Unmarshal(body, v.Interface()); err != nil {
		return Envelope{}, fmt.Errorf("event: decode %s: %w: %w", t, ErrMalformed, err)
	}
	env.Event = v.Elem().Interface().(Event)
	if subject != "" && env.Event.Subject() != subject {
		return Envelope{}, fmt.Errorf("event: decode %s: lies at %q but says %q: %w", t, subject, env.Event.Subject(), ErrMalformed)
	}
	return env, nil
}

// checkSubject refuses ids that would break out of their place: a subject is the prefix, an area, an id and a fact, and for
// a request its kind; no token is empty or holds a wildcard or a space.
func checkSubject(e Event) error {
	subject, want := e.Subject(), 4
	if _, ok := e.(RunRequested); ok {
		want = 5
	}
	tokens := strings.Split(subject, ".")
	if len(tokens) != want {
		return fmt.Errorf("subject %q: %w", subject, ErrBadID)
	}
	for _, tok := range tokens {
		if !ValidID(tok) {
			return fmt.Errorf("subject %q: %q cannot be part of a subject: %w", subject, tok, ErrBadID)
		}
	}
	return nil
}

// zeroOf finds a type's zero value in the sealed set, or nil.
func zeroOf(t Type) Event {
	for _, e := range Set() {
		if e.Type() == t {
			return e
		}
	}
	return nil
}

// Set is the sealed set: the zero value of every fact there is.
func Set() []Event {
	return []Event{
		RunRequested{}, RunStarted{}, RunProgressed{}, RunHeartbeat{}, RunStopRequested{}, RunEnded{},
		RunTagged{}, RunNoted{}, RunArchived{}, RunDeleted{}, RunRewound{}, ReproductionVerified{},
		MetricsLogged{}, MetricDefined{}, ParamsLogged{}, RowsLogged{}, LinesLogged{}, TextLogged{},
		ArtifactLogged{}, AlertRaised{}, BatchLogged{},
		ExperimentCreated{}, ExperimentUpdated{}, DatasetPublished{}, CheckpointSaved{}, CheckpointDeleted{},
		AliasSet{}, EvaluationCompleted{},
		UsageSampled{}, ResourcesSpent{}, PriceSet{}, RuleSaved{}, RuleRemoved{}, RuleFired{},
		SnapshotTaken{}, LogArchived{}, RunPruned{}, DatasetDeleted{}, ExperimentDeleted{}, RetentionSet{},
		RunStarred{}, RunBudgetSet{}, AliasRemoved{}, RunBudgetReached{}, ExperimentBudgetReached{},
		CollectionSaved{}, CollectionRemoved{}, VersionSaved{}, VersionAliased{}, VersionRemoved{}, InputLogged{}, SummaryLogged{}, SpansLogged{},
		ContestOpened{}, ContestClosed{}, VoteCast{},
		SuiteSaved{},
		RuleActed{}, NotificationRequested{}, NotificationDelivered{}, NotificationFailed{},
		SweepStarted{}, TrialScored{}, SweepEnded{},
	}
}
