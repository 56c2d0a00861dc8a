package read

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"millrace/curator/corpus"
)

// table is what the header of a CSV file says.
type table struct {
	comma  byte
	fields int             // of a record
	at     [fieldCount]int // where the fields that are taken are; -1 for those that the file does not have
}

// cutCSV cuts after RFC 4180: a record ends with a line, unless a quote is open. The first is the header.
func cutCSV(c *cutter, in io.Reader) error {
	comma := byte(',')
	if strings.EqualFold(path.Ext(unpackedName(c.file.Path)), ".tsv") {
		comma = '\t'
	}
	if c.source.Delimiter != "" {
		comma = c.source.Delimiter[0]
	}
	ends := csvEnds{comma: comma}
	var header *table
	return c.split(in, splitter{
		find: ends.find,
		skip: func(record []byte) bool { return len(record) == 1 && record[0] == '\r' },
		eof: func() error {
			if ends.state == inQuotes {
				return errors.New("the quote of its last record is never closed")
			}
			return nil
		},
		take: func(r *Record) (bool, error) {
			if header != nil {
				r.table = header
				return true, nil
			}
			var err error
			header, err = readHeader(c.source, r.data, comma)
			return false, err
		},
	})
}

func readHeader(s *Source, record []byte, comma byte) (*table, error) {
	fields, ok := csvFields(bytes.TrimPrefix(record, []byte("\ufeff")), comma, nil)
	if !ok {
		return nil, errors.New("its header is no CSV of RFC 4180")
	}
	t := &table{comma: comma, fields: len(fields)}
	var have []string
	for i, name := range s.fieldNames() {
		t.at[i] = -1
		for n, f := range fields {
			if string(f) == name && name != "" {
				t.at[i] = n
			}
		}
	}
	if t.at[fieldText] < 0 {
		for _, f := range fields {
			have = append(have, string(f))
		}
		return nil, noField(s.TextField, have)
	}
	return t, nil
}

// noField is the error of a file whose records have no text_field: what the recipe says is wrong, and the file is not damaged.
func noField(name string, have []string) error {
	if len(have) > 20 {
		have = append(have[:20:20], "…")
	}
	return fmt.Errorf("%w %q: it has %s", errNoField, name, cmp.Or(strings.Join(have, ", "), "none"))
}

// The states between two bytes of CSV.
const (
	atField = iota
	inField
	inQuotes
	behindQuote // of a quoted field: its end, or the first of two
)

// csvEnds finds the ends of records.
type csvEnds struct {
	comma byte
	state uint8
}

func (e *csvEnds) find(data []byte) (int, int) {
	for i := 0; i < len(data); i++ {
		if e.state == inQuotes {
			n := bytes.IndexByte(data[i:], '"')
			if n < 0 {
				break
			}
			i += n
			e.state = behindQuote
			continue
		}
		switch c := data[i]; {
		case c == '\n':
			e.state = atField
			return i, i + 1
		case c == e.comma:
			e.state = atField
		case c == '"' && (e.state == atField || e.state == behindQuote):
			e.state = inQuotes
		default:
			e.state = inField
		}
	}
	return -1, len(data)
}

// csvFields cuts a record, appending to fields. It is false where a quote is not one of RFC 4180.
func csvFields(record []byte, comma byte, fields [][]byte) ([][]byte, bool) {
	record = bytes.TrimSuffix(record, []byte("\r"))
	for {
		if len(record) == 0 || record[0] != '"' {
			end := bytes.IndexByte(record, comma)
			if end < 0 {
				end = len(record)
			}
			if bytes.IndexByte(record[:end], '"') >= 0 {
				return nil, false
			}
			fields = append(fields, record[:end])
			if end == len(record) {
				return fields, true
			}
			record = record[end+1:]
			continue
		}
		field, n, ok := quoted(record[1:])
		if !ok {
			return nil, false
		}
		fields = append(fields, field)
		switch record = record[1+n:]; {
		case len(record) == 0:
			return fields, true
		case record[0] != comma:
			return nil, false
		}
		record = record[1:]
	}
}

// quoted is a field behind its quote, and how far it goes, the other quote included.
func quoted(data []byte) (field []byte, n int, ok bool) {
	for {
		at := bytes.IndexByte(data[n:], '"')
		if at < 0 {
			return nil, 0, false
		}
		n += at + 1
		if n == len(data) || data[n] != '"' {
			if field == nil {
				return data[:n-1], n, true
			}
			return append(field, data[n-1-at:n-1]...), n, true
		}
		field = append(field, data[n-1-at:n]...) // two quotes are one
		n++
	}
}

func extractCSV(x *extractor, data []byte, d *corpus.Doc) *corpus.Why {
	if why := binaryData(data); why != nil {
		return why
	}
	t := x.table
	var room [32][]byte
	fields, ok := csvFields(data, t.comma, room[:0])
	if !ok || len(fields) != t.fields {
		return &corpus.Why{Reason: NotCSV, Value: float64(len(fields)), Limit: float64(t.fields)}
	}
	values := [fieldCount]string{}
	for i, at := range t.at {
		if at >= 0 {
			values[i] = string(fields[at])
		}
	}
	d.Text, d.URL, d.License = values[fieldText], values[fieldURL], cmp.Or(values[fieldLicense], values[fieldLicence])
	return nil
}
