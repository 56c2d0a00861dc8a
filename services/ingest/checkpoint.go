package ingest

import (
	"errors"
	"fmt"
	"net/http"

	"millrace/event"
	"millrace/services/tracker"
	"millrace/storage/blob"
)

// checkpointBody names the files of a checkpoint, whose bytes are in the store or will be.
type checkpointBody struct {
	Step    int64        `json:"step"`
	Files   []event.File `json:"files"`
	Dataset event.Digest `json:"dataset"` // by digest or name
	Suites  []string     `json:"suites"`
	Tokens  int64        `json:"tokens"`
	Last    bool         `json:"last"`
}

// missingView is a file whose bytes are wanted.
type missingView struct {
	Name   string       `json:"name"`
	Digest event.Digest `json:"digest"`
	wayView
}

// checkpoint makes a checkpoint of files that are in the store; while some are not it says how to bring them there. The same checkpoint told
// again is one.
func (s *Server) checkpoint(w http.ResponseWriter, r *http.Request) error {
	id, err := runID(r)
	if err != nil {
		return err
	}
	var in checkpointBody
	if err := s.decode(w, r, &in); err != nil {
		return err
	}
	if _, err := s.view(r, id); err != nil {
		return err
	}
	if s.Blobs == nil {
		return noStore()
	}
	if len(in.Files) == 0 {
		return invalid("there is none").in("files")
	}
	missing, err := s.wanted(r, in.Files)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		answer(w, http.StatusAccepted, struct {
			Missing []missingView `json:"missing"`
		}{missing})
		return nil
	}
	entries := make([]blob.Entry, len(in.Files))
	for i, f := range in.Files {
		entries[i] = blob.Entry{Name: f.Name, Ref: blob.Ref{Digest: blob.Digest(f.Digest), Size: f.Size}}
	}
	tree, err := s.Blobs.PutTree(r.Context(), entries)
	if err != nil {
		return storeFault(err)
	}
	saved := event.CheckpointSaved{
		Run: id, Step: in.Step, Checkpoint: event.Digest(tree.Digest), Files: in.Files, Dataset: in.Dataset, Suites: in.Suites, Tokens: in.Tokens, Last: in.Last,
	}
	if there, err := s.Model.Checkpoint(id, in.Step); err != nil || there.Deleted || there.Checkpoint != saved.Checkpoint {
		if _, err := s.Tracker.Submit(r.Context(), saved); err != nil {
			return err
		}
		s.counts.Facts.Add(1)
	}
	answer(w, http.StatusOK, struct {
		Saved      bool         `json:"saved"`
		Checkpoint event.Digest `json:"checkpoint"`
	}{true, saved.Checkpoint})
	return nil
}

// wanted are the files that the store lacks. Those that it has are made young, as they are about to be named.
func (s *Server) wanted(r *http.Request, files []event.File) ([]missingView, error) {
	var missing []missingView
	seen := map[string]bool{}
	for i, f := range files {
		field := fmt.Sprintf("files[%d]", i)
		if err := tracker.CheckArtifactPath(f.Name); err != nil {
			return nil, err
		}
		if seen[f.Name] {
			return nil, invalid("%.80q is there twice", f.Name).in(field)
		}
		seen[f.Name] = true
		if !f.Digest.Valid() || f.Size < 0 {
			return nil, invalid("%.80q of %d bytes is no file: a digest is sha256: and 64 hexadecimal digits", f.Digest, f.Size).in(field)
		}
		info, err := s.Blobs.Refresh(r.Context(), blob.Digest(f.Digest))
		switch {
		case errors.Is(err, blob.ErrNotFound):
			way, err := s.way(r, f.Digest, f.Size)
			if err != nil {
				return nil, err
			}
			missing = append(missing, missingView{f.Name, f.Digest, way})
		case err != nil:
			return nil, storeFault(err)
		case info.Size != f.Size:
			return nil, invalid("%s has %d bytes in the store, not %d", f.Digest, info.Size, f.Size).in(field)
		}
	}
	return missing, nil
}
