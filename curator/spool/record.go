package spool

import (
	"encoding/binary"
	"errors"
	"fmt"

	"millrace/curator/corpus"
	"millrace/trainer/token"
)

// appendDoc appends a document: source, ordinal, number of messages, and texts, all numbers and lengths as unsigned LEB128. The
// text of a conversation is its messages', so it is not written.
func appendDoc(dst []byte, d corpus.Doc) []byte {
	dst = binary.AppendUvarint(dst, uint64(d.Source))
	dst = binary.AppendUvarint(dst, uint64(d.Ordinal))
	dst = binary.AppendUvarint(dst, uint64(len(d.Chat)))
	for _, s := range []string{d.ID, d.URL, d.License, d.Code, d.Language} {
		dst = appendString(dst, s)
	}
	if len(d.Chat) == 0 {
		return appendString(dst, d.Text)
	}
	for _, m := range d.Chat {
		dst = appendString(dst, m.Role)
		dst = appendString(dst, m.Content)
	}
	return dst
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// errShort says that a block ends too early.
var errShort = errors.New("it ends in a document")

// readDocs reads the documents of a block and keeps those that see wants. Their texts are parts of data.
func readDocs(data string, documents int, see func(*corpus.Doc) bool) ([]corpus.Doc, error) {
	in := cursor{left: data}
	docs := make([]corpus.Doc, 0, min(documents, len(data)))
	for range documents {
		d := corpus.Doc{Source: int(in.number()), Ordinal: int64(in.number())}
		messages := in.number()
		if messages > uint64(len(in.left)) {
			return nil, errShort
		}
		for _, s := range []*string{&d.ID, &d.URL, &d.License, &d.Code, &d.Language} {
			*s = in.text()
		}
		if messages == 0 {
			d.Text = in.text()
		} else {
			d.Chat = make([]token.Message, messages)
			for i := range d.Chat {
				d.Chat[i] = token.Message{Role: in.text(), Content: in.text()}
			}
			d.Text = corpus.ChatText(d.Chat)
		}
		if in.short {
			return nil, errShort
		}
		d.Seal()
		if see == nil || see(&d) {
			docs = append(docs, d)
		}
	}
	if in.left != "" {
		return nil, fmt.Errorf("%d bytes are left", len(in.left))
	}
	return docs, nil
}

// cursor reads a block; short tells that it was too short.
type cursor struct {
	left  string
	short bool
}

func (c *cursor) number() uint64 {
	var n uint64
	for i := range min(len(c.left), binary.MaxVarintLen64) {
		b := c.left[i]
		n |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			c.left = c.left[i+1:]
			return n
		}
	}
	c.short = true
	return 0
}

func (c *cursor) text() string {
	n := c.number()
	if n > uint64(len(c.left)) {
		c.short = true
		return ""
	}
	s := c.left[:n]
	c.left = c.left[n:]
	return s
}
