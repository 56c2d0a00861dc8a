package client

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// upload sends a file's bytes, straight to the store, or through the node when the store cannot be reached from here. moved is told how many
// bytes have gone, counted anew from 0 for a second try; nil is told nothing.
func (d *door) upload(ctx context.Context, name, path string, to upload, size int64, moved func(int64)) error {
	if to.Upload != nil {
		if d.put(ctx, to.Upload.Method, to.Upload.URL, to.Upload.Headers, "", path, size, moved) == nil {
			return nil
		}
	}
	if to.Through == "" {
		return &notNow{err: fmt.Errorf("client: artifact %s: the store cannot be reached", name)}
	}
	through := to.Through
	if strings.HasPrefix(through, "/") {
		through = d.base + through
	}
	return d.put(ctx, http.MethodPut, through, nil, d.token, path, size, moved)
}

func (d *door) put(ctx context.Context, method, url string, headers map[string]string, token, path string, size int64, moved func(int64)) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// No bound on the whole, but on silence.
	silence := time.AfterFunc(requestPatience, cancel)
	defer silence.Stop()
	req, err := http.NewRequestWithContext(ctx, method, url, &moving{Reader: io.LimitReader(f, size), timer: silence, moved: moved})
	if err != nil {
		return err
	}
	req.ContentLength = size
	if size == 0 {
		req.Body = http.NoBody
	}
	for k, v := range headers {
		req.Header.Set(k, v)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := d.http.Do(req)
	if err != nil {
		if info, statErr := f.Stat(); statErr == nil && info.Size() < size {
			return fmt.Errorf("client: %s: %w", path, errChanged)
		}
		return d.unreachable(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return d.unreachable(err)
	}
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return nil
	}
	return d.refusal(resp, bytes.TrimSpace(raw))
}

// moving puts off a timer with every read, and tells how far it is.
type moving struct {
	io.Reader
	timer *time.Timer
	moved func(int64)
	sent  int64
}

func (m *moving) Read(p []byte) (int, error) {
	m.timer.Reset(requestPatience)
	n, err := m.Reader.Read(p)
	m.sent += int64(n)
	if m.moved != nil {
		m.moved(m.sent)
	}
	return n, err
}
