// Package web is the page that people look at: a React application under src, built by Vite into dist and embedded here.
//
// [Handler] is all that the program needs of it. A binary that was built without the pages still builds and runs: it serves
// plain.html, which says how to build them and that the command line does the same.
package web
