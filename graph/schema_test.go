package graph_test

import (
	"os"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
)

// own walks the types that are ours, not GraphQL's.
func own(t *testing.T, fn func(*ast.Definition)) {
	for _, t := range schema(t).Types {
		if !t.BuiltIn && !strings.HasPrefix(t.Name, "__") {
			fn(t)
		}
	}
}

func TestEverythingInTheSchemaIsDescribed(t *testing.T) {
	need := func(description, what string) {
		if strings.TrimSpace(description) == "" {
			t.Errorf("%s has no description", what)
		}
	}
	own(t, func(d *ast.Definition) {
		need(d.Description, d.Name)
		for _, f := range d.Fields {
			if strings.HasPrefix(f.Name, "__") {
				continue
			}
			need(f.Description, d.Name+"."+f.Name)
			for _, a := range f.Arguments {
				need(a.Description, d.Name+"."+f.Name+"("+a.Name+")")
			}
		}
		for _, v := range d.EnumValues {
			need(v.Description, d.Name+"."+v.Name)
		}
	})
}

// A mutation takes one input and answers with a payload that says what was wrong; there is no clientMutationId.
func TestEveryMutationFollowsTheConvention(t *testing.T) {
	s := schema(t)
	for _, f := range s.Mutation.Fields {
		if len(f.Arguments) != 1 || f.Arguments[0].Name != "input" || !f.Arguments[0].Type.NonNull || !strings.HasSuffix(f.Arguments[0].Type.NamedType, "Input") {
			t.Errorf("%s does not take exactly one (input: …Input!)", f.Name)
		} else if in := s.Types[f.Arguments[0].Type.NamedType]; in.Fields.ForName("clientMutationId") != nil {
			t.Errorf("%s has a clientMutationId", in.Name)
		}
		payload := s.Types[f.Type.NamedType]
		if payload == nil || !f.Type.NonNull || !strings.HasSuffix(payload.Name, "Payload") {
			t.Errorf("%s does not answer with a …Payload!", f.Name)
			continue
		}
		errs := payload.Fields.ForName("userErrors")
		if errs == nil || errs.Type.String() != "[UserError!]!" {
			t.Errorf("%s has no userErrors: [UserError!]!", payload.Name)
		}
		for _, f := range payload.Fields {
			if f != errs && f.Type.NonNull {
				t.Errorf("%s.%s cannot be null, though the wish may be refused", payload.Name, f.Name)
			}
		}
	}
}

// caps are arguments that bound a list.
var caps = []string{"first", "last", "maxPoints", "places", "depth"}

// Every list of objects is a connection, has an argument that caps it, or is in testdata/lists.txt with what bounds it.
func TestEveryListIsCapped(t *testing.T) {
	text, err := os.ReadFile("testdata/lists.txt")
	if err != nil {
		t.Fatal(err)
	}
	why := map[string]string{}
	for line := range strings.Lines(string(text)) {
		field, reason, ok := strings.Cut(strings.TrimSpace(line), " ")
		if strings.HasPrefix(line, "#") || field == "" {
			continue
		}
		if !ok || why[field] != "" {
			t.Errorf("lists.txt: %q has no reason, or two", field)
		}
		why[field] = reason
	}
	s, met := schema(t), map[string]bool{}
	own(t, func(d *ast.Definition) {
		if d.Kind != ast.Object && d.Kind != ast.Interface {
			return
		}
		for _, f := range d.Fields {
			of := s.Types[f.Type.Name()]
			if f.Type.Elem == nil || of.Kind != ast.Object && of.Kind != ast.Interface && of.Kind != ast.Union || strings.HasPrefix(f.Name, "__") {
				continue
			}
			connection := strings.HasSuffix(d.Name, "Connection") && (f.Name == "nodes" || f.Name == "edges")
			if connection || f.Type.Name() == "UserError" || f.Arguments.ForName("first") != nil || capped(f) {
				continue
			}
			name, all := d.Name+"."+f.Name, d.Name+".*"
			if why[name] == "" && why[all] == "" {
				t.Errorf("%s may grow for ever: give it `first`, or say in testdata/lists.txt what bounds it", name)
			}
			met[name], met[all] = true, true
		}
	})
	for name := range why {
		if met[name] {
			continue
		}
		t.Errorf("lists.txt has %s, which is no list without a cap", name)
	}
}

func capped(f *ast.FieldDefinition) bool {
	for _, c := range caps {
		if f.Arguments.ForName(c) != nil {
			return true
		}
	}
	return false
}

// A connection has edges, nodes, pageInfo and totalCount, and is paged by first and after.
func TestConnectionsAreRelays(t *testing.T) {
	s := schema(t)
	own(t, func(d *ast.Definition) {
		if name, ok := strings.CutSuffix(d.Name, "Connection"); ok {
			for field, kind := range map[string]string{"edges": "[" + name + "Edge!]!", "nodes": "", "pageInfo": "PageInfo!", "totalCount": "Int!"} {
				f := d.Fields.ForName(field)
				if f == nil || kind != "" && f.Type.String() != kind {
					t.Errorf("%s has no %s: %s", d.Name, field, kind)
				}
			}
			if e := s.Types[name+"Edge"]; e == nil || e.Fields.ForName("cursor") == nil || e.Fields.ForName("node") == nil {
				t.Errorf("%s has no edges with cursor and node", d.Name)
			}
		}
		for _, f := range d.Fields {
			if strings.HasSuffix(f.Type.Name(), "Connection") && (f.Arguments.ForName("first") == nil || f.Arguments.ForName("after") == nil) {
				t.Errorf("%s.%s is not paged by first and after", d.Name, f.Name)
			}
		}
	})
}
