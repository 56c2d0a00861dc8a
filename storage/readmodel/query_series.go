package readmodel

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"

	"go.etcd.io/bbolt"

	"millrace/event"
)

// SystemPrefix begins the keys of series made from usage samples.
const SystemPrefix = "system/"

// SeriesInfo is what is known of a series without reading it. A series is the points of one key of a run, in one context, by
// one writer. Steps are the run's, times µs since 1970.
type SeriesInfo struct {
	Run      event.RunID
	Key      string
	Context  string // canonical JSON, "" for none
	Writer   event.WriterID
	Identity event.Identity
	// Sampled tells that the steps are µs since 1970 (keys system/…).
	Sampled bool
	Points  int64
	NaNs    int64
	// First… and Last… are of the points with the least and the greatest step, Min and Max of all but NaNs (NaN when there are only NaNs),
	// at the least step where they occur.
	FirstStep, LastStep   int64
	FirstTime, LastTime   int64
	First, Last, Min, Max float64
	MinStep, MaxStep      int64
	// Damaged tells that a part of what was stored could not be read: it is left out. The log has it still; folding the file anew heals it.
	Damaged bool
	// Revision grows when something before the last point changed.
	Revision int64
}

// Ref names a series within its run.
func (s SeriesInfo) Ref() string { return s.name().inRun() }

func (s SeriesInfo) name() name {
	identity := byte(s.Identity)
	if s.Sampled {
		identity = sampled
	}
	return name{s.Run, s.Key, s.Context, s.Writer, identity}
}

func infoOf(n name, s summary) SeriesInfo {
	i := SeriesInfo{
		Run: n.run, Key: n.key, Context: n.context, Writer: n.writer, Identity: event.Identity(n.identity), Points: s.points, NaNs: s.nans,
		FirstStep: s.first.step, LastStep: s.last.step, FirstTime: s.first.time, LastTime: s.last.time,
		First: s.first.value, Last: s.last.value, Min: s.least.value, Max: s.greatest.value, MinStep: s.least.step, MaxStep: s.greatest.step,
		Damaged: s.damaged, Revision: s.revision,
	}
	if n.identity == sampled {
		i.Identity, i.Sampled = event.ByStep, true
	}
	return i
}

// Series is a series' points, or buckets that stand for them, as parallel columns.
type Series struct {
	SeriesInfo
	// Steps, Times and Values are the points, in order; when Downsampled, the last point of each bucket. The last is always the
	// last point of what was asked for.
	Steps, Times []int64
	Values       []float64
	Downsampled  bool
	// Mins and Maxs are a bucket's envelope (NaN when it holds only NaNs), Counts and NaNCounts how many points, and NaNs among
	// them, it stands for. Nil unless Downsampled.
	Mins, Maxs        []float64
	Counts, NaNCounts []int64
	// X is each value's place on the axis asked for, nil for steps; NoAxis says why there is none.
	X      []float64
	NoAxis string
	// Smoothed is the values, smoothed, where that was asked for.
	Smoothed []float64
	// Mark is where to read on, Reset tells that what was read before is void, More that there is more to read. Set by Points only.
	Mark        Mark
	Reset, More bool
}

// SeriesQuery picks series of a run and says how fine to read them.
type SeriesQuery struct {
	// Keys are exact, or prefixes when they end in '*'. None: all but system/….
	Keys    []string
	Context *string // exact; nil: every context
	Writers []event.WriterID
	// MinStep and MaxStep bound what is read, both inclusive.
	MinStep, MaxStep *int64
	// MinTime and MaxTime, µs since 1970, bound it too, both inclusive. With them all points of the steps asked for are looked at.
	MinTime, MaxTime *int64
	// MaxPoints bounds each series' columns; one that is longer is downsampled, keeping each bucket's envelope. 0: all points.
	MaxPoints int
	// Axis is what X is to be.
	Axis Axis
	// Smooth asks for Smoothed: over every point, before downsampling, where a series has at most 4,194,304 of them, else over buckets.
	Smooth Smoothing
}

