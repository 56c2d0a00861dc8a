package fetch_test

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"millrace/curator/fetch"
)

func TestCanonical(t *testing.T) {
	base, err := url.Parse("https://example.org/a/b?c=d")
	if err != nil {
		t.Fatal(err)
	}
	for ref, want := range map[string]string{
		"HTTP://Example.ORG":                 "http://example.org/",
		"http://example.org:80/":             "http://example.org/",
		"https://example.org:443/x":          "https://example.org/x",
		"https://example.org:8443/x":         "https://example.org:8443/x",
		"http://example.org:443/":            "http://example.org:443/",
		"http://example.org./":               "http://example.org/",
		"/x/../y/./z":                        "https://example.org/y/z",
		"/%2e%2e/x/%2E":                      "https://example.org/x/",
		"../../../x":                         "https://example.org/x",
		"c":                                  "https://example.org/a/c",
		"?q=1#top":                           "https://example.org/a/b?q=1",
		"#top":                               "https://example.org/a/b?c=d",
		"":                                   "https://example.org/a/b?c=d",
		"//other.example/p":                  "https://other.example/p",
		" /a\n b\t ":                         "https://example.org/a%20b",
		"/%7euser/%c3%a4":                    "https://example.org/~user/%C3%A4",
		"/ä?ö=ü&x=%zz":                       "https://example.org/%C3%A4?%C3%B6=%C3%BC&x=%25zz",
		"/a%2Fb":                             "https://example.org/a%2Fb",
		"http://Bücher.example/":             "http://xn--bcher-kva.example/",
		"http://[2001:DB8::1]:8080/x":        "http://[2001:db8::1]:8080/x",
		"/a;b=c,d@e!$&'()*+":                 "https://example.org/a;b=c,d@e!$&'()*+",
		"/a//b":                              "https://example.org/a//b",
		"/" + strings.Repeat("x", 2000):      "https://example.org/" + strings.Repeat("x", 2000),
		"/" + strings.Repeat("x", 2048-20):   "https://example.org/" + strings.Repeat("x", 2028),
		"/" + strings.Repeat("x", 2048-20+1): "", // one byte above the limit
		"mailto:a@example.org":               "",
		"javascript:alert(1)":                "",
		"ftp://example.org/":                 "",
		"http://user:secret@example.org/":    "",
		"http://":                            "",
		"http:opaque":                        "",
		"http://a b/":                        "",
		"http://[fe80::1%25eth0]/":           "",
		"/%zz":                               "",
	} {
		u, err := fetch.Canonical(base, ref)
		switch {
		case want == "" && err == nil:
			t.Errorf("%q is %s", ref, u)
		case want != "" && err != nil:
			t.Errorf("%q: %v", ref, err)
		case want != "" && u.String() != want:
			t.Errorf("%q is %s, want %s", ref, u, want)
		case err != nil && strings.Contains(err.Error(), "secret"):
			t.Errorf("%q: %v", ref, err)
		}
	}
}

func FuzzCanonical(f *testing.F) {
	for _, s := range []string{"http://example.org/a/../%7E?x=%zz", "//h/..%2f", "http://ü:80/\x00", "https://[::1]/?#", "http://a/%25%2541", "//..", "http://。"} {
		f.Add(s)
	}
	base, err := url.Parse("https://example.org/a/b?c=d")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, ref string) {
		u, err := fetch.Canonical(base, ref)
		if err != nil {
			return
		}
		again, err := fetch.Canonical(nil, u.String())
		if err != nil || again.String() != u.String() {
			t.Fatalf("%q is %s, and that is %s: %v", ref, u, again, err)
		}
		if u.Fragment != "" || u.User != nil || u.Host == "" || !strings.HasPrefix(u.EscapedPath(), "/") || strings.ContainsAny(u.String(), " \r\n\t") {
			t.Fatalf("%q is %s", ref, u)
		}
	})
}

