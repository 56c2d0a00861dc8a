package read

import (
	"bytes"
	"io"

	"millrace/curator/corpus"
)

// cutLines cuts at line ends; blank lines are no records.
func cutLines(c *cutter, in io.Reader) error {
	return c.split(in, splitter{find: separator("\n"), skip: func(line []byte) bool { return len(bytes.TrimSpace(line)) == 0 }})
}

// The fields of a source's records, in the order of fieldNames.
const (
	fieldText = iota
	fieldURL
	fieldLicense
	fieldLicence
	fieldCount
)

// fieldNames are the names of the fields that a source takes; "" for none.
func (s *Source) fieldNames() [fieldCount]string {
	names := [fieldCount]string{s.TextField, "url", "license", "licence"}
	if s.URLField != "" {
		names[fieldURL] = s.URLField
	}
	if s.LicenseField != "" {
		names[fieldLicense], names[fieldLicence] = s.LicenseField, ""
	}
	return names
}

// line is a line of JSON Lines without the white space around it, unless it is binary.
func line(data []byte) ([]byte, *corpus.Why) {
	if why := binaryData(data); why != nil {
		return nil, why
	}
	return bytes.TrimSpace(data), nil
}

func extractJSONL(x *extractor, data []byte, d *corpus.Doc) *corpus.Why {
	data, why := line(data)
	if why != nil {
		return why
	}
	names := x.source.fieldNames()
	var values [fieldCount][]byte
	if !scanObject(data, names[:], values[:]) {
		return &corpus.Why{Reason: NotJSON, Value: float64(len(data))}
	}
	text, ok := scanText(values[fieldText])
	if !ok {
		return &corpus.Why{Reason: NoText, Value: float64(len(data))}
	}
	d.Text = text
	describe(d, values[:])
	return nil
}

// describe takes the URL and the licence. One of another type than text is no reason to lose the document.
func describe(d *corpus.Doc, values [][]byte) {
	d.URL, _ = scanText(values[fieldURL])
	var ok bool
	if d.License, ok = scanText(values[fieldLicense]); !ok {
		d.License, _ = scanText(values[fieldLicence])
	}
}
