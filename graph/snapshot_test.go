package graph_test

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/formatter"
)

// The schema that others build on is in testdata/schema.graphql. Additions are written there by -update (make generate does). What would
// break somebody's program is refused until a line of testdata/breaking.md announces it, word for word, with the reason after it; fields,
// arguments and enum values that were @deprecated in the snapshot may go unannounced.
func TestTheSchemaChangesOnlyAsAnnounced(t *testing.T) {
	const file = "testdata/schema.graphql"
	now := schema(t)
	printed := printSchema(now)
	known, err := os.ReadFile(file)
	if *update && os.IsNotExist(err) {
		known, err = []byte(printed), os.WriteFile(file, []byte(printed), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	before, err := gqlparser.LoadSchema(&ast.Source{Name: file, Input: string(known)})
	if err != nil {
		t.Fatal(err)
	}
	announced, err := os.ReadFile("testdata/breaking.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range breaking(before, now) {
		if !strings.Contains(string(announced), "* "+b+":") {
			t.Errorf("this breaks programs: %s\nLeave it as it was and mark it @deprecated, or announce it in graph/testdata/breaking.md:\n* %s: why, and what to use instead", b, b)
		}
	}
	if t.Failed() || string(known) == printed {
		return
	}
	if !*update {
		t.Fatalf("the schema is not the one in %s (go test ./graph -run TheSchemaChanges -update, and commit it):\n%s", file, diff(string(known), printed))
	}
	if err := os.WriteFile(file, []byte(printed), 0o644); err != nil {
		t.Fatal(err)
	}
}

// printSchema writes a schema without its descriptions, everything in the order of its name: neither wording nor moving is a change.
func printSchema(s *ast.Schema) string {
	for _, d := range s.Types {
		slices.SortFunc(d.Fields, func(a, b *ast.FieldDefinition) int { return strings.Compare(a.Name, b.Name) })
		slices.SortFunc(d.EnumValues, func(a, b *ast.EnumValueDefinition) int { return strings.Compare(a.Name, b.Name) })
		slices.Sort(d.Types)
		slices.Sort(d.Interfaces)
	}
	var out bytes.Buffer
	formatter.NewFormatter(&out, formatter.WithIndent("  "), formatter.WithoutDescription()).FormatSchema(s)
	return out.String()
}

// breaking lists what a program that was written for one schema finds missing or changed in another, in the order of names.
func breaking(before, now *ast.Schema) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for name, old := range before.Types {
		if old.BuiltIn || strings.HasPrefix(name, "__") {
			continue
		}
		d := now.Types[name]
		switch {
		case d == nil:
			say("%s is gone", name)
			continue
		case d.Kind != old.Kind:
			say("%s was %s and is %s", name, old.Kind, d.Kind)
			continue
		}
		for _, i := range old.Interfaces {
			if !slices.Contains(d.Interfaces, i) {
				say("%s is no %s any more", name, i)
			}
		}
		for _, member := range old.Types {
			if !slices.Contains(d.Types, member) {
				say("%s is never %s any more", name, member)
			}
		}
		for _, v := range old.EnumValues {
			if d.EnumValues.ForName(v.Name) == nil && !deprecated(v.Directives) {
				say("%s.%s is gone", name, v.Name)
			}
		}
		if d.Directives.ForName("oneOf") != nil && old.Directives.ForName("oneOf") == nil {
			say("%s takes one field only", name)
		}
		for _, f := range old.Fields {
			changedField(say, name+"."+f.Name, old.Kind, f, d.Fields.ForName(f.Name))
		}
		for _, f := range d.Fields {
			if old.Kind == ast.InputObject && old.Fields.ForName(f.Name) == nil && f.Type.NonNull && f.DefaultValue == nil {
				say("%s.%s is required", name, f.Name)
			}
		}
	}
	slices.Sort(out)
	return out
}

func changedField(say func(string, ...any), name string, kind ast.DefinitionKind, old, f *ast.FieldDefinition) {
	switch {
	case f == nil:
		if !deprecated(old.Directives) {
			say("%s is gone", name)
		}
		return
	case kind == ast.InputObject && !takes(f.Type, old.Type), kind != ast.InputObject && !takes(old.Type, f.Type):
		say("%s was %s and is %s", name, old.Type, f.Type)
	}
	for _, a := range old.Arguments {
		b := f.Arguments.ForName(a.Name)
		if b == nil {
			if !deprecated(a.Directives) {
				say("%s(%s) is gone", name, a.Name)
			}
		} else if !takes(b.Type, a.Type) {
			say("%s(%s) was %s and is %s", name, a.Name, a.Type, b.Type)
		}
	}
	for _, b := range f.Arguments {
		if old.Arguments.ForName(b.Name) == nil && b.Type.NonNull && b.DefaultValue == nil {
			say("%s(%s) is required", name, b.Name)
		}
	}
}

func deprecated(list ast.DirectiveList) bool { return list.ForName("deprecated") != nil }

// takes tells whether every value of one type is a value of a place of another: the same, or never null where null was allowed.
func takes(place, value *ast.Type) bool {
	if place.NonNull && !value.NonNull || (place.Elem == nil) != (value.Elem == nil) {
		return false
	}
	if place.Elem != nil {
		return takes(place.Elem, value.Elem)
	}
	return place.NamedType == value.NamedType
}

func TestWhatBreaksPrograms(t *testing.T) {
	const base = `
		type Query { a(x: Int, y: Int!): [String!]! old: Int @deprecated(reason: "new") new: Int b: B u: U }
		type B implements N { id: ID! } interface N { id: ID! } union U = B | C type C { c: Int }
		enum E { ONE TWO } input I { x: Int y: Int! z: Int! = 1 } scalar S
	`
	load := func(text string) *ast.Schema {
		t.Helper()
		s, err := gqlparser.LoadSchema(&ast.Source{Input: text})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, c := range []struct{ from, to, want string }{
		{"", "", ""},
		{"enum E { ONE TWO }", "enum E { ONE TWO THREE }", ""},
		{"type C { c: Int }", "type C { c: Int! d: Int }", ""},
		{"y: Int!): [", "y: Int, w: Int): [", ""},
		{"input I { x: Int", "input I { w: Int v: Int! = 2 x: Int", ""},
		{`old: Int @deprecated(reason: "new") `, "", ""},
		{"scalar S", "", "S is gone"},
		{"scalar S", "type S { s: Int }", "S was SCALAR and is OBJECT"},
		{" new: Int", "", "Query.new is gone"},
		{"new: Int", "new: String", "Query.new was Int and is String"},
		{"[String!]!", "[String]!", "Query.a was [String!]! and is [String]!"},
		{"[String!]!", "String!", "Query.a was [String!]! and is String!"},
		{"a(x: Int, ", "a(", "Query.a(x) is gone"},
		{"a(x: Int,", "a(x: Int!,", "Query.a(x) was Int and is Int!"},
		{"a(x: Int,", "a(x: Int, w: Int!,", "Query.a(w) is required"},
		{"{ ONE TWO }", "{ ONE }", "E.TWO is gone"},
		{"input I { x: Int", "input I { x: Int!", "I.x was Int and is Int!"},
		{"input I { x: Int", "input I { w: Int! x: Int", "I.w is required"},
		{"input I { x: Int", "input I { ", "I.x is gone"},
		{"type B implements N {", "type B {", "B is no N any more"},
		{"= B | C", "= B", "U is never C any more"},
		{"input I { x: Int y: Int! z: Int! = 1 }", "input I @oneOf { x: Int y: Int z: Int }", "I takes one field only"},
	} {
		if !strings.Contains(base, c.from) {
			t.Fatalf("%q is not there to be changed", c.from)
		}
		got := strings.Join(breaking(load(base), load(strings.Replace(base, c.from, c.to, 1))), "; ")
		if got != c.want {
			t.Errorf("%s → %s: %q, want %q", c.from, c.to, got, c.want)
		}
	}
}
