// Package pack lays token ids out in shards, and decides which documents are held out.
//
// A shard is the ids of whole documents, each followed by <|endoftext|>, as raw little-endian uint16 or uint32 without a
// header. Its index is one little-endian uint64 a document: where the document ends, in tokens from the shard's start,
// its <|endoftext|> included; so the last one is the shard's length.
//
// A shard may have a mask: a bit a token, the first in the lowest bit of the first byte, which is 1 where the token counts in the
// loss when a model predicts it. Bits behind the last token are 0.
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
	Mask        []byte // likewise; nil if the writer makes none
	Tokens      int64
	LossTokens  int64 // that count in the loss, if there is a mask
	Documents   int64
	Bytes       int64 // of text; <|endoftext|> has none
}

// Writer collects documents into shards. A document never goes across shards: a new one begins where the next document
// would make it longer than MaxTokens, so only a document that is longer by itself makes a longer shard.
type Writer struct {
	DType     string
	EndOfText int32
	MaxTokens int64
	// Masked gives every shard a mask.
	Masked bool
	// PackLength, when not 0, cuts a shard into stretches of so many tokens: a document that does not fit into what is left of one
	// begins the next, and only a longer one goes across. The rest of a stretch, the last included, is <|endoftext|> that does not
	// count in the loss; it belongs to the document before it. MaxTokens is then rounded down to whole stretches, but for one.
	PackLength int64
	// Put takes each finished shard, in order.
	Put func(Shard) error

	shard   Shard
	shards  int64   // that were put
	pending []int32 // ids of the document that has not ended yet
	counts  []bool  // which of them count, if Masked
	partly  bool    // not all of them do
	bytes   int64   // of its text
}

// Add appends ids, the tokens of textBytes bytes of text, to the current document. mask says which of them count in the loss; nil
// is all. A document's <|endoftext|> counts if all its tokens came without a mask.
func (w *Writer) Add(ids []int32, mask []bool, textBytes int64) {
	w.pending = append(w.pending, ids...)
	w.bytes += textBytes
	if !w.Masked {
		return
	}
	w.partly = w.partly || mask != nil
	for i := range ids {
		w.counts = append(w.counts, mask == nil || mask[i])
	}
}

// EndDocument ends the current document.
func (w *Writer) EndDocument() error {
	size, most := int64(len(w.pending))+1, w.MaxTokens
	gap := int64(0)
	if w.PackLength > 0 {
		most = max(most-most%w.PackLength, w.PackLength)
		if at := w.shard.Tokens % w.PackLength; at > 0 && at+size > w.PackLength {
			gap = w.PackLength - at
		}
	}
	if w.shard.Documents > 0 && w.shard.Tokens+gap+size > most {
		if err := w.flush(); err != nil {
			return err
		}
		gap = 0
	}
	w.fill(gap)
	for i, id := range w.pending {
		w.token(id, w.Masked && w.counts[i])
	}
	w.token(w.EndOfText, w.Masked && !w.partly)
	w.shard.Documents++
	w.shard.Bytes += w.bytes
	w.pending, w.counts, w.partly, w.bytes = w.pending[:0], w.counts[:0], false, 0
	w.shard.Index = binary.LittleEndian.AppendUint64(w.shard.Index, uint64(w.shard.Tokens))
	return nil
}

// token appends one to the shard.
func (w *Writer) token(id int32, counts bool) {
	s := &w.shard
	if w.DType == Uint16 {
		s.Data = binary.LittleEndian.AppendUint16(s.Data, uint16(id))
	} else {
		s.Data = binary.LittleEndian.AppendUint32(s.Data, uint32(id))
	}
	if w.Masked {
		if s.Tokens%8 == 0 {
			s.Mask = append(s.Mask, 0)
		}
		if counts {
			s.Mask[s.Tokens/8] |= 1 << (s.Tokens % 8)
			s.LossTokens++
		}
	}
	s.Tokens++
}

// fill makes the last document longer by gap tokens.
func (w *Writer) fill(gap int64) {
	if gap == 0 || w.shard.Documents == 0 {
		return
	}
	for range gap {
		w.token(w.EndOfText, false)
	}
	binary.LittleEndian.PutUint64(w.shard.Index[len(w.shard.Index)-8:], uint64(w.shard.Tokens))
}

// Last tells where the document is that ended last: the n-th, from 0, of a shard.
func (w *Writer) Last() (shard, n int64) { return w.shards, w.shard.Documents - 1 }

// Close puts the last shard, if there is anything in it. A document that was not ended is lost.
func (w *Writer) Close() error { return w.flush() }

func (w *Writer) flush() error {
	if w.shard.Documents == 0 {
		return nil
	}
	if w.PackLength > 0 {
		w.fill((w.PackLength - w.shard.Tokens%w.PackLength) % w.PackLength)
	}
	err := w.Put(w.shard)
	w.shard = Shard{Data: w.shard.Data[:0], Index: w.shard.Index[:0], Mask: w.shard.Mask[:0]}
	w.shards++
	return err
}

// MaskBytes is the size of the mask of so many tokens.
func MaskBytes(tokens int64) int64 { return (tokens + 7) / 8 }

// DecodeMask reads the mask of a shard of that many tokens.
func DecodeMask(mask []byte, tokens int64) ([]bool, error) {
	if int64(len(mask)) != MaskBytes(tokens) {
		return nil, fmt.Errorf("%w: a mask of %d bytes for %d tokens", ErrShard, len(mask), tokens)
	}
	if tokens%8 != 0 && mask[len(mask)-1]>>(tokens%8) != 0 {
		return nil, fmt.Errorf("%w: the mask goes on behind its %d tokens", ErrShard, tokens)
	}
	out := make([]bool, tokens)
	for i := range out {
		out[i] = mask[i/8]>>(i%8)&1 == 1
	}
	return out, nil
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
