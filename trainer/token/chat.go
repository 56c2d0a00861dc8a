package token

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// Message is one turn of a conversation.
type Message struct {
	Role    string `json:"role"` // system, user, assistant, …
	Content string `json:"content"`
}

// ChatTemplate names the way a conversation is written for a model.
type ChatTemplate string

// The templates.
const (
	// ChatML is, for each message,
	//
	//	<|im_start|>role\ncontent<|im_end|>\n
	ChatML ChatTemplate = "chatml"
	// Llama3Chat is <|begin_of_text|> and, for each message, with white space around the content removed,
	//
	//	<|start_header_id|>role<|end_header_id|>\n\ncontent<|eot_id|>
	Llama3Chat ChatTemplate = "llama3"
)

// ErrChat is wrapped by errors of ChatTemplate.Encode: the conversation or the tokenizer does not fit the template.
var ErrChat = errors.New("token: chat")

// assistant is the role whose words a model learns.
const assistant = "assistant"

// Conversation is a conversation as ids, and for each id whether it counts in the loss of fine-tuning.
type Conversation struct {
	IDs []int32 `json:"ids"`
	// Loss is true for the answers of the assistant and the token that ends each: what the model shall say itself.
	Loss []bool `json:"loss_mask"`
}

// Special are the names of the special tokens that the template needs; nil for a template that does not exist.
func (c ChatTemplate) Special() []string {
	switch c {
	case ChatML:
		return []string{"<|im_start|>", "<|im_end|>"}
	case Llama3Chat:
		return []string{"<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"}
	}
	return nil
}

// Encode writes a conversation with t. With answer it ends with the beginning of an assistant's message, for the model to go on.
// The special tokens are the template's own alone: what roles and contents say is text, even if it reads like one. It
// returns ErrChat when t lacks a special token, or a message has no role.
func (c ChatTemplate) Encode(t Tokenizer, messages []Message, answer bool) (Conversation, error) {
	names := c.Special()
	if names == nil {
		return Conversation{}, fmt.Errorf("%w: unknown template %q: want %s or %s", ErrChat, c, ChatML, Llama3Chat)
	}
	w := chatWriter{t: t, ids: map[string]int32{}}
	for _, s := range t.Special() {
		w.ids[s.Name] = s.ID
	}
	for _, name := range names {
		if _, ok := w.ids[name]; !ok {
			return Conversation{}, fmt.Errorf("%w: this tokenizer has no special token %s, which the template %s needs; train one with it, or add it to the file", ErrChat, name, c)
		}
	}
	if c == Llama3Chat {
		w.special("<|begin_of_text|>", false)
	}
	for i, m := range messages {
		if m.Role == "" {
			return Conversation{}, fmt.Errorf("%w: message %d has no role", ErrChat, i)
		}
		if err := w.message(c, m); err != nil {
			return Conversation{}, fmt.Errorf("%w: message %d: %w", ErrChat, i, err)
		}
	}
	if answer {
		if err := w.begin(c, assistant, "", false); err != nil {
			return Conversation{}, fmt.Errorf("%w: %w", ErrChat, err)
		}
	}
	return w.out, nil
}

// chatWriter appends to a conversation.
type chatWriter struct {
	t   Tokenizer
	ids map[string]int32
	out Conversation
}

func (w *chatWriter) special(name string, loss bool) {
	w.out.IDs = append(w.out.IDs, w.ids[name])
	w.out.Loss = append(w.out.Loss, loss)
}

// text appends head and tail as one text, for a token may reach across; those that begin in tail count in the loss if asked.
func (w *chatWriter) text(head, tail string, loss bool) error {
	from := len(w.out.IDs)
	var err error
	if w.out.IDs, err = w.t.Append(w.out.IDs, head+tail); err != nil {
		return err
	}
	at := 0
	for _, id := range w.out.IDs[from:] {
		w.out.Loss = append(w.out.Loss, loss && at >= len(head))
		at += len(w.t.Bytes(id))
	}
	return nil
}

// begin writes a message up to the end of its content.
func (w *chatWriter) begin(c ChatTemplate, role, content string, loss bool) error {
	if c == ChatML {
		w.special("<|im_start|>", false)
		return w.text(role+"\n", content, loss)
	}
	w.special("<|start_header_id|>", false)
	if err := w.text(role, "", false); err != nil {
		return err
	}
	w.special("<|end_header_id|>", false)
	return w.text("\n\n", strings.TrimFunc(content, isTrimmed), loss)
}

func (w *chatWriter) message(c ChatTemplate, m Message) error {
	loss := m.Role == assistant
	if err := w.begin(c, m.Role, m.Content, loss); err != nil {
		return err
	}
	if c == ChatML {
		w.special("<|im_end|>", loss)
		return w.text("\n", "", false)
	}
	w.special("<|eot_id|>", loss)
	return nil
}

// isTrimmed is what Python's str.strip removes, by which the template is defined: white space and U+001C to U+001F.
func isTrimmed(r rune) bool { return unicode.IsSpace(r) || r >= 0x1C && r <= 0x1F }
