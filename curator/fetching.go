package curator

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"millrace/curator/corpus"
	"millrace/curator/fetch"
	"millrace/event"
)

// Fetched names the files that were fetched for a source, as blobs: what was read in its place.
type Fetched struct {
	Source string        `json:"source"`
	Files  []FetchedFile `json:"files"`
}

// FetchedFile is one of them. Documents are named after it.
type FetchedFile struct {
	Name   string       `json:"name"`
	Digest event.Digest `json:"digest"`
	Size   int64        `json:"size"`
}

// opener reads a stored object from its beginning.
type opener func(ctx context.Context, digest event.Digest) (io.ReadCloser, error)

// brought is what a recipe's sources became when those of the web and of models were fetched.
type brought struct {
	recipe  Recipe   // with a snapshot of each
	sources []Source // to be listed
	fetched []Fetched
	dirs    []*fetch.Dir
}

// close lets go of the folders, which stay: Forget removes them.
func (b *brought) close() error {
	var errs []error
	for _, d := range b.dirs {
		errs = append(errs, d.Close())
	}
	return errors.Join(errs...)
}

// fetchDir is where sources are fetched to, below TempDir.
const fetchDir = "fetch"

// staleAfter is how long what was fetched for a run that nobody finished is kept.
const staleAfter = 30 * 24 * time.Hour

// dirOf is where a source, as Resolve leaves it, is fetched to: always the same folder, so that a run goes on there that was
// killed.
func (c Curator) dirOf(s Source) string {
	h := sha256.Sum256(canonical(s))
	return filepath.Join(c.fetchRoot(), hex.EncodeToString(h[:16]))
}

func (c Curator) fetchRoot() string {
	if c.TempDir == "" {
		return filepath.Join(os.TempDir(), "millrace-"+fetchDir)
	}
	return filepath.Join(c.TempDir, fetchDir)
}

// Forget removes what Run has fetched for a recipe, once it is not needed to go on from: when the dataset is published. What
// another Run is using is left to that one.
func (c Curator) Forget(r Recipe) error {
	var errs []error
	for _, s := range r.Resolve().Sources {
		if !s.IsFetched() {
			continue
		}
		path := c.dirOf(s)
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			continue
		}
		errs = append(errs, forget(path))
	}
	_ = os.Remove(c.fetchRoot()) // it stays while there is something in it
	return errors.Join(errs...)
}

func forget(path string) error {
	dir, err := fetch.Take(path)
	if errors.Is(err, fetch.ErrBusy) {
		return nil
	}
	if err != nil {
		return err
	}
	return dir.Remove()
}

