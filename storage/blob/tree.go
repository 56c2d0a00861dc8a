package blob

import (
	"context"
	"encoding/json"
	"fmt"
	"sort"
)

// Tree names several objects as one: a small JSON object that lists files and is itself stored under its digest. The same files
// give the same digest, whenever and wherever they were stored.
type Tree struct {
	Format string  `json:"format"` // "millrace.tree.v1"
	Files  []Entry `json:"files"`  // by name
}

// Entry is one file of a Tree.
type Entry struct {
	Name string `json:"name"`
	Ref
}

const (
	treeFormat   = "millrace.tree.v1"
	maxTree      = 4 << 20 // bytes of JSON
	maxTreeFiles = 10_000
)

// File finds an entry by name.
func (t Tree) File(name string) (Ref, bool) {
	for _, f := range t.Files {
		if f.Name == name {
			return f.Ref, true
		}
	}
	return Ref{}, false
}

// PutTree stores a tree whose files are stored already, and returns its own name.
func (s *Store) PutTree(ctx context.Context, files []Entry) (Ref, error) {
	t := Tree{Format: treeFormat, Files: append([]Entry(nil), files...)}
	sort.Slice(t.Files, func(i, j int) bool { return t.Files[i].Name < t.Files[j].Name })
	raw, err := json.Marshal(t)
	if err != nil {
		return Ref{}, fmt.Errorf("blob: tree: %w", err)
	}
	if _, err := ParseTree(raw); err != nil {
		return Ref{}, err
	}
	return s.Put(ctx, raw)
}

// Tree fetches a tree by its name. It returns the errors of Get, and ErrCorrupt for an object that is no tree.
func (s *Store) Tree(ctx context.Context, d Digest) (Tree, error) {
	raw, err := s.Get(ctx, d)
	if err != nil {
		return Tree{}, err
	}
	t, err := ParseTree(raw)
	if err != nil {
		return Tree{}, fmt.Errorf("blob: %s: %w", d, err)
	}
	return t, nil
}

// ParseTree reads a tree: known format, each name once, each digest well formed.
func ParseTree(raw []byte) (Tree, error) {
	if len(raw) > maxTree {
		return Tree{}, fmt.Errorf("blob: a tree of %d bytes, at most %d: %w", len(raw), maxTree, ErrCorrupt)
	}
	var t Tree
	if err := json.Unmarshal(raw, &t); err != nil {
		return Tree{}, fmt.Errorf("blob: not a tree: %w: %w", ErrCorrupt, err)
	}
	if t.Format != treeFormat || len(t.Files) > maxTreeFiles {
		return Tree{}, fmt.Errorf("blob: not a tree: format %q with %d files: %w", t.Format, len(t.Files), ErrCorrupt)
	}
	seen := map[string]bool{}
	for _, f := range t.Files {
		if _, err := ParseDigest(string(f.Digest)); err != nil || f.Name == "" || len(f.Name) > 1024 || f.Size < 0 || seen[f.Name] {
			return Tree{}, fmt.Errorf("blob: tree entry %q: %w", f.Name, ErrCorrupt)
		}
		seen[f.Name] = true
	}
	return t, nil
}
