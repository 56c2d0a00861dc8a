// Package read turns folders of files and JSON Lines into documents, always in the same order.
package read

import (
	"cmp"
	"context"
	"crypto/sha256"
	bin "encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"millrace/curator/corpus"
)

// ErrSource is wrapped by errors about a source that cannot be read as the recipe says.
var ErrSource = errors.New("cannot read source")

// ErrChanged is wrapped, beside ErrSource, by errors about a file that was changed while it was read.
var ErrChanged = errors.New("it changed while it was read")

// The values of Source.OnError.
const (
	Fail = "fail" // the default: a damaged file is an error
	Skip = "skip" // what is before the fault is kept, and the rest of the file dropped as Damaged
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
	// NoText: a line without a string in text_field.
	NoText = "no_text"
	// Damaged: a file that cannot be read beyond value, in bytes of what it unpacks to.
	Damaged = "damaged"
)

// DefaultMaxBytes is the largest document that is read when a source does not say.
const DefaultMaxBytes = 32 << 20

// Source says where documents come from: exactly one of Folder and JSONL.
type Source struct {
	// Name stands for the source in manifests; the last element of its path when empty.
	Name string `json:"name,omitempty"`
	// Folder is walked; every file is a document, or several when Separator is set.
	Folder string `json:"folder,omitempty"`
	// JSONL is a .jsonl or .jsonl.gz file, or a folder of them: a document a line.
	JSONL string `json:"jsonl,omitempty"`
	// Include takes files whose name (or, with a slash in the pattern, path below the folder) matches one of the patterns;
	// none means every file, or *.jsonl, *.ndjson and their .gz for JSONL. Patterns are those of path.Match, and ** is
	// any number of folders. Exclude leaves out files and whole folders.
	Include []string `json:"include,omitempty"`
	Exclude []string `json:"exclude,omitempty"`
	// Separator splits a file of Folder into documents ("<|endoftext|>", "\n\n"); it belongs to none of them.
	Separator string `json:"separator,omitempty"`
	// TextField is the field of a JSONL line that holds the text; "text" when empty. The field "url" is kept as the URL.
	TextField string `json:"text_field,omitempty"`
	// License is what the documents are under that do not say so themselves.
	License string `json:"license,omitempty"`
	// OnError is what a file that cannot be read to its end is: Fail (also "") or Skip.
	OnError string `json:"on_error,omitempty"`
	// MaxBytes drops larger documents; 0 means DefaultMaxBytes.
	MaxBytes int64 `json:"max_bytes,omitempty"`
}

// Resolve writes the defaults out.
func (s Source) Resolve() Source {
	if s.MaxBytes == 0 {
		s.MaxBytes = DefaultMaxBytes
	}
	if s.JSONL != "" {
		s.TextField = cmp.Or(s.TextField, "text")
		if len(s.Include) == 0 {
			s.Include = []string{"*.jsonl", "*.jsonl.gz", "*.ndjson", "*.ndjson.gz"}
		}
	}
	if s.Name == "" {
		s.Name = path.Base(filepath.ToSlash(filepath.Clean(s.root())))
	}
	return s
}

func (s Source) root() string { return cmp.Or(s.Folder, s.JSONL) }

// Check tells what is wrong with a source by itself; it does not look at the disk.
func (s Source) Check() error {
	switch {
	case s.Folder == "" && s.JSONL == "":
		return errors.New("one of folder and jsonl is needed")
	case s.Folder != "" && s.JSONL != "":
		return errors.New("folder and jsonl exclude each other: make two sources")
	case s.JSONL != "" && s.Separator != "":
		return errors.New("separator is for folder; a jsonl source has a document a line")
	case s.Folder != "" && s.TextField != "":
		return errors.New("text_field is for jsonl")
	case s.MaxBytes < 0 || s.MaxBytes > 1<<30:
		return fmt.Errorf("max_bytes is %d: want 0 to 2³⁰", s.MaxBytes)
	case s.OnError != "" && s.OnError != Fail && s.OnError != Skip:
		return fmt.Errorf("on_error is %q: want %q or %q", s.OnError, Fail, Skip)
	case len(s.Separator) > 1024:
		return fmt.Errorf("separator of %d bytes: the limit is 1,024", len(s.Separator))
	}
	for _, p := range slices.Concat(s.Include, s.Exclude) {
		if err := checkPattern(p); err != nil {
			return err
		}
	}
	return nil
}

// File is one file of a listing.
type File struct {
	Source int
	Path   string // below the source's folder, with forward slashes
	Size   int64  // bytes on disk
	open   string // what to open below the root; Path but for a link that was named itself
}

// Listing is the files of all sources in the order they will be read. Close releases the folders.
type Listing struct {
	Sources []Source // resolved
	Files   []File
	// UTF16 reads a whole file that begins with a byte-order mark of UTF-16, which is full of NUL bytes, as it stands.
	UTF16 bool
	roots []*os.Root
}

// open opens a file of the listing.
func (l *Listing) open(_ context.Context, f *File) (Opened, error) {
	return l.roots[f.Source].Open(f.open)
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
	for _, r := range l.roots {
		errs = append(errs, r.Close())
	}
	return errors.Join(errs...)
}

