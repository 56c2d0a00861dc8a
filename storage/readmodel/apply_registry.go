package readmodel

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"millrace/event"
)

// Collection is a line of versions: what foreign clients call a registered model, an artifact collection or a portfolio.
type Collection struct {
	ID          event.CollectionID `json:"id"`
	Seq         uint64             `json:"seq"` // of the first fact about it
	Experiment  event.ExperimentID `json:"experiment,omitempty"`
	Entity      string             `json:"entity,omitempty"`
	Name        string             `json:"name,omitempty"`
	Kind        string             `json:"kind,omitempty"`
	Description string             `json:"description,omitempty"`
	Tags        map[string]string  `json:"tags,omitempty"`
	Metadata    json.RawMessage    `json:"metadata,omitempty"`
	By          string             `json:"by,omitempty"`
	Aliases     map[string]int64   `json:"aliases,omitempty"` // name to version
	CreatedAt   time.Time          `json:"created_at"`
	UpdatedAt   time.Time          `json:"updated_at"`
}

// Version is one version of a collection.
type Version struct {
	Collection  event.CollectionID `json:"collection"`
	Version     int64              `json:"version"`
	Seq         uint64             `json:"seq"`
	Run         event.RunID        `json:"run,omitempty"`
	Path        string             `json:"path,omitempty"`
	Object      event.Digest       `json:"object,omitempty"`
	Size        int64              `json:"size,omitempty"` // bytes
	State       string             `json:"state,omitempty"`
	Message     string             `json:"message,omitempty"`
	Stage       string             `json:"stage,omitempty"`
	Description string             `json:"description,omitempty"`
	Tags        map[string]string  `json:"tags,omitempty"`
	Labels      []string           `json:"labels,omitempty"`
	Metadata    json.RawMessage    `json:"metadata,omitempty"`
	TTLSeconds  int64              `json:"ttl_seconds,omitempty"`
	By          string             `json:"by,omitempty"`
	CreatedAt   time.Time          `json:"created_at"`
	UpdatedAt   time.Time          `json:"updated_at"`
}

// collection reads a collection, or begins one.
func (f *fold) collection(id event.CollectionID) (Collection, error) {
	if raw := f.v.get(tableCollection, "", parts(string(id))); raw != nil {
		return decode[Collection](raw)
	}
	return Collection{ID: id, Seq: f.env.Seq, CreatedAt: f.at}, nil
}

func (f *fold) saveCollection(c Collection) error {
	c.UpdatedAt = later(c.UpdatedAt, f.at)
	return f.put(tableCollection, "", parts(string(c.ID)), c)
}

func set(at *string, to *string) {
	if to != nil {
		*at = *to
	}
}

// tagged sets and removes keys of a map; none is nil.
func tagged(tags, add map[string]string, remove []string) map[string]string {
	tags = merged(tags, add)
	for _, k := range remove {
		delete(tags, k)
	}
	if len(tags) == 0 {
		return nil
	}
	return tags
}

func (f *fold) collectionSaved(e event.CollectionSaved) error {
	c, err := f.collection(e.Collection)
	if err != nil {
		return err
	}
	if e.Experiment != "" {
		c.Experiment = e.Experiment
	}
	if e.Entity != "" {
		c.Entity = e.Entity
	}
	if e.By != "" && c.By == "" {
		c.By = e.By
	}
	set(&c.Name, e.Name)
	set(&c.Kind, e.Kind)
	set(&c.Description, e.Description)
	c.Tags = tagged(c.Tags, e.Set, e.Unset)
	if e.Metadata != nil {
		c.Metadata = validJSON(e.Metadata)
	}
	return f.saveCollection(c)
}

func (f *fold) collectionRemoved(e event.CollectionRemoved) error {
	var err error
	f.v.scan(tableVersion, string(e.Collection), span{}, func(_, value []byte) bool {
		var v Version
		if v, err = decode[Version](value); err != nil {
			return false
		}
		f.dropVersionEdges(v)
		return true
	})
	f.pending.clear(tableVersion, string(e.Collection))
	f.pending.remove(tableCollection, "", parts(string(e.Collection)))
	return err
}

