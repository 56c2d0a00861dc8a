package privacy

import (
	"encoding/base64"
	"encoding/json"
	"strings"
)

// token is the shape of a service's tokens: a prefix, then least to most characters of a class.
type token struct {
	kind        Kind
	prefix      string
	least, most int
	also        string // characters beyond letters and digits
}

// tokens are the published shapes. AWS's key ids are beside them: their characters are capitals and 2 to 7.
var tokens = []token{
	{GitHubToken, "ghp_", 36, 251, ""}, {GitHubToken, "gho_", 36, 251, ""}, {GitHubToken, "ghu_", 36, 251, ""}, {GitHubToken, "ghs_", 36, 251, ""}, {GitHubToken, "ghr_", 36, 251, ""},
	{GitHubToken, "github_pat_", 36, 251, "_"},
	{GitLabToken, "glpat-", 20, 300, "-_."},
	{SlackToken, "xoxb-", 20, 250, "-"}, {SlackToken, "xoxp-", 20, 250, "-"}, {SlackToken, "xoxa-", 20, 250, "-"}, {SlackToken, "xoxr-", 20, 250, "-"}, {SlackToken, "xoxs-", 20, 250, "-"},
	{SlackToken, "xapp-", 20, 250, "-"},
	{StripeKey, "sk_live_", 16, 247, ""}, {StripeKey, "rk_live_", 16, 247, ""},
	{GoogleKey, "AIza", 35, 35, "-_"},
	{OpenAIKey, "sk-ant-", 20, 250, "-_"}, {OpenAIKey, "sk-proj-", 20, 250, "-_"}, {OpenAIKey, "sk-", 40, 250, ""},
	{HuggingFaceToken, "hf_", 30, 60, ""},
	{NPMToken, "npm_", 36, 36, ""},
}

// secret finds a key or token at i; for what is known by its name ("aws_secret_access_key = …") start is behind i.
func (r *Redactor) secret(text string, i int) (kind Kind, start, end int) {
	for _, t := range tokens {
		if text[i] != t.prefix[0] || !r.on[t.kind] || !strings.HasPrefix(text[i:], t.prefix) {
			continue
		}
		start := i + len(t.prefix)
		end := start
		mixed := false // a token has digits; a long word has not
		for end < len(text) && end-start <= t.most && (wordByte(text[end]) && text[end] != '_' || strings.IndexByte(t.also, text[end]) >= 0) {
			mixed = mixed || digit(text[end])
			end++
		}
		for end > start && (text[end-1] == '.' || text[end-1] == '-' && t.kind != GoogleKey) {
			end-- // the sentence's, not the token's
		}
		if n := end - start; n >= t.least && n <= t.most && mixed && !wordByte(at(text, end)) {
			return t.kind, i, end
		}
	}
	if r.on[AWSKey] {
		if end := awsKeyID(text, i); end > 0 {
			return AWSKey, i, end
		}
		if start, end := awsSecret(text, i); end > 0 {
			return AWSKey, start, end
		}
	}
	if r.on[JWT] {
		if end := jwt(text, i); end > 0 {
			return JWT, i, end
		}
	}
	return Kinds, 0, 0
}

// awsKeyID finds an access key's id: one of AWS's prefixes and 16 characters of base 32.
func awsKeyID(text string, i int) (end int) {
	if i+20 > len(text) {
		return 0
	}
	switch text[i : i+4] {
	case "AKIA", "ASIA", "ABIA", "ACCA":
	default:
		return 0
	}
	for _, c := range []byte(text[i+4 : i+20]) {
		if (c < 'A' || c > 'Z') && (c < '2' || c > '7') {
			return 0
		}
	}
	if wordByte(at(text, i+20)) {
		return 0
	}
	return i + 20
}

// awsSecret finds the 40 characters behind the name of an AWS secret key.
func awsSecret(text string, i int) (start, end int) {
	const name = "aws_secret_access_key"
	if len(text)-i < len(name)+40 || !strings.EqualFold(text[i:i+len(name)], name) {
		return 0, 0
	}
	start = i + len(name)
	for n := 0; start < len(text) && n < 6 && strings.IndexByte(" \t:=\"'", text[start]) >= 0; n++ {
		start++
	}
	end = start
	base64Byte := func(c byte) bool { return wordByte(c) && c != '_' || c == '+' || c == '/' }
	for end < len(text) && end-start <= 40 && base64Byte(text[end]) {
		end++
	}
	if end-start != 40 || start == i+len(name) {
		return 0, 0
	}
	return start, end
}

// Bounds of how far a token and its header are followed.
const (
	maxJWT       = 16 << 10
	maxJWTHeader = 1 << 10
)

// jwt finds a signed token: base64url of a JSON header with "alg", of a JSON object, and of a signature.
func jwt(text string, i int) (end int) {
	if !strings.HasPrefix(text[i:], "eyJ") {
		return 0
	}
	var parts [3]string
	k := i
	for n := range parts {
		if n > 0 {
			if at(text, k) != '.' {
				return 0
			}
			k++
		}
		from, most := k, maxJWT
		if n == 0 {
			most = maxJWTHeader
		}
		for k < len(text) && k-i < most && (wordByte(text[k]) || text[k] == '-') {
			k++
		}
		parts[n] = text[from:k]
	}
	header, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err != nil || !strings.HasPrefix(parts[1], "eyJ") || len(parts[2]) < 16 {
		return 0
	}
	var alg struct {
		Alg string `json:"alg"`
	}
	if json.Unmarshal(header, &alg) != nil || alg.Alg == "" {
		return 0
	}
	return k
}

// maxPrivateKey bounds how far the end of a key is looked for.
const maxPrivateKey = 64 << 10

// privateKey finds a PEM block of a private key, with both its lines.
func privateKey(text string, i int) (end int) {
	const begin, mark, dashes = "-----BEGIN ", "PRIVATE KEY", "-----"
	if !strings.HasPrefix(text[i:], begin) {
		return 0
	}
	label := text[i+len(begin) : min(len(text), i+len(begin)+64)]
	stop := strings.Index(label, dashes)
	if stop < 0 || !strings.Contains(label[:stop], mark) {
		return 0
	}
	label = label[:stop]
	last := "-----END " + label + dashes
	body := text[i:min(len(text), i+maxPrivateKey)]
	at := strings.Index(body, last)
	if at < 0 {
		return 0
	}
	return i + at + len(last)
}