// sweep removes what nobody has touched for long.
func (c Curator) sweep(now time.Time) error {
	entries, err := os.ReadDir(c.fetchRoot())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(c.fetchRoot(), e.Name())
		files, err := os.ReadDir(path)
		if err != nil {
			continue // no folder, or removed in between
		}
		touched := time.Time{}
		for _, f := range files {
			if info, err := f.Info(); err == nil && info.ModTime().After(touched) {
				touched = info.ModTime()
			}
		}
		if info, err := e.Info(); err == nil && info.ModTime().After(touched) {
			touched = info.ModTime()
		}
		if now.Sub(touched) > staleAfter {
			if err := forget(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// fetch brings what is not yet on a disk, and stores it, so that what was read can be read again.
func (c Curator) fetch(ctx context.Context, r Recipe) (_ *brought, err error) {
	b := &brought{recipe: r, sources: slices.Clone(r.Sources)}
	if !slices.ContainsFunc(r.Sources, Source.IsFetched) {
		return b, nil
	}
	b.recipe.Sources = slices.Clone(r.Sources)
	if c.Now == nil {
		c.Now = time.Now
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	if err := c.sweep(c.Now()); err != nil {
		return nil, fmt.Errorf("curator: %w", err)
	}
	for i, s := range r.Sources {
		if !s.IsFetched() {
			continue
		}
		dir, err := fetch.Take(c.dirOf(s))
		if err != nil {
			return nil, fmt.Errorf("%w %q: %w", ErrSource, s.Name, err)
		}
		b.dirs = append(b.dirs, dir)
		var files []FetchedFile
		if len(s.Snapshot) > 0 {
			files, err = c.fetchSnapshot(ctx, s, dir)
		} else {
			files, err = c.fetchSource(ctx, s, dir)
		}
		if err != nil {
			return nil, fmt.Errorf("%w %q: %w", ErrSource, s.Name, err)
		}
		b.sources[i] = s.Fetched(dir.String())
		b.fetched = append(b.fetched, Fetched{Source: s.Name, Files: files})
		b.recipe.Sources[i].Snapshot = nil
		for _, f := range files {
			b.recipe.Sources[i].Snapshot = append(b.recipe.Sources[i].Snapshot, f.Digest)
		}
	}
	return b, nil
}

// fetchSource asks the web, or a model, and stores what came.
func (c Curator) fetchSource(ctx context.Context, s Source, dir *fetch.Dir) ([]FetchedFile, error) {
	unit := "pages"
	if s.Synthetic != nil {
		unit = "samples"
	}
	told := int64(0)
	f := fetch.Fetcher{Dir: dir, Now: c.Now, Progress: func(p fetch.Progress) {
		c.tellFetched(Progress{Done: p.Done, Total: p.Total, Unit: unit, Received: p.Bytes - told})
		told = p.Bytes
	}}
	var got fetch.Result
	var err error
	if s.Crawl != nil {
		got, err = f.Crawl(ctx, *s.Crawl)
	} else {
		got, err = f.Generate(ctx, *s.Synthetic)
	}
	if err != nil {
		return nil, err
	}
	if c.Say != nil {
		c.Say(sayFetched(s, unit, got))
	}
	var files []FetchedFile
	for _, p := range got.Parts {
		data, err := os.ReadFile(dir.Path(p.Name))
		if err != nil {
			return nil, err
		}
		digest, err := c.put(ctx, s.Name+"/"+p.Name, data)
		if err != nil {
			return nil, err
		}
		files = append(files, FetchedFile{p.Name, digest, int64(len(data))})
	}
	return files, nil
}

func (c Curator) tellFetched(p Progress) {
	if c.Progress != nil {
		p.Phase, p.dropped = PhaseFetch, new(corpus.Ledger)
		c.Progress(p)
	}
}

// sayFetched is a line for people.
func sayFetched(s Source, unit string, got fetch.Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d %s in %d bytes", s.Name, got.Got, unit, got.Received)
	if t := got.Tokens; t != (fetch.Tokens{}) {
		fmt.Fprintf(&b, ", for %d tokens of prompts and %d of answers", t.Prompt, t.Completion)
	}
	for i, l := range got.Left {
		sep := "; left out: "
		if i > 0 {
			sep = ", "
		}
		fmt.Fprintf(&b, "%s%d %s", sep, l.N, l.Reason)
	}
	return b.String()
}

// fetchSnapshot takes from storage what another run has fetched.
func (c Curator) fetchSnapshot(ctx context.Context, s Source, dir *fetch.Dir) ([]FetchedFile, error) {
	if c.Blobs == nil {
		return nil, errors.New("its snapshot is in an object store, and there is none")
	}
	var files []FetchedFile
	for n, d := range s.Snapshot {
		size, err := bring(ctx, c.Blobs, d, dir.Path(s.PartName(n)))
		if err != nil {
			return nil, fmt.Errorf("snapshot[%d]: %w", n, err)
		}
		files = append(files, FetchedFile{s.PartName(n), d, size})
		c.tellFetched(Progress{Done: int64(n) + 1, Total: int64(len(s.Snapshot)), Unit: "files", Received: size})
	}
	return files, nil
}

// bring copies a stored object to a file, and believes neither the store nor a file that is there.
func bring(ctx context.Context, open opener, digest event.Digest, path string) (size int64, err error) {
	in, err := open(ctx, digest)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	h := sha256.New()
	size, err = io.Copy(io.MultiWriter(out, h), in)
	if got := event.Digest("sha256:" + hex.EncodeToString(h.Sum(nil))); err == nil && got != digest {
		err = fmt.Errorf("%w: %s is stored, and what comes back is %s", ErrBlob, digest, got)
	}
	return size, err
}

// local is a source of the dataset as it can be listed: itself, or for one that was fetched the stored file that holds the
// document, in a folder that done removes.
func (d Dataset) local(ctx context.Context, s Source, document string) (_ Source, done func() error, err error) {
	done = func() error { return nil }
	if !s.IsFetched() {
		return s, done, nil
	}
	dir, err := os.MkdirTemp("", "millrace-snapshot-*")
	if err != nil {
		return s, done, err
	}
	done = func() error { return os.RemoveAll(dir) }
	for n, digest := range s.Snapshot {
		if !strings.HasPrefix(document, s.PartName(n)+"#") {
			continue
		}
		if _, err := bring(ctx, d.Open, digest, filepath.Join(dir, s.PartName(n))); err != nil {
			return s, done, err
		}
	}
	return s.Fetched(dir), done, nil
}

// checkFetched tells whether what was fetched and the recipe's snapshots are the same.
func (m Manifest) checkFetched() error {
	rest := m.Fetched
	for _, s := range m.Recipe.Sources {
		if !s.IsFetched() {
			continue
		}
		if len(rest) == 0 || rest[0].Source != s.Name || len(rest[0].Files) == 0 || len(rest[0].Files) != len(s.Snapshot) {
			return fmt.Errorf("source %q was fetched, but fetched does not say what", s.Name)
		}
		for n, f := range rest[0].Files {
			if f.Digest != s.Snapshot[n] || f.Name != s.PartName(n) || f.Size < 1 || f.Size > 1<<40 {
				return fmt.Errorf("fetched %q: file %d is %.80q of %d bytes, digest %.80q; the recipe's snapshot has %q", s.Name, n, f.Name, f.Size, f.Digest, s.Snapshot[n])
			}
		}
		rest = rest[1:]
	}
	if len(rest) > 0 {
		return fmt.Errorf("fetched has %.80q, which is no source that is fetched", cmp.Or(rest[0].Source, "a source without a name"))
	}
	return nil
}
