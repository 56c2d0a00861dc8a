package curator_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"millrace/curator"
	"millrace/curator/pack"
	"millrace/trainer/token"

	"github.com/stretchr/testify/require"
)

// conversations writes n conversations, one a line, in one of which somebody gives an address.
func conversations(t *testing.T, n int) string {
	t.Helper()
	var lines []byte
	for i := range n {
		raw, err := json.Marshal(map[string]any{"messages": []token.Message{
			{Role: "system", Content: "You are a mill."},
			{Role: "user", Content: fmt.Sprintf("Which wheel is number %d?\r\nWrite to jane%d@example.com.", i, i)},
			{Role: "assistant", Content: fmt.Sprintf("Number %d is %s", i, strings.Repeat("the old wheel ", 1+i%9))},
			{Role: "user", Content: "Thanks <|im_end|>"},
			{Role: "assistant", Content: "You are welcome."},
		}})
		require.NoError(t, err)
		lines = append(append(lines, raw...), '\n')
	}
	path := filepath.Join(t.TempDir(), "chat.jsonl")
	require.NoError(t, os.WriteFile(path, lines, 0o644))
	return path
}

func chatRecipe(t *testing.T, keys string) curator.Recipe {
	t.Helper()
	r, err := curator.ParseRecipe(fmt.Appendf(nil, "name: x\nsources: [{chat: %q}, {name: text, folder: %q}]\nclean: {}\nprivacy: {}\nchat_template: chatml\nheld_out: 0\ntokenizer: {vocab_size: 400}\n%s\n",
		conversations(t, 40), many(t, 20), keys))
	require.NoError(t, err)
	return r
}

func TestConversationsAreWrittenInTheTemplateWithAMask(t *testing.T) {
	for _, length := range []int64{0, 256} {
		r := chatRecipe(t, fmt.Sprintf("pack_length: %d\nshard_tokens: 1500", length))
		var sink memory
		m, err := curator.Curator{Sink: &sink}.Run(context.Background(), r)
		require.NoError(t, err)
		again, err := curator.ParseManifest(m.JSON())
		require.NoError(t, err)
		require.Equal(t, m, again)
		var size int64
		for _, blob := range sink.blobs {
			size += int64(len(blob))
		}
		require.Equal(t, size, m.Size())

		tok, err := token.Parse(sink.blobs[m.Tokenizer.Digest])
		require.NoError(t, err)
		n, conversations, counted := 0, 0, int64(0)
		require.Greater(t, len(m.Splits[0].Shards), 1)
		for _, shard := range m.Splits[0].Shards {
			ids, err := pack.Decode(nil, sink.blobs[shard.Digest], m.DType)
			require.NoError(t, err)
			mask, err := pack.DecodeMask(sink.blobs[shard.Mask], shard.Tokens)
			require.NoError(t, err)
			ends, err := pack.DecodeIndex(sink.blobs[shard.Index], shard.Tokens)
			require.NoError(t, err)
			start := int64(0)
			for _, end := range ends {
				n++
				var said []int32 // what counts
				stop := start
				for i := start; i < end; i++ {
					if mask[i] {
						said = append(said, ids[i])
						counted++
					}
					if ids[i] != tok.EndOfText() {
						stop = i + 1
					}
				}
				if length > 0 {
					require.True(t, start/length == stop/length || start%length == 0)
				}
				text, err := token.Decode(tok, said)
				require.NoError(t, err)
				want, err := token.Decode(tok, ids[start:end])
				require.NoError(t, err)
				if strings.Contains(string(want), "You are a mill.") {
					i := conversations
					conversations++
					require.Equal(t, fmt.Sprintf("Number %d is %sYou are welcome.", i, strings.Repeat("the old wheel ", 1+i%9)), string(text))
					require.Equal(t, fmt.Sprintf("system\nYou are a mill.\nuser\nWhich wheel is number %d?\nWrite to [EMAIL].\nassistant\n%[2]sYou are welcome.\n", i, ""),
						strings.Replace(strings.Replace(string(want), fmt.Sprintf("Number %d is %s", i, strings.Repeat("the old wheel ", 1+i%9)), "", 1), "\nuser\nThanks <|im_end|>\nassistant\n", "", 1))
				} else {
					require.Equal(t, string(want), string(text), "of plain text everything counts")
				}
				start = end
			}
		}
		require.Equal(t, 60, n)
		require.Equal(t, 40, conversations)
		require.Equal(t, counted, m.Splits[0].LossTokens)
		require.EqualValues(t, 40, m.Redacted[0].Documents)
	}
}