func wanted(n name, keys []string, context *string, writers []event.WriterID) bool {
	if context != nil && n.context != *context || len(writers) > 0 && !slices.Contains(writers, n.writer) {
		return false
	}
	if len(keys) == 0 {
		return n.identity != sampled
	}
	return slices.ContainsFunc(keys, func(k string) bool {
		prefix, isPrefix := strings.CutSuffix(k, "*")
		return k == n.key || isPrefix && strings.HasPrefix(n.key, prefix)
	})
}

// sources takes those series of a run that are wanted, and begins a transaction to read them after the lock is given back, so that a long
// read does not hold up the fold. The caller rolls it back.
func (m *Model) sources(id event.RunID, want func(name) bool, blocks bool) ([]source, *bbolt.Tx, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return nil, nil, ErrClosed
	}
	if _, err := m.known(id); err != nil {
		return nil, nil, err
	}
	tx, err := m.db.Begin(false)
	if err != nil {
		return nil, nil, err
	}
	v := view{layers: m.layers(), tx: tx}
	var out []source
	for _, n := range v.names(id) {
		if !want(n) {
			continue
		}
		out = append(out, m.sourceOf(v, n, blocks))
	}
	return out, tx, nil
}

// Series reads series of a run, by key, context and writer. Of a damaged one it reads what can be
// read. Errors: ErrNotFound, ErrBadQuery.
func (m *Model) Series(id event.RunID, q SeriesQuery) ([]Series, error) {
	if err := q.Smooth.Check(); err != nil {
		return nil, err
	}
	sources, tx, err := m.sources(id, func(n name) bool { return wanted(n, q.Keys, q.Context, q.Writers) }, q.MaxPoints > 0)
	if err != nil {
		return nil, err
	}
	out := make([]Series, 0, len(sources))
	first := int64(math.MaxInt64)
	for _, src := range sources {
		if src.points == 0 && !src.damaged {
			continue // all of it was rewound
		}
		first = min(first, src.first.time)
		out = append(out, src.read(tx, q))
	}
	_ = tx.Rollback() // the axis is read in another one: two at once in one goroutine could wait for a growing file for ever
	if q.Axis == AxisStep || len(out) == 0 {
		return out, nil
	}
	r, err := m.rulerOf(id, q.Axis, first)
	if err != nil && !errors.Is(err, ErrNoAxis) {
		return nil, err
	}
	for i := range out {
		if err != nil {
			out[i].NoAxis = err.Error()
			continue
		}
		out[i].X = make([]float64, len(out[i].Steps))
		for j, step := range out[i].Steps {
			out[i].X[j] = r.at(step, out[i].Times[j])
		}
	}
	return out, nil
}

// read reads a source. A fault of the file under it is the series' own: it is then damaged, and the others are not.
func (src *source) read(tx *bbolt.Tx, q SeriesQuery) (s Series) {
	s.SeriesInfo = infoOf(src.name, src.summary)
	if err := guarded(func() error { src.fill(tx, q, &s); return nil }); err != nil {
		src.spoil(err)
	}
	s.Damaged = s.Damaged || src.fault != nil
	return s
}

