package read_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"millrace/curator/read"

	"github.com/stretchr/testify/require"
)

func warcRecord(kind, uri, contentType, block string) string {
	return fmt.Sprintf("WARC/1.0\r\nWARC-Type: %s\r\nWARC-Target-URI: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s\r\n\r\n", kind, uri, contentType, len(block), block)
}

// page is a web page with a main text that has the word in every paragraph.
func page(word string) string {
	var b strings.Builder
	b.WriteString(`<!DOCTYPE html><html><head><title>Mills</title></head><body><nav><ul><li><a href="/">Home</a></li><li><a href="/about">About us</a></li></ul></nav><article><h1>Mills</h1>`)
	for i := range 6 {
		fmt.Fprintf(&b, "<p>Paragraph %d tells of the %s, of the water that drives its wheel, and of the miller who keeps the stones apart by the width of a hair.</p>\n", i, word)
	}
	b.WriteString(`</article><footer><p>Copyright, imprint, privacy</p></footer></body></html>`)
	return b.String()
}

func answer(head, body string) string { return "HTTP/1.1 200 OK\r\n" + head + "\r\n" + body }

func TestWARC(t *testing.T) {
	const http = "application/http; msgtype=response"
	main := page("mill")
	chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(main), main)
	records := []string{
		warcRecord("warcinfo", "", "application/warc-fields", "software: test\r\n"),
		warcRecord("request", "<https://a/>", "application/http; msgtype=request", "GET / HTTP/1.1\r\n\r\n"),
		warcRecord("response", "<https://a/>", http, answer("Content-Type: text/html; charset=utf-8\r\n", main)),
		warcRecord("response", "https://b/", http, answer("Content-Type: text/html\r\nTransfer-Encoding: chunked\r\n", chunked)),
		warcRecord("response", "https://c/", http, answer("Content-Type: text/html\r\nContent-Encoding: gzip\r\n", gz(t, main))),
		warcRecord("response", "https://d/", http, answer("Content-Type: text/html\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", main)), // both undone
		warcRecord("response", "https://e/", http, "HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\n\r\n"+main),
		warcRecord("response", "https://f/", http, answer("Content-Type: image/png\r\n", "\x89PNG")),
		warcRecord("response", "https://g/", http, answer("Content-Type: text/plain; charset=iso-8859-1\r\n", "M\xfchle")),
		warcRecord("response", "https://h/", http, "no answer"),
		warcRecord("response", "https://i/", http, answer("", main)),
		warcRecord("revisit", "https://a/", http, answer("Content-Type: text/html\r\n", main)),
		warcRecord("response", "https://j/", http, answer("Content-Type: text/html; charset=windows-1251\r\n", strings.ReplaceAll(main, "mill", "\xec\xe5\xeb"))),
		warcRecord("resource", "file:///k.html", "text/html", main),
		warcRecord("response", "https://l/", http, answer("Content-Type: text/html\r\n", "<p>")),
		warcRecord("conversion", "https://m/", "text/plain", "of a WET file"),
		warcRecord("response", "https://n/", http, answer("Content-Type: text/html\r\nContent-Encoding: zstd\r\n", zst(t, main))),
		warcRecord("response", "https://o/", http, answer("Content-Type: text/html\r\nContent-Encoding: secret\r\n", main)),
	}
	dir := t.TempDir()
	packed := ""
	for _, r := range records {
		packed += gz(t, r) // each is a member of its own
	}
	write(t, dir, map[string]string{"x.warc": strings.Join(records, ""), "y.warc.gz": packed})
	docs, drops := all(t, read.Source{WARC: dir})
	require.Len(t, docs, 20)
	var urls []string
	for _, d := range docs[:10] {
		urls = append(urls, d.URL)
		switch d.URL {
		case "https://g/":
			require.Equal(t, "Mühle", d.Text)
		case "https://m/":
			require.Equal(t, "of a WET file", d.Text)
		default:
			word := "mill"
			if d.URL == "https://j/" {
				word = "мел"
			}
			require.Equal(t, 6, strings.Count(d.Text, "the "+word+","), d.URL)
			require.NotContains(t, d.Text, "imprint")
			require.NotContains(t, d.Text, "About us")
		}
	}
	require.Equal(t, []string{"https://a/", "https://b/", "https://c/", "https://d/", "https://g/", "https://i/", "https://j/", "file:///k.html", "https://m/", "https://n/"}, urls)
	require.Equal(t, "x.warc#3", docs[0].ID)
	require.Equal(t, []string{"x.warc#7 http_status", "x.warc#8 not_html", "x.warc#10 bad_http", "x.warc#15 no_main_text", "x.warc#18 bad_http"}, reasons(drops)[:5])
	require.EqualValues(t, 404, drops[0].Value)
}

