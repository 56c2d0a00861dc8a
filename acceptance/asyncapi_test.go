package acceptance_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/invopop/jsonschema"
	check "github.com/santhosh-tekuri/jsonschema/v6"

	"millrace/event"
)

var update = flag.Bool("update", false, "rewrite what is generated")

const asyncAPIFile = "../docs/formats/asyncapi.json"

// asyncAPI describes every fact of the log, generated from the sealed set.
func asyncAPI(t *testing.T) []byte {
	t.Helper()
	channels, operations, messages, schemas := map[string]any{}, map[string]any{}, map[string]any{}, map[string]any{}
	examples := event.Examples()
	for i, e := range event.Set() {
		name := strings.ReplaceAll(string(e.Type()), ".", "_")
		message := map[string]any{
			"name": event.WireType(e.Type()), "title": reflect.TypeOf(e).Name(),
			"headers": map[string]any{"$ref": "#/components/schemas/cloudevents"},
		}
		if e.Type() == (event.MetricsLogged{}).Type() {
			message["contentType"] = "application/vnd.millrace.frames.v1"
			message["payload"] = map[string]any{"type": "string", "format": "binary", "description": "Column frames, see metrics.md."}
		} else {
			schemas[name] = schemaOf(t, e)
			message["contentType"] = "application/json"
			message["payload"] = map[string]any{"$ref": "#/components/schemas/" + name}
			message["examples"] = []any{map[string]any{"payload": examples[i]}}
		}
		messages[name] = message
		channels[name] = map[string]any{
			"address": addressOf(examples[i]), "messages": map[string]any{name: map[string]any{"$ref": "#/components/messages/" + name}},
			"parameters": map[string]any{"id": map[string]any{"description": "Id of what the fact is about."}},
		}
		operations[name] = map[string]any{"action": "receive", "channel": map[string]any{"$ref": "#/channels/" + name}}
	}
	header := func(what string) map[string]any { return map[string]any{"type": "string", "description": what} }
	schemas["cloudevents"] = map[string]any{
		"type": "object", "required": []string{event.HeaderSpec, event.HeaderID, event.HeaderType, event.HeaderSource, event.HeaderTime},
		"properties": map[string]any{
			event.HeaderSpec: map[string]any{"const": "1.0"}, event.HeaderID: header("Unique; the same for a repeat of one publish."),
			event.HeaderType: header("millrace.<fact>.v1"), event.HeaderSource: header("Who published it."), event.HeaderTime: header("RFC 3339, UTC."),
		},
	}
	doc := map[string]any{
		"asyncapi": "3.0.0",
		"info": map[string]any{
			"title": "Millrace events", "version": "1",
			"description": "Every fact in the log, on NATS JetStream, stream MILLRACE. CloudEvents 1.0 attributes travel as headers.",
			"license":     map[string]any{"name": "Apache-2.0"},
		},
		"defaultContentType": "application/json",
		"channels":           channels, "operations": operations,
		"components": map[string]any{"messages": messages, "schemas": schemas},
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(doc); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// addressOf is a fact's subject with its id left open.
func addressOf(e event.Event) string {
	tokens := strings.Split(e.Subject(), ".")
	tokens[2] = "{id}"
	return strings.Join(tokens, ".")
}

// schemaOf reflects a fact's body. Numbers may be the strings that stand for NaN and the infinities.
func schemaOf(t *testing.T, e event.Event) map[string]any {
	t.Helper()
	r := jsonschema.Reflector{
		DoNotReference: true, Anonymous: true, AllowAdditionalProperties: true,
		Mapper: func(rt reflect.Type) *jsonschema.Schema {
			switch rt {
			case reflect.TypeFor[event.Number]():
				return &jsonschema.Schema{OneOf: []*jsonschema.Schema{{Type: "number"}, {Enum: []any{"NaN", "Infinity", "-Infinity"}}}}
			case reflect.TypeFor[json.RawMessage]():
				return &jsonschema.Schema{Description: "Any JSON value."}
			case reflect.TypeFor[event.Digest]():
				return &jsonschema.Schema{Type: "string", Pattern: "^(sha256:[0-9a-f]{64})?$"}
			}
			return nil
		},
	}
	raw, err := json.Marshal(r.ReflectFromType(reflect.TypeOf(e)))
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	delete(m, "$schema")
	return m
}

func TestAsyncAPIDocumentIsUpToDate(t *testing.T) {
	got := asyncAPI(t)
	if *update {
		if err := os.WriteFile(asyncAPIFile, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(asyncAPIFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%s is out of date; run: make generate", filepath.Base(asyncAPIFile))
	}
}

func TestEveryExampleFitsItsSchema(t *testing.T) {
	for i, e := range event.Set() {
		if e.Type() == (event.MetricsLogged{}).Type() {
			continue
		}
		c := check.NewCompiler()
		if err := c.AddResource("fact.json", any(schemaOf(t, e))); err != nil {
			t.Fatal(err)
		}
		s, err := c.Compile("fact.json")
		if err != nil {
			t.Fatalf("%s: %v", e.Type(), err)
		}
		raw, err := json.Marshal(event.Examples()[i])
		if err != nil {
			t.Fatal(err)
		}
		body, err := check.UnmarshalJSON(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(body); err != nil {
			t.Errorf("%s: %v", e.Type(), err)
		}
		if err := s.Validate("not a fact"); err == nil {
			t.Errorf("%s: anything fits its schema", e.Type())
		}
	}
}
