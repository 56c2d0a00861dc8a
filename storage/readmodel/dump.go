package readmodel

import (
	"bufio"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"unicode/utf8"

	"go.etcd.io/bbolt"
)

// Dump writes everything the model knows, but the cursor, as text: a line for each key of the file, by table and key, points and summaries
// spelled out. Two models that folded the same log give the same text, whenever they committed or were opened again. It commits
// first, and fails when what is in memory is not what is in the file.
func (m *Model) Dump(w io.Writer) error {
	if err := m.Commit(); err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return ErrClosed
	}
	if err := m.db.View(func(tx *bbolt.Tx) error {
		if err := m.sameInMemory(tx); err != nil {
			return err
		}
		for t := tableMeta + 1; t < tableCount; t++ {
			if t == tableChunk || t == tableTail {
				continue // how chunks are packed depends on when commits came
			}
			if err := dumpTable(out, tx, t); err != nil {
				return err
			}
		}
		return m.dumpChunks(out, tx)
	}); err != nil {
		return err
	}
	return out.Flush()
}

// dumpChunks writes the chunks of every series that has a summary, by key and run, and fails when there is anything else.
func (m *Model) dumpChunks(out *bufio.Writer, tx *bbolt.Tx) error {
	s, known := shelfOf(tx), map[string]bool{}
	err := tx.Bucket([]byte(layout[tableLast].name)).ForEach(func(k, v []byte) error {
		key, rest, _ := cutPart(k)
		n, ok := nameInKey(key, rest)
		number, _, err := parseSummary(v)
		if !ok || err != nil {
			return fmt.Errorf("readmodel: %s: last value %q: %w", m.path, k, ErrBroken)
		}
		known[parts(number)] = true
		w := s.stored(n, number, floor)
		for lower, raw, ok := w.next(); ok && err == nil; lower, raw, ok = w.next() {
			var c columns
			if c, err = parseChunk(raw); err == nil {
				_, err = fmt.Fprintf(out, "chunk %d %v: steps %v times %v values %v\n", number, lower, c.steps, c.times, c.values)
			}
		}
		if err = cmp.Or(err, w.err); err != nil {
			return fmt.Errorf("readmodel: %s: series %q of run %s: %w: %w", m.path, n.key, n.run, err, ErrBroken)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, b := range []*bbolt.Bucket{s.chunks, s.tails} {
		err := b.ForEach(func(k, _ []byte) error {
			group, rest, _ := cutPart(k)
			if !known[group] && !known[string(rest)] {
				return fmt.Errorf("readmodel: %s: chunks %x of no series: %w", m.path, k, ErrBroken)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func dumpTable(out *bufio.Writer, tx *bbolt.Tx, t table) error {
	return tx.Bucket([]byte(layout[t].name)).ForEach(func(k, v []byte) error {
		group, rest, ok := cutPart(k)
		if !ok {
			return fmt.Errorf("readmodel: table %s: key %x: %w", layout[t].name, k, ErrBroken)
		}
		value, err := spell(t, rest, v)
		if err != nil {
			return fmt.Errorf("readmodel: table %s: key %x: %w: %w", layout[t].name, k, err, ErrBroken)
		}
		_, err = fmt.Fprintf(out, "%s %s %s: %s\n", layout[t].name, readable(group), readable(string(rest)), value)
		return err
	})
}

// spell writes a value as text.
func spell(t table, rest, v []byte) (string, error) {
	switch t {
	case tableLast:
		number, s, err := parseSummary(v)
		return fmt.Sprintf("series %d %+v", number, s), err
	case tableBlock:
		if len(rest) != 9 {
			return "", errBlock
		}
		index, _, _ := cutInt(rest[1:])
		b, err := parseBlock(blockID{rest[0], index}, v)
		if err != nil {
			return "", err
		}
		text := ""
		for i, k := range b.buckets {
			if k.count > 0 {
				text += fmt.Sprintf("%d:%+v ", i, k)
			}
		}
		return text, nil
	case tableHead:
		b, err := unsealed(v)
		if err != nil {
			return "", err
		}
		h, err := parseHead(b, &interned{})
		return fmt.Sprintf("%+v", h), err
	case tableRun, tableLive:
		b, err := unsealed(v)
		return string(b), err
	case tableConfig:
		b, err := unsealed(v)
		if err != nil {
			return "", err
		}
		flat, err := parseFlat(b)
		text := ""
		for _, l := range flat {
			text += fmt.Sprintf("%q: %s ", l.path, l.value)
		}
		return text, err
	case tableLine, tableRow, tableSpan:
		at, text := cutStamp(v)
		return fmt.Sprintf("%s %q", at.Format("2006-01-02T15:04:05.000000Z"), text), nil
	case tableSeries:
		if len(v) != 8 {
			return "", errSummary
		}
		return fmt.Sprint(binary.BigEndian.Uint64(v)), nil
	}
	return string(v), nil
}

// readable shows the part of a key: as it is, or in hexadecimal.
func readable(s string) string {
	for _, r := range s {
		if r < ' ' || r == utf8.RuneError || r > 0xFFFF {
			return fmt.Sprintf("%x", s)
		}
	}
	return s
}

// sameInMemory compares what is kept decoded with what the file says of it. The lock must be held, and all be committed.
func (m *Model) sameInMemory(tx *bbolt.Tx) error {
	if m.appliedTo != m.committedTo {
		return nil // something was applied meanwhile
	}
	fresh := &Model{path: m.path, state: newState(), db: m.db, log: m.log}
	if err := fresh.load(tx); err != nil {
		return err
	}
	if len(m.runs) != len(fresh.runs) {
		return fmt.Errorf("readmodel: %d runs in memory, %d in the file: %w", len(m.runs), len(fresh.runs), ErrBroken)
	}
	for id, st := range m.runs {
		other := fresh.runs[id]
		if other == nil {
			return fmt.Errorf("readmodel: run %q is not in the file: %w", id, ErrBroken)
		}
		if a, b := fmt.Sprintf("%+v", st.head), fmt.Sprintf("%+v", other.head); a != b {
			return fmt.Errorf("readmodel: run in memory %s, in the file %s: %w", a, b, ErrBroken)
		}
		stored, err := readRecord(view{tx: tx}, id)
		if err != nil {
			return fmt.Errorf("readmodel: run %q: %w: %w", id, err, ErrBroken)
		}
		if full := st.full.Load(); full != nil {
			if err := sameJSON("run", full, stored); err != nil {
				return err
			}
		}
		h := headOf(stored)
		if h.heartbeat = st.heartbeat; fmt.Sprintf("%+v", h) != fmt.Sprintf("%+v", st.head) {
			return fmt.Errorf("readmodel: head of a run %+v, of its record %+v: %w", st.head, h, ErrBroken)
		}
	}
	if err := m.sameOrder(fresh); err != nil {
		return err
	}
	if err := m.sameColumns(tx); err != nil {
		return err
	}
	for id, of := range m.series {
		for n, s := range of {
			raw := view{tx: tx}.get(tableLast, n.key, n.inKey())
			if string(raw) != string(appendSummary(nil, s.number, s.summary)) {
				return fmt.Errorf("readmodel: series %q of run %q is not in the file as it is in memory: %w", n.key, id, ErrBroken)
			}
		}
	}
	for _, p := range []struct {
		what string
		a, b any
	}{{"experiments", m.experiments, fresh.experiments}, {"datasets", m.datasets, fresh.datasets}, {"rules", m.rules, fresh.rules},
		{"prices", m.prices, fresh.prices}, {"deletions", m.gone, fresh.gone}} {
		if err := sameJSON(p.what, p.a, p.b); err != nil {
			return err
		}
	}
	if len(m.aliases) != len(fresh.aliases) || !reflect.DeepEqual(m.book, fresh.book) {
		return fmt.Errorf("readmodel: aliases or prices are not in the file as they are in memory: %w", ErrBroken)
	}
	return nil
}

// sameOrder compares the order of runs.
func (m *Model) sameOrder(fresh *Model) error {
	for i, st := range m.order {
		if st.id != fresh.order[i].id || m.rows[st.row] != st || int(m.ranks[i]) != st.row || m.hot[st.row] != m.hotOf(st) {
			return fmt.Errorf("readmodel: run %q is at place %d of the order in memory, %q in the file: %w", st.id, i, fresh.order[i].id, ErrBroken)
		}
	}
	return nil
}

// sameColumns makes the columns again and compares them.
func (m *Model) sameColumns(tx *bbolt.Tx) error {
	v := view{tx: tx}
	m.columns.mu.Lock()
	defer m.columns.mu.Unlock()
	for key, c := range m.columns.byKey {
		if err := m.refresh(v, c); err != nil {
			return err
		}
		fresh := &column{key: key}
		if err := m.fill(context.Background(), v, fresh); err != nil {
			return err
		}
		for _, st := range m.order {
			if a, b := c.at(st.row), fresh.at(st.row); fmt.Sprint(a, c.lists[st.row]) != fmt.Sprint(b, fresh.lists[st.row]) {
				return fmt.Errorf("readmodel: column %+v of run %q is %+v, made again %+v: %w", key, st.id, a, b, ErrBroken)
			}
		}
	}
	return nil
}

func sameJSON(what string, a, b any) error {
	x, err := json.Marshal(a)
	if err != nil {
		return err
	}
	y, err := json.Marshal(b)
	if err != nil {
		return err
	}
	if string(x) != string(y) {
		return fmt.Errorf("readmodel: %s in memory %s, in the file %s: %w", what, x, y, ErrBroken)
	}
	return nil
}
