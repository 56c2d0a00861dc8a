package fetch

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
)

// Crawl fetches pages into parts of WARC, breadth first: URLs in their order, then what they link to in the order of the
// pages, and so on. However fast which host answers, the pages lie in that order. It returns ErrNothing when there is no
// page, ErrDamaged, or ctx's error; what was stored by then is kept, and not asked for again by the next call.
func (f Fetcher) Crawl(ctx context.Context, c Crawl) (_ Result, err error) {
	if err := c.Check(); err != nil {
		return Result{}, fmt.Errorf("fetch: crawl: %w", err)
	}
	w := &crawler{Fetcher: f, crawl: c, hosts: map[string]bool{}, seen: map[[16]byte]bool{}, left: map[string]int64{}}
	w.archive = archive{dir: f.Dir.path, crawl: c, now: f.Now}
	for _, s := range c.URLs {
		u, err := canonical(nil, s)
		if err != nil {
			return Result{}, fmt.Errorf("fetch: crawl: %w", err)
		}
		w.hosts[u.Host] = true
		if w.firstTime(u.String()) {
			w.level = append(w.level, entry{url: u.String(), given: true})
		}
	}
	w.journal, err = openJournal(f.Dir, c.digest(), w.replay)
	if err != nil {
		return Result{}, err
	}
	defer func() { err = errors.Join(err, w.journal.close()) }()
	if !w.done {
		if err := w.run(ctx); err != nil {
			return Result{}, err
		}
	}
	return w.result()
}

// digest names a crawl, for its journal.
func (c Crawl) digest() string { return digestOf(c) }

func digestOf(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // a type of this package that cannot be written: a bug
	}
	s := sha256.Sum256(raw)
	return hex.EncodeToString(s[:])
}

// entry is a URL that waits.
type entry struct {
	url   string
	hops  int  // redirects that led here, in a row
	given bool // by the recipe, or where such a URL redirects to
}

// crawler is one Crawl. Its state is a function of the journal's lines.
type crawler struct {
	Fetcher
	crawl   Crawl
	archive archive
	journal *journal

	hosts map[string]bool   // that links may lead to, if SameHost
	seen  map[[16]byte]bool // URLs that wait or were asked for, by the beginning of their sha256
	depth int
	level []entry // of this depth; a redirect's target comes at its end
	next  []entry // of the next
	at    int     // how many of level were asked for
	part  int     // where the last page lies
	end   int64
	pages int
	left  map[string]int64
	first string // what became of the first URL that gave no page
	got   int64  // received, as the journal has it
	here  int64  // received in this call
	done  bool
}

// crawlLine is a line of the journal: what became of the next URL in order.
type crawlLine struct {
	URL      string   `json:"url,omitempty"`
	Why      string   `json:"why"` // "page", or why there is none
	Detail   string   `json:"detail,omitempty"`
	To       string   `json:"to,omitempty"`
	Links    []string `json:"links,omitempty"` // new ones that are to be followed
	Received int64    `json:"received,omitempty"`
	Part     int      `json:"part,omitempty"` // of a page: where its records end
	End      int64    `json:"end,omitempty"`
}

// crawlDone is the Why of the last line.
const crawlDone = "done"

func (w *crawler) firstTime(url string) bool {
	h := sha256.Sum256([]byte(url))
	key := [16]byte(h[:16])
	if w.seen[key] {
		return false
	}
	w.seen[key] = true
	return true
}

func (w *crawler) replay(raw []byte, _ int64) error {
	var l crawlLine
	if err := strict(raw, &l); err != nil {
		return err
	}
	if w.done {
		return errors.New("a line after the last")
	}
	if l.Why == crawlDone {
		w.done = true
		return nil
	}
	e, ok := w.head()
	if !ok || e.url != l.URL {
		return fmt.Errorf("it says what became of %.200q, but %.200q is next", l.URL, e.url)
	}
	w.apply(e, l)
	return nil
}

// head is the next URL in order; it goes on to the next level when there is none in this one.
func (w *crawler) head() (entry, bool) {
	if w.at == len(w.level) {
		w.level, w.next, w.at = w.next, nil, 0
		w.depth++
	}
	if w.at == len(w.level) {
		return entry{}, false
	}
	return w.level[w.at], true
}

// apply counts what became of the head of the queue, and takes it off. It is all that changes the state.
func (w *crawler) apply(e entry, l crawlLine) {
	w.level[w.at] = entry{} // its memory
	w.at++
	w.got += l.Received
	if l.Why == pageStored {
		w.pages++
		w.part, w.end = l.Part, l.End
	} else {
		w.left[l.Why]++
		if w.first == "" && l.Why != redirected {
			w.first = e.url + ": " + l.Why
			if l.Detail != "" {
				w.first += " (" + l.Detail + ")"
			}
		}
	}
	full := func() bool {
		if len(w.level)+len(w.next) < w.crawl.queueLimit() {
			return false
		}
		w.left[queueFull]++
		return true
	}
	if l.To != "" && !full() {
		w.firstTime(l.To)
		if e.given {
			if u, err := url.Parse(l.To); err == nil {
				w.hosts[u.Host] = true
			}
		}
		w.level = append(w.level, entry{l.To, e.hops + 1, e.given})
	}
	for _, link := range l.Links {
		if w.firstTime(link) && !full() {
			w.next = append(w.next, entry{url: link})
		}
	}
}

// line says what is to be done about a visit: which links to follow, and whether the redirect.
func (w *crawler) line(e entry, v visit) crawlLine {
	l := crawlLine{URL: e.url, Why: v.why, Detail: v.detail, Received: v.received}
	if v.why == redirected {
		switch {
		case e.hops >= maxHops:
			l.Why = redirectsTooLong
		case !e.given && !w.wants(v.to):
			l.Why, l.Detail = redirectElsewhere, v.to
		case !w.known(v.to):
			l.To = v.to
		}
	}
	if w.depth < w.crawl.Depth {
		for _, link := range v.links {
			if w.wants(link) && !w.known(link) {
				l.Links = append(l.Links, link)
			}
		}
	}
	return l
}

