// Package fetch brings text that is not yet on a disk, from the web or from a model, into files that curator/read reads: WARC
// of a crawl, JSON Lines of what a model wrote.
//
// A Fetcher works in a directory of its own. What it has fetched is durable there, with a journal beside it: a process that is
// killed goes on where it was when the same Crawl or Synthetic is fetched again into the same directory, and asks for
// nothing twice but what was under way.
//
//	dir, err := fetch.Take(path)
//	got, err := fetch.Fetcher{Dir: dir, Now: time.Now}.Crawl(ctx, crawl)
//
// Two caveats. What lies on the web, and what a model answers, is another thing tomorrow: keep the parts, which are the exact
// input. And a Crawl asks only for public addresses unless it says AllowPrivate, because whoever writes a recipe could
// otherwise read what only this machine can reach.
package fetch
