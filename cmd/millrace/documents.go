package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"

	docs "millrace/curator/corpus"
	"millrace/curator/read"
)

// documentFlags say how files are cut into documents.
type documentFlags struct {
	Field     string `help:"Field of JSON Lines, CSV or Parquet that holds the text (default: text)." placeholder:"NAME"`
	Separator string `help:"Cuts a text file into documents, e.g. a line feed; without it a file is one document." placeholder:"TEXT"`
}

// source is what a recipe would say of a file, a folder or a glob.
func (f documentFlags) source(path string) read.Source {
	name := strings.ToLower(path)
	for _, packed := range []string{".gz", ".zst"} {
		name = strings.TrimSuffix(name, packed)
	}
	s := read.Source{TextField: f.Field}
	switch name = name[strings.LastIndexByte(name, '.')+1:]; name {
	case "jsonl", "ndjson":
		s.JSONL = path
	case "csv", "tsv":
		s.CSV = path
	case "parquet":
		s.Parquet = path
	default:
		s.Folder, s.TextField = path, ""
		s.Separator = strings.NewReplacer(`\n`, "\n", `\t`, "\t").Replace(f.Separator)
	}
	return s
}

// documents yields those of all paths, in their order. One that cannot be read is an error: nobody wants to guess what a model has
// learned from.
func (f documentFlags) documents(ctx context.Context, paths []string) iter.Seq2[docs.Doc, error] {
	return func(yield func(docs.Doc, error) bool) {
		for _, path := range paths {
			if _, err := os.Stat(path); err != nil && !strings.ContainsAny(path, "*?[") {
				yield(docs.Doc{}, err)
				return
			}
			var bad error
			drop := func(d docs.Drop) {
				if bad == nil {
					bad = fmt.Errorf("%s: %s is %s, and no document", path, d.ID, d.Reason)
				}
			}
			listing, err := read.List(ctx, nil, []read.Source{f.source(path)}, drop)
			if err != nil {
				yield(docs.Doc{}, err)
				return
			}
			n, more := 0, true
			for d, err := range listing.Docs(ctx, drop, nil) {
				if err = errors.Join(bad, err); err != nil {
					bad = err
					break
				}
				n++
				if more = yield(d, nil); !more {
					break
				}
			}
			if bad == nil && n == 0 && more {
				bad = fmt.Errorf("%s: no documents in it", path)
			}
			if bad = errors.Join(bad, listing.Close()); bad != nil && more {
				yield(docs.Doc{}, bad)
			}
			if bad != nil || !more {
				return
			}
		}
	}
}

// writeModel writes a model into a new file beside path, and puts it there when it is complete.
func writeModel(path string, write func(*os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".millrace-*")
	if err != nil {
		return err
	}
	err = errors.Join(write(f), f.Sync(), f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
