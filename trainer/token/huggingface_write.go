package token

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// JSON is a Hugging Face tokenizer.json, readable by transformers' PreTrainedTokenizerFast(tokenizer_file=…): keys in the
// order the tokenizers library writes them, the vocabulary by id, merges by rank as "left right" (which every version of
// the library reads), no indentation inside, newline at the end.
func (t *BPE) JSON() []byte {
	var b bytes.Buffer
	b.WriteString(`{"version":"1.0","truncation":null,"padding":null,"added_tokens":[`)
	for i, special := range t.Special() {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`{"id":` + strconv.Itoa(int(special.ID)) + `,"content":`)
		b.Write(quote(special.Name))
		b.WriteString(`,"single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}`)
	}
	b.WriteString(`],"normalizer":null,"pre_tokenizer":`)
	if t.parts.pattern == GPT2 {
		b.WriteString(`{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}`)
	} else {
		b.WriteString(`{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":`)
		b.Write(quote(t.parts.pattern.Regex()))
		b.WriteString(`},"behavior":"Isolated","invert":false},` +
			`{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}]}`)
	}
	b.WriteString(`,"post_processor":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":false,"use_regex":true},` +
		`"decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true},` +
		`"model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,` +
		`"end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":` + strconv.FormatBool(t.parts.whole))
	if t.parts.byToken {
		b.WriteString(`,"millrace_ranks":"` + ranksByToken + `"`)
	}
	b.WriteString(`,"vocab":{`)
	comma := false
	for id, token := range t.parts.tokens {
		if _, special := t.parts.special[int32(id)]; token == nil && !special {
			continue // stands for nothing
		}
		if comma {
			b.WriteByte(',')
		}
		comma = true
		b.Write(quote(t.name(int32(id))))
		b.WriteString(":" + strconv.Itoa(id))
	}
	b.WriteString(`},"merges":[`)
	for i, m := range t.parts.merges {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(quote(t.name(m[0]) + " " + t.name(m[1])))
	}
	b.WriteString("]}}\n")
	return b.Bytes()
}

// name is how a token is written in files.
func (t *BPE) name(id int32) string {
	if name, ok := t.parts.special[id]; ok {
		return name
	}
	return string(t.level.write(nil, t.parts.tokens[id]))
}

// quote is s as JSON, with < > & as they are, which keeps "<|endoftext|>" readable.
func quote(s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil { // a string: cannot happen
		panic(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
