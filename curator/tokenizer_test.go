package curator_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"millrace/curator"
	"millrace/trainer/token"

	"github.com/stretchr/testify/require"
)

func TestTokenizerOfWords(t *testing.T) {
	files := map[string]string{}
	for i := range 30 {
		files[fmt.Sprintf("%02d.txt", i)] = strings.Repeat("the mill turns ", 1+i%3) + fmt.Sprint("rare", i)
	}
	r := recipe(curator.Source{Folder: folder(t, files)})
	r.HeldOut = 0
	r.Tokenizer = curator.Tokenizer{Kind: token.KindWord, VocabSize: 100, MinFrequency: 20}
	var sink memory
	m, err := curator.Curator{Sink: &sink}.Run(context.Background(), r)
	require.NoError(t, err)
	require.Equal(t, token.KindWord, m.Tokenizer.Kind)
	require.Equal(t, 7, m.Tokenizer.VocabSize, "the, ·the, ·mill, ·turns, ·rare, what is unknown, and the end of text")
	again, err := curator.ParseManifest(m.JSON())
	require.NoError(t, err)
	require.Equal(t, m, again)
	tok, err := token.Parse(sink.blobs[m.Tokenizer.Digest])
	require.NoError(t, err)
	ids, err := token.Encode(tok, "the mill turns rare1")
	require.NoError(t, err)
	require.NotContains(t, ids[:4], tok.(*token.Word).Unknown())
	require.Equal(t, tok.(*token.Word).Unknown(), ids[4])
}

func TestTokenizerAsTheRecipeSays(t *testing.T) {
	r, err := curator.ParseRecipe(fmt.Appendf(nil, "name: x\nsources: [{folder: %q}]\ntokenizer: {vocab_size: 300, pattern: llama3, special: [<|tool|>], min_frequency: 5}\n", many(t, 40)))
	require.NoError(t, err)
	require.Contains(t, string(r.JSON()), `"tokenizer":{"kind":"bpe","min_frequency":5,"pattern":"llama3","special":["<|tool|>"],"vocab_size":300}`)
	r.HeldOut = 0
	var sink memory
	m, err := curator.Curator{Sink: &sink}.Run(context.Background(), r)
	require.NoError(t, err)
	tok, err := token.Parse(sink.blobs[m.Tokenizer.Digest])
	require.NoError(t, err)
	require.Equal(t, []token.Special{{Name: token.EndOfText, ID: int32(m.Tokenizer.VocabSize - 2)}, {Name: "<|tool|>", ID: int32(m.Tokenizer.VocabSize - 1)}}, tok.Special())
	require.Equal(t, token.Llama3, tok.(*token.BPE).Pattern())
	require.Less(t, m.Tokenizer.VocabSize, 300, "few pairs are so frequent")
}
