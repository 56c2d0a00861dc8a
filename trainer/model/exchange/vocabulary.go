package exchange

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"millrace/trainer/model/gguf"
	"millrace/trainer/token"
)

// Types of tokens in a GGUF.
const (
	tokenNormal  int32 = 1
	tokenControl int32 = 3
	tokenUnused  int32 = 5
)

// preTypes is how llama.cpp calls the ways in which a text is cut. GPT2 and Llama3 are cut exactly as here. llama.cpp has none of CL100K, whose
// next relation differs in white space with line ends at the very end of a text; and its O200K tells capitals from others in ASCII only.
// With whole, a piece that is a token is taken as it is.
func preType(p token.Pattern, whole bool) string {
	switch p {
	case token.GPT2:
		return "gpt-2"
	case token.O200K:
		return "gpt-4o"
	}
	if whole {
		return "llama-bpe"
	}
	return "dbrx" // the same pattern, and merges alone decide
}

// patternOf is the other way around; false for a way that is not known here.
func patternOf(pre string) (p token.Pattern, whole, ok bool) {
	switch pre {
	case "gpt-2":
		return token.GPT2, false, true
	case "llama-bpe", "llama3", "llama-v3":
		return token.Llama3, true, true
	case "dbrx", "smaug-bpe":
		return token.Llama3, false, true
	case "gpt-4o":
		return token.O200K, false, true
	}
	return "", false, false
}

// vocabularyFile is what of a tokenizer.json goes into a GGUF beside the tokens' bytes.
type vocabularyFile struct {
	Model struct {
		IgnoreMerges bool              `json:"ignore_merges"`
		Merges       []json.RawMessage `json:"merges"`
	} `json:"model"`
	PostProcessor struct {
		Type   string            `json:"type"`
		Single []json.RawMessage `json:"single"`
	} `json:"post_processor"`
}

// ggufVocabulary sets the keys of the tokenizer. Where llama.cpp has no form for one, the model goes without.
func (m *Model) ggufVocabulary(c *config, set func(string, any)) error {
	tok, err := m.tokenizer()
	if err != nil || tok == nil || tok.Kind() != token.KindBPE && tok.Kind() != token.KindByte {
		switch {
		case err != nil:
			m.note("without a tokenizer, as llama.cpp has no form for it here: %v", err)
		case tok != nil:
			m.note("without a tokenizer: llama.cpp has no form for one of kind %s", tok.Kind())
		default:
			m.note("without a tokenizer, as the model has none")
		}
		set("tokenizer.ggml.model", "none")
		return nil
	}
	if tok.VocabSize() > c.VocabSize {
		return wrong("the tokenizer has %d tokens, the model's vocab_size is %d: it is another model's", tok.VocabSize(), c.VocabSize)
	}
	special := map[int32]string{}
	for _, s := range tok.Special() {
		special[s.ID] = s.Name
	}
	alphabet := byteAlphabet()
	texts, types := make([]string, c.VocabSize), make([]int32, c.VocabSize)
	for id := range texts {
		b := tok.Bytes(int32(id))
		switch name, ok := special[int32(id)]; {
		case ok:
			texts[id], types[id] = name, tokenControl
		case len(b) == 0:
			texts[id], types[id] = fmt.Sprintf("[PAD%d]", id), tokenUnused
		default:
			texts[id], types[id] = written(alphabet, b), tokenNormal
		}
	}
	pre, merges := "gpt-2", []string{}
	var file vocabularyFile
	if bpe, ok := tok.(*token.BPE); ok {
		if err := json.Unmarshal(bpe.JSON(), &file); err != nil {
			return wrong("the tokenizer: %w", err)
		}
		pre = preType(bpe.Pattern(), file.Model.IgnoreMerges)
		if p := bpe.Pattern(); p == token.CL100K || p == token.O200K {
			m.note("llama.cpp has no pre-tokenizer that cuts as %s does: %s comes nearest (docs/formats/gguf.md)", p, pre)
		}
		for _, raw := range file.Model.Merges {
			var s string
			if err := json.Unmarshal(raw, &s); err != nil {
				return wrong("the tokenizer's merges: %w", err)
			}
			merges = append(merges, s)
		}
	}
	set("tokenizer.ggml.model", "gpt2")
	set("tokenizer.ggml.pre", pre)
	set("tokenizer.ggml.tokens", texts)
	set("tokenizer.ggml.token_type", types)
	set("tokenizer.ggml.merges", merges)
	set("tokenizer.ggml.bos_token_id", uint32(m.beginning(tok)))
	set("tokenizer.ggml.eos_token_id", uint32(m.ending(tok)))
	set("tokenizer.ggml.add_bos_token", m.addsBeginning())
	if t := m.chatTemplate(); t != "" {
		set("tokenizer.chat_template", t)
	}
	return nil
}

