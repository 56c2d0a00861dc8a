package read

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"millrace/curator/fetch"
	"millrace/event"
)

// ErrSource is wrapped by errors about a source that cannot be read as the recipe says.
var ErrSource = errors.New("cannot read source")

// ErrChanged is wrapped, beside ErrSource, by errors about a file that was changed while it was read.
var ErrChanged = errors.New("it changed while it was read")

// The values of Source.Format, of a folder.
const (
	// FormatCode: source code. The programming language is found by name and content.
	FormatCode = "code"
	// FormatHTML: web pages, of which the main text is taken.
	FormatHTML = "html"
	// FormatAuto: each file is what its name's end says.
	FormatAuto = "auto"
)

// The values of Source.OnError.
const (
	Fail = "fail" // the default: a damaged file is an error
	Skip = "skip" // what is before the fault is kept, and the rest of the file dropped as Damaged
)

// The values of Source.NotCode.
const (
	Drop = "drop" // the default: only source code is read
	Keep = "keep" // other text too, as documents without a programming language
)

// The reasons of this package, as they appear in manifests.
const (
	// TooLarge: a file or record of value bytes, or more, when the limit is max_bytes.
	TooLarge = "too_large"
	// Binary: a NUL byte at value, among the first 8,000 (git's rule).
	Binary = "binary"
	// Symlink: a symbolic link; they are not followed, so nothing outside of the folder is read.
	Symlink = "symlink"
	// NotRegular: a socket, device or pipe.
	NotRegular = "not_regular"
	// NotJSON: a line that is no JSON object; value is the line's length.
	NotJSON = "not_json"
	// NotCSV: a record that RFC 4180 does not allow, or with another number of fields (value) than the header has (limit).
	NotCSV = "not_csv"
	// NoText: a record without a string in text_field; value is its length.
	NoText = "no_text"
	// NotChat: a line that is no conversation; value is its length.
	NotChat = "not_chat"
	// Vendored and Generated: source code of somebody else, and of a program, as Linguist knows them. NotCode: no language
	// that is programmed or marked up in.
	Vendored  = "vendored"
	Generated = "generated"
	NotCode   = "not_code"
	// UnknownFormat: a file whose name says nothing to format: auto.
	UnknownFormat = "unknown_format"
	// NoMainText: a web page in which no main text was found; value is the page's length.
	NoMainText = "no_main_text"
	// TooComplex: a web page whose elements' depths sum up to value, when the limit is 2,000,000.
	TooComplex = "too_complex"
	// NotOK: a web page that came with the HTTP status value. NotHTML: something else than a page or plain text.
	NotOK   = "http_status"
	NotHTML = "not_html"
	// BadHTTP: an archived answer that cannot be read as HTTP; value is its length.
	BadHTTP = "bad_http"
	// Damaged: a file that cannot be read beyond value, in bytes of what it unpacks to.
	Damaged = "damaged"
)

// DefaultMaxBytes is the largest document that is read when a source does not say.
const DefaultMaxBytes = 32 << 20

