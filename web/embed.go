package web

import (
	"embed"
	"io/fs"
	"net/http"
)

// dist is empty but for .gitkeep until `npm run build` has run here; `all:` lets that file alone satisfy the pattern.
//
//go:embed all:dist
var dist embed.FS

//go:embed plain.html
var plain []byte

// Handler serves the built pages, or plain.html when this binary was built without them. It answers GET and HEAD of every
// path: a path that names no file is a place inside the application, and gets its index.
func Handler() http.Handler {
	pages, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // only an invalid path could be the cause, and the path is written one line above
	}
	return serve(pages, plain)
}

// GraphiQL serves the page on which GraphQL is asked by hand, whatever the path, or plain.html when this binary was built without the
// pages.
func GraphiQL() http.Handler {
	pages, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // as above
	}
	return only(pages, "graphiql.html", plain)
}

// Built reports whether the pages are in this binary.
func Built() bool {
	_, err := fs.Stat(dist, "dist/index.html")
	return err == nil
}
