package privacy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Kind is a kind of personal data or secret.
type Kind uint8

// The kinds. Secret stands for all keys and tokens in recipes; each has its own count.
const (
	Email Kind = iota
	IPv4
	IPv6
	Phone
	IBAN
	CreditCard
	AWSKey
	GitHubToken
	GitLabToken
	SlackToken
	StripeKey
	GoogleKey
	OpenAIKey
	HuggingFaceToken
	NPMToken
	JWT
	PrivateKey
	Kinds // how many kinds there are
)

var kinds = [Kinds]string{"email", "ipv4", "ipv6", "phone", "iban", "credit_card", "aws_key", "github_token", "gitlab_token", "slack_token", "stripe_key",
	"google_key", "openai_key", "huggingface_token", "npm_token", "jwt", "private_key"}

// String is the kind in manifests.
func (k Kind) String() string { return kinds[k] }

// Placeholder is what stands for data of the kind.
func (k Kind) Placeholder() string { return "[" + strings.ToUpper(kinds[k]) + "]" }

// Secret is the name of all keys and tokens in Options.
const Secret = "secret"

// Options name the kinds to take out: email, ipv4, ipv6, phone, iban, credit_card and secret. As JSON, kinds that are not
// said are all of them.
type Options struct {
	Kinds []string `json:"kinds"`
}

// Default is every kind.
func Default() Options {
	return Options{Kinds: []string{Email.String(), IPv4.String(), IPv6.String(), Phone.String(), IBAN.String(), CreditCard.String(), Secret}}
}

// UnmarshalJSON starts from Default. An unknown key is an error.
func (o *Options) UnmarshalJSON(data []byte) error {
	type plain Options
	p := plain(Default())
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	err := d.Decode(&p)
	*o = Options(p)
	return err
}

// Check tells what is wrong.
func (o Options) Check() error {
	if len(o.Kinds) == 0 {
		return fmt.Errorf("kinds is empty: leave privacy out, or name some of %s", strings.Join(Default().Kinds, ", "))
	}
	for _, k := range o.Kinds {
		if !slices.Contains(Default().Kinds, k) {
			return fmt.Errorf("kind %q is not known: want some of %s", k, strings.Join(Default().Kinds, ", "))
		}
	}
	return nil
}

// Counts are redactions by kind.
type Counts [Kinds]int64

// Redactor redacts. It is immutable.
type Redactor struct {
	on     [Kinds]bool
	active [256]bool // bytes that something may begin with, or @ and :
}

// New makes a redactor. Kinds that are not known are passed over: Options.Check refuses them.
func New(o Options) *Redactor {
	r := &Redactor{}
	for k := range Kinds {
		r.on[k] = slices.Contains(o.Kinds, k.String()) || k >= AWSKey && slices.Contains(o.Kinds, Secret)
	}
	mark := func(on bool, chars string) {
		for _, c := range []byte(chars) {
			r.active[c] = r.active[c] || on
		}
	}
	const digits = "0123456789"
	mark(r.on[Email], "@")
	mark(r.on[IPv4] || r.on[CreditCard], digits)
	mark(r.on[IPv6], ":")
	mark(r.on[Phone], digits+"+(")
	mark(r.on[IBAN], "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
	for _, t := range tokens {
		mark(r.on[t.kind], t.prefix[:1])
	}
	mark(r.on[AWSKey], "aA")
	mark(r.on[JWT], "e")
	mark(r.on[PrivateKey], "-")
	return r
}

// Redact replaces what it finds, from left to right, and adds to counts. Text without any comes back as it is.
func (r *Redactor) Redact(text string, counts *Counts) string {
	var out []byte
	done := 0 // text[:done] is in out
	for i := 0; i < len(text); {
		if !r.active[text[i]] {
			i++
			continue
		}
		kind, start, end := r.find(text, i, done)
		if kind == Kinds {
			i = max(end, i+1)
			continue
		}
		counts[kind]++
		out = append(out, text[done:start]...)
		out = append(out, kind.Placeholder()...)
		i, done = end, end
	}
	if done == 0 {
		return text
	}
	return string(append(out, text[done:]...))
}

// find looks for something at i (for @ and : also before it, but not before from). Without any, kind is Kinds, and nothing
// begins before end.
func (r *Redactor) find(text string, i, from int) (kind Kind, start, end int) {
	c := text[i]
	switch {
	case c == '@':
		if start, end, ok := email(text, i, from); ok {
			return Email, start, end
		}
		return Kinds, 0, 0
	case c == ':':
		if start, end, ok := ipv6(text, i, from); ok {
			return IPv6, start, end
		}
		for end = i + 1; end < len(text) && text[end] == ':'; end++ {
		}
		return Kinds, 0, end
	case i > from && wordByte(text[i-1]) && c != '-': // not at the beginning of a word
		if c == '+' || c == '(' {
			return Kinds, 0, 0
		}
		return Kinds, 0, wordEnd(text, i)
	case c == '-':
		if end := privateKey(text, i); end > 0 && r.on[PrivateKey] {
			return PrivateKey, i, end
		}
		return Kinds, 0, 0
	}
	if c >= '0' && c <= '9' || c == '+' || c == '(' {
		if r.on[IPv4] && c <= '9' {
			if end := ipv4(text, i); end > 0 {
				return IPv4, i, end
			}
		}
		if r.on[CreditCard] && c <= '9' {
			if end := card(text, i); end > 0 {
				return CreditCard, i, end
			}
		}
		if r.on[Phone] {
			if end := phone(text, i); end > 0 {
				return Phone, i, end
			}
		}
		return Kinds, 0, numberEnd(text, i)
	}
	if kind, start, end := r.secret(text, i); kind != Kinds {
		return kind, start, end
	}
	if r.on[IBAN] && c <= 'Z' {
		if end := iban(text, i); end > 0 {
			return IBAN, i, end
		}
	}
	return Kinds, 0, wordEnd(text, i)
}

// wordByte tells ASCII letters, digits and underscores. Other scripts often write numbers and addresses without a space
// around them.
func wordByte(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || digit(c) || c == '_'
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func wordEnd(text string, i int) int {
	for i < len(text) && wordByte(text[i]) {
		i++
	}
	return i
}

// numberEnd is behind the digits at i, and behind every ".digits" that follows: none of them is a beginning.
func numberEnd(text string, i int) int {
	if !digit(text[i]) {
		return i + 1
	}
	for i < len(text) && (digit(text[i]) || text[i] == '.' && i+1 < len(text) && digit(text[i+1])) {
		i++
	}
	return i
}

// at is the byte at i, or 0 outside of the text.
func at(text string, i int) byte {
	if i < 0 || i >= len(text) {
		return 0
	}
	return text[i]
}
