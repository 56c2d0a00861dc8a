package curator_test

import (
	"context"
	"fmt"

	"millrace/curator"
)

func ExampleCurator_Run() {
	recipe, err := curator.ParseRecipe([]byte(`
name: poems
sources:
  - folder: testdata/corpus/poems
    include: ["*.txt"]
tokenizer: {kind: byte}
held_out: 0.2
`))
	if err != nil {
		panic(err)
	}
	var sink memory // in the program: an object store
	manifest, err := curator.Curator{Sink: &sink}.Run(context.Background(), recipe)
	if err != nil {
		panic(err)
	}
	for _, s := range manifest.Splits {
		fmt.Println(s.Name, s.Documents, "documents", s.Tokens, "tokens", s.Bytes, "bytes")
	}
	for _, d := range manifest.Dropped {
		fmt.Println(d.Documents, d.Reason, "such as", d.Examples[0].Document)
	}
	// Output:
	// train 11 documents 954 tokens 943 bytes
	// held_out 3 documents 240 tokens 237 bytes
	// 1 duplicate such as fog.txt
}