// Shuffle puts the files into the order of sha256(seed as 8 little-endian bytes, source's name, 0, path): always the same
// one for a seed, and mixed.
func (l *Listing) Shuffle(seed int64) {
	key := func(f File) [sha256.Size]byte {
		b := bin.LittleEndian.AppendUint64(nil, uint64(seed))
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

// List walks the sources in their order, those of s3:// in objects (which may be nil when there are none), each in the lexical order of paths, and tells dropped of files that will not be
// read. The folders .git, .hg and .svn are passed over.
func List(ctx context.Context, objects Objects, sources []Source, dropped func(corpus.Drop)) (*Listing, error) {
	l := &Listing{}
	for i, s := range sources {
		if err := s.Check(); err != nil {
			return nil, errors.Join(fmt.Errorf("%w %d: %w", ErrSource, i, err), l.Close())
		}
		s = s.Resolve()
		l.Sources = append(l.Sources, s)
		if err := l.list(ctx, i, s, dropped); err != nil {
			return nil, errors.Join(err, l.Close())
		}
	}
	return l, nil
}

func (l *Listing) list(ctx context.Context, index int, s Source, dropped func(corpus.Drop)) error {
	name := s.root()
	info, err := os.Stat(name)
	if err != nil {
		return fmt.Errorf("%w %q: %w: create it, or correct the path in the recipe", ErrSource, s.Name, err)
	}
	only := ""
	if !info.IsDir() {
		if s.JSONL == "" {
			return fmt.Errorf("%w %q: folder %s is a file: name its folder, and the file in include", ErrSource, s.Name, name)
		}
		// A link that was named itself is followed: it was asked for.
		real, err := filepath.EvalSymlinks(name)
		if err != nil {
			return fmt.Errorf("%w %q: %w", ErrSource, s.Name, err)
		}
		l.Files = append(l.Files, File{index, filepath.Base(name), info.Size(), filepath.Base(real)})
		name, only = filepath.Dir(real), filepath.Base(real)
	}
	root, err := os.OpenRoot(name)
	if err != nil {
		return fmt.Errorf("%w %q: %w", ErrSource, s.Name, err)
	}
	l.roots = append(l.roots, root)
	drop := func(path, reason string, size, limit int64) {
		dropped(corpus.Drop{Why: corpus.Why{Reason: reason, Value: float64(size), Limit: float64(limit)}, Source: index, ID: path, Bytes: size})
	}
	if only != "" {
		return nil
	}
	include, exclude := patterns(s.Include), patterns(s.Exclude)
	return fs.WalkDir(root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("%w %q: %w: fix its permissions, or add it to exclude", ErrSource, s.Name, err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		switch {
		case p == ".":
			return nil
		case d.IsDir() && (versionControl(d.Name()) || exclude.match(p)):
			return fs.SkipDir
		case d.IsDir() || exclude.match(p) || len(include) > 0 && !include.match(p):
			return nil
		case d.Type()&fs.ModeSymlink != 0:
			drop(p, Symlink, 0, 0)
			return nil
		case !d.Type().IsRegular():
			drop(p, NotRegular, 0, 0)
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return fmt.Errorf("%w %q: %w", ErrSource, s.Name, err)
		}
		if s.Folder != "" && s.Separator == "" && info.Size() > s.MaxBytes {
			drop(p, TooLarge, info.Size(), s.MaxBytes)
			return nil
		}
		l.Files = append(l.Files, File{index, p, info.Size(), p})
		return nil
	})
}

func versionControl(name string) bool { return name == ".git" || name == ".hg" || name == ".svn" }

type patternList [][]string

func patterns(list []string) patternList {
	var out patternList
	for _, p := range list {
		out = append(out, strings.Split(strings.Trim(p, "/"), "/"))
	}
	return out
}

func checkPattern(p string) error {
	if strings.Trim(p, "/") == "" {
		return fmt.Errorf("empty pattern %q", p)
	}
	if _, err := path.Match(p, ""); err != nil {
		return fmt.Errorf("pattern %q: %w", p, err)
	}
	return nil
}

func (l patternList) match(p string) bool {
	elements := strings.Split(p, "/")
	for _, pattern := range l {
		if len(pattern) == 1 && pattern[0] != "**" {
			if ok, _ := path.Match(pattern[0], elements[len(elements)-1]); ok { // checked by Check
				return true
			}
		} else if matchPath(pattern, elements) {
			return true
		}
	}
	return false
}

func matchPath(pattern, elements []string) bool {
	for len(pattern) > 0 {
		if pattern[0] == "**" {
			for i := 0; i <= len(elements); i++ {
				if matchPath(pattern[1:], elements[i:]) {
					return true
				}
			}
			return false
		}
		if len(elements) == 0 {
			return false
		}
		if ok, _ := path.Match(pattern[0], elements[0]); !ok {
			return false
		}
		pattern, elements = pattern[1:], elements[1:]
	}
	return len(elements) == 0
}
