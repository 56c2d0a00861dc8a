package graph

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Persisted are operations by the SHA-256 of their text, in hexadecimal digits.
type Persisted map[string]string

// maxPersisted bounds a list of operations, in bytes.
const maxPersisted = 16 << 20

// ReadPersisted reads a list as code generators write it: {"<sha256>": "query …", …}, or Apollo's manifest {"operations": [{"id", "body"}, …]}.
// Every id must be the SHA-256 of its text.
func ReadPersisted(r io.Reader) (Persisted, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxPersisted+1))
	if err != nil {
		return nil, fmt.Errorf("graph: persisted operations: %w", err)
	}
	if len(raw) > maxPersisted {
		return nil, fmt.Errorf("graph: persisted operations: more than %d bytes", maxPersisted)
	}
	var manifest struct {
		Operations []struct{ ID, Body string }
	}
	list := Persisted{}
	if err := json.Unmarshal(raw, &list); err != nil {
		list = Persisted{}
		if err := json.Unmarshal(raw, &manifest); err != nil || manifest.Operations == nil {
			return nil, errors.New(`graph: persisted operations: neither {"<sha256>": "query …"} nor {"operations": [{"id", "body"}]}`)
		}
		for _, op := range manifest.Operations {
			list[op.ID] = op.Body
		}
	}
	for id, text := range list {
		if hashOf(text) != id {
			return nil, fmt.Errorf("graph: persisted operations: %.80q is not the SHA-256 of its text, which is %s", id, hashOf(text))
		}
	}
	return list, nil
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// persisting lets an operation be asked for by its hash, once its text was sent with it (Apollo's automatic persisted queries, which
// urql speaks too), or, with a list, answers nothing that is not on it.
type persisting struct {
	only  Persisted
	known graphql.Cache[string]
}

// maxRemembered bounds how many texts are kept, maxRememberedBytes how long each may be: 16 MB at most.
const (
	maxRemembered      = 1000
	maxRememberedBytes = 16 << 10
)

func newPersisting(only Persisted) *persisting {
	return &persisting{only: only, known: lru.New[string](maxRemembered)}
}

// ExtensionName names the extension to gqlgen.
func (*persisting) ExtensionName() string { return "Persisted" }

// Validate has nothing to say.
func (*persisting) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationParameters puts the text in the place of its hash.
func (p *persisting) MutateOperationParameters(ctx context.Context, params *graphql.RawParams) *gqlerror.Error {
	hash, err := hashIn(params.Extensions)
	if err != nil {
		return err
	}
	if params.Query != "" && hash != "" && hashOf(params.Query) != hash {
		return said("BAD_USER_INPUT", "extensions.persistedQuery.sha256Hash is not that of the query")
	}
	switch {
	case p.only != nil:
		if hash == "" {
			hash = hashOf(params.Query)
		}
		text, ok := p.only[hash]
		if !ok {
			return said("PERSISTED_QUERY_ONLY", "this server answers only operations of its list, and this is none")
		}
		params.Query = text
	case params.Query != "":
		if hash != "" && len(params.Query) <= maxRememberedBytes {
			p.known.Add(ctx, hash, params.Query)
		}
	case hash != "":
		text, ok := p.known.Get(ctx, hash)
		if !ok { // clients look for exactly this message
			return said("PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound")
		}
		params.Query = text
	}
	return nil
}

// hashIn finds a request's hash, "" when it has none.
func hashIn(extensions map[string]any) (string, *gqlerror.Error) {
	ext, ok := extensions["persistedQuery"]
	if !ok || ext == nil {
		return "", nil
	}
	fields, _ := ext.(map[string]any)
	hash, _ := fields["sha256Hash"].(string)
	if version := fmt.Sprint(fields["version"]); version != "1" || len(hash) != 2*sha256.Size {
		return "", said("BAD_USER_INPUT", `extensions.persistedQuery is not of the form {"version": 1, "sha256Hash": "<64 hexadecimal digits>"}`)
	}
	return hash, nil
}

func said(code, message string) *gqlerror.Error {
	return &gqlerror.Error{Message: message, Extensions: map[string]any{"code": code}}
}