// Source says where documents come from: exactly one of Folder, JSONL, CSV, Parquet, WARC, Chat, Crawl and Synthetic. Each of the
// first six is a file, a folder, a
// glob (corpus/**/*.md), or one of these in a bucket: s3://bucket/prefix. gzip and zstd are unpacked, but for a folder
// without a Format.
type Source struct {
	// Name stands for the source in manifests; the last element of its path when empty.
	Name string `json:"name,omitempty"`
	// Folder is of files that are a document each, or several when Separator is set, or what Format says.
	Folder string `json:"folder,omitempty"`
	// JSONL has a document a line, in TextField.
	JSONL string `json:"jsonl,omitempty"`
	// CSV has a header that names the fields, and a document a record, in TextField (RFC 4180).
	CSV string `json:"csv,omitempty"`
	// Parquet has a document a row, in the column TextField.
	Parquet string `json:"parquet,omitempty"`
	// WARC is of web archives: answers of type text/html, of which the main text is taken, and text/plain, and the
	// conversion records of WET files.
	WARC string `json:"warc,omitempty"`
	// Chat is JSON Lines of conversations: {"messages":[{"role","content"}]}, {"conversations":[{"from","value"}]} (ShareGPT)
	// or {"instruction","input","output"} (Alpaca).
	Chat string `json:"chat,omitempty"`
	// Crawl takes pages from the web, and Synthetic lets a model write. Either is brought into files by package fetch first, of
	// which Snapshot names the digests, in order, when it has been done: then it is they that are read.
	Crawl     *fetch.Crawl     `json:"crawl,omitempty"`
	Synthetic *fetch.Synthetic `json:"synthetic,omitempty"`
	Snapshot  []event.Digest   `json:"snapshot,omitempty"`
	// Format is FormatCode, FormatHTML or FormatAuto; without one every file of Folder is text.
	Format string `json:"format,omitempty"`
	// NotCode says what of FormatCode that is no source code is: Drop (also "") or Keep.
	NotCode string `json:"not_code,omitempty"`
	// Include takes files whose name (or, with a slash in the pattern, path below the folder) matches one of the patterns;
	// none means every file of Folder, or those with the usual ends of names. Patterns are those of path.Match, and ** is
	// any number of folders. Exclude leaves out files and whole folders.
	Include []string `json:"include,omitempty"`
	Exclude []string `json:"exclude,omitempty"`
	// Separator splits a file of Folder into documents ("<|endoftext|>", "\n\n"); it belongs to none of them.
	Separator string `json:"separator,omitempty"`
	// TextField is the field of a JSONL line, CSV record or Parquet row that holds the text; "text" when empty. In Parquet,
	// dots go into groups. URLField and LicenseField are kept beside it; "url" when empty, and "license" or "licence".
	TextField    string `json:"text_field,omitempty"`
	URLField     string `json:"url_field,omitempty"`
	LicenseField string `json:"license_field,omitempty"`
	// Delimiter is between the fields of CSV; "," when empty, or a tab for .tsv.
	Delimiter string `json:"delimiter,omitempty"`
	// License is what the documents are under that do not say so themselves.
	License string `json:"license,omitempty"`
	// OnError is what a file that cannot be read to its end is: Fail (also "") or Skip.
	OnError string `json:"on_error,omitempty"`
	// MaxBytes drops larger documents; 0 means DefaultMaxBytes.
	MaxBytes int64 `json:"max_bytes,omitempty"`
}

// location is a key of a source that says where it is.
type location struct{ key, where string }

// locations are those that are set.
func (s *Source) locations() []location {
	all := []location{{"folder", s.Folder}, {"jsonl", s.JSONL}, {"csv", s.CSV}, {"parquet", s.Parquet}, {"warc", s.WARC}, {"chat", s.Chat}}
	return slices.DeleteFunc(all, func(l location) bool { return l.where == "" })
}

// where is the one that is set.
func (s *Source) where() string {
	for _, l := range s.locations() {
		return l.where
	}
	return ""
}

// records tells whether documents are taken out of records with named fields.
func (s *Source) records() bool {
	return s.JSONL != "" || s.CSV != "" || s.Parquet != "" || s.Format == FormatAuto
}

// usual are the patterns of Include when a recipe has none.
func (s *Source) usual() []string {
	switch {
	case s.JSONL != "": // what recipes had before there was zstd: usualToo
		return []string{"*.jsonl", "*.jsonl.gz", "*.ndjson", "*.ndjson.gz"}
	case s.CSV != "":
		return packed("*.csv", "*.tsv")
	case s.Parquet != "":
		return []string{"*.parquet"}
	case s.WARC != "":
		return packed("*.warc", "*.wet")
	case s.Chat != "":
		return packed("*.jsonl", "*.ndjson")
	case s.Format == FormatHTML:
		return packed("*.html", "*.htm", "*.xhtml")
	}
	return nil
}

// usualToo are patterns that go with usual and are not written out, so that recipes keep their digests.
func (s *Source) usualToo() []string {
	if s.JSONL != "" {
		return []string{"*.jsonl.zst", "*.ndjson.zst"}
	}
	return nil
}

