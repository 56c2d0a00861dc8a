package blob_test

import (
	"errors"
	"testing"

	"millrace/storage/blob"
	"millrace/storage/s3embed"
)

func TestATreeIsNamedByItsFilesAlone(t *testing.T) {
	ctx := t.Context()
	srv, err := s3embed.Open(ctx, s3embed.Config{Dir: t.TempDir(), AccessKey: "test", SecretKey: "test-secret"})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	st, err := blob.Open(ctx, blob.Config{Endpoint: srv.Endpoint(), AccessKey: "test", SecretKey: "test-secret", Bucket: "trees"})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	a, err := st.Put(ctx, []byte("a"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := st.Put(ctx, []byte("b"))
	if err != nil {
		t.Fatal(err)
	}
	one, err := st.PutTree(ctx, []blob.Entry{{Name: "x", Ref: a}, {Name: "y", Ref: b}})
	if err != nil {
		t.Fatal(err)
	}
	two, err := st.PutTree(ctx, []blob.Entry{{Name: "y", Ref: b}, {Name: "x", Ref: a}})
	if err != nil || one != two {
		t.Fatalf("%v and %v: %v", one, two, err)
	}
	tree, err := st.Tree(ctx, one.Digest)
	if err != nil {
		t.Fatal(err)
	}
	if ref, ok := tree.File("y"); !ok || ref != b {
		t.Fatalf("%v %v", ref, ok)
	}
	if _, ok := tree.File("z"); ok {
		t.Fatal("there is no z")
	}
	if _, err := st.Tree(ctx, a.Digest); !errors.Is(err, blob.ErrCorrupt) {
		t.Fatalf("%q is no tree: %v", "a", err)
	}
	if _, err := st.PutTree(ctx, []blob.Entry{{Name: "x", Ref: a}, {Name: "x", Ref: b}}); err == nil {
		t.Fatal("a name twice")
	}
}

func FuzzParseTree(f *testing.F) {
	f.Add([]byte(`{"format":"millrace.tree.v1","files":[{"name":"x","digest":"sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb","size":1}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		tree, err := blob.ParseTree(raw)
		if err != nil {
			return
		}
		for _, e := range tree.Files {
			if ref, ok := tree.File(e.Name); !ok || ref != e.Ref {
				t.Fatal("an entry cannot be found by its name")
			}
		}
	})
}
