package keeper

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"millrace/event"
	"millrace/storage/blob"
)

// found is an object in the store, or the list of the pieces of one.
type found struct {
	blob.Info
	list bool
}

func (f found) deleteOld(ctx context.Context, s *blob.Store, before time.Time) (bool, error) {
	if f.list {
		return s.DeleteOldList(ctx, f.Digest, before)
	}
	return s.DeleteOld(ctx, f.Digest, before)
}

// markPieces marks the pieces of the objects that are referred to or young.
func (k *Keeper) markPieces(ctx context.Context, live map[event.Digest]string, lists []blob.Info, before time.Time) error {
	var stay []blob.Info
	kind := map[blob.Digest]string{}
	for _, l := range lists {
		of := live[event.Digest(l.Digest)]
		if of == "" && l.Modified.After(before) {
			of = "young"
		}
		if of != "" {
			kind[l.Digest], stay = of, append(stay, l)
		}
	}
	all := map[blob.Digest][]blob.Ref{}
	if err := k.pieces(ctx, stay, all); err != nil {
		return err
	}
	for d, refs := range all {
		for _, ref := range refs {
			piece, of := event.Digest(ref.Digest), kind[d]
			if is := live[piece]; is == "" || slices.Index(kinds, of) < slices.Index(kinds, is) {
				live[piece] = of
			}
		}
	}
	return nil
}

// pieces fetches lists of pieces, several at a time. One that is gone has none.
func (k *Keeper) pieces(ctx context.Context, lists []blob.Info, into map[blob.Digest][]blob.Ref) error {
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for _, l := range lists {
		g.Go(func() error {
			refs, err := k.Blobs.Pieces(ctx, l.Digest)
			if errors.Is(err, blob.ErrNotFound) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("the pieces of %s cannot be known: bring their list back, or delete what it belongs to: %w", l.Digest, err)
			}
			mu.Lock()
			defer mu.Unlock()
			into[l.Digest] = refs
			return nil
		})
	}
	return g.Wait()
}

// split puts pieces in the place of the objects that lie in them, without those that others have too.
func (k *Keeper) split(ctx context.Context, mine map[event.Digest]int64, others map[event.Digest]bool) error {
	var lists []blob.Info
	ours := 0
	for l, err := range k.Blobs.Lists(ctx) {
		if err != nil {
			return err
		}
		_, is := mine[event.Digest(l.Digest)]
		if is {
			ours++
		}
		if is || others[event.Digest(l.Digest)] {
			lists = append(lists, l)
		}
	}
	if ours == 0 {
		return nil
	}
	pieces := map[blob.Digest][]blob.Ref{}
	if err := k.pieces(ctx, lists, pieces); err != nil {
		return err
	}
	for _, l := range lists {
		if _, is := mine[event.Digest(l.Digest)]; !is {
			continue
		}
		mine[event.Digest(l.Digest)] = l.Size // its list
		for _, ref := range pieces[l.Digest] {
			mine[event.Digest(ref.Digest)] = ref.Size
		}
	}
	for _, l := range lists {
		if others[event.Digest(l.Digest)] {
			for _, ref := range pieces[l.Digest] {
				delete(mine, event.Digest(ref.Digest))
			}
		}
	}
	return nil
}
