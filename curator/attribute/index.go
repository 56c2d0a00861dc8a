package attribute

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sort"

	"millrace/event"
)

// IndexFormat is the version of an index blob's form.
const IndexFormat = "millrace.attribute_index/1"

// Key is what is looked up: a document (DocumentKey) or a text (TextKey).
type Key uint64

// DocumentKey names a document: five bytes of the sha256 of its id, so that an id is found without its source (IDKeys), and three
// of the sha256 of the source's name, 0 and the id.
func DocumentKey(source, id string) Key {
	byID, both := sha256.Sum256([]byte(id)), sha256.Sum256([]byte(source+"\x00"+id))
	return Key(binary.BigEndian.Uint64([]byte{byID[0], byID[1], byID[2], byID[3], byID[4], both[0], both[1], both[2]}))
}

// IDKeys are the first and the last key that a document of this id can have, whatever its source.
func IDKeys(id string) (first, last Key) {
	k := DocumentKey("", id)
	return k &^ 0xffffff, k | 0xffffff
}

// TextKey names a text: the first eight bytes of its sha256.
func TextKey(digest [sha256.Size]byte) Key { return Key(binary.BigEndian.Uint64(digest[:])) }

// Kind says what an entry tells.
type Kind uint8

// The kinds.
const (
	// Number: the key is a document's; value is its number among all records, from 0.
	Number Kind = iota
	// InTrain, InHeldOut: the key is a document's, or that of its part in the split; value is where it is (Place).
	InTrain
	InHeldOut
	// AsRead: the key is that of a text as it was read; value is the upper 56 bits of its document's key.
	AsRead
	// Nearly: the same, of a text as duplicates are compared, as it was before the filters or after them.
	Nearly
	kinds
)

// Entry is one answer of an index.
type Entry struct {
	Key   Key
	Kind  Kind
	Value uint64 // below 2⁵⁶
}

// PlaceEntry tells that a document is the n-th, from 0, of a shard of a split, which held tells.
func PlaceEntry(key Key, held bool, shard, n int64) Entry {
	kind := InTrain
	if held {
		kind = InHeldOut
	}
	return Entry{key, kind, uint64(shard)<<32 | uint64(n)}
}

// Place is what a PlaceEntry tells.
func (e Entry) Place() (shard, n int64) { return int64(e.Value >> 32), int64(e.Value & 0xffffffff) }

// TextEntry tells which document a text is of.
func TextEntry(digest [sha256.Size]byte, kind Kind, document Key) Entry {
	return Entry{TextKey(digest), kind, uint64(document >> 8)}
}

// Documents are the first and the last key that the document of a TextEntry can have.
func (e Entry) Documents() (first, last Key) { return Key(e.Value << 8), Key(e.Value<<8 | 0xff) }

const entryBytes = 16

// maxValue bounds a value.
const maxValue = 1<<56 - 1

func (e Entry) compare(o Entry) int {
	switch {
	case e.Key != o.Key && e.Key < o.Key, e.Key == o.Key && e.tail() < o.tail():
		return -1
	case e == o:
		return 0
	}
	return 1
}

func (e Entry) tail() uint64 { return uint64(e.Kind)<<56 | e.Value&maxValue }

func appendEntry(dst []byte, e Entry) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(e.Key))
	return binary.BigEndian.AppendUint64(dst, e.tail())
}

func entryAt(b []byte) Entry {
	tail := binary.BigEndian.Uint64(b[8:])
	return Entry{Key(binary.BigEndian.Uint64(b)), Kind(tail >> 56), tail & maxValue}
}

// indexHeader is the first line of an index blob.
type indexHeader struct {
	Format string       `json:"format"`
	Recipe event.Digest `json:"recipe"`
}

// Sizes of an index.
const (
	indexEntries = 1 << 17 // of a blob
	maxSame      = 64      // entries of one key and kind that are kept: the first
)

// Part is a blob of an index on its way to storage.
type Part struct {
	First Key    // of the first entry
	Data  []byte // the consumer's, until it asks for the next
}

// parts cuts ascending entries into blobs.
func parts(recipe event.Digest, entries iter.Seq2[Entry, error]) iter.Seq2[Part, error] {
	head, err := json.Marshal(indexHeader{IndexFormat, recipe})
	if err != nil {
		panic(err) // a digest can always be written
	}
	head = append(head, '\n')
	return func(yield func(Part, error) bool) {
		part := Part{Data: slices.Clone(head)}
		n, same := 0, 0
		last := Entry{Kind: kinds} // unlike any
		for e, err := range entries {
			if err != nil {
				yield(Part{}, err)
				return
			}
			if e == last {
				continue
			}
			if e.Key != last.Key || e.Kind != last.Kind {
				same = 0
			}
			if last = e; same == maxSame {
				continue
			}
			same++
			if n == indexEntries {
				if !yield(part, nil) {
					return
				}
				part.Data, n = append(part.Data[:0], head...), 0
			}
			if n == 0 {
				part.First = e.Key
			}
			part.Data = appendEntry(part.Data, e)
			n++
		}
		if n > 0 {
			yield(part, nil)
		}
	}
}

// ErrIndex is wrapped by every error about bytes that are no index.
var ErrIndex = errors.New("damaged index of attributes")

// Index is one blob of an index.
type Index struct {
	Recipe  event.Digest
	entries []byte
}

// ReadIndex reads a blob. An error wraps ErrIndex.
func ReadIndex(blob []byte) (Index, error) {
	end := bytes.IndexByte(blob[:min(len(blob), maxHeader)], '\n')
	if end < 0 {
		return Index{}, fmt.Errorf("%w: no header in the first %d bytes", ErrIndex, maxHeader)
	}
	var h indexHeader
	d := json.NewDecoder(bytes.NewReader(blob[:end]))
	d.DisallowUnknownFields()
	if err := d.Decode(&h); err != nil {
		return Index{}, fmt.Errorf("%w: header: %w", ErrIndex, err)
	}
	if h.Format != IndexFormat {
		return Index{}, fmt.Errorf("%w: format %.80q: this version reads %q", ErrIndex, h.Format, IndexFormat)
	}
	x := Index{h.Recipe, blob[end+1:]}
	if len(x.entries)%entryBytes != 0 {
		return Index{}, fmt.Errorf("%w: %d bytes are no whole number of entries", ErrIndex, len(x.entries))
	}
	for i := range x.Len() {
		e := x.at(i)
		if e.Kind >= kinds {
			return Index{}, fmt.Errorf("%w: entry %d is of kind %d", ErrIndex, i, e.Kind)
		}
		if i > 0 && x.at(i-1).compare(e) >= 0 {
			return Index{}, fmt.Errorf("%w: entry %d is out of order", ErrIndex, i)
		}
	}
	return x, nil
}

// Len is the number of entries.
func (x Index) Len() int { return len(x.entries) / entryBytes }

func (x Index) at(i int) Entry { return entryAt(x.entries[i*entryBytes:]) }

// Between are the entries with keys from first to last, in order.
func (x Index) Between(first, last Key) iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for i := sort.Search(x.Len(), func(i int) bool { return x.at(i).Key >= first }); i < x.Len(); i++ {
			if e := x.at(i); e.Key > last || !yield(e) {
				return
			}
		}
	}
}
