package view

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"millrace/storage/readmodel"
)

// Collection is a line of versions.
type Collection struct{ readmodel.Collection }

// IsNode marks a Collection as something with an id.
func (Collection) IsNode() {}

// ID is the collection's id.
func (c Collection) ID() string { return string(c.Collection.ID) }

// Tags are its tags by key.
func (c Collection) Tags() []Tag { return sortedTags(c.Collection.Tags) }

// Aliases are the names that point at its versions.
func (c Collection) Aliases() []VersionAlias {
	out := make([]VersionAlias, 0, len(c.Collection.Aliases))
	for _, name := range slices.Sorted(maps.Keys(c.Collection.Aliases)) {
		out = append(out, VersionAlias{name, c.Collection.Aliases[name]})
	}
	return out
}

// VersionAlias is a name that points at a version.
type VersionAlias struct {
	Name    string
	Version int64
}

// CollectionVersion is one version of a collection.
type CollectionVersion struct{ V readmodel.Version }

func (v CollectionVersion) Version() int64            { return v.V.Version }
func (v CollectionVersion) Path() string              { return v.V.Path }
func (v CollectionVersion) Object() string            { return string(v.V.Object) }
func (v CollectionVersion) Size() int64               { return v.V.Size }
func (v CollectionVersion) State() string             { return v.V.State }
func (v CollectionVersion) Message() string           { return v.V.Message }
func (v CollectionVersion) Stage() string             { return v.V.Stage }
func (v CollectionVersion) Description() string       { return v.V.Description }
func (v CollectionVersion) Tags() []Tag               { return sortedTags(v.V.Tags) }
func (v CollectionVersion) Labels() []string          { return v.V.Labels }
func (v CollectionVersion) Metadata() json.RawMessage { return v.V.Metadata }
func (v CollectionVersion) CreatedAt() time.Time      { return v.V.CreatedAt }
func (v CollectionVersion) TTLSeconds() int64         { return v.V.TTLSeconds }

// LoggedInput is what a foreign script says it read or made.
type LoggedInput struct{ readmodel.Input }

// Tags are its tags by key.
func (i LoggedInput) Tags() []Tag { return sortedTags(i.Input.Tags) }

// Pages of collections and of versions.
type (
	CollectionConnection        struct{ Page[Collection] }
	CollectionEdge              = Edge[Collection]
	CollectionVersionConnection struct{ Page[CollectionVersion] }
	CollectionVersionEdge       = Edge[CollectionVersion]
)