// tokenizer is the model's, nil when it has none.
func (m *Model) tokenizer() (token.Tokenizer, error) {
	if m.Tokenizer == nil {
		return nil, nil
	}
	return token.Parse(m.Tokenizer)
}

// beginning is the token that a text begins with where one is put there.
func (m *Model) beginning(tok token.Tokenizer) int32 {
	for _, s := range tok.Special() {
		if s.Name == "<|begin_of_text|>" || s.Name == "<s>" {
			return s.ID
		}
	}
	return tok.EndOfText()
}

// ending is the token at which generation ends: what generation_config.json or config.json say, if it is one.
func (m *Model) ending(tok token.Tokenizer) int32 {
	for _, raw := range [][]byte{m.Beside["generation_config.json"], m.Config} {
		var c struct {
			EOS json.RawMessage `json:"eos_token_id"`
		}
		if json.Unmarshal(raw, &c) != nil {
			continue
		}
		var one int64
		var several []int64
		if json.Unmarshal(c.EOS, &several) == nil && len(several) > 0 {
			one = several[0]
		} else if json.Unmarshal(c.EOS, &one) != nil || string(c.EOS) == "null" {
			continue
		}
		if one >= 0 && one < int64(tok.VocabSize()) {
			return int32(one)
		}
	}
	return tok.EndOfText()
}

// addsBeginning tells whether the tokenizer puts a token in front of every text.
func (m *Model) addsBeginning() bool {
	var settings struct {
		AddBOS *bool `json:"add_bos_token"`
	}
	if json.Unmarshal(m.Beside[tokenizerConfigFile], &settings) == nil && settings.AddBOS != nil {
		return *settings.AddBOS
	}
	var one vocabularyFile
	if json.Unmarshal(m.Tokenizer, &one) == nil && one.begins() {
		return true
	}
	var several struct {
		PostProcessor struct {
			Processors []struct {
				Type   string            `json:"type"`
				Single []json.RawMessage `json:"single"`
			} `json:"processors"`
		} `json:"post_processor"`
	}
	if json.Unmarshal(m.Tokenizer, &several) != nil {
		return false
	}
	for _, p := range several.PostProcessor.Processors {
		one.PostProcessor = p
		if one.begins() {
			return true
		}
	}
	return false
}

func (f vocabularyFile) begins() bool {
	return f.PostProcessor.Type == "TemplateProcessing" && len(f.PostProcessor.Single) > 0 && bytes.Contains(f.PostProcessor.Single[0], []byte(`"SpecialToken"`))
}

// chatTemplate is the template in Jinja that a folder has, "" when it has none.
func (m *Model) chatTemplate() string {
	if raw := m.Beside["chat_template.jinja"]; raw != nil {
		return string(raw)
	}
	var settings struct {
		Template string `json:"chat_template"`
	}
	if json.Unmarshal(m.Beside[tokenizerConfigFile], &settings) != nil {
		return "" // several by name are left out
	}
	return settings.Template
}

// byteAlphabet is GPT-2's: a printable character for each byte.
func byteAlphabet() [256]rune {
	var all [256]rune
	next := rune(256)
	for b := range all {
		switch {
		case b >= '!' && b <= '~', b >= 0xA1 && b <= 0xAC, b >= 0xAE:
			all[b] = rune(b)
		default:
			all[b] = next
			next++
		}
	}
	return all
}

func written(alphabet [256]rune, b []byte) string {
	out := make([]rune, len(b))
	for i, c := range b {
		out[i] = alphabet[c]
	}
	return string(out)
}

