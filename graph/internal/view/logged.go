package view

import (
	"encoding/json"
	"net/url"
	"path"
)

// URL is where its bytes are, below the node's address.
func (a LoggedArtifact) URL() string {
	return "/api/v1/blob/" + string(a.File.Digest) + "?name=" + url.QueryEscape(path.Base(a.Path))
}

// LoggedTable is a table that a run logged.
type LoggedTable struct {
	Artifact LoggedArtifact
	Columns  []string
	Rows     []json.RawMessage
	Count    int
}
