package read

import (
	"io"
	"path"
	"slices"
	"strings"

	"millrace/curator/corpus"

	"github.com/go-enry/go-enry/v2"
)

// format is a kind of file: how it is cut into records, and how a record becomes a document.
type format struct {
	// extensions are the ends of names, without .gz and .zst, by which FormatAuto knows it.
	extensions []string
	// unpack reads gzip and zstd, whatever the file is called.
	unpack bool
	// whole says that a file is one record, so that its size decides.
	whole bool
	// cut reads from in, or from c.at, and gives c every record, keeping c.offset.
	cut func(c *cutter, in io.Reader) error
	// extract fills in a document, or says why it is none. It must not change data, and may keep none of it. Any number of
	// goroutines may call it.
	extract func(x *extractor, data []byte, d *corpus.Doc) *corpus.Why
}

// The formats.
var (
	formatPlain   = &format{whole: true, cut: cutText, extract: extractText} // of a folder without a format
	formatText    = &format{extensions: []string{".txt", ".text", ".md", ".markdown", ".rst"}, whole: true, unpack: true, cut: cutText, extract: extractText}
	formatCode    = &format{whole: true, unpack: true, cut: cutText, extract: extractCode}
	formatHTML    = &format{extensions: []string{".html", ".htm", ".xhtml"}, whole: true, unpack: true, cut: cutText, extract: extractHTML}
	formatJSONL   = &format{extensions: []string{".jsonl", ".ndjson"}, unpack: true, cut: cutLines, extract: extractJSONL}
	formatChat    = &format{unpack: true, cut: cutLines, extract: extractChat}
	formatCSV     = &format{extensions: []string{".csv", ".tsv"}, unpack: true, cut: cutCSV, extract: extractCSV}
	formatParquet = &format{extensions: []string{".parquet"}, cut: cutParquet, extract: extractParquet}
	formatWARC    = &format{extensions: []string{".warc", ".wet"}, unpack: true, cut: cutWARC, extract: extractWARC}

	automatic = []*format{formatText, formatHTML, formatJSONL, formatCSV, formatParquet, formatWARC}
)

// formatOf is the format of a file of the source; nil when FormatAuto does not know it.
func (s *Source) formatOf(file string) *format {
	switch {
	case s.JSONL != "":
		return formatJSONL
	case s.CSV != "":
		return formatCSV
	case s.Parquet != "":
		return formatParquet
	case s.WARC != "":
		return formatWARC
	case s.Chat != "":
		return formatChat
	case s.Format == FormatCode:
		return formatCode
	case s.Format == FormatHTML:
		return formatHTML
	case s.Format != FormatAuto:
		return formatPlain
	}
	name := unpackedName(file)
	ext := strings.ToLower(path.Ext(name))
	for _, f := range automatic {
		if slices.Contains(f.extensions, ext) {
			return f
		}
	}
	languages := append(enry.GetLanguagesByFilename(name, nil, nil), enry.GetLanguagesByExtension(name, nil, nil)...)
	switch {
	case slices.ContainsFunc(languages, isCode):
		return formatCode
	case ext == "" || slices.ContainsFunc(languages, func(l string) bool { return enry.GetLanguageType(l) == enry.Prose }):
		return formatText
	}
	return nil
}

// unpackedName is a file's name without .gz or .zst.
func unpackedName(name string) string {
	for _, ext := range []string{".gz", ".zst"} {
		if n := len(name) - len(ext); n > 0 && strings.EqualFold(name[n:], ext) {
			return name[:n]
		}
	}
	return name
}