// tokenizerJSON writes a tokenizer.json of the byte-level family.
func tokenizerJSON(texts []string, types []int32, merges []string, p token.Pattern, whole bool) []byte {
	quoted := func(s string) []byte {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(s); err != nil {
			panic(err) // a string always encodes
		}
		return bytes.TrimSpace(b.Bytes())
	}
	var b bytes.Buffer
	b.WriteString(`{"version":"1.0","added_tokens":[`)
	comma := false
	for id, kind := range types {
		if kind != tokenControl {
			continue
		}
		if comma {
			b.WriteByte(',')
		}
		comma = true
		b.WriteString(`{"id":` + strconv.Itoa(id) + `,"content":`)
		b.Write(quoted(texts[id]))
		b.WriteString(`,"single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}`)
	}
	b.WriteString(`],"normalizer":null,"pre_tokenizer":`)
	if p == token.GPT2 {
		b.WriteString(`{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}`)
	} else {
		b.WriteString(`{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":`)
		b.Write(quoted(p.Regex()))
		b.WriteString(`},"behavior":"Isolated","invert":false},{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}]}`)
	}
	b.WriteString(`,"post_processor":null,"decoder":{"type":"ByteLevel"},"model":{"type":"BPE","dropout":null,"unk_token":null,"ignore_merges":` +
		strconv.FormatBool(whole) + `,"vocab":{`)
	comma = false
	for id, text := range texts {
		if types[id] == tokenUnused {
			continue
		}
		if comma {
			b.WriteByte(',')
		}
		comma = true
		b.Write(quoted(text))
		b.WriteString(":" + strconv.Itoa(id))
	}
	b.WriteString(`},"merges":[`)
	for i, m := range merges {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(quoted(m))
	}
	b.WriteString("]}}")
	return b.Bytes()
}

// portableTokenizer is the tokenizer.json that transformers reads, nil when there is none: that of a byte tokenizer says the same in the form of
// a BPE without merges.
func (m *Model) portableTokenizer() []byte {
	tok, err := m.tokenizer()
	switch {
	case tok == nil && err == nil:
		m.note("without a tokenizer, as the model has none")
		return nil
	case err != nil: // a foreign one that this program cannot use; transformers can
		return m.Tokenizer
	case tok.Kind() == token.KindBPE:
		if token.IsRankFile(m.Tokenizer) {
			return tok.JSON()
		}
		return m.Tokenizer
	case tok.Kind() != token.KindByte:
		m.note("transformers has no form for a tokenizer of kind %s: it goes along as it is, in %s", tok.Kind(), ownTokenizerFile)
		return nil
	}
	texts, types := make([]string, tok.VocabSize()), make([]int32, tok.VocabSize())
	alphabet := byteAlphabet()
	for id := range texts {
		texts[id], types[id] = written(alphabet, tok.Bytes(int32(id))), tokenNormal
	}
	for _, s := range tok.Special() {
		texts[s.ID], types[s.ID] = s.Name, tokenControl
	}
	b, err := token.ParseHuggingFace(tokenizerJSON(texts, types, nil, token.GPT2, false))
	if err != nil {
		m.note("without a tokenizer: %v", err)
		return nil
	}
	return b.JSON()
}

// vocabularyOf takes the tokenizer of a GGUF, where it is one that this program has too.
func (m *Model) vocabularyOf(f gguf.File, c *config) {
	if t, ok := f.Text("tokenizer.chat_template"); ok {
		m.Beside["chat_template.jinja"] = []byte(t)
	}
	kind, _ := f.Text("tokenizer.ggml.model")
	pre, _ := f.Text("tokenizer.ggml.pre")
	texts, _ := f.Value("tokenizer.ggml.tokens").([]string)
	types, _ := f.Value("tokenizer.ggml.token_type").([]int32)
	merges, _ := f.Value("tokenizer.ggml.merges").([]string)
	pattern, whole, known := patternOf(pre)
	switch {
	case kind == "none" || kind == "":
		m.note("the file carries no tokenizer; give one with --tokenizer")
		return
	case kind != "gpt2" || !known:
		m.note("its tokenizer (%s, pre %q) is none that this program has; give a tokenizer.json with --tokenizer", kind, pre)
		return
	case len(types) != len(texts) || len(texts) > c.VocabSize:
		m.note("its tokenizer is left out: %d tokens, %d types, and a vocabulary of %d", len(texts), len(types), c.VocabSize)
		return
	}
	types = slices.Clone(types)
	for i, t := range types {
		if t == 4 { // "user defined": told from control tokens only when shown
			types[i] = tokenControl
		}
	}
	tok, err := token.ParseHuggingFace(tokenizerJSON(texts, types, merges, pattern, whole))
	if err != nil {
		m.note("its tokenizer is left out: %v", err)
		return
	}
	m.Tokenizer = tok.JSON()
	if eos, ok := f.Int("tokenizer.ggml.eos_token_id"); ok && eos >= 0 && eos < int64(len(texts)) {
		m.Beside["generation_config.json"] = fmt.Appendf(nil, "{\n  \"eos_token_id\": %d\n}\n", eos)
	}
}
