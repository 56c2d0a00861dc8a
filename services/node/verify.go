package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"millrace/event"
	"millrace/services/bus"
	"millrace/services/keeper"
	"millrace/storage/blob"
	"millrace/storage/readmodel"
	"millrace/storage/s3embed"
)

// ErrViewDiffers is returned when the read model is not what the log folds to.
var ErrViewDiffers = errors.New("the read model differs from its log")

// VerifyView folds the whole log of a stopped node into a fresh file and compares it with the file that grew as the facts came. The
// two must be the same to the byte. It returns how many facts there are.
func VerifyView(ctx context.Context, data string, log *slog.Logger) (facts uint64, err error) {
	b, err := bus.Open(ctx, bus.Config{Dir: filepath.Join(data, "log"), Log: log})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, b.Close(context.WithoutCancel(ctx))) }()
	state, err := b.State(ctx)
	if err != nil {
		return 0, err
	}
	if state.First > 1 {
		closeArchive, err := recall(ctx, b, data, log)
		if err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, closeArchive()) }()
	}
	fresh, err := os.MkdirTemp("", "millrace-view-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(fresh)
	grown, err := dump(ctx, b, state, filepath.Join(data, "readmodel.db"), log)
	if err != nil {
		return 0, err
	}
	replayed, err := dump(ctx, b, state, filepath.Join(fresh, "readmodel.db"), log)
	if err != nil {
		return 0, err
	}
	if !bytes.Equal(grown, replayed) {
		return state.Last, fmt.Errorf("node: %w: %s", ErrViewDiffers, firstDifference(grown, replayed))
	}
	return state.Last, nil
}

// recall lets a stopped node's log be read from its archive in the node's own object store. Where the store is elsewhere, the node itself must be
// asked.
func recall(ctx context.Context, b *bus.Bus, data string, log *slog.Logger) (closing func() error, err error) {
	objects := filepath.Join(data, "objects")
	if _, err := os.Stat(objects); err != nil {
		return nil, fmt.Errorf("node: the log was trimmed, and its archive is in an object store elsewhere: %w", err)
	}
	secrets, err := openSecrets(data)
	if err != nil {
		return nil, err
	}
	s3, err := s3embed.Open(ctx, s3embed.Config{Dir: objects, AccessKey: secrets.S3AccessKey, SecretKey: secrets.S3SecretKey, Log: log})
	if err != nil {
		return nil, err
	}
	store, err := blob.Open(ctx, blob.Config{Endpoint: s3.Endpoint(), AccessKey: secrets.S3AccessKey, SecretKey: secrets.S3SecretKey, Bucket: defaultBucket})
	if err != nil {
		return nil, errors.Join(err, s3.Close())
	}
	b.Remember(&keeper.Archive{Bus: b, Blobs: store})
	return func() error { return errors.Join(store.Close(), s3.Close()) }, nil
}

// dump brings a file up to the log's end and writes everything that is in it as text.
func dump(ctx context.Context, b *bus.Bus, state bus.State, path string, log *slog.Logger) (_ []byte, err error) {
	m, err := readmodel.Open(path, readmodel.Options{Identity: state.Identity, LastSeq: &state.Last, Log: log})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	if at := m.Cursor().Committed; at < state.Last {
		end := errors.New("end of the log")
		err := b.Follow(ctx, at+1, nil, func(env event.Envelope) error {
			if err := m.Apply(env); err != nil {
				return err
			}
			if env.Seq >= state.Last {
				return end
			}
			return nil
		})
		if !errors.Is(err, end) {
			return nil, err
		}
	}
	var out bytes.Buffer
	if err := m.Dump(&out); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// firstDifference shows the first line in which two texts differ.
func firstDifference(a, b []byte) string {
	la, lb := bytes.Split(a, []byte("\n")), bytes.Split(b, []byte("\n"))
	for i := range min(len(la), len(lb)) {
		if !bytes.Equal(la[i], lb[i]) {
			return fmt.Sprintf("line %d is %.200q, and %.200q when folded anew", i+1, la[i], lb[i])
		}
	}
	return fmt.Sprintf("%d lines, and %d when folded anew", len(la), len(lb))
}
