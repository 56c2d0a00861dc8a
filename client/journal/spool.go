package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Artifact is a file that is to go into the store and be named by the run. It is sent beside the batches, however long it takes.
type Artifact struct {
	Path  string `json:"path"`           // its name in the run
	Role  string `json:"role,omitempty"` // "output", "image", "model", …
	Step  *int64 `json:"step,omitempty"`
	Media string `json:"media,omitempty"` // MIME type
	File  string `json:"file,omitempty"`  // where it lies; "" when the spool has the bytes
}

// Spooled is an artifact that waits.
type Spooled struct {
	Name string
	Artifact
	// Bytes is where the bytes lie.
	Bytes string
}

// Spool keeps an artifact, durably, until Unspool. content is nil for a file that lies elsewhere and stays there until it is sent.
func (j *Journal) Spool(a Artifact, content []byte) error {
	dir := filepath.Join(j.dir, artifactsName)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	at := time.Now().UnixNano()
	for ; ; at++ {
		if _, err := os.Stat(filepath.Join(dir, spoolName(at)+".json")); errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if content != nil {
		if err := writeWhole(filepath.Join(dir, spoolName(at)+".bin"), content); err != nil {
			return err
		}
	}
	return j.writeFile(filepath.Join(artifactsName, spoolName(at)+".json"), a)
}

func spoolName(at int64) string { return fmt.Sprintf("%020d", at) }

// Spooled lists what waits, oldest first.
func (j *Journal) Spooled() ([]Spooled, error) {
	files, err := os.ReadDir(filepath.Join(j.dir, artifactsName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	var all []Spooled
	for _, f := range files {
		name, ok := strings.CutSuffix(f.Name(), ".json")
		if !ok {
			continue
		}
		s := Spooled{Name: name}
		if err := j.readFile(filepath.Join(artifactsName, f.Name()), &s.Artifact); err != nil {
			return nil, err
		}
		if s.Bytes = s.File; s.Bytes == "" {
			s.Bytes = filepath.Join(j.dir, artifactsName, name+".bin")
		}
		all = append(all, s)
	}
	return all, nil
}

// Unspool forgets an artifact: it is in the store, or it was set aside.
func (j *Journal) Unspool(s Spooled) error {
	dir := filepath.Join(j.dir, artifactsName)
	err := os.Remove(filepath.Join(dir, s.Name+".json"))
	if s.File == "" {
		err = errors.Join(err, os.Remove(s.Bytes))
	}
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}
