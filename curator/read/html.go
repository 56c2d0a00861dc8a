package read

import (
	"bytes"
	"net/url"
	"strings"
	"unicode/utf8"

	"millrace/curator/corpus"

	"github.com/markusmobius/go-trafilatura"
	"golang.org/x/net/html"
	"golang.org/x/net/html/charset"
)

func extractHTML(_ *extractor, data []byte, d *corpus.Doc) *corpus.Why {
	return mainText(data, "", d)
}

// mainText is what a web page says, without what is around it: Trafilatura's extraction, precision favoured, as FineWeb was
// made. contentType is what the server said of it.
func mainText(data []byte, contentType string, d *corpus.Doc) (why *corpus.Why) {
	none := &corpus.Why{Reason: NoMainText, Value: float64(len(data))}
	defer func() {
		if p := recover(); p != nil { // the library's, about a page it did not expect
			why = none
		}
	}()
	page, err := html.Parse(strings.NewReader(decodeHTML(data, contentType)))
	if err != nil {
		return none
	}
	if work := prepare(page); work > maxPageWork {
		return &corpus.Why{Reason: TooComplex, Value: float64(work), Limit: maxPageWork}
	}
	options := trafilatura.Options{
		Focus: trafilatura.FavorPrecision, EnableFallback: true, ExcludeComments: true, Deduplicate: true, HtmlDateMode: trafilatura.Disabled,
	}
	if d.URL != "" {
		if u, err := url.Parse(d.URL); err == nil {
			options.OriginalURL = u
		}
	}
	found, err := trafilatura.ExtractDocument(page, options)
	if err != nil {
		return none
	}
	var w pageWriter
	w.node(found.ContentNode)
	if d.Text = w.text(); d.Text == "" {
		return none
	}
	d.License = found.Metadata.License
	if d.URL == "" {
		d.URL = found.Metadata.URL
	}
	return nil
}

// maxPageWork bounds the sum of the depths of a page's elements, because the time that an extraction takes grows with it, and
// faster. An article has some 10,000 to 200,000.
const maxPageWork = 2_000_000

// prepare gives that sum, and parts the text before and after each <br>, which the extraction may take out.
func prepare(page *html.Node) int {
	work, depth := 0, 0
	for n := page; n != nil; {
		if n.Type == html.ElementNode {
			work += depth
			if next := n.NextSibling; n.Data == "br" && next != nil && next.Type == html.TextNode {
				next.Data = "\n" + next.Data
			}
		}
		if n.FirstChild != nil {
			n = n.FirstChild
			depth++
			continue
		}
		for n != nil && n.NextSibling == nil {
			n = n.Parent
			depth--
		}
		if n != nil {
			n = n.NextSibling
		}
	}
	return work
}

// decodeHTML makes UTF-8 of a page: what a byte-order mark, the server or the page says, else UTF-8 if it is, else
// windows-1252 (https://html.spec.whatwg.org/multipage/parsing.html#determining-the-character-encoding).
func decodeHTML(data []byte, contentType string) string {
	encoding, name, certain := charset.DetermineEncoding(data, contentType)
	if name == "utf-8" || !certain && utf8.Valid(data) {
		return string(bytes.TrimPrefix(data, []byte("\ufeff")))
	}
	text, err := encoding.NewDecoder().Bytes(data)
	if err != nil {
		return string(data)
	}
	return strings.TrimPrefix(string(text), "\ufeff")
}
