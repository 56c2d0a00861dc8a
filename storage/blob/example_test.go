package blob_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"millrace/storage/blob"
	"millrace/storage/s3embed"
)

// A store on the embedded server. With a service of your own, leave out the
// server and give its endpoint.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "example-*")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	server, err := s3embed.Open(ctx, s3embed.Config{Dir: dir, AccessKey: "example", SecretKey: "not-a-secret"})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	store, err := blob.Open(ctx, blob.Config{Endpoint: server.Endpoint(), AccessKey: "example", SecretKey: "not-a-secret", Bucket: "millrace"})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	ref, err := store.Put(ctx, []byte("abc"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(ref.Size, ref.Digest)
	b, err := store.Get(ctx, ref.Digest)
	fmt.Println(string(b), err)
	// Output:
	// 3 sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
	// abc <nil>
}
