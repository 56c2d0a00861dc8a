package readmodel

import (
	"cmp"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"maps"
	"math"
	"slices"
	"time"

	"millrace/cost"
	"millrace/event"
)

// head is what lists need of a run: it is in memory for every run, some 700 bytes each, and in the file in tableHead. All of it but the heartbeat follows
// from the Run (headOf). Times are µs since 1970; noTime means "not yet". Slices are replaced, never written to.
type head struct {
	// What nearly every list looks at comes first, in a cache line.
	created                                       int64
	seq                                           uint64
	kind                                          event.RunKind
	status                                        event.RunStatus
	archived, starred, bare, stopping, reproduced bool
	name                                          string

	started, ended, updated, progressed int64
	worked, since                       int64     // µs in attempts that are over; when the one that goes on began
	heartbeat                           time.Time // of any writer
	steps                               int64     // noSteps: nobody told
	id                                  event.RunID
	note, by                            string
	experiment                          event.ExperimentID
	spec                                event.Digest
	parent                              event.RunID
	relation                            string        // to the parent: a kind of event.Branch
	tags                                []string      // key, value, key, value, …, by key
	labels                              []string      // sorted
	inputs                              []event.Input // as the spec has them
	workers                             []string      // of all attempts, each once, in order
	spent                               []spending
	kept                                Kept
}

// spending is what an attempt has spent on one device.
type spending struct {
	cost.Spent
	count int // devices held
}

const (
	noTime  = -62135596800000000 // time.Time{}.UnixMicro()
	noSteps = math.MinInt64
)

// headOf is a run's head but for its heartbeat.
func headOf(r *Run) head {
	h := head{
		id: r.ID, seq: r.Seq, bare: r.Bare, archived: r.Archived, starred: r.Starred, stopping: r.Stop != nil, reproduced: r.Reproduction != nil && (r.Reproduction.Verdict != "incomplete" || r.Status.Ended()),
		kind: r.Kind, status: r.Status, created: r.CreatedAt.UnixMicro(), started: r.StartedAt.UnixMicro(), ended: r.EndedAt.UnixMicro(),
		updated: r.UpdatedAt.UnixMicro(), progressed: r.ProgressAt.UnixMicro(), steps: noSteps, name: r.Name, note: r.Note, by: r.By,
		experiment: r.Experiment, spec: r.SpecDigest, labels: r.Labels, inputs: r.Spec.Inputs,
	}
	if r.Branch != nil {
		h.parent, h.relation = r.Branch.From, r.Branch.Kind
	}
	switch {
	case r.Steps > 0:
		h.steps = r.Steps
	case r.Progress != nil && r.Progress.Unit == "steps":
		h.steps = r.Progress.Done
	}
	for _, k := range slices.Sorted(maps.Keys(r.Tags)) {
		h.tags = append(h.tags, k, r.Tags[k])
	}
	for _, a := range r.Attempts {
		if w := string(a.Worker); w != "" && !slices.Contains(h.workers, w) {
			h.workers = append(h.workers, w)
		}
	}
	h.spent = spendings(r.Spent)
	over, since := r.worked()
	h.kept = r.Kept
	h.worked, h.since = over.Microseconds(), since.UnixMicro()
	return h
}

// spendings is what was spent, as prices are held against it.
func spendings(of []Spending) []spending {
	var out []spending
	for _, s := range of {
		joules := -1.0
		if s.Joules != nil {
			joules = float64(*s.Joules)
		}
		out = append(out, spending{cost.Spent{
			Kind: s.Device.Kind, Name: s.Device.Name, Seconds: float64(s.Seconds), Joules: joules,
			FLOPs: float64(s.FLOPs), Tokens: s.Tokens, Stored: s.Stored, Moved: s.Moved, Paid: float64(s.Paid), At: s.At,
		}, s.Device.Count})
	}
	return out
}

// tag is the value of a tag.
func (h *head) tag(key string) (string, bool) {
	for i := 0; i+1 < len(h.tags); i += 2 {
		if h.tags[i] == key {
			return h.tags[i+1], true
		}
	}
	return "", false
}

// tagValue is the value of a tag as conditions see it.
func (h *head) tagValue(key string) value {
	v, ok := h.tag(key)
	if !ok {
		return value{}
	}
	return value{kind: wordValue, word: v}
}

// lastSign is the newest of what is known to have happened, in µs.
func (h *head) lastSign() int64 { return max(h.updated, h.heartbeat.UnixMicro()) }

// seconds is how long the run was worked at, up to its newest sign of life; false before its start.
func (h *head) seconds() (float64, bool) {
	if h.started == noTime {
		return 0, false
	}
	us := h.worked
	if h.since != noTime {
		us += max(0, h.heartbeat.UnixMicro()-h.since)
	}
	return float64(us) / 1e6, true
}

