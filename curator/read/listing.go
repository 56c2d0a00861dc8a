// Package read turns files into documents, always in the same order: text, source code, web pages and their archives, and
// records of JSON Lines, CSV and Parquet; from folders and from buckets. A format is one file and one entry of format.go.
package read

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"millrace/curator/corpus"

	"github.com/go-enry/go-enry/v2"
)

// File is one file of a listing.
type File struct {
	Source int
	Path   string // below the source's folder, with forward slashes
	Size   int64  // bytes on disk
	open   string // what to open in the source's place
}

// Listing is the files of all sources in the order they will be read. Close releases the folders.
type Listing struct {
	Sources []Source // resolved
	Files   []File
	// UTF16 reads a whole file that begins with a byte-order mark of UTF-16, which is full of NUL bytes, as it stands.
	UTF16  bool
	places []place // of the sources
}

// place is a folder or a bucket.
type place interface {
	open(ctx context.Context, name string) (Opened, error)
	close() error
}

// Bytes is the size of all files.
func (l *Listing) Bytes() int64 {
	var n int64
	for _, f := range l.Files {
		n += f.Size
	}
	return n
}

// Close releases the folders.
func (l *Listing) Close() error {
	var errs []error
	for _, p := range l.places {
		errs = append(errs, p.close())
	}
	return errors.Join(errs...)
}

// Shuffle puts the files into the order of sha256(seed as 8 little-endian bytes, source's name, 0, path): always the same
// one for a seed, and mixed.
func (l *Listing) Shuffle(seed int64) {
	key := func(f File) [sha256.Size]byte {
		b := binary.LittleEndian.AppendUint64(nil, uint64(seed))
		b = append(b, l.Sources[f.Source].Name...)
		b = append(b, 0)
		return sha256.Sum256(append(b, f.Path...))
	}
	keys := make(map[File][sha256.Size]byte, len(l.Files))
	for _, f := range l.Files {
		keys[f] = key(f)
	}
	slices.SortStableFunc(l.Files, func(a, b File) int {
		x, y := keys[a], keys[b]
		return slices.Compare(x[:], y[:])
	})
}

// List walks the sources in their order, those of s3:// in objects (which may be nil when there are none), each in the
// lexical order of paths, and tells dropped of files that will not be read. The folders .git, .hg and .svn are passed over.
func List(ctx context.Context, objects Objects, sources []Source, dropped func(corpus.Drop)) (*Listing, error) {
	l := &Listing{}
	for i, s := range sources {
		if err := s.Check(); err != nil {
			return nil, errors.Join(fmt.Errorf("%w %d: %w", ErrSource, i, err), l.Close())
		}
		s = s.Resolve()
		if s.IsFetched() {
			return nil, errors.Join(fmt.Errorf("%w %q: it must be fetched before it is listed", ErrSource, s.Name), l.Close())
		}
		l.Sources = append(l.Sources, s)
		k := lister{Listing: l, index: i, source: s, dropped: dropped}
		if err := k.list(ctx, objects); err != nil {
			return nil, errors.Join(fmt.Errorf("%w %q: %w", ErrSource, s.Name, err), l.Close())
		}
	}
	return l, nil
}

// lister lists one source.
type lister struct {
	*Listing
	index            int
	source           Source
	dropped          func(corpus.Drop)
	glob             []string // what a path below the folder has to match; nil for everything
	include, exclude patternList
}

func (k *lister) list(ctx context.Context, objects Objects) error {
	p := placeOf(k.source.where())
	include := k.source.Include
	if usual := k.source.usual(); slices.Equal(include, usual) {
		include = slices.Concat(usual, k.source.usualToo())
		if p.glob != nil { // which says itself what to take
			include = nil
		}
	}
	k.include, k.exclude = patterns(include), patterns(k.source.Exclude)
	if p.bucket != "" {
		return k.bucket(ctx, objects, p)
	}
	return k.folder(ctx, p)
}

// wants tells whether a path below the folder is one of the source's files.
func (k *lister) wants(path string) bool {
	return (k.glob == nil || matchPath(k.glob, elements(path))) && (len(k.include) == 0 || k.include.match(path)) && !k.exclude.match(path)
}

// add takes a file that the source wants, unless its name or size says that there is no document in it.
func (k *lister) add(path, open string, size int64) {
	format := k.source.formatOf(path)
	switch {
	case format == nil:
		k.drop(path, UnknownFormat, 0, 0, size)
	case (k.source.Format == FormatCode || format == formatCode) && enry.IsVendor(path):
		k.drop(path, Vendored, 0, 0, size)
	case format.whole && k.source.Separator == "" && size > k.source.MaxBytes:
		k.drop(path, TooLarge, size, k.source.MaxBytes, size)
	default:
		k.Files = append(k.Files, File{Source: k.index, Path: path, Size: size, open: open})
	}
}

func (k *lister) drop(path, reason string, value, limit, size int64) {
	k.dropped(corpus.Drop{Why: corpus.Why{Reason: reason, Value: float64(value), Limit: float64(limit)}, Source: k.index, ID: path, Bytes: size})
}

// open opens a file of the listing.
func (l *Listing) open(ctx context.Context, f *File) (Opened, error) {
	return l.places[f.Source].open(ctx, f.open)
}

func versionControl(name string) bool { return name == ".git" || name == ".hg" || name == ".svn" }
