package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// text is English that every group of the curator is measured on.
type text struct {
	docs []string
	what string // in a few words
	size int64  // in bytes
}

// maxMeasured bounds what is measured in memory; the pipeline may have more.
const maxMeasured = 32 << 20

// english reads the file that TEXT names (JSON Lines with a "text", or plain text whose documents are parted by blank lines), or
// else takes what is English on any machine that can build this program: the comments of Go's own source, a document a file.
func english(ctx context.Context) (text, error) {
	var t text
	if path := os.Getenv("TEXT"); path != "" {
		t.what = filepath.Base(path)
		var err error
		if t.docs, err = readDocs(path); err != nil {
			return t, fmt.Errorf("TEXT=%s: %w", path, err)
		}
	} else {
		out, err := exec.CommandContext(ctx, "go", "env", "GOROOT", "GOVERSION").Output()
		if err != nil {
			return t, fmt.Errorf("go env: %w", err)
		}
		root, version, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		t.what = "comments of " + version + "'s source"
		if t.docs, err = comments(filepath.Join(root, "src")); err != nil {
			return t, err
		}
	}
	if len(t.docs) == 0 {
		return t, errors.New("there is no text to measure with: TEXT=file names one")
	}
	for _, d := range t.docs {
		t.size += int64(len(d))
	}
	return t, nil
}

// comments are the comments of 80 bytes and more of all files, the files in an order that is the same everywhere but not by name.
func comments(root string) ([]string, error) {
	var docs []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.Contains(path, "testdata") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil // a file made to be wrong
		}
		var doc strings.Builder
		for _, group := range file.Comments {
			if s := group.Text(); len(s) >= 80 && !strings.Contains(s, "Copyright") {
				doc.WriteString(s + "\n")
			}
		}
		if s := strings.ToValidUTF8(strings.TrimSpace(doc.String()), ""); s != "" {
			docs = append(docs, s)
		}
		return nil
	})
	random := rand.New(rand.NewPCG(1, 2))
	random.Shuffle(len(docs), func(i, j int) { docs[i], docs[j] = docs[j], docs[i] })
	return docs, err
}

func readDocs(path string) (docs []string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size := 0
	add := func(s string) bool {
		if s = strings.TrimSpace(strings.ToValidUTF8(s, "")); s != "" {
			docs = append(docs, s)
			size += len(s)
		}
		return size < maxMeasured
	}
	if strings.HasSuffix(path, ".jsonl") {
		for dec := json.NewDecoder(f); ; {
			var d struct{ Text string }
			if err := dec.Decode(&d); errors.Is(err, io.EOF) {
				return docs, nil
			} else if err != nil {
				return docs, err
			}
			if !add(d.Text) {
				return docs, nil
			}
		}
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxMeasured))
	if err != nil {
		return nil, err
	}
	doc := ""
	for part := range strings.SplitSeq(strings.ReplaceAll(string(raw), "\r\n", "\n"), "\n\n") {
		if doc += part + "\n\n"; len(doc) >= 3000 {
			add(doc)
			doc = ""
		}
	}
	add(doc)
	return docs, nil
}

// write puts the documents into a file of JSON Lines.
func (t text) write(path string) error {
	return writeLines(path, func(add func(string) error) error {
		for _, d := range t.docs {
			if err := add(d); err != nil {
				return err
			}
		}
		return nil
	})
}

// writeMixed writes at least size bytes of text as documents of some 3 KB, made of the paragraphs of good documents from all over, so that there may be more
// text than there is and most of it is kept.
func writeMixed(path string, docs []string, size int64) error {
	var paragraphs []string
	for _, d := range docs {
		for p := range strings.SplitSeq(d, "\n\n") {
			if len(p) >= 80 && len(p) <= 1000 && strings.HasSuffix(strings.TrimSpace(p), ".") {
				paragraphs = append(paragraphs, p)
			}
		}
	}
	if len(paragraphs) < 100 {
		return fmt.Errorf("the text has %d good paragraphs, which is too few to make a corpus of: TEXT=file names another", len(paragraphs))
	}
	random := rand.New(rand.NewPCG(3, 4))
	return writeLines(path, func(add func(string) error) error {
		var doc strings.Builder
		for done := int64(0); done < size; done += int64(doc.Len()) {
			doc.Reset()
			for want := 1500 + random.IntN(4000); doc.Len() < want; {
				doc.WriteString(paragraphs[random.IntN(len(paragraphs))] + "\n\n")
			}
			if err := add(doc.String()); err != nil {
				return err
			}
		}
		return nil
	})
}

func writeLines(path string, docs func(add func(string) error) error) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriterSize(f, 1<<20)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	if err := docs(func(s string) error {
		return enc.Encode(map[string]string{"text": s})
	}); err != nil {
		return err
	}
	return w.Flush()
}
