package api

import (
	"errors"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
)

var digestForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// blob sends a blob as a download. It is never shown: a blob is whatever somebody stored, a page among others. ?name= says what
// it is to be called.
func (s *Server) blob(w http.ResponseWriter, r *http.Request) {
	digest := r.PathValue("digest")
	if !digestForm.MatchString(digest) {
		http.Error(w, "that is no digest; write it as sha256: and 64 hexadecimal digits", http.StatusBadRequest)
		return
	}
	tag := `"` + digest + `"`
	if strings.Contains(r.Header.Get("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	content, size, err := s.Blob(r.Context(), digest)
	if errors.Is(err, fs.ErrNotExist) {
		http.Error(w, "there is no blob "+digest, http.StatusNotFound)
		return
	}
	if err != nil {
		s.Log.Error("api: a blob could not be opened", "digest", digest, "error", err)
		http.Error(w, "storage does not answer; look at /readyz", http.StatusBadGateway)
		return
	}
	defer content.Close()
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": fileName(r.URL.Query().Get("name"), digest)}))
	h.Set("Cache-Control", "private, max-age=31536000, immutable")
	h.Set("ETag", tag)
	if size >= 0 {
		h.Set("Content-Length", strconv.FormatInt(size, 10))
	}
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return
	}
	if _, err := io.Copy(w, content); err != nil {
		// The header has gone: only a broken connection can say that this is not the blob.
		s.Log.Warn("api: a download broke off", "digest", digest, "error", err)
		panic(http.ErrAbortHandler)
	}
}

func fileName(wanted, digest string) string {
	name := path.Base(strings.ReplaceAll(wanted, `\`, "/"))
	name = strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || strings.ContainsRune(`<>:"|?*`, c) {
			return '_'
		}
		return c
	}, name)
	if wanted == "" || name == "." || name == "/" || name == ".." || len(name) > 200 {
		return digest[len("sha256:"):]
	}
	return name
}