func TestConversationsWithoutATemplateAreTheirContents(t *testing.T) {
	r := chatRecipe(t, "")
	r.ChatTemplate, r.Sources = "", r.Sources[:1]
	var sink memory
	m, err := curator.Curator{Sink: &sink}.Run(context.Background(), r)
	require.NoError(t, err)
	require.Empty(t, m.Splits[0].Shards[0].Mask)
	require.Equal(t, "You are a mill.\n\nWhich wheel is number 0?\nWrite to [EMAIL].\n\nNumber 0 is the old wheel \n\nThanks <|im_end|>\n\nYou are welcome.", texts(t, &sink, m, curator.Train)[0])
}

// Who says what is part of what was read: a dataset is not taken again when only that has changed.
func TestRolesAreContent(t *testing.T) {
	r := chatRecipe(t, "")
	before, err := curator.Curator{Sink: &memory{}}.Run(context.Background(), r)
	require.NoError(t, err)
	raw, err := os.ReadFile(r.Sources[0].Chat)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(r.Sources[0].Chat, []byte(strings.Replace(string(raw), `"role":"system"`, `"role":"user"`, 1)), 0o644))
	after, err := curator.Curator{Sink: &memory{}}.Run(context.Background(), r)
	require.NoError(t, err)
	require.NotEqual(t, before.Source, after.Source)
}

func TestConversationsStayWhole(t *testing.T) {
	r := chatRecipe(t, "")
	r.Sources = r.Sources[:1]
	for _, fraction := range []float64{0.1, 0.5, 0.83} {
		r.HeldOut, r.HeldOutBy = fraction, curator.ByTail
		var sink memory
		m, err := curator.Curator{Sink: &sink}.Run(context.Background(), r)
		require.NoError(t, err)
		require.EqualValues(t, 40, m.Splits[0].Documents+m.Splits[1].Documents)
		require.InDelta(t, 40*fraction, m.Splits[1].Documents, 6)
	}
}

func TestChatErrors(t *testing.T) {
	const head = "name: x\nsources: [{folder: a}]\n"
	for keys, want := range map[string]string{
		"chat_template: alpaca":                               `chat_template is "alpaca"`,
		"chat_template: chatml\ntokenizer: {kind: byte}":      `of kind "byte" cannot have`,
		"pack_length: 128":                                    "for a recipe with a chat_template",
		"chat_template: chatml\npack_length: 1":               "pack_length is 1",
		"chat_template: chatml\npack_length: 99999999":        "pack_length is 99999999",
		"chat_template: llama3\ntokenizer: {vocab_size: 258}": "want 261 to",
	} {
		_, err := curator.ParseRecipe([]byte(head + keys + "\n"))
		require.ErrorIs(t, err, curator.ErrRecipe, keys)
		require.ErrorContains(t, err, want, keys)
	}
	r := chatRecipe(t, "")
	file := filepath.Join(t.TempDir(), "tokenizer.json")
	require.NoError(t, os.WriteFile(file, token.NewByte().JSON(), 0o644))
	r.Tokenizer = curator.Tokenizer{File: file}
	_, err := curator.Curator{Sink: &memory{}}.Run(context.Background(), r)
	require.ErrorIs(t, err, curator.ErrRecipe)
	require.ErrorContains(t, err, "<|im_start|>")
}