func (src *source) fill(tx *bbolt.Tx, q SeriesQuery, s *Series) {
	lo, hi := src.first.step, src.last.step
	if q.MinStep != nil {
		lo = max(lo, *q.MinStep)
	}
	if q.MaxStep != nil {
		hi = min(hi, *q.MaxStep)
	}
	if lo > hi {
		return
	}
	every := q.MinTime != nil || q.MaxTime != nil || q.Smooth.on() && src.points <= maxSmoothed
	if q.MaxPoints > 0 && src.points > int64(q.MaxPoints) && !every {
		if buckets, few := src.reduce(tx, lo, hi, q.MaxPoints); !few {
			s.fill(buckets)
			if q.Smooth.on() {
				s.Smoothed = q.Smooth.apply(s.Values, s.Counts)
			}
			return
		}
	}
	raw := src.raw(shelfOf(tx), lo, hi, 0).during(q.MinTime, q.MaxTime)
	var smooth []float64
	if q.Smooth.on() {
		smooth = q.Smooth.apply(raw.values, nil)
	}
	if q.MaxPoints <= 0 || raw.len() <= q.MaxPoints {
		s.Steps, s.Times, s.Values, s.Smoothed = raw.steps, raw.times, raw.values, smooth
		return
	}
	var buckets []bucket
	if src.name.byContent() {
		buckets, _ = reduceByCount(raw, q.MaxPoints)
	} else {
		level := levelFor(raw.steps[0], raw.steps[raw.len()-1], q.MaxPoints)
		buckets = atMost(gather(raw, level), q.MaxPoints)
	}
	s.fill(buckets)
	if smooth != nil {
		s.Smoothed = make([]float64, len(buckets))
		last := -1
		for i, b := range buckets {
			last += int(b.count)
			s.Smoothed[i] = smooth[last]
		}
	}
}

// during keeps the points of a time.
func (c columns) during(from, to *int64) columns {
	if from == nil && to == nil {
		return c
	}
	var out columns
	for i, t := range c.times {
		if (from == nil || t >= *from) && (to == nil || t <= *to) {
			out.steps, out.times, out.values = append(out.steps, c.steps[i]), append(out.times, t), append(out.values, c.values[i])
		}
	}
	return out
}

func (s *Series) fill(buckets []bucket) {
	n := len(buckets)
	s.Downsampled = true
	s.Steps, s.Times, s.Values = make([]int64, n), make([]int64, n), make([]float64, n)
	s.Mins, s.Maxs = make([]float64, n), make([]float64, n)
	s.Counts, s.NaNCounts = make([]int64, n), make([]int64, n)
	for i, b := range buckets {
		s.Steps[i], s.Times[i], s.Values[i] = b.last.step, b.last.time, b.last.value
		s.Mins[i], s.Maxs[i], s.Counts[i], s.NaNCounts[i] = b.least, b.highest, b.count, b.nans
	}
}

// Keys lists a run's series by key, context and writer, system/… included.
func (m *Model) Keys(id event.RunID) ([]SeriesInfo, error) {
	sources, tx, err := m.sources(id, func(name) bool { return true }, false)
	if err != nil {
		return nil, err
	}
	_ = tx.Rollback()
	out := make([]SeriesInfo, 0, len(sources))
	for _, src := range sources {
		if src.points > 0 || src.damaged {
			out = append(out, infoOf(src.name, src.summary))
		}
	}
	return out, nil
}

// LastValues lists every run's series of one key, by run: one range scan, whatever the runs' lengths.
func (m *Model) LastValues(key string) ([]SeriesInfo, error) {
	var out []SeriesInfo
	err := m.read(func(v view) error {
		return m.eachLast(v, key, func(n name, sum *summary) {
			if sum.points > 0 {
				out = append(out, infoOf(n, *sum))
			}
		})
	})
	slices.SortFunc(out, bySource)
	return out, err
}

// eachLast calls fn with the summary of every run's series of a key, in no order. Series in memory are newer than the file. The lock must
// be held; the summaries must not be kept.
func (m *Model) eachLast(v view, key string, fn func(name, *summary)) error {
	inMemory := make(map[uint64]struct{}, len(m.byKey[key]))
	for s := range m.byKey[key] {
		inMemory[s.number] = struct{}{}
		fn(s.name, &s.summary)
	}
	v.scan(tableLast, key, span{}, func(rest, value []byte) bool {
		if len(value) >= 8 {
			if _, ok := inMemory[binary.BigEndian.Uint64(value)]; ok {
				return true
			}
		}
		m.stored(key, rest, value, fn)
		return true
	})
	return nil
}

