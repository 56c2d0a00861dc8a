package external

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"millrace/storage/blob"
)

// maxFiles bounds the files of a checkpoint.
const maxFiles = 2000

// place is where a run leaves its checkpoints.
type place interface {
	// complete lists the checkpoints that are complete, by step.
	complete(ctx context.Context) ([]found, error)
	// store puts a file of one into storage and returns its digest and size.
	store(ctx context.Context, f found, name string) (blob.Ref, error)
	// remove takes one away that is stored.
	remove(f found) error
}

// found is a complete checkpoint that somebody else's program wrote.
type found struct {
	step  int64
	name  string
	files []string // paths within it, with slashes, sorted
}

// rule tells checkpoints from other things.
type rule struct {
	name   *regexp.Regexp
	marker string
	files  []string
}

func (c Checkpoints) rule() rule {
	return rule{regexp.MustCompile(c.Pattern), filepath.ToSlash(c.Marker), c.Files} // Parse has compiled it
}

// step reads the step out of a name.
func (r rule) step(name string) (int64, bool) {
	m := r.name.FindStringSubmatch(name)
	if len(m) != 2 {
		return 0, false
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	return n, err == nil && n >= 0
}

// wanted tells whether a file of a checkpoint is stored.
func (r rule) wanted(name string) bool {
	if name == r.marker {
		return false
	}
	return len(r.files) == 0 || slices.ContainsFunc(r.files, func(p string) bool { ok, _ := path.Match(p, name); return ok })
}

// judge makes a checkpoint of a name and its files, if it is one and complete.
func (r rule) judge(name string, files []string) (found, bool, error) {
	step, ok := r.step(name)
	if !ok || r.marker != "" && !slices.Contains(files, r.marker) {
		return found{}, false, nil
	}
	f := found{step: step, name: name}
	for _, file := range files {
		if r.wanted(file) {
			f.files = append(f.files, file)
		}
	}
	slices.Sort(f.files)
	switch {
	case len(f.files) == 0:
		return f, false, fmt.Errorf("external: checkpoint %s has no files that command.checkpoints.files asks for", name)
	case len(f.files) > maxFiles:
		return f, false, fmt.Errorf("external: checkpoint %s has %d files, at most %d: name those to keep in command.checkpoints.files", name, len(f.files), maxFiles)
	}
	return f, true, nil
}

// sorted orders checkpoints by step; of two of one step the first name stays.
func sorted(list []found) []found {
	slices.SortStableFunc(list, func(a, b found) int {
		if a.step != b.step {
			return int(min(1, max(-1, a.step-b.step)))
		}
		return strings.Compare(a.name, b.name)
	})
	return slices.CompactFunc(list, func(a, b found) bool { return a.step == b.step })
}

// folder is a place on a disk.
type folder struct {
	dir   string
	rule  rule
	blobs *blob.Store
}

func (p folder) complete(context.Context) ([]found, error) {
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		return nil, fmt.Errorf("external: the folder of checkpoints: %w", err)
	}
	var out []found
	var problems []error
	for _, e := range entries {
		if _, ok := p.rule.step(e.Name()); !ok || !e.IsDir() {
			continue
		}
		files, err := regular(filepath.Join(p.dir, e.Name()))
		if err != nil {
			problems = append(problems, err)
			continue
		}
		f, ok, err := p.rule.judge(e.Name(), files)
		if err != nil {
			problems = append(problems, err)
		} else if ok {
			out = append(out, f)
		}
	}
	return sorted(out), errors.Join(problems...)
}

// regular lists the plain files below a folder, with slashes. Links are not followed.
func regular(dir string) (out []string, err error) {
	err = filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.Type().IsRegular() {
			rel, err := filepath.Rel(dir, p)
			if err != nil {
				return err
			}
			if out = append(out, filepath.ToSlash(rel)); len(out) > 10*maxFiles {
				return fmt.Errorf("external: %s has more than %d files", dir, 10*maxFiles)
			}
		}
		return nil
	})
	return out, err
}

func (p folder) store(ctx context.Context, f found, name string) (blob.Ref, error) {
	return p.blobs.PutFile(ctx, filepath.Join(p.dir, f.name, filepath.FromSlash(name)))
}

func (p folder) remove(f found) error { return os.RemoveAll(filepath.Join(p.dir, f.name)) }

// prefix is a place in a bucket that the worker's keys may read.
type prefix struct {
	bucket, prefix string
	rule           rule
	blobs          *blob.Store
}

func (p prefix) complete(ctx context.Context) ([]found, error) {
	files := map[string][]string{}
	n := 0
	for o, err := range p.blobs.ListNamed(ctx, p.bucket, p.prefix) {
		if err != nil {
			return nil, fmt.Errorf("external: the checkpoints at s3://%s/%s: %w", p.bucket, p.prefix, err)
		}
		if n++; n > 1_000_000 {
			return nil, fmt.Errorf("external: s3://%s/%s has more than a million objects", p.bucket, p.prefix)
		}
		if name, file, ok := strings.Cut(strings.TrimPrefix(o.Key, p.prefix), "/"); ok && file != "" {
			files[name] = append(files[name], file)
		}
	}
	var out []found
	var problems []error
	for name, list := range files {
		f, ok, err := p.rule.judge(name, list)
		if err != nil {
			problems = append(problems, err)
		} else if ok {
			out = append(out, f)
		}
	}
	return sorted(out), errors.Join(problems...)
}

func (p prefix) store(ctx context.Context, f found, name string) (blob.Ref, error) {
	o, err := p.blobs.OpenNamed(ctx, p.bucket, p.prefix+f.name+"/"+name)
	if err != nil {
		return blob.Ref{}, err
	}
	ref, err := p.blobs.PutReader(ctx, o, o.Size())
	return ref, errors.Join(err, o.Close())
}

func (p prefix) remove(found) error { return nil } // Parse refuses keep
