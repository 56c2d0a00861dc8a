package read

import (
	"bytes"
	"encoding/json"
	"io"

	"millrace/curator/corpus"
)

// cutLines cuts at line ends; blank lines are no records.
func cutLines(c *cutter, in io.Reader) error {
	return c.split(in, "\n", func(line []byte) bool { return len(bytes.TrimSpace(line)) == 0 })
}

func extractJSONL(x *extractor, data []byte, d *corpus.Doc) *corpus.Why {
	if why := binary(data); why != nil {
		return why
	}
	line := bytes.TrimSpace(data)
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(line, &fields); err != nil {
		return &corpus.Why{Reason: NotJSON, Value: float64(len(line))}
	}
	var text *string
	if err := json.Unmarshal(fields[x.source.TextField], &text); err != nil || text == nil {
		return &corpus.Why{Reason: NoText, Value: float64(len(line))}
	}
	d.Text = *text
	if url, ok := fields["url"]; ok {
		// A url of another type is no reason to lose the text.
		if err := json.Unmarshal(url, &d.URL); err != nil {
			d.URL = ""
		}
	}
	return nil
}
