package read

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// scanned is what the standard library's reading of a line would give, by our scanner.
func scanned(line []byte, name string) (text string, hasText, isObject bool) {
	values := make([][]byte, 1)
	if !scanObject(line, []string{name}, values) {
		return "", false, false
	}
	text, hasText = scanText(values[0])
	return text, hasText, true
}

func standard(line []byte, name string) (string, bool, bool) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(line, &fields) != nil {
		return "", false, false
	}
	var text *string
	if json.Unmarshal(fields[name], &text) != nil || text == nil {
		return "", false, true
	}
	return *text, true, true
}

func requireStandard(t require.TestingT, line []byte, name string) {
	text, hasText, isObject := scanned(line, name)
	wantText, wantHas, wantObject := standard(line, name)
	require.Equal(t, fmt.Sprintf("%t %t %q", wantObject, wantHas, wantText), fmt.Sprintf("%t %t %q", isObject, hasText, text), "%q", line)
}

var oddLines = []string{
	``, ` `, `null`, ` null `, `nul`, `{}`, `{`, `}`, `{}}`, `[]`, `"text"`, `{"text":"a"}`, ` { "text" : "a" } `, "\t{\"text\"\n:\r\"a\"}", `{"text":"a",}`, `{,}`, `{"text"}`, `{"text":}`,
	`{"text":"a" "b":1}`, `{"a":1,"text":"last","text":"wins"}`, `{"text":"a","text":5}`, `{"text":null}`, `{"text":{"text":"inner"}}`, `{"text":["a"]}`, `{"te\u0078t":"escaped key"}`, `{"Text":"case"}`,
	"{\"te\xffxt\":1,\"text\":\"a\"}", `{"text":"\"\\\/\b\f\n\r\t"}`, `{"text":"\x"}`, `{"text":"\u12"}`, `{"text":"\u12G4"}`, `{"text":"\ud83d\ude00"}`, `{"text":"\ud83d"}`, `{"text":"\ud83dx"}`,
	`{"text":"\ud83d\u0041"}`, `{"text":"\ude00\ud83d"}`, `{"text":"\ud83d\ud83d\ude00"}`, `{"text":"\uD83D\uDE00\u00e9"}`, "{\"text\":\"\xff\xc3\x28\xe2\x82\"}", "{\"text\":\"a\x01b\"}", "{\"text\":\"a\nb\"}", "{\"text\":\"a\x7fb\"}",
	`{"n":0}`, `{"n":-0}`, `{"n":01}`, `{"n":-}`, `{"n":1.}`, `{"n":.5}`, `{"n":1.5e10}`, `{"n":1E-5}`, `{"n":1e}`, `{"n":1e+}`, `{"n":+1}`, `{"n":1x}`, `{"n":NaN}`, `{"n":true}`, `{"n":tru}`, `{"n":false,"text":"x"}`, `{"n":nulll}`,
	`{"n":[1,2,{"a":[]}],"text":"x"}`, `{"n":[1,]}`, `{"n":[,1]}`, `{"n":[1 2]}`, `{"n":[`, `{"n":{"a":}}`, `{"text":"unclosed`, `{"text":"a\`, "\ufeff{}", `{"":"empty"}`,
	`{"text":"` + strings.Repeat("x", 100) + `\\"}`, `{"text":"1234567\"890"}`, "{\"text\":\"1234567\x1f90\"}", `{"text":"éééé日本\\日本"}`,
}

func TestJSONIsTheStandardLibrarys(t *testing.T) {
	for _, line := range oddLines {
		requireStandard(t, []byte(line), "text")
		requireStandard(t, []byte(line), "")
	}
	for _, depth := range []int{9_998, 9_999, 10_000, 10_001} {
		requireStandard(t, []byte(`{"a":`+strings.Repeat("[", depth)+strings.Repeat("]", depth)+`}`), "a")
		requireStandard(t, []byte(strings.Repeat(`{"a":`, depth)+"1"+strings.Repeat("}", depth)), "a")
	}
	// Damage to right lines: every cut, and every byte replaced.
	right := []byte(`{"a":[1.5e3,{"b":null}],"text":"a\u00e9\ud83d\ude00\n\"é","url":"https://x/","c":-0.1}`)
	for i := range right {
		requireStandard(t, right[:i], "text")
		for _, c := range []byte("\"\\{}[],:019.eEu-+ \x00\x1f\xff\xc3tfn") {
			line := append([]byte(nil), right...)
			line[i] = c
			requireStandard(t, line, "text")
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		part := rapid.OneOf(rapid.SampledFrom(oddLines), rapid.SampledFrom([]string{`{"text":`, `"`, `\u`, `d8`, `}`, `,`, `:`, `[`, `]`, `\`, "\xff", "é", " ", "12", "-", "e", "."}), rapid.String())
		line := strings.Join(rapid.SliceOfN(part, 0, 8).Draw(rt, "parts"), "")
		requireStandard(rt, []byte(line), "text")
		whole, err := json.Marshal(map[string]any{"x": line, "text": line, line: []any{line, 1.5, nil}})
		require.NoError(rt, err)
		requireStandard(rt, whole, "text")
		requireStandard(rt, whole, line)
	})
}

func FuzzJSON(f *testing.F) {
	for _, line := range oddLines {
		f.Add([]byte(line), "text")
	}
	f.Fuzz(func(t *testing.T, line []byte, name string) { requireStandard(t, line, name) })
}
