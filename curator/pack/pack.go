// Package pack lays token ids out in shards, and decides which documents are held out.
//
// A shard is the ids of whole documents, each followed by <|endoftext|>, as raw little-endian uint16 or uint32 without a
// header. Its index is one little-endian uint64 a document: where the document ends, in tokens from the shard's start,
// its <|endoftext|> included; so the last one is the shard's length.
package pack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// The types of ids in shards.
const (
	Uint16 = "uint16"
	Uint32 = "uint32"
)

// ErrShard is wrapped by every error about bytes that are no shard or no index.
var ErrShard = errors.New("pack: damaged shard")

// DType is the smallest type that holds the ids of a vocabulary.
func DType(vocabSize int) string {
	if vocabSize <= math.MaxUint16+1 {
		return Uint16
	}
	return Uint32
}

// Width is the number of bytes of one id; 0 for an unknown type.
func Width(dtype string) int {
	switch dtype {
	case Uint16:
		return 2
	case Uint32:
		return 4
	}
	return 0
}

// heldOutParts is how fine a fraction HeldOut can express.
const heldOutParts = 10_000

// HeldOut tells whether the document with this sha256 belongs to the held-out split: its first eight bytes, as a
// big-endian number, modulo 10,000 are below fraction·10,000 (rounded). The same text is thus on the same side in every
// dataset with the same fraction, and stays held out when the fraction grows.
func HeldOut(digest [32]byte, fraction float64) bool {
	return binary.BigEndian.Uint64(digest[:8])%heldOutParts < uint64(math.Round(fraction*heldOutParts))
}

// Shard is a finished shard and its index.
type Shard struct {
	Data, Index []byte // valid until Put returns
	Tokens      int64
	Documents   int64
	Bytes       int64 // of text; <|endoftext|> has none
}

// Writer collects documents into shards. A document never goes across shards: a new one begins where the next document
// would make it longer than MaxTokens, so only a document that is longer by itself makes a longer shard.
type Writer struct {
	DType     string
	EndOfText int32
	MaxTokens int64
	// Put takes each finished shard, in order.
	Put func(Shard) error

	shard   Shard
	shards  int64   // that were put
	pending []int32 // ids of the document that has not ended yet
	bytes   int64   // of its text
}

// Add appends ids, the tokens of textBytes bytes of text, to the current document.
func (w *Writer) Add(ids []int32, textBytes int64) {
	w.pending = append(w.pending, ids...)
	w.bytes += textBytes
}

// EndDocument ends the current document.
func (w *Writer) EndDocument() error {
	ids := w.pending
	if w.shard.Documents > 0 && w.shard.Tokens+int64(len(ids))+1 > w.MaxTokens {
		if err := w.flush(); err != nil {
			return err
		}
	}
	data := w.shard.Data
	if w.DType == Uint16 {
		for _, id := range ids {
			data = binary.LittleEndian.AppendUint16(data, uint16(id))
		}
		data = binary.LittleEndian.AppendUint16(data, uint16(w.EndOfText))
	} else {
		for _, id := range ids {
			data = binary.LittleEndian.AppendUint32(data, uint32(id))
		}
		data = binary.LittleEndian.AppendUint32(data, uint32(w.EndOfText))
	}
	w.shard.Data = data
	w.shard.Tokens += int64(len(ids)) + 1
	w.shard.Documents++
	w.shard.Bytes += w.bytes
	w.pending, w.bytes = ids[:0], 0
	w.shard.Index = binary.LittleEndian.AppendUint64(w.shard.Index, uint64(w.shard.Tokens))
	return nil
}

// Last tells where the document is that ended last: the n-th, from 0, of a shard.
func (w *Writer) Last() (shard, n int64) { return w.shards, w.shard.Documents - 1 }

// Close puts the last shard, if there is anything in it. A document that was not ended is lost.
func (w *Writer) Close() error { return w.flush() }

func (w *Writer) flush() error {
	if w.shard.Documents == 0 {
		return nil
	}
	err := w.Put(w.shard)
	w.shard = Shard{Data: w.shard.Data[:0], Index: w.shard.Index[:0]}
	w.shards++
	return err
}

// Decode appends the ids of a shard to dst.
func Decode(dst []int32, data []byte, dtype string) ([]int32, error) {
	width := Width(dtype)
	switch {
	case width == 0:
		return nil, fmt.Errorf("%w: dtype %q, want %s or %s", ErrShard, dtype, Uint16, Uint32)
	case len(data)%width != 0:
		return nil, fmt.Errorf("%w: %d bytes are no whole number of %s", ErrShard, len(data), dtype)
	}
	for i := 0; i < len(data); i += width {
		if width == 2 {
			dst = append(dst, int32(binary.LittleEndian.Uint16(data[i:])))
			continue
		}
		id := binary.LittleEndian.Uint32(data[i:])
		if id > math.MaxInt32 {
			return nil, fmt.Errorf("%w: id %d at %d", ErrShard, id, i/width)
		}
		dst = append(dst, int32(id))
	}
	return dst, nil
}

// DecodeIndex reads the ends of the documents of a shard of that many tokens: ascending, the last one tokens.
func DecodeIndex(index []byte, tokens int64) ([]int64, error) {
	if len(index)%8 != 0 || len(index) == 0 {
		return nil, fmt.Errorf("%w: an index of %d bytes", ErrShard, len(index))
	}
	ends := make([]int64, len(index)/8)
	last := uint64(0)
	for i := range ends {
		end := binary.LittleEndian.Uint64(index[8*i:])
		if end <= last || end > uint64(tokens) {
			return nil, fmt.Errorf("%w: document %d ends at %d, after %d, of %d tokens", ErrShard, i, end, last, tokens)
		}
		ends[i], last = int64(end), end
	}
	if last != uint64(tokens) {
		return nil, fmt.Errorf("%w: the index ends at %d, the shard has %d tokens", ErrShard, last, tokens)
	}
	return ends, nil
}
