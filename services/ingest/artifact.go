package ingest

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"millrace/event"
	"millrace/services/tracker"
	"millrace/storage/blob"
)

// uploadFor is how long a URL for an upload is good.
const uploadFor = 15 * time.Minute

// uploadView is how to bring bytes into the store.
type uploadView struct {
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	Expires time.Time         `json:"expires"`
}

func noStore() error {
	return &fault{code: codeUnavailable, message: "this node has no object store"}
}

// storeFault says why the object store did not do as it was asked.
func storeFault(err error) error {
	switch {
	case errors.Is(err, blob.ErrFull):
		return &fault{code: codeUnavailable, message: err.Error(), hint: "the object store is full: free space there; keep what you have and send it again"}
	case errors.Is(err, blob.ErrUnavailable), errors.Is(err, blob.ErrDenied):
		return &fault{code: codeUnavailable, message: "storage does not answer as it should", hint: "look at /readyz and try again"}
	}
	return err
}

// artifact makes a fact of an artifact whose bytes are in the store, and otherwise says how to bring them there.
func (s *Server) artifact(w http.ResponseWriter, r *http.Request) error {
	id, err := runID(r)
	if err != nil {
		return err
	}
	var in struct {
		artifactBody
		Writer   event.WriterID `json:"writer"`
		Sequence uint64         `json:"sequence"`
	}
	if err := s.decode(w, r, &in); err != nil {
		return err
	}
	if _, err := s.view(r, id); err != nil {
		return err
	}
	if err := tracker.CheckArtifactPath(in.Path); err != nil {
		return err
	}
	if !in.Digest.Valid() || in.Size < 0 {
		return invalid("%.80q of %d bytes is no file: a digest is sha256: and 64 hexadecimal digits", in.Digest, in.Size).in("digest")
	}
	if s.Blobs == nil {
		return noStore()
	}
	info, err := s.Blobs.Refresh(r.Context(), blob.Digest(in.Digest)) // it is about to be named
	switch {
	case errors.Is(err, blob.ErrNotFound):
		return s.offer(w, r, in.artifactBody)
	case err != nil:
		return storeFault(err)
	case info.Size != in.Size:
		return invalid("%s has %d bytes in the store, not %d", in.Digest, info.Size, in.Size).in("size")
	}
	got, err := s.Tracker.Take(r.Context(), event.Batch{Run: id, Writer: in.Writer, Sequence: in.Sequence, Facts: []event.Event{in.fact(id)}})
	if err != nil {
		return err
	}
	s.counts.Facts.Add(1)
	if err := s.Tracker.Await(r.Context(), got.Seq); err != nil {
		return err
	}
	answer(w, http.StatusOK, struct {
		Logged    bool   `json:"logged"`
		Duplicate bool   `json:"duplicate"`
		Seq       uint64 `json:"seq"`
	}{true, got.Duplicate, got.Seq})
	return nil
}

// wayView is how bytes come into the store: straight there, where that can be, or through the node.
type wayView struct {
	Upload  *uploadView `json:"upload,omitempty"`
	Through string      `json:"through"`
}

// offer answers with a URL for the bytes, and with the way through the node.
func (s *Server) offer(w http.ResponseWriter, r *http.Request, in artifactBody) error {
	out, err := s.way(r, in.Digest, in.Size)
	if err != nil {
		return err
	}
	answer(w, http.StatusAccepted, out)
	return nil
}

func (s *Server) way(r *http.Request, digest event.Digest, size int64) (wayView, error) {
	out := wayView{Through: "/api/v1/blob/" + string(digest)}
	up, err := s.Blobs.PresignPut(r.Context(), blob.Digest(digest), size, uploadFor)
	switch {
	case errors.Is(err, blob.ErrTooLarge): // for one request to the store; the node sends it in parts
	case err != nil:
		return out, storeFault(err)
	default:
		out.Upload = &uploadView{up.Method, up.URL, up.Headers, up.Expires.UTC()}
	}
	return out, nil
}

// putBlob takes bytes on their way to the store. Others than the digest says are refused, and nothing is stored.
func (s *Server) putBlob(w http.ResponseWriter, r *http.Request) error {
	d, err := blob.ParseDigest(r.PathValue("digest"))
	if err != nil {
		return invalid("that is no digest; write it as sha256: and 64 hexadecimal digits").in("digest")
	}
	if s.Blobs == nil {
		return noStore()
	}
	if r.ContentLength > s.MaxBlob {
		return &fault{code: codeTooLarge, message: fmt.Sprintf("%d bytes, and at most %d go through the node", r.ContentLength, s.MaxBlob), hint: "put it into the object store directly"}
	}
	err = s.Blobs.PutAs(r.Context(), d, http.MaxBytesReader(w, r.Body, s.MaxBlob), r.ContentLength)
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong):
		return &fault{code: codeTooLarge, message: fmt.Sprintf("more than %d bytes, which is as much as goes through the node", s.MaxBlob), hint: "put it into the object store directly"}
	case errors.Is(err, blob.ErrCorrupt):
		return invalid("%v", err).in("digest")
	case err != nil:
		return storeFault(err)
	}
	info, err := s.Blobs.Stat(r.Context(), d)
	if err != nil {
		return storeFault(err)
	}
	answer(w, http.StatusOK, struct {
		Digest blob.Digest `json:"digest"`
		Size   int64       `json:"size"`
	}{d, info.Size})
	return nil
}
