package blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"iter"
	"time"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sync/errgroup"
)

const (
	piecesFormat = "millrace.pieces.v1"
	// PieceFrom is the size in bytes from which a part of an object is a piece of its own, unless Config says otherwise.
	PieceFrom = 1 << 20
	// maxRest bounds what of an object is in no piece of its own, which is held in memory when it is read.
	maxRest = 64 << 20
	// maxPieces bounds a list of pieces, and maxPiecesJSON its bytes.
	maxPieces     = 100_000
	maxPiecesJSON = 16 << 20
)

// pieces is how an object lies in the bucket that is not there as a whole: which objects its bytes are, one behind the other. It is stored
// under the whole's digest, below "pieces/" instead of "sha256/".
type pieces struct {
	Format string  `json:"format"` // "millrace.pieces.v1"
	Size   int64   `json:"size"`   // of the whole
	Rest   *Ref    `json:"rest,omitempty"`
	Pieces []piece `json:"pieces"`
}

// piece is the next bytes of an object: another object, or as many of those of Rest as follow.
type piece struct {
	Digest Digest `json:"digest,omitempty"`
	Size   int64  `json:"size"`
}

// refs are the objects that a list names.
func (p pieces) refs() (out []Ref) {
	if p.Rest != nil {
		out = append(out, *p.Rest)
	}
	for _, x := range p.Pieces {
		if x.Digest != "" {
			out = append(out, Ref(x))
		}
	}
	return out
}

// parsePieces reads a list: known format, digests well formed, lengths that add up.
func parsePieces(raw []byte) (pieces, error) {
	var p pieces
	if err := json.Unmarshal(raw, &p); err != nil {
		return p, fmt.Errorf("not a list of pieces: %w: %w", ErrCorrupt, err)
	}
	if p.Format != piecesFormat || len(p.Pieces) > maxPieces || p.Size < 0 || p.Size > maxSize {
		return p, fmt.Errorf("not a list of pieces: format %q, %d pieces of %d bytes: %w", p.Format, len(p.Pieces), p.Size, ErrCorrupt)
	}
	left, rest := p.Size, int64(0)
	for i, x := range p.Pieces {
		if x.Size < 1 || x.Size > left {
			return p, fmt.Errorf("piece %d has %d bytes: %w", i, x.Size, ErrCorrupt)
		}
		left -= x.Size
		if x.Digest == "" {
			rest += x.Size
		} else if _, err := ParseDigest(string(x.Digest)); err != nil {
			return p, fmt.Errorf("piece %d: %w: %w", i, ErrCorrupt, err)
		}
	}
	has := int64(0)
	if p.Rest != nil {
		has = p.Rest.Size
		if _, err := ParseDigest(string(p.Rest.Digest)); err != nil {
			return p, fmt.Errorf("the rest: %w: %w", ErrCorrupt, err)
		}
	}
	if left != 0 || has != rest || rest > maxRest {
		return p, fmt.Errorf("pieces that lack %d bytes, with %d of a rest of %d: %w", left, rest, has, ErrCorrupt)
	}
	return p, nil
}

