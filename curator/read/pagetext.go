package read

import (
	"strings"

	"golang.org/x/net/html"
)

// pageWriter writes the main text of a page as plain text, as Trafilatura does: a line for each paragraph, heading and row of a
// table, "- " before the items of a list, and code as it stands.
type pageWriter struct {
	b     strings.Builder
	space bool // white space is owed before the next word
	line  bool // there is text in the line
	pre   int  // how deep in preformatted text
}

func (w *pageWriter) text() string { return strings.TrimRight(w.b.String(), "\n") }

// end ends the line, if there is one.
func (w *pageWriter) end() {
	if w.line {
		w.b.WriteByte('\n')
	}
	w.line, w.space = false, false
}

func (w *pageWriter) node(n *html.Node) {
	if n.Type == html.TextNode {
		w.words(n.Data)
		return
	}
	block := isBlock(n.Data)
	if block {
		w.end()
	}
	switch n.Data {
	case "br":
		w.end()
	case "li":
		w.words("- ")
	case "td", "th":
		if w.line {
			w.words(" | ")
		}
	case "pre":
		w.pre++
		defer func() { w.pre-- }()
	case "script", "style":
		return
	}
	for child := n.FirstChild; child != nil; child = child.NextSibling {
		w.node(child)
	}
	if block {
		w.end()
	}
}

// isBlock tells whether a tag begins and ends a line.
func isBlock(tag string) bool {
	switch tag {
	case "p", "div", "h1", "h2", "h3", "h4", "h5", "h6", "li", "ul", "ol", "dl", "dt", "dd", "tr", "table", "blockquote", "pre", "section", "article", "main",
		"figure", "figcaption", "hr", "details", "summary", "body", "header", "footer", "address", "caption":
		return true
	}
	return false
}

const whiteSpace = " \n\t\r\f"

// words writes text with its white space made one space, but in preformatted text.
func (w *pageWriter) words(text string) {
	if w.pre > 0 {
		w.b.WriteString(text)
		if text != "" {
			w.line = !strings.HasSuffix(text, "\n")
		}
		return
	}
	for text != "" {
		end := strings.IndexAny(text, whiteSpace)
		switch {
		case end == 0:
			w.space = w.line
			text = strings.TrimLeft(text, whiteSpace)
			continue
		case end < 0:
			end = len(text)
		}
		if w.space {
			w.b.WriteByte(' ')
		}
		w.b.WriteString(text[:end])
		w.space, w.line = false, true
		text = text[end:]
	}
}
