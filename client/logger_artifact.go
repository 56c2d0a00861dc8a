package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"sync"

	"millrace/client/journal"
	"millrace/event"
)

// Artifact puts a file into the store and names it in the run, by the end of its path. The file is read when it is sent: leave it as it is until
// then (Flush waits for it).
func (l *Logger) Artifact(path, role string) {
	abs, err := filepath.Abs(path)
	if err == nil {
		var info os.FileInfo
		if info, err = os.Stat(abs); err == nil && !info.Mode().IsRegular() {
			err = fmt.Errorf("%s is not a regular file", path)
		}
	}
	if err != nil {
		l.state.problem("an artifact could not be logged", err)
		l.state.drop(1)
		return
	}
	l.spool.add(spooling{Artifact: journal.Artifact{Path: filepath.ToSlash(filepath.Base(path)), Role: role, Media: mediaOf(path), File: abs}})
}

// Image logs an image at a step; media is its MIME type, "" finds out.
func (l *Logger) Image(key string, step int64, content []byte, media string) {
	if media == "" {
		media = http.DetectContentType(content)
	}
	l.spool.add(spooling{
		Artifact: journal.Artifact{Path: fmt.Sprintf("%s/%d%s", key, step, extension(media)), Role: "image", Step: &step, Media: media},
		content:  append(make([]byte, 0, len(content)), content...),
	})
}

func mediaOf(path string) string { return mime.TypeByExtension(filepath.Ext(path)) }

// extension is the usual ending of a MIME type's files.
func extension(media string) string {
	switch media {
	case "image/png":
		return ".png"
	case "image/jpeg":
		return ".jpg"
	case "image/gif":
		return ".gif"
	case "image/webp":
		return ".webp"
	case "image/svg+xml":
		return ".svg"
	}
	return ""
}

// spooling is an artifact on its way to the journal.
type spooling struct {
	journal.Artifact
	content []byte
}

// spool is the queue of artifacts, between callers and the journal, and from there to the store.
type spool struct {
	mu      sync.Mutex
	queue   []spooling
	waiting int // queued or in the journal
	closed  bool
	wake    chan struct{}
	kept    chan struct{} // closed when closed and everything is in the journal
}

func (s *spool) init() { s.wake, s.kept = make(chan struct{}, 1), make(chan struct{}) }

func (s *spool) add(a spooling) {
	s.mu.Lock()
	if !s.closed {
		s.queue = append(s.queue, a)
		s.waiting++
	}
	s.mu.Unlock()
	s.nudge()
}

func (s *spool) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *spool) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.nudge()
}

func (s *spool) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting
}

func (s *spool) busy() bool { return s.count() > 0 }

func (s *spool) done(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting -= n
}

// upload spools what callers log, and sends it, each in a goroutine of its own.
func (l *Logger) upload(ctx context.Context) {
	left, err := l.journal.Spooled() // by a process before
	if err != nil {
		l.state.problem("artifacts that wait cannot be read", err)
	}
	l.spool.done(-len(left))
	more := make(chan struct{}, 1)
	more <- struct{}{}
	l.wg.Go(func() {
		select {
		case <-ctx.Done():
			return
		case <-l.opened:
		}
		for {
			select {
			case <-ctx.Done():
				return
			case <-more:
			}
			for l.sendSpooled(ctx) {
			}
		}
	})
	for {
		l.spool.mu.Lock()
		queue, closed := l.spool.queue, l.spool.closed
		l.spool.queue = nil
		l.spool.mu.Unlock()
		for _, a := range queue {
			if err := l.journal.Spool(a.Artifact, a.content); err != nil {
				l.state.problem("an artifact could not be kept for sending", err)
				l.spool.done(1)
				l.state.drop(1)
			}
		}
		select {
		case more <- struct{}{}:
		default:
		}
		if closed {
			close(l.spool.kept)
			return
		}
		<-l.spool.wake
	}
}

// sendSpooled sends what the journal has, and tells whether to look again.
func (l *Logger) sendSpooled(ctx context.Context) (again bool) {
	all, err := l.journal.Spooled()
	if err != nil {
		l.state.problem("artifacts that wait cannot be read", err)
		return false
	}
	for _, a := range all {
		if err := l.s.artifact(ctx, a); err != nil {
			if ctx.Err() == nil {
				l.state.problem("an artifact waits and cannot be sent", err)
			}
			return false
		}
		l.spool.done(1)
		l.state.delivered(0)
	}
	return len(all) > 0
}

// errChanged says that a file is not what it was when it was measured.
var errChanged = errors.New("the file changed while it was sent")

// artifact sends one artifact until the run names it. What will never be taken, or cannot be read, is set aside.
func (s *sender) artifact(ctx context.Context, a journal.Spooled) error {
	err := s.again(ctx, func() error {
		digest, size, err := measure(a.Bytes) // each time: the store refuses what is not what it was said to be
		if err != nil {
			return err
		}
		return s.logArtifact(ctx, a, digest, size)
	})
	if err != nil && (ctx.Err() != nil || s.patience > 0 && s.state.isAway()) {
		return err
	}
	if err != nil {
		kept := map[string]any{"artifact": a.Artifact, "error": err.Error()}
		file, keptErr := s.j.Refuse("artifact-"+a.Name+".json", kept)
		if keptErr != nil {
			return keptErr
		}
		s.state.refused(0, file, err)
	}
	return s.j.Unspool(a)
}

func measure(path string) (event.Digest, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return "", 0, fmt.Errorf("%s: %w", path, err)
	}
	return event.Digest("sha256:" + hex.EncodeToString(h.Sum(nil))), n, nil
}

// upload is where the bytes of an artifact are wanted.
type upload struct {
	Logged bool `json:"logged"`
	Upload *struct {
		Method  string            `json:"method"`
		URL     string            `json:"url"`
		Headers map[string]string `json:"headers"`
	} `json:"upload"`
	Through string `json:"through"`
}

// logArtifact names an artifact in the run; the store is given the bytes when it lacks them.
func (s *sender) logArtifact(ctx context.Context, a journal.Spooled, digest event.Digest, size int64) error {
	body, err := wire(struct {
		Path   string         `json:"path"`
		Role   string         `json:"role,omitempty"`
		Step   *int64         `json:"step,omitempty"`
		Media  string         `json:"media,omitempty"`
		Digest event.Digest   `json:"digest"`
		Size   int64          `json:"size"`
		Writer event.WriterID `json:"writer"`
	}{a.Path, a.Role, a.Step, a.Media, digest, size, s.j.Identity().Writer})
	if err != nil {
		return err
	}
	for range 2 {
		var said upload
		if err := s.door.call(ctx, "POST", s.path+"/artifacts", nil, body, &said); err != nil {
			return err
		}
		if said.Logged {
			return nil
		}
		if err := s.put(ctx, a, said, size); err != nil {
			return err
		}
	}
	return &notNow{err: fmt.Errorf("client: artifact %s: the store does not have it although it took it", a.Path)}
}

// put sends the bytes, straight to the store, or through the node when the store cannot be reached from here.
func (s *sender) put(ctx context.Context, a journal.Spooled, to upload, size int64) error {
	return s.door.upload(ctx, a.Path, a.Bytes, to, size, nil)
}
