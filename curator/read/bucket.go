package read

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// bucket is one of an object store.
type bucket struct {
	objects Objects
	name    string
}

func (b bucket) open(ctx context.Context, key string) (Opened, error) {
	return b.objects.Open(ctx, b.name, key)
}

func (bucket) close() error { return nil }

// bucket lists an object, those below a prefix, or those that match a glob: as if keys were paths, so that a copy of a folder
// gives the same documents in the same order.
func (k *lister) bucket(ctx context.Context, objects Objects, p where) error {
	if objects == nil {
		return fmt.Errorf("%s: %w", p.text, errNoObjects)
	}
	k.places = append(k.places, bucket{objects, p.bucket})
	k.glob = p.glob
	below := ""
	if p.base != "" {
		below = p.base + "/"
	}
	if p.base != "" && p.glob == nil {
		for o, err := range objects.List(ctx, p.bucket, p.base) {
			if err != nil {
				return fmt.Errorf("%s: %w", p.text, err)
			}
			if o.Key == p.base {
				k.add(path.Base(o.Key), o.Key, o.Size)
				return nil
			}
			if o.Key > p.base { // in the order of keys it would have been the first
				break
			}
		}
	}
	var found []Object
	for o, err := range objects.List(ctx, p.bucket, below) {
		if err != nil {
			return fmt.Errorf("%s: %w", p.text, err)
		}
		if strings.HasPrefix(o.Key, below) && !strings.HasSuffix(o.Key, "/") { // a marker of a folder
			found = append(found, o)
		}
	}
	if len(found) == 0 {
		return fmt.Errorf("%s: %w: no object is there; correct the prefix in the recipe", p.text, fs.ErrNotExist)
	}
	slices.SortFunc(found, func(a, b Object) int { return slices.Compare(elements(a.Key), elements(b.Key)) })
	for _, o := range found {
		if name := o.Key[len(below):]; !k.inExcluded(name) && k.wants(name) {
			k.add(name, o.Key, o.Size)
		}
	}
	return nil
}

// inExcluded tells whether a folder above the file is left out.
func (k *lister) inExcluded(name string) bool {
	for dir := path.Dir(name); dir != "." && dir != "/"; dir = path.Dir(dir) {
		if versionControl(path.Base(dir)) || k.exclude.match(dir) {
			return true
		}
	}
	return false
}
