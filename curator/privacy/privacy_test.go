package privacy_test

import (
	"encoding/json"
	"strings"
	"testing"

	"millrace/curator/privacy"

	"github.com/stretchr/testify/require"
)

// token joins parts, so that no scanner takes this file for a leak.
func token(parts ...string) string { return strings.Join(parts, "") }

func TestRedacts(t *testing.T) {
	header := "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
	for text, want := range map[string]string{
		"mail jane.doe+x@mail.example.co.uk, or":                                          "mail [EMAIL], or",
		"<a@b.io> (c_d@e-f.org). 'x@y.com'":                                               "<[EMAIL]> ([EMAIL]). '[EMAIL]'",
		"a@b.com,c@d.com;e@f.com":                                                         "[EMAIL],[EMAIL];[EMAIL]",
		"mailto:joe@example.com?x=1":                                                      "mailto:[EMAIL]?x=1",
		"user=joe@example.com.":                                                           "user=[EMAIL].",
		"from 8.8.8.8 to 93.184.216.34.":                                                  "from [IPV4] to [IPV4].",
		"http://8.8.4.4:8080/x, 1.1.1.1/24":                                               "http://[IPV4]:8080/x, [IPV4]/24",
		"[2606:4700::1111]:443 and 2a00:1450:4001:81b::200e.":                             "[[IPV6]]:443 and [IPV6].",
		"at 2001:4860:4860::8888: down":                                                   "at [IPV6]: down",
		"call +44 20 7946 0958 or +15552345678":                                           "call [PHONE] or [PHONE]",
		"(212) 555-0147, 212-555-0147. 1-800-555-0199":                                    "[PHONE], [PHONE]. [PHONE]",
		"212.555.0147 +49 (30) 901820":                                                    "[PHONE] [PHONE]",
		"IBAN: GB82 WEST 1234 5698 7654 32.":                                              "IBAN: [IBAN].",
		"DE89370400440532013000, FR14 2004 1010 0505 0001 3M02 606":                       "[IBAN], [IBAN]",
		"card 4111 1111 1111 1111 exp":                                                    "card [CREDIT_CARD] exp",
		"5500-0055-5555-5559,378282246310005":                                             "[CREDIT_CARD],[CREDIT_CARD]",
		"amex 3782 822463 10005":                                                          "amex [CREDIT_CARD]",
		token("key=AK", "IAIOSFODNN7EXAMPLE;"):                                            "key=[AWS_KEY];",
		token("aws_secret_access_key = \"wJalrXUtnFEMI/", "K7MDENG/bPxRfiCYEXAMPLEKEY\""): "aws_secret_access_key = \"[AWS_KEY]\"",
		token("gh", "p_0123456789abcdefghijABCDEFGHIJ012345"):                             "[GITHUB_TOKEN]",
		token("xo", "xb-123456789012-abcdefghijkl"):                                       "[SLACK_TOKEN]",
		token("gl", "pat-abcdefghij0123456789 x"):                                         "[GITLAB_TOKEN] x",
		token("sk_", "live_0123456789abcdefXY"):                                           "[STRIPE_KEY]",
		token("AI", "zaSyA1234567890abcdefghijklmnopqrstuv"):                              "[GOOGLE_KEY]",
		token("sk", "-proj-abc_DEF-0123456789abcdef."):                                    "[OPENAI_KEY].",
		token("h", "f_abcdefghijABCDEFGHIJ0123456789abcd"):                                "[HUGGINGFACE_TOKEN]",
		token("npm", "_abcdefghijABCDEFGHIJ0123456789abcdef"):                             "[NPM_TOKEN]",
		token("Bearer ", header, ".eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U;"): "Bearer [JWT];",
		token("x\n-----BEGIN RSA ", "PRIVATE KEY-----\nMIIE\n-----END RSA ", "PRIVATE KEY-----\ny"):           "x\n[PRIVATE_KEY]\ny",
		"日本 8.8.8.8、a@b.jp": "日本 [IPV4]、[EMAIL]",
	} {
		var counts privacy.Counts
		require.Equal(t, want, privacy.New(privacy.Default()).Redact(text, &counts), text)
		var n int64
		for k, c := range counts {
			n += c
			require.EqualValues(t, strings.Count(want, privacy.Kind(k).Placeholder()), c, "%s in %s", privacy.Kind(k), text)
		}
		require.Positive(t, n, text)
		var none privacy.Counts
		require.Equal(t, want, privacy.New(privacy.Default()).Redact(want, &none), "once is enough")
	}
}

