package read

import (
	"io"
	"path"
	"slices"
	"strings"

	"millrace/curator/corpus"
)

// format is a kind of file: how it is cut into records, and how a record becomes a document.
type format struct {
	// extensions are the names' ends, without .gz and .zst, by which format: auto knows it.
	extensions []string
	// unpack reads gzip and zstd, whatever the file is called.
	unpack bool
	// cut reads from in and gives c every record, keeping c.offset.
	cut func(c *cutter, in io.Reader) error
	// extract fills in a document, or says why it is none. It may keep data, and must not change it. Any number of
	// goroutines may call it.
	extract func(x *extractor, data []byte, d *corpus.Doc) *corpus.Why
}

// The formats.
var (
	formatText  = &format{extensions: []string{".txt", ".text", ".md", ".markdown", ".rst"}, unpack: true, cut: cutText, extract: extractText}
	formatPlain = &format{cut: cutText, extract: extractText} // of folders without a format
	formatJSONL = &format{extensions: []string{".jsonl", ".ndjson"}, unpack: true, cut: cutLines, extract: extractJSONL}
)

// formatOf is the format of a file of the source.
func (s *Source) formatOf(file string) *format {
	switch {
	case s.JSONL != "":
		return formatJSONL
	default:
		return formatPlain
	}
}

// extension is the end of a file's name, in lower case, when it is unpacked.
func extension(name string) string {
	name = strings.ToLower(path.Base(name))
	for _, packed := range packedExtensions {
		name = strings.TrimSuffix(name, packed)
	}
	return path.Ext(name)
}

var packedExtensions = []string{".gz", ".zst"}

func is(f *format, ext string) bool { return slices.Contains(f.extensions, ext) }