func packed(patterns ...string) []string {
	var out []string
	for _, p := range patterns {
		out = append(out, p, p+".gz", p+".zst")
	}
	return out
}

// Resolve writes the defaults out.
func (s Source) Resolve() Source {
	if s.MaxBytes == 0 {
		s.MaxBytes = DefaultMaxBytes
	}
	if s.records() {
		s.TextField = cmp.Or(s.TextField, "text")
	}
	if len(s.Include) == 0 {
		s.Include = s.usual()
	}
	if s.OnError == Fail {
		s.OnError = ""
	}
	if s.NotCode == Drop {
		s.NotCode = ""
	}
	if s.Name == "" && s.IsFetched() {
		s.Name = s.fetchedName()
	}
	if s.Name == "" {
		p := placeOf(s.where())
		s.Name = path.Base(path.Clean(p.base))
		if p.bucket != "" && p.base == "" {
			s.Name = p.bucket
		}
	}
	return s
}

// Check tells what is wrong with a source by itself; it does not look at the disk.
func (s Source) Check() error {
	where := s.locations()
	switch {
	case s.MaxBytes < 0 || s.MaxBytes > 1<<30:
		return fmt.Errorf("max_bytes is %d: want 0 to 2³⁰", s.MaxBytes)
	case s.OnError != "" && s.OnError != Fail && s.OnError != Skip:
		return fmt.Errorf("on_error is %q: want %q or %q", s.OnError, Fail, Skip)
	case s.IsFetched():
		return s.checkFetched()
	case len(s.Snapshot) > 0:
		return errors.New("snapshot is for crawl and synthetic")
	case len(where) == 0:
		return errors.New("one of folder, jsonl, csv, parquet, warc, chat, crawl and synthetic is needed")
	case len(where) > 1:
		return fmt.Errorf("%s and %s exclude each other: make two sources", where[0].key, where[1].key)
	case s.Separator != "" && (s.Folder == "" || s.Format != ""):
		return fmt.Errorf("separator is for folder, without format: %s has its own documents", cmp.Or(s.Format, where[0].key))
	case s.TextField != "" && !s.records():
		return errors.New("text_field is for jsonl, csv and parquet")
	case (s.URLField != "" || s.LicenseField != "") && !s.records() && s.Chat == "":
		return errors.New("url_field and license_field are for jsonl, csv, parquet and chat")
	case s.Delimiter != "" && s.CSV == "" && s.Format != FormatAuto:
		return errors.New("delimiter is for csv")
	case s.Delimiter != "" && !isDelimiter(s.Delimiter):
		return fmt.Errorf("delimiter is %q: want one character of ASCII, neither a quote nor a line end", s.Delimiter)
	case s.Format != "" && s.Folder == "":
		return fmt.Errorf("format is for folder; %s is one", where[0].key)
	case !slices.Contains([]string{"", FormatCode, FormatHTML, FormatAuto}, s.Format):
		return fmt.Errorf("format is %q: want %q, %q or %q, or none for text", s.Format, FormatCode, FormatHTML, FormatAuto)
	case s.NotCode != "" && s.Format != FormatCode:
		return errors.New("not_code is for format: code")
	case s.NotCode != "" && s.NotCode != Drop && s.NotCode != Keep:
		return fmt.Errorf("not_code is %q: want %q or %q", s.NotCode, Drop, Keep)
	case len(s.Separator) > 1024:
		return fmt.Errorf("separator of %d bytes: the limit is 1,024", len(s.Separator))
	}
	if err := placeOf(where[0].where).check(); err != nil {
		return fmt.Errorf("%s: %w", where[0].key, err)
	}
	for _, p := range slices.Concat(s.Include, s.Exclude) {
		if err := checkPattern(p); err != nil {
			return err
		}
	}
	return nil
}

func isDelimiter(s string) bool {
	return len(s) == 1 && s[0] < utf8.RuneSelf && !strings.ContainsAny(s, "\"\r\n\x00")
}
