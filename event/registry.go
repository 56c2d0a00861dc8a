package event

import "strconv"

// CollectionID names a line of versions: a foreign client's registered model, artifact collection or portfolio.
type CollectionID string

// CollectionSaved opens a collection, or replaces what is not nil of one.
type CollectionSaved struct {
	Collection  CollectionID      `json:"collection"`
	Experiment  ExperimentID      `json:"experiment,omitempty"` // whose it is; none: everybody's
	Entity      string            `json:"entity,omitempty"`
	Name        *string           `json:"name,omitempty"`
	Kind        *string           `json:"kind,omitempty"` // in its maker's words: "model", "dataset", "run_table", …
	Description *string           `json:"description,omitempty"`
	Set         map[string]string `json:"set,omitempty"` // tags
	Unset       []string          `json:"unset,omitempty"`
	Metadata    RawJSON           `json:"metadata,omitempty"`
	By          string            `json:"by,omitempty"`
}

// CollectionRemoved ends a collection with its versions. What they name stays in storage while anything else refers to it.
type CollectionRemoved struct {
	Collection CollectionID `json:"collection"`
	By         string       `json:"by,omitempty"`
}

// VersionSaved adds a version to a collection, or replaces what is not nil of one.
type VersionSaved struct {
	Collection CollectionID `json:"collection"`
	Version    int64        `json:"version"`          // as its maker counts
	Run        RunID        `json:"run,omitempty"`    // that made it
	Path       string       `json:"path,omitempty"`   // among the run's files
	Object     Digest       `json:"object,omitempty"` // of the blob or of the manifest: paths to blobs, or to places elsewhere
	Size       int64        `json:"size,omitempty"`   // bytes
	// State is "pending" (being uploaded), "ready" or "failed"; Message says why.
	State       *string           `json:"state,omitempty"`
	Message     string            `json:"message,omitempty"`
	Stage       *string           `json:"stage,omitempty"`
	Description *string           `json:"description,omitempty"`
	Set         map[string]string `json:"set,omitempty"`
	Unset       []string          `json:"unset,omitempty"`
	// AddLabels and RemoveLabels are of clients whose tags are a set.
	AddLabels    []string `json:"add_labels,omitempty"`
	RemoveLabels []string `json:"remove_labels,omitempty"`
	Metadata     RawJSON  `json:"metadata,omitempty"`
	TTLSeconds   *int64   `json:"ttl_seconds,omitempty"` // after which it may be removed; 0: never
	By           string   `json:"by,omitempty"`
}

// VersionAliased points a name ("latest", "champion") at a version of a collection; version nil takes the name away.
type VersionAliased struct {
	Collection CollectionID `json:"collection"`
	Alias      string       `json:"alias"`
	Version    *int64       `json:"version,omitempty"`
	By         string       `json:"by,omitempty"`
}

// VersionRemoved ends a version of a collection, and the names that point at it.
type VersionRemoved struct {
	Collection CollectionID `json:"collection"`
	Version    int64        `json:"version"`
	By         string       `json:"by,omitempty"`
}

// InputLogged names a thing that a foreign script says it read or made, in its own words: a data set with its source and schema, a
// version of a collection.
type InputLogged struct {
	Run        RunID             `json:"run"`
	Role       string            `json:"role"` // "dataset", "artifact", "model", …
	Out        bool              `json:"out,omitempty"`
	Name       string            `json:"name"`
	Digest     string            `json:"digest,omitempty"` // as the script names its content: any form
	Object     Digest            `json:"object,omitempty"` // where the thing is in storage
	Collection CollectionID      `json:"collection,omitempty"`
	Version    *int64            `json:"version,omitempty"`
	Source     string            `json:"source,omitempty"` // where it came from, e.g. an address
	Metadata   RawJSON           `json:"metadata,omitempty"`
	Tags       map[string]string `json:"tags,omitempty"`
}