// CollectionNode is a version's name as the end of an Edge.
func CollectionNode(c event.CollectionID, version int64) string {
	return fmt.Sprintf("collection:%s:%d", c, version)
}

func (f *fold) version(c event.CollectionID, n int64) (Version, bool, error) {
	raw := f.v.get(tableVersion, string(c), parts(n))
	if raw == nil {
		return Version{Collection: c, Version: n, Seq: f.env.Seq, CreatedAt: f.at}, false, nil
	}
	v, err := decode[Version](raw)
	return v, err == nil, err
}

// versionSaved keeps what of a version is immutable (its run, path and object) as it was first said.
func (f *fold) versionSaved(e event.VersionSaved) error {
	v, _, err := f.version(e.Collection, e.Version)
	if err != nil {
		return err
	}
	if v.Run == "" {
		v.Run = e.Run
	}
	if v.Path == "" {
		v.Path = e.Path
	}
	if v.Object == "" {
		v.Object, v.Size = e.Object, e.Size
	}
	if e.State != nil {
		v.State, v.Message = *e.State, e.Message
	}
	if e.TTLSeconds != nil {
		v.TTLSeconds = *e.TTLSeconds
	}
	if e.By != "" && v.By == "" {
		v.By = e.By
	}
	set(&v.Stage, e.Stage)
	set(&v.Description, e.Description)
	v.Tags = tagged(v.Tags, e.Set, e.Unset)
	v.Labels = slices.DeleteFunc(union(v.Labels, e.AddLabels), func(l string) bool { return slices.Contains(e.RemoveLabels, l) })
	if e.Metadata != nil {
		v.Metadata = validJSON(e.Metadata)
	}
	v.UpdatedAt = later(v.UpdatedAt, f.at)
	if err := f.put(tableVersion, string(v.Collection), parts(v.Version), v); err != nil {
		return err
	}
	c, err := f.collection(e.Collection)
	if err != nil {
		return err
	}
	if err := f.saveCollection(c); err != nil {
		return err
	}
	node := CollectionNode(v.Collection, v.Version)
	if _, gone := f.gone[v.Run]; v.Run != "" && !gone {
		f.touched[v.Run] = struct{}{}
		if err := f.edge(Edge{From: RunNode(v.Run), To: node, Role: "version", Name: c.Name}); err != nil {
			return err
		}
	}
	if v.Object == "" {
		return nil
	}
	return f.edge(Edge{From: string(v.Object), To: node, Role: "version", Name: c.Name})
}

func (f *fold) versionAliased(e event.VersionAliased) error {
	c, err := f.collection(e.Collection)
	if err != nil {
		return err
	}
	c.Aliases = maps.Clone(c.Aliases)
	switch {
	case e.Version == nil:
		delete(c.Aliases, e.Alias)
	case c.Aliases == nil:
		c.Aliases = map[string]int64{e.Alias: *e.Version}
	default:
		c.Aliases[e.Alias] = *e.Version
	}
	return f.saveCollection(c)
}

func (f *fold) versionRemoved(e event.VersionRemoved) error {
	v, ok, err := f.version(e.Collection, e.Version)
	if err != nil || !ok {
		return err
	}
	f.dropVersionEdges(v)
	f.pending.remove(tableVersion, string(e.Collection), parts(e.Version))
	c, err := f.collection(e.Collection)
	if err != nil {
		return err
	}
	c.Aliases = maps.Clone(c.Aliases)
	maps.DeleteFunc(c.Aliases, func(_ string, n int64) bool { return n == e.Version })
	return f.saveCollection(c)
}

// dropVersionEdges removes what says where a version came from and who read it.
func (f *fold) dropVersionEdges(v Version) {
	if err := f.deleteEdges(CollectionNode(v.Collection, v.Version)); err != nil {
		f.Model.log.Error("edges of a version cannot be read", "collection", v.Collection, "version", v.Version, "err", err)
	}
}