func TestLinks(t *testing.T) {
	at, err := url.Parse("https://example.org/dir/page")
	if err != nil {
		t.Fatal(err)
	}
	list, noIndex, noFollow := fetch.Links([]byte(`<!doctype html><html><head>
		<a href="/before-base">x</a><base href="/other/"><base href="/ignored/">
		<script>var x = '<a href="/in-script">'</script><style><a href="/in-style"></style><!-- <a href="/in-comment"> --></head>
		<body><a href="one">1</a><A HREF=two>2</A><a href='one#again'>1</a><a href="three" rel="nofollow noopener">no</a>
		<map><area href="four"></map><iframe src="five"></iframe><a name="x">none</a><a href="mailto:a@b">m</a>
		<a href="six&amp;a=b" href="seven">6</a><img src="picture"><link href="style.css"><a href="eight`), at, "millrace")
	want := []string{"https://example.org/before-base", "https://example.org/other/one", "https://example.org/other/two", "https://example.org/other/four",
		"https://example.org/other/five", "https://example.org/other/six&a=b"}
	if !slices.Equal(list, want) || noIndex || noFollow {
		t.Errorf("%q %v %v", list, noIndex, noFollow)
	}
	for page, want := range map[string][2]bool{
		`<meta name="robots" content="noindex">`:             {true, false},
		`<META NAME=ROBOTS CONTENT="NOFOLLOW, noarchive">`:   {false, true},
		`<meta name="robots" content="none">`:                {true, true},
		`<meta name="robots" content="all">`:                 {false, false},
		`<meta name="millrace" content="noindex, nofollow">`: {true, true},
		`<meta name="otherbot" content="noindex">`:           {false, false},
		`<meta name="robots" content="noai">`:                {true, false},
	} {
		if _, noIndex, noFollow := fetch.Links([]byte(page), at, "millrace"); noIndex != want[0] || noFollow != want[1] {
			t.Errorf("%s: %v %v", page, noIndex, noFollow)
		}
	}
	for tag, want := range map[string][2]bool{
		"noindex":                              {true, false},
		"noindex, nofollow":                    {true, true},
		"otherbot: noindex":                    {false, false},
		"Millrace: noindex":                    {true, false},
		"unavailable_after: 25 Jun 2030":       {false, false},
		"max-snippet: 20, noindex":             {true, false},
		"nofollow, unavailable_after: x":       {false, true},
		"none":                                 {true, true},
		"noai, noimageai":                      {true, false},
		"":                                     {false, false},
		"millrace: unavailable_after: 1, none": {true, true},
	} {
		if noIndex, noFollow := fetch.Tag(tag, "millrace"); noIndex != want[0] || noFollow != want[1] {
			t.Errorf("X-Robots-Tag %q: %v %v", tag, noIndex, noFollow)
		}
	}
}

func FuzzLinks(f *testing.F) {
	f.Add([]byte(`<base href=//x/><a href="/y" rel=nofollow><meta name=robots content=none><iframe src=z>`))
	f.Add([]byte("<a href=\x00\xff><a href='"))
	at, err := url.Parse("https://example.org/dir/page")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, page []byte) {
		list, _, _ := fetch.Links(page, at, "millrace")
		for i, l := range list {
			if u, err := fetch.Canonical(nil, l); err != nil || u.String() != l || slices.Contains(list[:i], l) {
				t.Fatalf("%q in %q: %v", l, list, err)
			}
		}
	})
}

func TestPublicAddresses(t *testing.T) {
	for _, a := range []string{"8.8.8.8", "1.1.1.1", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.0", "192.169.0.0", "223.255.255.255", "9.255.255.255",
		"11.0.0.0", "2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8"} {
		if !fetch.Public(netip.MustParseAddr(a)) {
			t.Errorf("%s is public", a)
		}
	}
	for _, a := range []string{"127.0.0.1", "127.255.255.255", "10.0.0.1", "172.16.0.0", "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.0",
		"100.127.255.255", "0.0.0.0", "255.255.255.255", "224.0.0.1", "240.0.0.1", "198.18.0.1", "192.0.2.1", "::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254",
		"ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1", "2001::1"} {
		if fetch.Public(netip.MustParseAddr(a)) {
			t.Errorf("%s is not public", a)
		}
	}
	if fetch.Public(netip.Addr{}) {
		t.Error("no address")
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for v, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, " 7 ": 7 * time.Second, "-3": 0, "soon": 0, "99999999": 24 * time.Hour, "99999999999999999999": 0,
		"Fri, 02 Jan 2026 03:04:15 GMT": 10 * time.Second, "Fri, 02 Jan 2026 03:04:00 GMT": 0,
	} {
		if got := fetch.RetryAfter(http.Header{"Retry-After": {v}}, now); got != want {
			t.Errorf("%q: %s, want %s", v, got, want)
		}
	}
}

// TestGate: in the bubble's time, five who enter at 2 a second pass at 0, 0.5, 1, 1.5 and 2 s, one at a time.
func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		g := fetch.NewGate()
		inside := make(chan time.Duration, 5)
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				if err := fetch.Enter(t.Context(), g); err != nil {
					t.Error(err)
					return
				}
				inside <- time.Since(began)
				fetch.Wait(g, time.Now().Add(500*time.Millisecond))
				time.Sleep(100 * time.Millisecond)
				fetch.Leave(g)
			})
		}
		for i := range 5 {
			if got, want := <-inside, time.Duration(i)*500*time.Millisecond; got != want {
				t.Errorf("the %d. entered after %s, want %s", i, got, want)
			}
		}
		all.Wait()
	})
}