// PutPieces stores an object that is read and named like any other, but lies in the bucket in pieces, so that what it has in common with another
// one is there once. lengths are those of its parts, one behind the other, in bytes: a part of Config.PieceFrom or more is a piece of its own,
// the others are one together. It returns when all is durable. r is read several times and must not change meanwhile.
func (s *Store) PutPieces(ctx context.Context, r io.ReaderAt, lengths []int64) (Ref, error) {
	p := pieces{Format: piecesFormat}
	var rest restOf
	var own []bool // which pieces are objects of their own
	for _, n := range lengths {
		if n < 0 || n > maxSize-p.Size {
			return Ref{}, fmt.Errorf("blob: put: a part of %d bytes", n)
		}
		last := len(own) - 1
		switch {
		case n == 0:
		case n >= s.cfg.PieceFrom:
			p.Pieces, own = append(p.Pieces, piece{Size: n}), append(own, true)
		case last >= 0 && !own[last]:
			p.Pieces[last].Size += n
			rest.extend(n)
		default:
			p.Pieces, own = append(p.Pieces, piece{Size: n}), append(own, false)
			rest.add(p.Size, n)
		}
		p.Size += n
	}
	if len(p.Pieces) == len(rest.parts) || rest.size > maxRest || len(p.Pieces) > maxPieces {
		return s.PutReader(ctx, io.NewSectionReader(r, 0, p.Size), p.Size)
	}
	whole, err := sumOf(ctx, r, p.Size)
	if err != nil {
		return Ref{}, fmt.Errorf("blob: put: read the source: %w", err)
	}
	ref := Ref{whole, p.Size}
	present, err := s.present(ctx, fmt.Sprintf("put %s (%d bytes)", whole, p.Size), s.cfg.Prefix+whole.Key(), p.Size, s.cfg.Fresh)
	if present || err != nil {
		return ref, err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(partsAtOnce)
	one := func(r io.ReaderAt, n int64, to *Ref) {
		g.Go(func() error {
			src, err := hashed(gctx, r, n)
			if err != nil {
				return fmt.Errorf("blob: put: read the source: %w", err)
			}
			*to = src.ref
			// Half as old as others may be: the list that names it is written later, and only then keeps it.
			src.fresh = s.cfg.Fresh / 2
			return s.put(gctx, src)
		})
	}
	refs := make([]Ref, len(p.Pieces))
	at := int64(0)
	for i, x := range p.Pieces {
		if own[i] {
			one(io.NewSectionReader(r, at, x.Size), x.Size, &refs[i])
		}
		at += x.Size
	}
	if rest.size > 0 {
		small, err := rest.read(r)
		if err != nil {
			return Ref{}, errors.Join(fmt.Errorf("blob: put: read the source: %w", err), g.Wait())
		}
		p.Rest = &Ref{}
		one(memory(small), rest.size, p.Rest)
	}
	if err := g.Wait(); err != nil {
		return Ref{}, err
	}
	for i := range refs {
		p.Pieces[i].Digest = refs[i].Digest
	}
	return ref, s.putList(ctx, whole, p)
}

// restOf is where the parts lie that are no pieces of their own.
type restOf struct {
	parts []struct{ at, n int64 }
	size  int64
}

func (r *restOf) add(at, n int64) {
	r.parts = append(r.parts, struct{ at, n int64 }{at, n})
	r.size += n
}

func (r *restOf) extend(n int64) {
	r.parts[len(r.parts)-1].n += n
	r.size += n
}

func (r *restOf) read(from io.ReaderAt) ([]byte, error) {
	out := make([]byte, r.size)
	to := out
	for _, p := range r.parts {
		if _, err := io.ReadFull(io.NewSectionReader(from, p.at, p.n), to[:p.n]); err != nil {
			return nil, err
		}
		to = to[p.n:]
	}
	return out, nil
}

// sumOf is the digest of size bytes.
func sumOf(ctx context.Context, r io.ReaderAt, size int64) (Digest, error) {
	h := sha256.New()
	n, err := io.CopyBuffer(h, &ctxReader{ctx, io.NewSectionReader(r, 0, size)}, make([]byte, 256<<10))
	if err == nil && n != size {
		err = fmt.Errorf("it ends after %d bytes and should have %d: %w", n, size, io.ErrUnexpectedEOF)
	}
	return digestOf([sha256.Size]byte(h.Sum(nil))), err
}

// listKey is where the list of d's pieces lies.
func (s *Store) listKey(d Digest) (string, error) {
	if _, err := ParseDigest(string(d)); err != nil {
		return "", err
	}
	h := d.Hex()
	return s.cfg.Prefix + piecesDir + h[:2] + "/" + h, nil
}

const piecesDir = "pieces/"

// putList stores the list of an object's pieces, which are there, or makes it young.
func (s *Store) putList(ctx context.Context, d Digest, p pieces) error {
	raw, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("blob: the pieces of %s: %w", d, err)
	}
	if len(raw) > maxPiecesJSON {
		return fmt.Errorf("blob: the list of %d pieces of %s has %d bytes: %w", len(p.Pieces), d, len(raw), ErrTooLarge)
	}
	key, err := s.listKey(d)
	if err != nil {
		return err
	}
	defer s.look(key)()
	return s.retry(ctx, "put the pieces of "+string(d), func() error {
		_, err := s.s3.PutObject(ctx, s.cfg.Bucket, key, bytes.NewReader(raw), int64(len(raw)), "", DigestOf(raw).Hex(), sent())
		return err
	})
}

// list fetches the list of an object's pieces, or ErrNotFound.
func (s *Store) list(ctx context.Context, d Digest) (p pieces, at time.Time, err error) {
	key, err := s.listKey(d)
	if err != nil {
		return p, at, err
	}
	var raw []byte
	err = s.retry(ctx, "get the pieces of "+string(d), func() error {
		body, info, _, err := s.s3.GetObject(ctx, s.cfg.Bucket, key, minio.GetObjectOptions{})
		if err != nil {
			return err
		}
		defer body.Close()
		at = info.LastModified
		raw, err = io.ReadAll(io.LimitReader(body, maxPiecesJSON+1))
		return err
	})
	if err != nil {
		return p, at, err
	}
	if len(raw) > maxPiecesJSON {
		return p, at, fmt.Errorf("blob: the list of the pieces of %s: %w", d, ErrTooLarge)
	}
	if p, err = parsePieces(raw); err != nil {
		return p, at, fmt.Errorf("blob: %s: %w", d, err)
	}
	return p, at, nil
}