// SummaryLogged sets and removes values of a run's summary, which foreign clients compute themselves: any JSON by dotted path.
type SummaryLogged struct {
	Run    RunID              `json:"run"`
	Values map[string]RawJSON `json:"values,omitempty"`
	Remove []string           `json:"remove,omitempty"`
}

// SpansLogged carries spans of a trace, each as the OpenTelemetry JSON in which it came. A span that comes again replaces itself.
type SpansLogged struct {
	Experiment ExperimentID       `json:"experiment,omitempty"`
	Run        RunID              `json:"run,omitempty"`
	Trace      string             `json:"trace"`
	Spans      map[string]RawJSON `json:"spans"` // by span id
}

func (CollectionSaved) Type() Type   { return "collection.saved" }
func (CollectionRemoved) Type() Type { return "collection.removed" }
func (VersionSaved) Type() Type      { return "collection.version_saved" }
func (VersionAliased) Type() Type    { return "collection.version_aliased" }
func (VersionRemoved) Type() Type    { return "collection.version_removed" }
func (InputLogged) Type() Type       { return "run.input_logged" }
func (SummaryLogged) Type() Type     { return "run.summary_logged" }
func (SpansLogged) Type() Type       { return "trace.spans_logged" }

func collectionSubject(c CollectionID, fact string) string {
	return Prefix + "collection." + string(c) + "." + fact
}

func (e CollectionSaved) Subject() string   { return collectionSubject(e.Collection, "saved") }
func (e CollectionRemoved) Subject() string { return collectionSubject(e.Collection, "removed") }
func (e VersionSaved) Subject() string      { return collectionSubject(e.Collection, "version_saved") }
func (e VersionAliased) Subject() string    { return collectionSubject(e.Collection, "version_aliased") }
func (e VersionRemoved) Subject() string    { return collectionSubject(e.Collection, "version_removed") }
func (e InputLogged) Subject() string       { return runSubject(e.Run, "input_logged") }
func (e SummaryLogged) Subject() string     { return runSubject(e.Run, "summary_logged") }

// Subject lies under the trace.
func (e SpansLogged) Subject() string { return Prefix + "trace." + e.Trace + ".spans_logged" }

func (CollectionSaved) sealed()   {}
func (CollectionRemoved) sealed() {}
func (VersionSaved) sealed()      {}
func (VersionAliased) sealed()    {}
func (VersionRemoved) sealed()    {}
func (InputLogged) sealed()       {}
func (SummaryLogged) sealed()     {}
func (SpansLogged) sealed()       {}

// Hex writes an id of 26 digits as the 32 hexadecimal ones that some clients want; false for ids of another form.
func (r RunID) Hex() (string, bool) {
	if len(r) != 26 || r[0] > '7' {
		return "", false
	}
	out := make([]byte, 0, 32)
	bits, acc := 0, uint64(0)
	for i := range len(r) {
		v := digitOf(r[i])
		if v < 0 {
			return "", false
		}
		n := 5
		if i == 0 {
			n = 3 // 130 digits' bits for 128
		}
		acc, bits = acc<<n|uint64(v), bits+n
		for bits >= 4 {
			bits -= 4
			out = strconv.AppendUint(out, acc>>bits&15, 16)
		}
		acc &= 1<<bits - 1
	}
	return string(out), true
}

// RunFromHex is the run whose Hex this is; false when it has not 32 lower-case hexadecimal digits.
func RunFromHex(h string) (RunID, bool) {
	if len(h) != 32 {
		return "", false
	}
	var b [16]byte
	for i := range b {
		v, err := strconv.ParseUint(h[2*i:2*i+2], 16, 8)
		if err != nil {
			return "", false
		}
		b[i] = byte(v)
	}
	id := RunID(encodeID(b))
	back, ok := id.Hex()
	return id, ok && back == h
}

func digitOf(c byte) int {
	for i := range len(crockford) {
		if crockford[i] == c {
			return i
		}
	}
	return -1
}
