package curator

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"millrace/curator/corpus"
	"millrace/trainer/token"
)

func (r Recipe) checkChat() error {
	switch {
	case r.ChatTemplate == "" && r.PackLength != 0:
		return errors.New("pack_length is for a recipe with a chat_template")
	case r.ChatTemplate == "":
		return nil
	case r.ChatTemplate.Special() == nil:
		return fmt.Errorf("chat_template is %q: want %s or %s", r.ChatTemplate, token.ChatML, token.Llama3Chat)
	case !r.Tokenizer.taken() && r.Tokenizer.Kind != token.KindBPE && r.Tokenizer.Kind != "":
		return fmt.Errorf("chat_template needs special tokens, which a tokenizer of kind %q cannot have: want bpe, or a file or digest of one", r.Tokenizer.Kind)
	case r.PackLength < 0 || r.PackLength == 1 || r.PackLength > r.ShardTokens:
		return fmt.Errorf("pack_length is %d: want 0, or 2 to shard_tokens (%d)", r.PackLength, r.ShardTokens)
	}
	return nil
}

// mapChat changes every message of a conversation, and its text with them. The messages that were given stay as they are.
func mapChat(d *corpus.Doc, change func(string) string) {
	chat := make([]token.Message, len(d.Chat))
	for i, m := range d.Chat {
		chat[i] = token.Message{Role: m.Role, Content: change(m.Content)}
	}
	d.Chat, d.Text = chat, corpus.ChatText(chat)
}

// identity is what a source's digest has of a document: that of its text, and for a conversation also who says what.
func identity(d corpus.Doc) [sha256.Size]byte {
	if d.Chat == nil {
		return d.Digest
	}
	h := sha256.New()
	h.Write(d.Digest[:]) // a hash never fails
	var b []byte
	for _, m := range d.Chat {
		b = binary.AppendUvarint(b[:0], uint64(len(m.Role)))
		b = append(b, m.Role...)
		b = binary.AppendUvarint(b, uint64(len(m.Content)))
		h.Write(b)
	}
	return [sha256.Size]byte(h.Sum(nil))
}
