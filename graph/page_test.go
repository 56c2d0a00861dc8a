package graph_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The examples of docs/graphql.md are answered as they stand there.
func TestThePageOfGraphQL(t *testing.T) {
	page, err := os.ReadFile("../docs/graphql.md")
	if err != nil {
		t.Fatal(err)
	}
	l := newLab(t)
	l.write(t, story(t)...)
	examples := regexp.MustCompile("(?s)```graphql\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(examples) < 4 {
		t.Fatalf("%d examples", len(examples))
	}
	for _, e := range examples {
		if strings.HasPrefix(e[1], "subscription") {
			c := dial(t, l)
			c.subscribe("1", e[1])
			value[map[string]any](c)
			continue
		}
		if a := l.ask(t, e[1], nil); len(a.Errors) > 0 {
			t.Errorf("%s: %+v", e[1], a.Errors)
		}
	}
}
