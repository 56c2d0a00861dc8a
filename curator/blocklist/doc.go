// Package blocklist tells what lists of unwanted domains, addresses and words have to say against a document's address, as
// FineWeb's URL filter asks them (datatrove, pipeline/filters/url_filter.py). No list comes with this program.
package blocklist