func (w *crawler) known(url string) bool {
	h := sha256.Sum256([]byte(url))
	return w.seen[[16]byte(h[:16])]
}

// wants tells whether a link is to be followed.
func (w *crawler) wants(link string) bool {
	if w.crawl.SameHost {
		u, err := url.Parse(link)
		if err != nil || !w.hosts[u.Host] {
			return false
		}
	}
	return w.crawl.wants(link)
}

// run crawls on from the state that the journal left.
func (w *crawler) run(ctx context.Context) (err error) {
	if w.pages > 0 {
		if err := w.archive.resume(w.part, w.end); err != nil {
			return err
		}
	}
	defer func() { err = errors.Join(err, w.archive.close()) }()
	if err := w.removeUnknownParts(); err != nil {
		return err
	}
	v := newVisitor(w.crawl, w.Fetcher)
	defer v.close()

	type answer struct {
		visit
		at  int
		err error
	}
	answers := make(chan answer, w.crawl.window())
	asking := 0
	visits, cancel := context.WithCancel(ctx)
	defer func() {
		for cancel(); asking > 0; asking-- {
			<-answers
		}
	}()
	early := map[int]answer{} // those that others come before
	take := func(a answer) {
		asking--
		early[a.at] = a
	}
	w.tell()
	for ctx.Err() == nil {
		if _, ok := w.head(); !ok || w.pages == w.crawl.MaxPages {
			return w.finish()
		}
		// Never more than could all become pages, so that which pages are stored does not depend on which come first.
		asked := w.at + asking + len(early)
		for ; asked < len(w.level) && asked-w.at < w.crawl.window() && w.pages+asked-w.at < w.crawl.MaxPages; asked++ {
			asking++
			go func(at int, e entry) {
				u, err := url.Parse(e.url)
				if err != nil {
					answers <- answer{at: at, err: err}
					return
				}
				got, err := v.visit(visits, u)
				answers <- answer{got, at, err}
			}(asked, w.level[asked])
		}
		take(<-answers)
		for more := true; more; {
			select {
			case a := <-answers:
				take(a)
			default:
				more = false
			}
		}
		stored := false
		for {
			a, ok := early[w.at]
			if !ok {
				break
			}
			delete(early, w.at)
			if a.err != nil {
				if err := w.sync(); err != nil {
					return err
				}
				return a.err
			}
			if err := w.store(a.visit); err != nil {
				return err
			}
			stored = true
		}
		if stored {
			if err := w.sync(); err != nil {
				return err
			}
			w.tell()
		}
	}
	return ctx.Err()
}

// store writes a visit down: its page, then its line.
func (w *crawler) store(v visit) error {
	e := w.level[w.at]
	l := w.line(e, v)
	if v.page != nil {
		var err error
		w.archive.part = max(w.archive.part, w.part)
		if l.Part, l.End, err = w.archive.add(v.page); err != nil {
			return err
		}
	}
	if _, err := w.journal.add(l); err != nil {
		return err
	}
	w.here += v.received
	w.apply(e, l)
	return nil
}

// sync makes what was stored durable, pages before the lines that name them.
func (w *crawler) sync() error {
	if err := w.archive.sync(); err != nil {
		return err
	}
	return w.journal.sync()
}

func (w *crawler) finish() error {
	if w.pages == 0 {
		return w.journal.clear() // another call asks again
	}
	if _, err := w.journal.add(crawlLine{Why: crawlDone}); err != nil {
		return err
	}
	w.tell()
	return w.sync()
}

// removeUnknownParts deletes a part that was begun when the process was killed, before a line named it.
func (w *crawler) removeUnknownParts() error {
	names, err := os.ReadDir(w.Dir.path)
	if err != nil {
		return fmt.Errorf("fetch: %w", err)
	}
	for _, n := range names {
		var part int
		if _, err := fmt.Sscanf(n.Name(), "%05d.warc.gz", &part); err != nil || n.Name() != partName(part) || w.pages > 0 && part <= w.part {
			continue
		}
		if err := remove(w.path(n.Name())); err != nil {
			return fmt.Errorf("fetch: %w", err)
		}
	}
	return nil
}

func (w *crawler) tell() {
	if w.Progress != nil {
		waiting := len(w.level) - w.at + len(w.next)
		w.Progress(Progress{Done: int64(w.pages), Total: int64(min(w.crawl.MaxPages, w.pages+waiting)), Bytes: w.here})
	}
}

func (w *crawler) result() (Result, error) {
	r := Result{Got: int64(w.pages), Received: w.got, Left: counts(w.left)}
	if w.pages == 0 {
		return r, fmt.Errorf("fetch: crawl: %w: %s%s", ErrNothing, cmp.Or(w.first, "redirects lead nowhere"), hint(w.left))
	}
	for n := range w.part + 1 {
		info, err := os.Stat(w.path(partName(n)))
		if err != nil {
			return Result{}, fmt.Errorf("fetch: %w: %w: remove its folder to begin again", ErrDamaged, err)
		}
		r.Parts = append(r.Parts, Part{partName(n), info.Size()})
	}
	return r, nil
}

// hint says what a person may do about a crawl without pages.
func hint(left map[string]int64) string {
	switch {
	case left[private] > 0:
		return "; allow_private: true lets a crawl ask addresses that only this machine can reach"
	case left[robotsForbid] > 0:
		return "; the site does not want to be collected"
	}
	return ""
}
