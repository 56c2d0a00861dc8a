package fetch

import (
	"bytes"
	"errors"
	"io"
	"net/url"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// maxLinks is how many links of one page are followed.
const maxLinks = 10_000

// wishes are what a page, or its header, asks of crawlers.
type wishes struct {
	noIndex  bool // it is not to be stored
	noFollow bool // its links are not to be followed
}

// add takes the directives of a robots meta element or an X-Robots-Tag. noai is taken as noindex: what is stored here is to
// train models.
func (w *wishes) add(directives string) {
	for d := range strings.SplitSeq(strings.ToLower(directives), ",") {
		switch strings.TrimSpace(d) {
		case "none":
			w.noIndex, w.noFollow = true, true
		case "noindex", "noai":
			w.noIndex = true
		case "nofollow":
			w.noFollow = true
		}
	}
}

// addTag takes an X-Robots-Tag, which may be for another crawler: "otherbot: noindex, nofollow".
func (w *wishes) addTag(value, token string) {
	if agent, directives, found := strings.Cut(value, ":"); found && !strings.Contains(agent, ",") {
		switch agent = strings.TrimSpace(agent); {
		case strings.EqualFold(agent, token):
			value = directives
		case strings.Contains(agent, " ") || directive(agent):
		default:
			return
		}
	}
	w.add(value)
}

// directive tells of the directives that have a value themselves.
func directive(name string) bool {
	switch strings.ToLower(name) {
	case "unavailable_after", "max-snippet", "max-image-preview", "max-video-preview":
		return true
	}
	return false
}

// links finds where a page of HTML points to, in the order of the page, each once and spelled canonically, and what it
// asks of the crawler of a product token. Any bytes are a page.
func links(page []byte, at *url.URL, token string) (list []string, w wishes) {
	seen := map[string]bool{}
	base := at
	based := false
	z := html.NewTokenizer(bytes.NewReader(page))
	for {
		switch z.Next() {
		case html.ErrorToken:
			if err := z.Err(); !errors.Is(err, io.EOF) {
				return list, w // what came before counts
			}
			return list, w
		case html.StartTagToken, html.SelfClosingTagToken:
		default:
			continue
		}
		name, more := z.TagName()
		tag := atom.Lookup(name)
		switch tag {
		case atom.A, atom.Area, atom.Base, atom.Meta, atom.Frame, atom.Iframe:
		default:
			continue
		}
		attr := map[string]string{}
		for more {
			var key, value []byte
			key, value, more = z.TagAttr()
			if _, ok := attr[string(key)]; !ok { // the first counts
				attr[string(key)] = string(value)
			}
		}
		ref, ok := attr["href"]
		switch tag {
		case atom.Base:
			if ok && !based {
				if u, err := canonical(at, ref); err == nil {
					base = u
				}
				based = true
			}
			continue
		case atom.Meta:
			if n := strings.TrimSpace(attr["name"]); strings.EqualFold(n, "robots") || strings.EqualFold(n, token) {
				w.add(attr["content"])
			}
			continue
		case atom.Frame, atom.Iframe:
			ref, ok = attr["src"]
		}
		if !ok || len(list) == maxLinks || noFollow(attr["rel"]) {
			continue
		}
		u, err := canonical(base, ref)
		if err != nil || seen[u.String()] {
			continue
		}
		seen[u.String()] = true
		list = append(list, u.String())
	}
}

func noFollow(rel string) bool {
	for word := range strings.FieldsSeq(rel) {
		if strings.EqualFold(word, "nofollow") {
			return true
		}
	}
	return false
}
