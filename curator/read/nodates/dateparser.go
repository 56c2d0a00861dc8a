// Package dateparser stands in for github.com/markusmobius/go-dateparser, by a replace directive in go.mod. go-trafilatura
// links it through go-htmldate to find out when a page was written, which the curator never asks; its tables of dates in 200
// languages take 0.2 s to set up whenever a program starts, and 20 MB of it. This one has what go-htmldate names, and knows
// no date.
package dateparser

import (
	"errors"

	"github.com/markusmobius/go-dateparser/date"
)

// ParserType is a way of reading dates.
type ParserType uint8

// The ways that go-htmldate names.
const (
	CustomFormat ParserType = iota
	AbsoluteTime
)

// PreferredDateSource says which of several dates is meant.
type PreferredDateSource uint8

// Past is the one that go-htmldate names.
const Past PreferredDateSource = 1

// Configuration is what go-htmldate sets.
type Configuration struct {
	PreferredDateSource PreferredDateSource
	StrictParsing       bool
}

// Parser finds no date.
type Parser struct{ ParserTypes []ParserType }

var errNoDate = errors.New("dates are not read")

// Parse returns an error.
func (*Parser) Parse(*Configuration, string, ...string) (date.Date, error) {
	return date.Date{}, errNoDate
}