// stored calls fn with what an entry of tableLast says, unless that is damaged or memory knows better.
func (m *Model) stored(key string, rest, value []byte, fn func(name, *summary)) {
	n, ok := nameInKey(key, rest)
	if !ok {
		m.log.Error("a stored last value is damaged and left out", "key", key)
		return
	}
	if m.series[n.run][n] != nil {
		return // written anew since, under another number
	}
	_, sum, bad := parseSummary(value)
	if bad != nil {
		m.log.Error("a stored last value is damaged and left out", "run", n.run, "key", key, "err", bad)
		return
	}
	fn(n, &sum)
}

// LastOf lists the series of one key of each of some runs, in their order; none of a run that is not there. It looks at no other runs.
func (m *Model) LastOf(ids []event.RunID, key string) ([][]SeriesInfo, error) {
	out := make([][]SeriesInfo, len(ids))
	all := make([]SeriesInfo, 0, len(ids))
	err := m.read(func(v view) error {
		over, cleared := v.overlaid(tableLast, key, span{})
		var byRun map[event.RunID][]string
		for rest, value := range over {
			if n, ok := nameInKey(key, []byte(rest)); ok && value != nil {
				if byRun == nil {
					byRun = map[event.RunID][]string{}
				}
				byRun[n.run] = append(byRun[n.run], rest)
			}
		}
		stored, before := walk{cursor: v.bucket(tableLast).Cursor(), head: appendPart(nil, key)}, -1
		for _, i := range inOrder(ids) {
			id := ids[i]
			if m.runs[id] == nil {
				continue
			}
			if before >= 0 && ids[before] == id {
				out[i] = out[before]
				continue
			}
			before = i
			first := len(all)
			add := func(n name, sum *summary) {
				if sum.points > 0 {
					all = append(all, infoOf(n, *sum))
				}
			}
			for n, s := range m.series[id] {
				if n.key == key {
					add(n, &s.summary)
				}
			}
			for _, rest := range byRun[id] {
				m.stored(key, []byte(rest), over[rest], add)
			}
			if !cleared {
				stored.each(string(id), func(rest, value []byte) {
					if _, newer := over[string(rest)]; !newer {
						m.stored(key, rest, value, add)
					}
				})
			}
			if out[i] = all[first:len(all):len(all)]; len(out[i]) > 1 {
				slices.SortFunc(out[i], bySource)
			}
		}
		return nil
	})
	return out, err
}

// inOrder is the places of ids as their ids are sorted.
func inOrder(ids []event.RunID) []int {
	places := make([]int, len(ids))
	for i := range places {
		places[i] = i
	}
	slices.SortFunc(places, func(a, b int) int { return cmp.Compare(ids[a], ids[b]) })
	return places
}

// walk goes over entries of a table from part to part, in their order. Parts that lie together are found without looking from the root.
type walk struct {
	cursor     *bbolt.Cursor
	head       []byte // what all keys begin with
	key, value []byte // where it stands; nil: beyond the end, or not begun
	prefix     []byte // of the part that was asked for last
}

// each calls fn with what follows head in each key of a part. Parts are asked for in order, each once.
func (w *walk) each(part string, fn func(rest, value []byte)) {
	w.prefix = appendPart(append(w.prefix[:0], w.head...), part)
	prefix := w.prefix
	if w.key == nil || bytes.Compare(w.key, prefix) < 0 {
		w.key, w.value = w.cursor.Seek(prefix)
	}
	for ; bytes.HasPrefix(w.key, prefix); w.key, w.value = w.cursor.Next() {
		fn(w.key[len(w.head):], w.value)
	}
}

// bySource orders the series of a key.
func bySource(a, b SeriesInfo) int {
	return cmp.Or(cmp.Compare(a.Run, b.Run), cmp.Compare(a.Context, b.Context), cmp.Compare(a.Writer, b.Writer), cmp.Compare(a.Identity, b.Identity))
}

