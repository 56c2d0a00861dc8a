// Package blob keeps immutable bytes in an S3 bucket, each object under the
// sha256 of its content: checkpoints, shards, manifests, anything that an event
// names.
//
// Open connects a Store. Put and PutReader return a Ref (Digest and Size) once
// the bytes are durable; Get, Reader and Fetch bring them back and check them.
//
//	store, err := blob.Open(ctx, blob.Config{Endpoint: "http://127.0.0.1:9000", AccessKey: id, SecretKey: secret, Bucket: "millrace"})
//	ref, err := store.Put(ctx, manifest)
//	b, err := store.Get(ctx, ref.Digest)
//
// A digest is a name that can be checked, so three things follow. Writing twice
// is harmless, and the second time is not sent. Reading never returns other
// bytes than were written: what does not hash to its name is ErrCorrupt. And a
// fact may be published after Put and before anything else happens: the bytes
// it names are there.
//
// PutPieces stores an object that is named and read like any other, and of which
// the parts that another object has too are in the bucket once: the tensors of a
// checkpoint that did not change.
//
// # Faults
//
// Transient faults (connection refused or broken, a server that is busy or
// restarting) are retried with growing pauses for Config.RetryFor, and never
// beyond the context; then the error is ErrUnavailable. A broken download goes
// on where it stopped. Branch on ErrNotFound, ErrCorrupt, ErrDenied,
// ErrUnavailable, ErrTooLarge and ErrFull with errors.Is. No error, log line or
// String of this package shows the secret key.
//
// # Caveats
//
// Objects of 64 MiB and more go up in parts, in parallel. A process that is
// killed in the middle leaves parts behind on a foreign S3 service: give the
// bucket a lifecycle rule that aborts incomplete uploads.
//
// A Store needs to read what it writes twice, once for the name and once to
// send it: PutReader spools what cannot seek into a temporary file.
package blob
