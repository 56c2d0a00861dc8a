package read

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
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
	block := isBlock(n.DataAtom)
	if block {
		w.end()
	}
	switch n.DataAtom {
	case atom.Br:
		w.end()
	case atom.Li:
		w.words("- ")
	case atom.Td, atom.Th:
		if w.line {
			w.words(" | ")
		}
	case atom.Pre:
		w.pre++
		defer func() { w.pre-- }()
	case atom.Script, atom.Style:
		return
	}
	for child := n.FirstChild; child != nil; child = child.NextSibling {
		w.node(child)
	}
	if block {
		w.end()
	}
}

func isBlock(a atom.Atom) bool {
	switch a {
	case atom.P, atom.Div, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Li, atom.Ul, atom.Ol, atom.Dl, atom.Dt, atom.Dd, atom.Tr, atom.Table,
		atom.Blockquote, atom.Pre, atom.Section, atom.Article, atom.Main, atom.Figure, atom.Figcaption, atom.Hr, atom.Details, atom.Summary, atom.Body,
		atom.Header, atom.Footer, atom.Address, atom.Caption:
		return true
	}
	return false
}

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
		r, n := utf8.DecodeRuneInString(text)
		if r == ' ' || r == '\n' || r == '\t' || r == '\r' || r == '\f' {
			w.space = w.line
			text = text[n:]
			continue
		}
		end := strings.IndexAny(text, " \n\t\r\f")
		if end < 0 {
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