// MetricKeys lists the distinct keys of all runs that begin with prefix, in order, at most n (0: 1,000).
func (m *Model) MetricKeys(prefix string, n int) ([]string, error) {
	if n <= 0 {
		n = 1000
	}
	seen := map[string]struct{}{}
	err := m.read(func(v view) error {
		for key, of := range m.byKey {
			for s := range of {
				if s.points > 0 && strings.HasPrefix(key, prefix) {
					seen[key] = struct{}{}
				}
			}
		}
		c := v.bucket(tableLast).Cursor()
		open := appendPart(nil, prefix)
		open = open[:len(open)-2] // a prefix has no end
		for k, _ := c.Seek(open); k != nil && bytes.HasPrefix(k, open); {
			key, rest, ok := cutPart(k)
			if !ok {
				break
			}
			if _, ok := seen[key]; !ok && m.alive(v, key) {
				seen[key] = struct{}{}
			}
			// On to the next key: the end of this one, made one greater.
			next := bytes.Clone(k[:len(k)-len(rest)])
			next[len(next)-1]++
			k, _ = c.Seek(next)
		}
		return nil
	})
	out := make([]string, 0, len(seen))
	for k := range seen {
		out = append(out, k)
	}
	slices.Sort(out)
	return out[:min(n, len(out))], err
}

// alive tells whether any series of a key is left above the file's.
func (m *Model) alive(v view, key string) bool {
	found := false
	v.scan(tableLast, key, span{}, func(_, _ []byte) bool {
		found = true
		return false
	})
	return found
}

// Mark is how far somebody has read a series.
type Mark struct {
	Revision, Points, Step int64
}

// PointsQuery asks for what is new since the marks given.
type PointsQuery struct {
	Keys    []string // as in SeriesQuery
	Context *string
	Writers []event.WriterID
	After   map[string]Mark // by SeriesInfo.Ref; absent: from the start
	// MaxPoints bounds each series' columns; 0: 10,000.
	MaxPoints int
}

// Points reads on where a reader was: it costs what is new. Series with nothing new are left out. When something was changed before the
// mark (a point that came late, a rewind) the series is read from the start, with Reset set; it may then be empty.
func (m *Model) Points(id event.RunID, q PointsQuery) ([]Series, error) {
	if q.MaxPoints <= 0 {
		q.MaxPoints = 10_000
	}
	sources, tx, err := m.sources(id, func(n name) bool { return wanted(n, q.Keys, q.Context, q.Writers) }, false)
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback() }()
	var out []Series
	for _, src := range sources {
		mark, had := q.After[src.name.inRun()]
		if mark.Revision == src.revision && mark.Points == src.points || !had && src.points == 0 {
			continue
		}
		out = append(out, src.since(tx, mark, had, q.MaxPoints))
	}
	return out, nil
}

// since reads at most limit points after a mark.
func (src *source) since(tx *bbolt.Tx, mark Mark, had bool, limit int) Series {
	s := Series{SeriesInfo: infoOf(src.name, src.summary)}
	if mark.Revision != src.revision || mark.Points > src.points {
		s.Reset, mark = had, Mark{Revision: src.revision}
	}
	b := shelfOf(tx)
	var c columns
	err := guarded(func() error {
		switch {
		case src.points == 0:
		case mark.Points == 0:
			c = src.raw(b, src.first.step, src.last.step, limit+1)
		case !src.name.byContent():
			if mark.Step < src.last.step {
				c = src.raw(b, mark.Step+1, src.last.step, limit+1)
			}
		default: // steps repeat: all from the mark's step on, less those of it that were read
			c = src.raw(b, mark.Step, src.last.step, 0)
			c = c.slice(max(0, c.len()-int(src.points-mark.Points)), c.len())
		}
		return nil
	})
	if err != nil {
		src.spoil(err)
	}
	if c.len() > limit {
		c, s.More = c.slice(0, limit), true
	}
	s.Steps, s.Times, s.Values = c.steps, c.times, c.values
	s.Mark = Mark{Revision: src.revision, Points: mark.Points + int64(c.len()), Step: mark.Step}
	if src.fault != nil {
		s.Damaged = true
		if !s.More { // the points that could not be read are not waited for
			s.Mark.Points = src.points
		}
	}
	if n := c.len(); n > 0 {
		s.Mark.Step = c.steps[n-1]
	}
	return s
}
