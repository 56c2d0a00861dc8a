package token_test

import (
	"context"
	"fmt"
	"slices"

	"millrace/trainer/token"
)

func Example() {
	docs := []string{"low low low lower lowest", "new newer newest"}
	tok, err := token.Trainer{VocabSize: 270}.Train(context.Background(), slices.Values(docs))
	if err != nil {
		panic(err)
	}
	ids, err := token.Encode(tok, "lowest newest")
	if err != nil {
		panic(err)
	}
	for _, id := range ids {
		fmt.Printf("%q ", tok.Bytes(id))
	}
	text, err := token.Decode(tok, ids)
	if err != nil {
		panic(err)
	}
	fmt.Println(tok.VocabSize(), string(text))
	// Output: "low" "est" " new" "est" 266 lowest newest
}
