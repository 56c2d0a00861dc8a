package read

import (
	"errors"
	"fmt"
	"net/url"
	"path"

	"millrace/curator/fetch"
)

// maxSnapshot is how many files a source can name.
const maxSnapshot = 1 << 20

// IsFetched tells whether a source is brought by package fetch. Such a source cannot be listed; what Fetched makes of it can.
func (s Source) IsFetched() bool { return s.Crawl != nil || s.Synthetic != nil }

// Fetched is the source as files in a folder, where package fetch has put them.
func (s Source) Fetched(folder string) Source {
	s = s.Resolve()
	switch {
	case s.Crawl != nil:
		s.WARC = folder
	case s.Synthetic.As == fetch.AsChat:
		s.Chat = folder
	default:
		s.JSONL, s.TextField = folder, "output"
	}
	s.Crawl, s.Synthetic, s.Snapshot = nil, nil, nil
	return s
}

// PartName is the name of the n-th file that is fetched for the source, from 0.
func (s Source) PartName(n int) string {
	if s.Crawl != nil {
		return s.Crawl.PartName(n)
	}
	return s.Synthetic.PartName(n)
}

// fetchedName is the name of a source that has none.
func (s Source) fetchedName() string {
	if s.Synthetic != nil {
		return path.Base(s.Synthetic.Model)
	}
	for _, at := range s.Crawl.URLs {
		if u, err := url.Parse(at); err == nil && u.Host != "" {
			return u.Host
		}
	}
	return "crawl"
}

func (s Source) checkFetched() error {
	key, err := "crawl", error(nil)
	if s.Crawl != nil {
		err = s.Crawl.Check()
	} else {
		key, err = "synthetic", s.Synthetic.Check()
	}
	switch {
	case s.Crawl != nil && s.Synthetic != nil:
		return errors.New("crawl and synthetic exclude each other: make two sources")
	case len(s.locations()) > 0:
		return fmt.Errorf("%s and %s exclude each other: make two sources", s.locations()[0].key, key)
	case err != nil:
		return fmt.Errorf("%s: %w", key, err)
	case len(s.Include)+len(s.Exclude) > 0:
		return fmt.Errorf("include and exclude of files are not for %s", key)
	case s.Separator != "" || s.TextField != "" || s.URLField != "" || s.LicenseField != "" || s.Delimiter != "" || s.Format != "" || s.NotCode != "":
		return fmt.Errorf("separator, text_field, url_field, license_field, delimiter, format and not_code are not for %s", key)
	case len(s.Snapshot) > maxSnapshot:
		return fmt.Errorf("snapshot names %d files: the limit is %d", len(s.Snapshot), maxSnapshot)
	}
	for i, d := range s.Snapshot {
		if !d.Valid() {
			return fmt.Errorf("snapshot[%d] is %.80q: want sha256: and 64 hex digits, as a dataset's manifest has them", i, d)
		}
	}
	return nil
}