// byCreation orders runs by their creation. One fact may bring several runs into being: their ids decide.
func byCreation(a, b *runState) int {
	return cmp.Or(cmp.Compare(a.created, b.created), cmp.Compare(a.seq, b.seq), cmp.Compare(a.id, b.id))
}

// run is what a head tells of its run, for one whose record cannot be read.
func (h *head) run() Run {
	at := func(us int64) time.Time {
		if us == noTime {
			return time.Time{}
		}
		return time.UnixMicro(us).UTC()
	}
	r := Run{
		ID: h.id, Seq: h.seq, Bare: h.bare, Kind: h.kind, Status: h.status, Name: h.name, Note: h.note, Experiment: h.experiment, SpecDigest: h.spec,
		By: h.by, Archived: h.archived, Labels: h.labels, CreatedAt: at(h.created), StartedAt: at(h.started), EndedAt: at(h.ended),
		UpdatedAt: at(h.updated), HeartbeatAt: h.heartbeat, ProgressAt: at(h.progressed),
	}
	r.Spec.Kind, r.Spec.Inputs = h.kind, h.inputs
	if h.parent != "" {
		r.Branch = &event.Branch{From: h.parent, Kind: h.relation}
	}
	if h.steps != noSteps {
		r.Steps = h.steps
	}
	for i := 0; i+1 < len(h.tags); i += 2 {
		if r.Tags == nil {
			r.Tags = map[string]string{}
		}
		r.Tags[h.tags[i]] = h.tags[i+1]
	}
	return r
}

var errHead = errors.New("malformed head of a run")

// The bits of a head's first byte.
const (
	headBare = 1 << iota
	headArchived
	headStarred
	headStopping
	headReproduced
	headKept
)

// appendHead writes a head in the order of its fields: flags in a byte, integers as varints, floats as 8 bytes little-endian, strings after
// their length, lists after their count.
func appendHead(dst []byte, h *head) []byte {
	str := func(s string) { dst = append(binary.AppendUvarint(dst, uint64(len(s))), s...) }
	num := func(v float64) { dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(v)) }
	moment := func(t time.Time) {
		dst = binary.AppendUvarint(binary.AppendVarint(dst, t.Unix()), uint64(t.Nanosecond()))
	}
	flags := byte(0)
	for i, set := range []bool{h.bare, h.archived, h.starred, h.stopping, h.reproduced, h.kept != Kept{}} {
		if set {
			flags |= 1 << i
		}
	}
	dst = append(dst, flags)
	str(string(h.id))
	dst = binary.AppendUvarint(dst, h.seq)
	str(string(h.kind))
	str(string(h.status))
	for _, t := range []int64{h.created, h.started, h.ended, h.updated, h.progressed, h.worked, h.since, h.steps} {
		dst = binary.AppendVarint(dst, t)
	}
	moment(h.heartbeat)
	for _, s := range []string{h.name, h.note, h.by, string(h.experiment), string(h.spec), string(h.parent), h.relation} {
		str(s)
	}
	for _, list := range [][]string{h.tags, h.labels, h.workers} {
		dst = binary.AppendUvarint(dst, uint64(len(list)))
		for _, s := range list {
			str(s)
		}
	}
	dst = binary.AppendUvarint(dst, uint64(len(h.inputs)))
	for _, in := range h.inputs {
		str(in.Role)
		str(string(in.Digest))
		str(in.Name)
	}
	dst = binary.AppendUvarint(dst, uint64(len(h.spent)))
	for _, s := range h.spent {
		str(s.Kind)
		str(s.Name)
		num(s.Seconds)
		num(s.Joules)
		num(s.FLOPs)
		num(s.Paid)
		for _, v := range []int64{s.Tokens, s.Stored, s.Moved, int64(s.count)} {
			dst = binary.AppendVarint(dst, v)
		}
		moment(s.At)
	}
	if flags&headKept != 0 {
		dst = binary.AppendVarint(dst, h.kept.Bytes)
		num(h.kept.ByteSeconds)
		moment(h.kept.At)
	}
	return dst
}