func TestWARCLimits(t *testing.T) {
	dir := t.TempDir()
	block := answer("Content-Type: text/plain\r\nContent-Encoding: gzip\r\n", gz(t, strings.Repeat("bomb", 1<<16)))
	write(t, dir, map[string]string{"x.warc": warcRecord("conversion", "u", "text/plain", strings.Repeat("x", 1001)) + warcRecord("response", "u", "application/http", block) +
		warcRecord("conversion", "u", "text/plain", strings.Repeat("y", 1000))})
	docs, drops := all(t, read.Source{WARC: dir, MaxBytes: 1000})
	require.Equal(t, []string{"x.warc#3"}, ids(docs))
	require.Equal(t, []string{"x.warc#1 too_large", "x.warc#2 too_large"}, reasons(drops))

	for name, data := range map[string]string{
		"no field of a WARC header":    "WARC/1.0\r\nnonsense\r\n\r\n",
		"no Content-Length":            "WARC/1.0\r\nWARC-Type: response\r\n\r\n",
		"the Content-Length":           "WARC/1.0\r\nContent-Length: -5\r\n\r\n",
		"cut off":                      "WARC/1.0\r\nContent-Length: 5\r\n\r\nabc",
		"no beginning of a WARC":       "<html>",
		"has more than 65536 bytes":    "WARC/1.0\r\n" + strings.Repeat("a", 70_000),
		"WARC header has more than":    "WARC/1.0\r\n" + strings.Repeat("a: b\r\n", 20_000),
		"cut off in the middle of a r": "WARC/1.0\r\nContent-Length",
	} {
		write(t, dir, map[string]string{"x.warc": data})
		require.ErrorContains(t, failure(t, read.Source{WARC: dir}), name)
	}
}

// TestWget reads what wget writes, if it is here.
func TestWget(t *testing.T) {
	wget, err := exec.LookPath("wget")
	if err != nil {
		t.Skip("there is no wget")
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/robots.txt":
			http.NotFound(w, r)
		case "/":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			body := page("first") + `<a href="/second">second</a> <a href="/gone">gone</a> <a href="/notes.txt">notes</a>`
			_, _ = w.Write([]byte(body[:100]))
			w.(http.Flusher).Flush() // in chunks
			_, _ = w.Write([]byte(body[100:]))
		case "/second":
			w.Header().Set("Content-Type", "text/html")
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write([]byte(gz(t, page("second"))))
		case "/notes.txt":
			_, _ = w.Write([]byte("plain notes"))
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	for _, packed := range []string{"--no-warc-compression", "--warc-cdx"} {
		dir := t.TempDir()
		cmd := exec.CommandContext(context.Background(), wget, "-q", "-r", "-l", "1", "--no-proxy", "--header=Accept-Encoding: gzip", "--warc-file=crawl", packed, server.URL+"/")
		cmd.Dir = dir
		_ = cmd.Run() // 8 for the page that is not there; what it wrote is what counts
		docs, drops := all(t, read.Source{WARC: filepath.Join(dir, "crawl.warc*")})
		got := map[string]string{}
		for _, d := range docs {
			got[strings.TrimPrefix(d.URL, server.URL)] = d.Text
		}
		require.Len(t, got, 3, "%v %v", docs, drops)
		require.Contains(t, got["/"], "the first,")
		require.Contains(t, got["/second"], "the second,")
		require.Equal(t, "plain notes", got["/notes.txt"])
		for _, d := range drops {
			require.Equal(t, read.NotOK, d.Reason)
		}
	}
}
