package fetch

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

const (
	journalName = "journal" // not .jsonl: it is no part
	// journalFormat is the first line's.
	journalFormat = "millrace.fetch/1"
	// maxLine bounds a line that is read back: more than is ever written.
	maxLine = 64 << 20
)

// journal is a file of JSON lines that grows. A line that a crash cut short is no line.
type journal struct {
	path string
	f    *os.File
	w    *bufio.Writer
	end  int64
}

// journalHead is the first line.
type journalHead struct {
	Format string `json:"format"`
	Of     string `json:"of"`
}

// openJournal opens a directory's journal, or begins it, and tells each of the lines it has: each gets the line, where it
// begins, and may fail. of says what the journal is about; one about something else is ErrDamaged.
func openJournal(dir *Dir, of string, each func(line []byte, at int64) error) (*journal, error) {
	j := &journal{path: dir.Path(journalName)}
	f, err := os.OpenFile(j.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("fetch: %w", err)
	}
	j.f = f
	if err := j.replay(of, each); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return j, nil
}

func (j *journal) damaged(at int64, err error) error {
	return fmt.Errorf("fetch: %s, byte %d: %w: %w: remove its folder to begin again", j.path, at, ErrDamaged, err)
}

func (j *journal) replay(of string, each func(line []byte, at int64) error) error {
	in := bufio.NewReaderSize(j.f, 256<<10)
	headed := false
	for {
		line, err := readLine(in)
		if errors.Is(err, io.EOF) { // what is left has no end: it was being written
			break
		}
		if err != nil {
			return j.damaged(j.end, err)
		}
		if !headed {
			var head journalHead
			if err := json.Unmarshal(line, &head); err != nil || head.Format != journalFormat || head.Of != of {
				return j.damaged(0, fmt.Errorf("it begins with %.100q", line))
			}
			headed = true
		} else if err := each(line, j.end); err != nil {
			return j.damaged(j.end, err)
		}
		j.end += int64(len(line)) + 1
	}
	if err := j.f.Truncate(j.end); err != nil {
		return fmt.Errorf("fetch: %s: %w", j.path, err)
	}
	if _, err := j.f.Seek(j.end, io.SeekStart); err != nil {
		return fmt.Errorf("fetch: %s: %w", j.path, err)
	}
	j.w = bufio.NewWriterSize(j.f, 64<<10)
	if headed {
		return nil
	}
	if _, err := j.add(journalHead{journalFormat, of}); err != nil {
		return err
	}
	if err := j.sync(); err != nil {
		return err
	}
	return syncDir(filepath.Dir(j.path))
}

// readLine returns a line without its end, or io.EOF where there is no whole line any more.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		piece, err := in.ReadSlice('\n')
		if err == nil && line == nil {
			return bytes.TrimSuffix(piece, []byte("\n")), nil
		}
		line = append(line, piece...)
		switch {
		case err == nil:
			return line[:len(line)-1], nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		case len(line) > maxLine:
			return nil, fmt.Errorf("a line of more than %d bytes", maxLine)
		}
	}
}

// add appends v, and says how long its line is without its end. It is durable after sync.
func (j *journal) add(v any) (n int64, err error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil { // ends in a line feed, and has no other
		return 0, fmt.Errorf("fetch: %s: %w", j.path, err)
	}
	if _, err := j.w.Write(b.Bytes()); err != nil {
		return 0, fmt.Errorf("fetch: %s: %w", j.path, err)
	}
	j.end += int64(b.Len())
	return int64(b.Len()) - 1, nil
}

func (j *journal) sync() error {
	if err := j.w.Flush(); err != nil {
		return fmt.Errorf("fetch: %s: %w", j.path, err)
	}
	if err := j.f.Sync(); err != nil {
		return fmt.Errorf("fetch: %s: %w", j.path, err)
	}
	return nil
}

// clear begins anew.
func (j *journal) clear() error {
	j.w.Reset(j.f)
	if err := j.f.Truncate(0); err != nil {
		return fmt.Errorf("fetch: %s: %w", j.path, err)
	}
	return nil
}

// close leaves what was not synced to the next opening, which may find it or not.
func (j *journal) close() error { return j.f.Close() }