// parseHead reads what appendHead wrote. words keeps one copy of strings that many runs share.
func parseHead(b []byte, words *interned) (head, error) {
	d := headReader{b: string(b), ok: len(b) > 0} // one copy, of which all strings are parts
	if !d.ok {
		return head{}, errHead
	}
	flags := d.b[0]
	d.b = d.b[1:]
	h := head{
		bare: flags&headBare != 0, archived: flags&headArchived != 0, starred: flags&headStarred != 0, stopping: flags&headStopping != 0,
		reproduced: flags&headReproduced != 0, id: event.RunID(d.str()), seq: d.uvarint(),
		kind: event.RunKind(words.one(d.str())), status: event.RunStatus(words.one(d.str())),
		created: d.varint(), started: d.varint(), ended: d.varint(), updated: d.varint(), progressed: d.varint(), worked: d.varint(), since: d.varint(), steps: d.varint(),
		heartbeat: d.moment(), name: d.str(), note: d.str(), by: words.one(d.str()),
		experiment: event.ExperimentID(words.one(d.str())), spec: event.Digest(d.str()), parent: event.RunID(d.str()), relation: words.one(d.str()),
		tags: d.list(words), labels: d.list(words), workers: d.list(words),
	}
	if n := d.count(3); n > 0 {
		h.inputs = make([]event.Input, n)
		for i := range h.inputs {
			h.inputs[i] = event.Input{Role: words.one(d.str()), Digest: event.Digest(words.one(d.str())), Name: words.one(d.str())}
		}
	}
	if n := d.count(40); n > 0 {
		h.spent = make([]spending, n)
		for i := range h.spent {
			s := &h.spent[i]
			s.Kind, s.Name, s.Seconds, s.Joules, s.FLOPs, s.Paid = words.one(d.str()), words.one(d.str()), d.float(), d.float(), d.float(), d.float()
			s.Tokens, s.Stored, s.Moved, s.count, s.At = d.varint(), d.varint(), d.varint(), int(d.varint()), d.moment()
		}
	}
	if flags&headKept != 0 {
		h.kept = Kept{Bytes: d.varint(), ByteSeconds: d.float(), At: d.moment()}
	}
	if !d.ok || d.b != "" || flags >= headKept<<1 || len(h.tags)%2 != 0 {
		return head{}, errHead
	}
	return h, nil
}

// headReader cuts a head into its parts; ok says whether all was as it should be so far.
type headReader struct {
	b  string
	ok bool
}

func (d *headReader) uvarint() uint64 {
	var v uint64
	for i := 0; i < len(d.b) && i < binary.MaxVarintLen64; i++ {
		v |= uint64(d.b[i]&0x7F) << (7 * i)
		if d.b[i] < 0x80 {
			d.b = d.b[i+1:]
			return v
		}
	}
	d.b, d.ok = "", false
	return 0
}

func (d *headReader) varint() int64 {
	u := d.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (d *headReader) str() string {
	n := d.uvarint()
	if n > uint64(len(d.b)) {
		d.b, d.ok = "", false
		return ""
	}
	s := d.b[:n]
	d.b = d.b[n:]
	return s
}

func (d *headReader) float() float64 {
	if len(d.b) < 8 {
		d.b, d.ok = "", false
		return 0
	}
	v := math.Float64frombits(binary.LittleEndian.Uint64([]byte(d.b[:8])))
	d.b = d.b[8:]
	return v
}

func (d *headReader) moment() time.Time {
	seconds, nanoseconds := d.varint(), d.uvarint()
	return time.Unix(seconds, int64(nanoseconds%1e9)).UTC()
}

// count reads how many there are of what takes at least so many bytes each.
func (d *headReader) count(atLeast int) int {
	n := d.uvarint()
	if n > uint64(len(d.b)/atLeast) {
		d.b, d.ok = "", false
		return 0
	}
	return int(n)
}

func (d *headReader) list(words *interned) []string {
	n := d.count(1)
	if n == 0 {
		return nil
	}
	out := make([]string, n)
	for i := range out {
		out[i] = words.one(d.str())
	}
	return out
}

// interned keeps one copy of each of the strings that runs share: experiments, workers, tags, digests of datasets. It forgets all when there are too many.
type interned map[string]string

const maxInterned = 1 << 16

func (w *interned) one(s string) string {
	if s == "" || len(s) > 200 {
		return s
	}
	if known, ok := (*w)[s]; ok {
		return known
	}
	if *w == nil || len(*w) >= maxInterned {
		*w = interned{}
	}
	s = string([]byte(s)) // not the whole record that it was a part of
	(*w)[s] = s
	return s
}

// share lets a head that a fact made share its strings with others.
func (h *head) share(words *interned) {
	h.by, h.experiment, h.relation = words.one(h.by), event.ExperimentID(words.one(string(h.experiment))), words.one(h.relation)
	h.kind, h.status = event.RunKind(words.one(string(h.kind))), event.RunStatus(words.one(string(h.status)))
	for _, list := range [][]string{h.tags, h.workers} { // both are the head's own
		for i, s := range list {
			list[i] = words.one(s)
		}
	}
	for i := range h.spent {
		h.spent[i].Kind, h.spent[i].Name = words.one(h.spent[i].Kind), words.one(h.spent[i].Name)
	}
}

// sealed puts a checksum before a value of a run, so that a damaged one is known for what it is.
func sealed(value []byte) []byte {
	return append(binary.LittleEndian.AppendUint32(make([]byte, 0, 4+len(value)), crc32.Checksum(value, castagnoli)), value...)
}

var errSeal = errors.New("its checksum does not fit")

// unsealed checks and removes the checksum.
func unsealed(raw []byte) ([]byte, error) {
	if len(raw) < 4 || binary.LittleEndian.Uint32(raw) != crc32.Checksum(raw[4:], castagnoli) {
		return nil, errSeal
	}
	return raw[4:], nil
}
