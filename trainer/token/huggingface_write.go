package token

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
)

// JSON is a Hugging Face tokenizer.json, readable by transformers' PreTrainedTokenizerFast(tokenizer_file=…): keys in the
// order the tokenizers library writes them, the vocabulary by id, merges by rank as "left right" (which every version of
// the library reads), no indentation inside, newline at the end.
func (t *BPE) JSON() []byte {
	var b bytes.Buffer
	b.WriteString(`{"version":"1.0","truncation":null,"padding":null,"added_tokens":[`)
	ids := make([]int32, 0, len(t.special))
	for id := range t.special {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for i, id := range ids {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`{"id":` + strconv.Itoa(int(id)) + `,"content":`)
		b.Write(quote(t.special[id]))
		b.WriteString(`,"single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}`)
	}
	b.WriteString(`],"normalizer":null,` +
		`"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},` +
		`"post_processor":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":false,"use_regex":true},` +
		`"decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true},` +
		`"model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,` +
		`"end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false,"vocab":{`)
	for id := range t.tokens {
		if id > 0 {
			b.WriteByte(',')
		}
		b.Write(quote(t.name(int32(id))))
		b.WriteString(":" + strconv.Itoa(id))
	}
	b.WriteString(`},"merges":[`)
	for i, m := range t.merges {
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
	if name, ok := t.special[id]; ok {
		return name
	}
	return string(t.level.write(nil, t.tokens[id]))
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
