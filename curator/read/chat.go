package read

import (
	"encoding/json"
	"strings"

	"millrace/curator/corpus"
	"millrace/trainer/token"
)

// chatNames are the fields of the three shapes of conversations, behind those that every record may have.
var chatNames = []string{"messages", "conversations", "instruction", "input", "output"}

func extractChat(x *extractor, data []byte, d *corpus.Doc) *corpus.Why {
	data, why := line(data)
	if why != nil {
		return why
	}
	names := x.source.fieldNames()
	values := make([][]byte, len(names)+len(chatNames))
	if !scanObject(data, append(names[:], chatNames...), values) {
		return &corpus.Why{Reason: NotJSON, Value: float64(len(data))}
	}
	messages, ok := conversation(values[len(names):])
	if !ok {
		return &corpus.Why{Reason: NotChat, Value: float64(len(data))}
	}
	d.Chat, d.Text = messages, corpus.ChatText(messages)
	describe(d, values)
	return nil
}

// conversation reads the fields of chatNames. Every message has a role, and one at least something to say.
func conversation(values [][]byte) (messages []token.Message, ok bool) {
	switch {
	case values[0] != nil:
		messages, ok = openAI(values[0])
	case values[1] != nil:
		messages, ok = shareGPT(values[1])
	default:
		messages, ok = alpaca(values[2:])
	}
	for _, m := range messages {
		if strings.TrimSpace(m.Content) != "" {
			return messages, ok
		}
	}
	return nil, false
}

// openAI reads [{"role","content"}]. A content is text, or a list of parts that are.
func openAI(raw []byte) ([]token.Message, bool) {
	var list []struct {
		Role    string
		Content json.RawMessage
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, false
	}
	var messages []token.Message
	for _, m := range list {
		content, ok := scanText(m.Content)
		if !ok {
			content, ok = parts(m.Content)
		}
		if !ok || m.Role == "" {
			return nil, false
		}
		messages = append(messages, token.Message{Role: m.Role, Content: content})
	}
	return messages, true
}

func parts(raw json.RawMessage) (string, bool) {
	var list []struct {
		Type string
		Text *string
	}
	if err := json.Unmarshal(raw, &list); err != nil || len(list) == 0 {
		return "", false
	}
	var texts []string
	for _, p := range list {
		if p.Type != "text" || p.Text == nil {
			return "", false
		}
		texts = append(texts, *p.Text)
	}
	return strings.Join(texts, "\n"), true
}

// shareGPT reads [{"from","value"}].
func shareGPT(raw []byte) ([]token.Message, bool) {
	var list []struct {
		From  string
		Value *string
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, false
	}
	var messages []token.Message
	for _, m := range list {
		role := ""
		switch m.From {
		case "human", "user":
			role = "user"
		case "gpt", "chatgpt", "assistant", "model":
			role = "assistant"
		case "system":
			role = "system"
		case "tool", "function", "observation", "function_response":
			role = "tool"
		}
		if role == "" || m.Value == nil {
			return nil, false
		}
		messages = append(messages, token.Message{Role: role, Content: *m.Value})
	}
	return messages, true
}

// alpaca reads instruction, input (which may be empty or missing) and output.
func alpaca(values [][]byte) ([]token.Message, bool) {
	instruction, ok := scanText(values[0])
	output, answered := scanText(values[2])
	if !ok || !answered {
		return nil, false
	}
	if input, _ := scanText(values[1]); input != "" {
		instruction += "\n\n" + input
	}
	return []token.Message{{Role: "user", Content: instruction}, {Role: "assistant", Content: output}}, true
}
