package read

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// disk is a folder. Nothing outside of it can be opened, whatever links there are.
type disk struct{ root *os.Root }

func (d disk) open(_ context.Context, name string) (Opened, error) {
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (d disk) close() error { return d.root.Close() }

// folder lists a file, a folder, or what matches a glob.
func (k *lister) folder(ctx context.Context, p where) error {
	name := p.text
	info, err := os.Stat(name)
	if err != nil && p.glob != nil {
		name, k.glob = p.base, p.glob
		info, err = os.Stat(name)
	}
	switch {
	case err != nil:
		return fmt.Errorf("%w: create it, or correct the path in the recipe", err)
	case info.IsDir():
		root, err := os.OpenRoot(name)
		if err != nil {
			return err
		}
		k.places = append(k.places, disk{root})
		return fs.WalkDir(root.FS(), ".", func(p string, d fs.DirEntry, err error) error { return k.entry(ctx, p, d, err) })
	}
	// A link that was named itself is followed: it was asked for.
	real, err := filepath.EvalSymlinks(name)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(filepath.Dir(real))
	if err != nil {
		return err
	}
	k.places = append(k.places, disk{root})
	k.add(filepath.Base(name), filepath.Base(real), info.Size())
	return nil
}

// entry sees to one entry of the walk.
func (k *lister) entry(ctx context.Context, p string, d fs.DirEntry, err error) error {
	if err != nil {
		return fmt.Errorf("%w: fix its permissions, or add it to exclude", err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	switch {
	case p == ".":
		return nil
	case d.IsDir() && (versionControl(d.Name()) || k.exclude.match(p)):
		return fs.SkipDir
	case d.IsDir() || !k.wants(p):
		return nil
	case d.Type()&fs.ModeSymlink != 0:
		k.drop(p, Symlink, 0, 0, 0)
		return nil
	case !d.Type().IsRegular():
		k.drop(p, NotRegular, 0, 0, 0)
		return nil
	}
	info, err := d.Info()
	if err != nil {
		return err
	}
	k.add(p, p, info.Size())
	return nil
}

// where is a location of a recipe, taken apart.
type where struct {
	text   string
	bucket string   // of s3://; then base is a key
	base   string   // the path, or what of it is no pattern
	glob   []string // the elements below base, where one is a pattern
}

func placeOf(text string) where {
	w := where{text: text}
	rest, ok := strings.CutPrefix(text, "s3://")
	if ok {
		w.bucket, rest, _ = strings.Cut(rest, "/")
		rest = strings.Trim(rest, "/")
	} else {
		rest = filepath.ToSlash(rest)
	}
	list := strings.Split(rest, "/")
	w.base = rest
	for i, e := range list {
		if strings.ContainsAny(e, "*?[") {
			w.base, w.glob = strings.Join(list[:i], "/"), list[i:]
			if w.bucket == "" && w.base == "" {
				w.base = "."
				if i > 0 {
					w.base = "/"
				}
			}
			break
		}
	}
	return w
}

func (w where) check() error {
	if strings.HasPrefix(w.text, "s3://") && w.bucket == "" {
		return fmt.Errorf("%q names no bucket: want s3://bucket/prefix", w.text)
	}
	if w.glob != nil && w.bucket != "" { // on disk it may be a name
		return checkPattern(strings.Join(w.glob, "/"))
	}
	return nil
}
