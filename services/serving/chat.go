package serving

import (
	"fmt"
	"strings"

	"millrace/trainer/token"
)

// conversation is how a tokenizer's models are spoken to.
type conversation struct {
	template token.ChatTemplate // "": plain
	ends     []int32            // tokens that end an answer
}

// conversationOf takes the template whose special tokens the tokenizer has: a model was fine-tuned with it. Without any, roles are
// written as words, which a model that saw dialogues in its text may go on with.
func conversationOf(tok token.Tokenizer) conversation {
	ids := map[string]int32{}
	for _, s := range tok.Special() {
		ids[s.Name] = s.ID
	}
	for template, end := range map[token.ChatTemplate]string{token.ChatML: "<|im_end|>", token.Llama3Chat: "<|eot_id|>"} {
		has := true
		for _, name := range template.Special() {
			_, ok := ids[name]
			has = has && ok
		}
		if has {
			return conversation{template, []int32{ids[end]}}
		}
	}
	return conversation{}
}

// plainStops end an answer of a model that has no template: it begins to speak for another.
var plainStops = []string{"\nUser:", "\nSystem:", "\nAssistant:"}

// encode writes a conversation up to where the assistant answers.
func (c conversation) encode(tok token.Tokenizer, messages []token.Message) ([]int32, error) {
	if c.template != "" {
		said, err := c.template.Encode(tok, messages, true)
		return said.IDs, err
	}
	var b strings.Builder
	for i, m := range messages {
		if m.Role == "" {
			return nil, fmt.Errorf("message %d has no role", i)
		}
		fmt.Fprintf(&b, "%s%s: %s\n", strings.ToUpper(m.Role[:1]), m.Role[1:], m.Content)
	}
	b.WriteString("Assistant:")
	return tok.Append([]int32{tok.EndOfText()}, b.String())
}
