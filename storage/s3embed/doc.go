// Package s3embed is the S3 server inside the program, for when nobody has
// given it an endpoint: one machine, one directory, no other process.
//
// Open starts it, Endpoint says where it listens, Close stops it. Everything
// else is S3: whatever speaks the protocol with signature version 4 can use it.
//
//	srv, err := s3embed.Open(ctx, s3embed.Config{Dir: "data/s3", AccessKey: id, SecretKey: secret})
//	defer srv.Close()
//	client(srv.Endpoint())
//
// # What is promised
//
// A PUT is answered after the object's bytes, its name and every directory
// above it have been fsynced. What a reader has been shown is durable too: an
// object becomes visible to HEAD, GET and conditional writes only once it would
// survive power loss. A write that fails (full disk, broken connection, wrong
// checksum) leaves nothing behind, and an overwritten object is either the old
// one or the new one, never a mixture. A body whose sha256 is in the signature
// (x-amz-content-sha256) is checked against it.
//
// # Caveats
//
// One server owns a directory: a second Open of it, from this process or
// another, is refused. Several servers with a directory each may live in one
// process.
//
// There is no versioning, no ACLs, no lifecycle and one pair of keys. The
// signatures of single chunks (STREAMING-AWS4-HMAC-SHA256-PAYLOAD) are not
// checked, only that of the request: send the sha256 of the payload, or use
// TLS. Trailing checksums are not supported: minio-go wants
// TrailingHeaders:false. Uploads in parts that were not completed end with the
// process. A path segment of a key (between two slashes) may have 240
// bytes once escaped.
//
// # Why not versitygw
//
// The protocol comes from github.com/rclone/gofakes3, the storage is ours.
// versitygw's embedgw was measured first: its POSIX backend calls os.Chdir on
// the whole process, so that every other relative path of the program changes
// meaning; it allows one server per process; it picks no port of its own
// (":0" cannot be asked back); each server leaves a goroutine behind; and it
// prints to standard output.
package s3embed
