package s3embed

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rclone/gofakes3"
)

// walk visits the keys below dir in the order of their bytes, which is S3's,
// until visit wants no more. base is the part of the keys that dir stands for.
// Directories for which prune(their part of the keys) holds are not read.
func walk(dir, base string, prune func(subtree string) bool, visit func(key, path string) (more bool, err error)) (more bool, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil // emptied and removed since
	}
	if err != nil {
		return false, err
	}
	type node struct {
		key  string // a directory's ends in "/": so its subtree sorts where its keys do
		name string
	}
	nodes := make([]node, 0, len(entries))
	for _, e := range entries {
		name, isObject := strings.CutSuffix(e.Name(), objectSuffix)
		if isObject == e.IsDir() {
			continue // not ours
		}
		seg, ok := unescapeSegment(name)
		if !ok {
			continue
		}
		if !isObject {
			seg += "/"
		}
		nodes = append(nodes, node{base + seg, e.Name()})
	}
	slices.SortFunc(nodes, func(a, b node) int { return cmp.Compare(a.key, b.key) })
	for _, n := range nodes {
		path := filepath.Join(dir, n.name)
		if strings.HasSuffix(n.name, objectSuffix) {
			more, err = visit(n.key, path)
		} else if prune(n.key) {
			continue
		} else {
			more, err = walk(path, n.key, prune, visit)
		}
		if err != nil || !more {
			return false, err
		}
	}
	return true, nil
}

// ListBucket returns one page of a bucket's keys, in byte order.
func (d *disk) ListBucket(_ context.Context, bucket string, prefix *gofakes3.Prefix, page gofakes3.ListBucketPage) (*gofakes3.ObjectList, error) {
	var want gofakes3.Prefix
	if prefix != nil {
		want = *prefix
	}
	out := gofakes3.NewObjectList()
	group := "" // the common prefix that is being skipped over
	last, count := "", int64(0)

	// take counts one more entry, or ends the page.
	take := func(entry string) bool {
		if page.MaxKeys > 0 && count == page.MaxKeys {
			out.IsTruncated, out.NextMarker = true, last
			return false
		}
		count++
		last = entry
		return true
	}
	prune := func(subtree string) bool {
		if !strings.HasPrefix(subtree, want.Prefix) && !strings.HasPrefix(want.Prefix, subtree) {
			return true
		}
		if group != "" && strings.HasPrefix(subtree, group) {
			return true
		}
		return subtree < page.Marker && !strings.HasPrefix(page.Marker, subtree)
	}
	visit := func(key, path string) (bool, error) {
		if key <= page.Marker || !strings.HasPrefix(key, want.Prefix) || group != "" && strings.HasPrefix(key, group) {
			return true, nil
		}
		if want.Delimiter != "" {
			if i := strings.Index(key[len(want.Prefix):], want.Delimiter); i >= 0 {
				group = key[:len(want.Prefix)+i+len(want.Delimiter)]
				// A group that begins before the marker counts as seen, although
				// keys of it may come after: else a page could end where it began.
				if group <= page.Marker {
					return true, nil
				}
				if !take(group) {
					return false, nil
				}
				out.AddPrefix(group)
				return true, nil
			}
		}
		m, size, at, err := d.stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		if !take(key) {
			return false, nil
		}
		out.Add(&gofakes3.Content{
			Key:          key,
			LastModified: gofakes3.NewContentTime(at),
			ETag:         `"` + hex.EncodeToString(m.ETag) + `"`,
			Size:         size,
			StorageClass: gofakes3.StorageStandard,
		})
		return true, nil
	}
	_, err := walk(d.keysDir(bucket), "", prune, visit)
	if err != nil {
		return nil, err
	}
	return out, nil
}
