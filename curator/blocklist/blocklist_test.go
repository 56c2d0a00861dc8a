package blocklist_test

import (
	"strings"
	"testing"

	"millrace/curator/blocklist"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func lists(t require.TestingT, of map[blocklist.Kind]string) *blocklist.Lists {
	var r blocklist.Reader
	for kind, text := range of {
		require.NoError(t, r.Read(kind, strings.NewReader(text)))
	}
	return r.Lists()
}

func TestAsk(t *testing.T) {
	l := lists(t, map[blocklist.Kind]string{
		blocklist.Domains: "# unwanted\nbad.example.com\nspam.co.uk\nblogspot.com\n\n10.0.0.1\nUpper.NET\nb.unheard-of\n0.1\n", blocklist.URLs: "http://fine.org/but/not-this\n",
		blocklist.Words: "casino\nBet-365\n", blocklist.SoftWords: "free\nwin\nclick\n", blocklist.Subwords: "jackpot\nckpot\n",
	})
	for address, want := range map[string]blocklist.Found{
		"":                                       {},
		"https://fine.org/a":                     {},
		"https://bad.example.com/a":              {Host: true},
		"https://BAD.example.com.:8080/a":        {Host: true},
		"https://worse.bad.example.com/a":        {},
		"https://example.com/bad.example.com":    {},
		"https://spam.co.uk/":                    {Domain: true, Host: true},
		"https://www.spam.co.uk/":                {Domain: true},
		"https://me.blogspot.com/":               {Domain: true},
		"blogspot.com/x":                         {Domain: true, Host: true},
		"http://10.0.0.1/":                       {Host: true},
		"http://upper.net":                       {Domain: true, Host: true},
		"http://fine.org/but/not-this":           {URL: true},
		"http://fine.org/but/not-this?":          {},
		"http://fine.org/casino-royale":          {Words: 1},
		"http://fine.org/casinos":                {},
		"http://fine.org/Casino":                 {},
		"http://fine.org/bet365/casino/casino":   {Words: 2},
		"http://fine.org/free-win/free":          {SoftWords: 2},
		"http://fine.org/jack-POT":               {Subwords: 2},
		"http://fine.org/luckpots":               {Subwords: 1},
		"http://a.b.unheard-of/":                 {Domain: true},
		"http://0.0.1/":                          {},
		"http://localhost/":                      {},
		"://%zz casino":                          {Words: 1},
		"http://fine.org/casinoécasino":          {Words: 1},
		"https://user@bad.example.com/?q=click#": {Host: true, SoftWords: 1},
	} {
		require.Equal(t, want, l.Ask(address), address)
	}
	require.Equal(t, blocklist.Found{}, lists(t, nil).Ask("https://spam.co.uk/casino"))
}

func TestListsHaveLimits(t *testing.T) {
	var r blocklist.Reader
	require.ErrorContains(t, r.Read(blocklist.URLs, strings.NewReader("a\n"+strings.Repeat("x", 1<<17))), "line 2")
	require.ErrorIs(t, r.Read(blocklist.Words, strings.NewReader("ok\n--\n")), blocklist.ErrList)
	require.ErrorContains(t, r.Read(blocklist.Subwords, strings.NewReader(strings.Repeat(strings.Repeat("x", 60_000)+"\n", 80))), "subwords")
}

// The automaton finds what looking for each word at each place finds.
func TestSubwords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfNDistinct(rapid.StringMatching(`[ab1]{1,4}`), 1, 8, func(s string) string { return s }).Draw(t, "words")
		text := rapid.StringMatching(`[aAbB1/. ]{0,40}`).Draw(t, "text")
		l := lists(t, map[blocklist.Kind]string{blocklist.Subwords: strings.Join(words, "\n")})
		plain := strings.NewReplacer("/", "", ".", "", " ", "").Replace(strings.ToLower(text))
		want := 0
		for i := range plain {
			for _, w := range words {
				if strings.HasPrefix(plain[i:], w) {
					want++
				}
			}
		}
		require.EqualValues(t, want, l.Ask(text).Subwords)
	})
}

func FuzzAsk(f *testing.F) {
	f.Add("bad.example.com\n# x\n", "casino\n", "https://bad.example.com/casino?x=1")
	f.Add("co.uk", "a", "//[::1]:80/%")
	f.Fuzz(func(t *testing.T, domains, words, address string) {
		var r blocklist.Reader
		for kind := range blocklist.Kinds {
			list := words
			if kind <= blocklist.URLs {
				list = domains
			}
			if r.Read(kind, strings.NewReader(list)) != nil {
				return
			}
		}
		found := r.Lists().Ask(address)
		require.GreaterOrEqual(t, found.SoftWords, int64(0))
	})
}