func TestLeavesAlone(t *testing.T) {
	for _, text := range []string{
		// versions, sections, parts of something longer
		"version 1.2.3.4", "Version: 1.2.3.4", "v1.2.3.4", "v 1.2.3.4", "libfoo.so.1.2.3.4", "foo-1.2.3.4.tar.gz", "1.2.3.4-beta", "1.2.3.4.5", "1.1.1.1.1.1", "see section 8.8.8.8",
		"OID 1.3.6.1.4.1", "__version__ = '2.3.4.5'", "app_version=5.6.7.8", "firmware 9.9.9.9", "8.8.8.256", "08.8.8.8", "8.8.8", "1.2.3.4rc1", "x8.8.8.8", "8.8.8.8x",
		// addresses nobody has for themselves
		"127.0.0.1 10.1.2.3 192.168.1.1 172.16.0.1 169.254.1.1 0.0.0.0 255.255.255.255 224.0.0.1 100.64.0.1 192.0.2.1 198.51.100.7 203.0.113.9",
		"::1 fe80::1 fc00::1 2001:db8::1 ff02::1 ::ffff:10.0.0.1", "std::vector a::b 12:30:45 de:ad:be:ef:00:01 C::D 10:20", "1::", "2606:4700:zz::1", "key:2606::x",
		// no addresses of people
		"@handle and user@host and a@b.c", "import @angular/core@1.2.3", "git@github", "x@1.2.3.4", "a..b@c.d", "@Override public", "foo@bar.x1", "100@50.00",
		// numbers
		"2024-01-15 12:00:00", "1,000,000,000", "ISBN 978-3-16-148410-0", "123-45-6789", "+1", "+1,234,567,890", "x+1234567890", "= +1234567", "112-555-0147", "212-555-01478", "3.212-555-0147",
		"-212-555-0147", "555-0147", "2125550147", "id=212-555-0147-x", "0.4111111111111111", "4111111111111112", "1234567890123456", "41111111111111111111", "4111 1111 1111 1112",
		"4111-1111 1111-1111", "1-4111111111111111", "0000000000000000", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "4111111111111111a",
		"DE89370400440532013001", "DE8937040044053201300", "ZZ82WEST12345698765432", "xGB82WEST12345698765432", "GB82 WEST 1234 5698", "AB12", "DE89 is a postcode",
		// what only looks like a key
		token("AK", "IA"), token("AK", "IAshort"), token("AK", "IAIOSFODNN7EXAMPLEX"), token("XAK", "IAIOSFODNN7EXAMPLE"), token("gh", "p_short1"), token("gh", "p_abcdefghijabcdefghijabcdefghijabcdefghij"),
		"sk-learn-is-a-library", "sk-estimator", "eyJhbGciOi", "eyJub3QiOiJqd3QifQ.eyJhIjoxfQ.abcdefghijklmnopqrstuv", "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
		token("-----BEGIN ", "PRIVATE KEY----- without an end"), "aws_secret_access_key = os.environ", "hf_hub_download_with_a_very_long_name_indeed", "xoxb-", "----------", "npm_config_registry",
		"", "plain text", "\xff\xfe@\xff", "a@", "@", ":", "::", "+", "(", "(212", "+44", "1.", "-----BEGIN ",
	} {
		var counts privacy.Counts
		require.Equal(t, text, privacy.New(privacy.Default()).Redact(text, &counts))
		require.Zero(t, counts, text)
	}
}

func TestOnlyTheKindsAsked(t *testing.T) {
	text := "a@b.com 8.8.8.8 +442079460958 4111111111111111"
	for kind, want := range map[string]string{
		"email": "[EMAIL] 8.8.8.8 +442079460958 4111111111111111", "ipv4": "a@b.com [IPV4] +442079460958 4111111111111111",
		"phone": "a@b.com 8.8.8.8 [PHONE] 4111111111111111", "credit_card": "a@b.com 8.8.8.8 +442079460958 [CREDIT_CARD]", "secret": text,
	} {
		var counts privacy.Counts
		require.Equal(t, want, privacy.New(privacy.Options{Kinds: []string{kind}}).Redact(text, &counts), kind)
	}
	var o privacy.Options
	require.NoError(t, json.Unmarshal([]byte(`{}`), &o))
	require.Equal(t, privacy.Default(), o)
	require.ErrorContains(t, json.Unmarshal([]byte(`{"kind":[]}`), &o), `"kind"`)
	require.ErrorContains(t, privacy.Options{Kinds: []string{"name"}}.Check(), `"name"`)
	require.Error(t, privacy.Options{}.Check())
	require.NoError(t, privacy.Default().Check())
}

func FuzzRedact(f *testing.F) {
	f.Add("a@b.com 8.8.8.8 +44 20 7946 0958 GB82 WEST 1234 5698 7654 32 4111 1111 1111 1111 2606:4700::1111")
	f.Add(token("-----BEGIN ", "PRIVATE KEY-----eyJ.eyJ.sk-AKIA-----END "))
	r := privacy.New(privacy.Default())
	f.Fuzz(func(t *testing.T, text string) {
		var counts privacy.Counts
		got := r.Redact(text, &counts)
		if counts == (privacy.Counts{}) {
			require.Equal(t, text, got)
		}
	})
}

func BenchmarkRedact(b *testing.B) {
	text := strings.Repeat("The mill's wheel turned at 12:30, and 3.14 of the Water (see section 2.1.3) went by; foo-bar_baz said so. ", 1000)
	r := privacy.New(privacy.Default())
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		var counts privacy.Counts
		r.Redact(text, &counts)
	}
}
