package readmodel

import (
	"bytes"
	"sort"

	"go.etcd.io/bbolt"
)

// A layer is what was written since a commit began: it lies over the file, so that reads see what was applied before it is
// committed. There are at most two: the one Apply writes into and the one a commit is carrying to the file.
type layer struct {
	groups map[groupKey]*group
	bytes  int
}

type groupKey struct {
	table table
	group string
}

// group holds a group's new values, nil for a removed one; cleared tells that nothing beneath counts any more.
type group struct {
	cleared bool
	values  map[string][]byte
}

func newLayer() *layer { return &layer{groups: map[groupKey]*group{}} }

func (l *layer) group(t table, g string) *group {
	k := groupKey{t, g}
	at := l.groups[k]
	if at == nil {
		at = &group{values: map[string][]byte{}}
		l.groups[k] = at
	}
	return at
}

func (l *layer) put(t table, g, rest string, value []byte) {
	if value == nil {
		value = []byte{}
	}
	l.group(t, g).values[rest] = value
	l.bytes += len(rest) + len(value)
}

func (l *layer) remove(t table, g, rest string) { l.group(t, g).values[rest] = nil }

func (l *layer) clear(t table, g string) {
	at := l.group(t, g)
	at.cleared, at.values = true, map[string][]byte{}
}

// under puts l beneath upper, into upper: what upper says wins. For a commit that failed.
func (l *layer) under(upper *layer) {
	for k, low := range l.groups {
		up := upper.groups[k]
		switch {
		case up == nil:
			upper.groups[k] = low
		case up.cleared:
		default:
			up.cleared = low.cleared
			for rest, v := range low.values {
				if _, ok := up.values[rest]; !ok {
					up.values[rest] = v
				}
			}
		}
	}
	upper.bytes += l.bytes
}

// write carries a layer into the file: first what is cleared, then the rest in key order, which bbolt likes.
func (l *layer) write(tx *bbolt.Tx) error {
	type put struct {
		key   string
		value []byte
	}
	puts := map[table][]put{}
	for k, g := range l.groups {
		prefix := string(appendPart(nil, k.group))
		if g.cleared {
			if err := clearPrefix(tx.Bucket([]byte(layout[k.table].name)), []byte(prefix)); err != nil {
				return err
			}
		}
		for rest, v := range g.values {
			puts[k.table] = append(puts[k.table], put{prefix + rest, v})
		}
	}
	for t, list := range puts {
		sort.Slice(list, func(i, j int) bool { return list[i].key < list[j].key })
		b := tx.Bucket([]byte(layout[t].name))
		b.FillPercent = nearlyFull
		for _, p := range list {
			var err error
			if p.value == nil {
				err = b.Delete([]byte(p.key))
			} else {
				err = b.Put([]byte(p.key), p.value)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// clearPrefix removes all keys with a prefix. Keys are gathered first: a bbolt cursor may skip when its bucket changes.
func clearPrefix(b *bbolt.Bucket, prefix []byte) error {
	var keys [][]byte
	c := b.Cursor()
	for k, _ := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		keys = append(keys, bytes.Clone(k))
	}
	for _, k := range keys {
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// view reads through the layers down to the file. It is good while the lock under which it was made is held.
type view struct {
	layers []*layer // newest first
	tx     *bbolt.Tx
	lazy   *file // where tx is nil: begins when it is needed
}

// bucket is a table of the file.
func (v view) bucket(t table) *bbolt.Bucket {
	tx := v.tx
	if tx == nil {
		tx = v.lazy.begin()
	}
	return tx.Bucket([]byte(layout[t].name))
}

// get returns a value, nil when there is none. It must not be written to, nor kept beyond the view.
func (v view) get(t table, g, rest string) []byte {
	k := groupKey{t, g}
	for _, l := range v.layers {
		at := l.groups[k]
		if at == nil {
			continue
		}
		if value, ok := at.values[rest]; ok {
			return value
		}
		if at.cleared {
			return nil
		}
	}
	return v.bucket(t).Get(append(appendPart(nil, g), rest...))
}

// span bounds a scan inside a group.
type span struct {
	prefix   string // keys must begin so
	from     string // and not be less than this, or backward not be greater; "" is no bound
	backward bool
}

// scan calls fn with every pair of a group, in key order or backward, until fn returns false. The bytes must not be
// written to, nor kept beyond the call.
func (v view) scan(t table, g string, s span, fn func(rest, value []byte) bool) {
	over, cleared := v.overlaid(t, g, s)
	keys := make([]string, 0, len(over))
	for k := range over {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	if s.backward {
		for i, j := 0, len(keys)-1; i < j; i, j = i+1, j-1 {
			keys[i], keys[j] = keys[j], keys[i]
		}
	}
	if cleared {
		for _, k := range keys {
			if value := over[k]; value != nil && !fn([]byte(k), value) {
				return
			}
		}
		return
	}
	head := appendPart(nil, g)
	prefix := append(head[:len(head):len(head)], s.prefix...)
	c := v.bucket(t).Cursor()
	k, value := s.first(c, prefix, append(head[:len(head):len(head)], s.from...))
	for {
		for k != nil && bytes.HasPrefix(k, prefix) {
			rest := k[len(head):]
			if len(keys) > 0 && (keys[0] < string(rest)) != s.backward && keys[0] != string(rest) {
				break // the layer's next key comes first
			}
			if len(keys) > 0 && keys[0] == string(rest) {
				break
			}
			if !fn(rest, value) {
				return
			}
			k, value = step(c, s.backward)
		}
		if len(keys) == 0 {
			return
		}
		if k != nil && bytes.HasPrefix(k, prefix) && string(k[len(head):]) == keys[0] {
			k, value = step(c, s.backward)
		}
		if over[keys[0]] != nil && !fn([]byte(keys[0]), over[keys[0]]) {
			return
		}
		keys = keys[1:]
	}
}

// overlaid gathers what the layers say about a span of a group, and whether the file beneath still counts.
func (v view) overlaid(t table, g string, s span) (map[string][]byte, bool) {
	var over map[string][]byte
	for _, l := range v.layers {
		at := l.groups[groupKey{t, g}]
		if at == nil {
			continue
		}
		for rest, value := range at.values {
			if len(rest) < len(s.prefix) || rest[:len(s.prefix)] != s.prefix || !s.backward && rest < s.from || s.backward && s.from != "" && rest > s.from {
				continue
			}
			if _, ok := over[rest]; !ok {
				if over == nil {
					over = map[string][]byte{}
				}
				over[rest] = value
			}
		}
		if at.cleared {
			return over, true
		}
	}
	return over, false
}

// first places a cursor on a span's first pair, prefix and from being whole keys.
func (s span) first(c *bbolt.Cursor, prefix, from []byte) (k, value []byte) {
	if !s.backward {
		if bytes.Compare(from, prefix) < 0 {
			from = prefix
		}
		return c.Seek(from)
	}
	end := append(bytes.Clone(prefix), bytes.Repeat([]byte{0xFF}, 32)...) // after all with the prefix
	if s.from == "" || bytes.Compare(from, end) > 0 {
		from = end
	}
	k, value = c.Seek(from)
	if k == nil {
		return c.Last()
	}
	if bytes.Equal(k, from) {
		return k, value
	}
	return c.Prev()
}

func step(c *bbolt.Cursor, backward bool) (k, value []byte) {
	if backward {
		return c.Prev()
	}
	return c.Next()
}