// Pieces are the objects that an object was stored as, by PutPieces, and ErrNotFound for any other.
func (s *Store) Pieces(ctx context.Context, d Digest) ([]Ref, error) {
	p, _, err := s.list(ctx, d)
	return p.refs(), err
}

// Lists yields every object that lies in pieces, in the order of digests. Info.Size is that of its list, and Info.Modified when that was stored.
func (s *Store) Lists(ctx context.Context) iter.Seq2[Info, error] { return s.listAll(ctx, piecesDir) }

// DeleteOldList removes the list of an object's pieces, and so the object, unless it was stored after a time; the pieces stay. Otherwise it
// is as DeleteOld.
func (s *Store) DeleteOldList(ctx context.Context, d Digest, before time.Time) (deleted bool, err error) {
	key, err := s.listKey(d)
	if err != nil {
		return false, err
	}
	return s.deleteOld(ctx, d, key, before)
}

// refreshPieces makes an object in pieces young, as Refresh does.
func (s *Store) refreshPieces(ctx context.Context, d Digest, p pieces) (Info, error) {
	key, err := s.listKey(d)
	if err != nil {
		return Info{}, err
	}
	for _, ref := range p.refs() {
		if _, err := s.refresh(ctx, ref.Digest, s.cfg.Prefix+ref.Digest.Key(), s.cfg.Fresh/2); err != nil {
			return Info{}, fmt.Errorf("blob: a piece of %s: %w", d, err)
		}
	}
	info, err := s.refresh(ctx, d, key, s.cfg.Fresh)
	info.Size = p.Size
	return info, err
}

// pieced is an object on its way that lies in pieces.
type pieced struct {
	ctx    context.Context
	store  *Store
	digest Digest
	list   pieces
	rest   []byte // what of it was not read
	next   int    // the piece that follows
	body   io.ReadCloser
	hash   hash.Hash
	off    int64
	err    error
}

func (s *Store) pieced(ctx context.Context, d Digest, list pieces) (*pieced, error) {
	p := &pieced{ctx: ctx, store: s, digest: d, list: list, hash: sha256.New()}
	if list.Rest != nil {
		r, err := s.reader(ctx, list.Rest.Digest)
		if err != nil {
			return nil, p.explain(err)
		}
		defer r.Close()
		p.rest = make([]byte, list.Rest.Size)
		if _, err := io.ReadFull(r, p.rest); err != nil || r.size != list.Rest.Size {
			return nil, p.explain(errors.Join(err, r.fits(list.Rest.Size)))
		}
	}
	return p, nil
}

func (p *pieced) length() int64 { return p.list.Size }

func (p *pieced) explain(err error) error {
	return fmt.Errorf("blob: get %s: a piece of it: %w", p.digest, err)
}

// open begins the next piece.
func (p *pieced) open() error {
	x := p.list.Pieces[p.next]
	p.next++
	if x.Digest == "" {
		p.body = io.NopCloser(bytes.NewReader(p.rest[:x.Size]))
		p.rest = p.rest[x.Size:]
		return nil
	}
	r, err := p.store.reader(p.ctx, x.Digest)
	if err != nil {
		return p.explain(err)
	}
	if err := r.fits(x.Size); err != nil {
		r.Close()
		return p.explain(err)
	}
	r.unchecked = true // the whole is
	p.body = r
	return nil
}

func (p *pieced) Read(b []byte) (int, error) {
	if len(b) == 0 || p.err != nil {
		return 0, p.err
	}
	for {
		if p.body == nil {
			if p.err = p.open(); p.err != nil {
				return 0, p.err
			}
		}
		n, err := p.body.Read(b)
		p.hash.Write(b[:n])
		p.off += int64(n)
		switch {
		case p.off == p.list.Size:
			if p.err = p.verify(); !errors.Is(p.err, io.EOF) {
				return 0, p.err
			}
			return n, nil
		case n > 0:
			return n, nil
		case errors.Is(err, io.EOF):
			p.body.Close()
			p.body = nil
		case err != nil:
			p.err = p.explain(err)
			return 0, p.err
		}
	}
}

// verify is io.EOF when every byte was right, and otherwise names the piece that is not, if it is still so.
func (p *pieced) verify() error {
	got := digestOf([sha256.Size]byte(p.hash.Sum(nil)))
	if got == p.digest {
		return io.EOF
	}
	for _, ref := range p.list.refs() {
		r, err := p.store.reader(p.ctx, ref.Digest)
		if err == nil {
			_, err = io.Copy(io.Discard, r)
			r.Close()
		}
		if err != nil {
			return p.explain(err)
		}
	}
	return fmt.Errorf("blob: get %s: %w: its %d pieces have digest %s together", p.digest, ErrCorrupt, len(p.list.Pieces), got)
}

// Close ends the download.
func (p *pieced) Close() error {
	if p.err == nil {
		p.err = fs.ErrClosed
	}
	if p.body == nil {
		return nil
	}
	body := p.body
	p.body = nil
	return body.Close()
}
