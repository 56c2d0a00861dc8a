package graph_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"millrace/event"
)

var update = flag.Bool("update", false, "rewrite the golden answers")

func queries(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("testdata/query/*.graphql")
	if err != nil || len(files) == 0 {
		t.Fatal("no questions", err)
	}
	out := map[string]string{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		out[f] = string(b)
	}
	return out
}

func TestAnswersAreTheGoldenOnes(t *testing.T) {
	l := newLab(t)
	l.write(t, story(t)...)
	others := newLab(t)
	others.write(t, append(story(t), foreign()...)...)
	swept, ruled := newLab(t, outlined), newLab(t, ready)
	swept.write(t, sweeping(t)...)
	ruled.write(t, ruling()...)
	tried := newLab(t, tries)
	tried.write(t, ruling()...)
	// Most questions are about one lab; these are about others.
	labs := map[string]*lab{"registry.graphql": others, "logged.graphql": others, "sweeps.graphql": swept, "contests.graphql": voted(t), "rules.graphql": ruled, "trial.graphql": tried}
	for file, query := range queries(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			asked := labs[filepath.Base(file)]
			if asked == nil {
				asked = l
			}
			a := asked.ask(t, query, nil)
			if len(a.Errors) > 0 {
				t.Fatalf("%+v", a.Errors)
			}
			var got bytes.Buffer
			if err := json.Indent(&got, a.Data, "", " "); err != nil {
				t.Fatal(err)
			}
			got = *bytes.NewBufferString(unnamed(got.String()))
			golden := strings.TrimSuffix(file, ".graphql") + ".json"
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("the answer is another (go test ./graph -update, and look at the difference):\n%s", diff(string(want), got.String()))
			}
		})
	}
	if l.errors.Len() > 0 {
		t.Error(l.errors)
	}
}

// unnamed is an answer without the digests that change whenever more is measured of documents.
func unnamed(answer string) string {
	m, _ := judged()
	digest := string(m.Digest())
	cursor := base64.RawURLEncoding.EncodeToString([]byte(digest))
	return strings.NewReplacer(digest, "sha256:judged", cursor, "cursor of judged").Replace(answer)
}

// diff shows the first lines that differ.
func diff(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range w {
		if i >= len(g) || w[i] != g[i] {
			return "want " + strings.Join(w[i:min(i+5, len(w))], "\n") + "\ngot  " + strings.Join(g[min(i, len(g)):min(i+5, len(g))], "\n")
		}
	}
	return "more than wanted: " + strings.Join(g[len(w):], "\n")
}

func schema(t *testing.T) *ast.Schema {
	t.Helper()
	files, err := filepath.Glob("schema/*.graphqls")
	if err != nil {
		t.Fatal(err)
	}
	var sources []*ast.Source
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, &ast.Source{Name: f, Input: string(b)})
	}
	s, err := gqlparser.LoadSchema(sources...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A field that no golden question asks for is a field that nobody knows to work.
func TestEveryFieldIsAskedForInSomeGoldenQuestion(t *testing.T) {
	s := schema(t)
	asked := map[string]bool{}
	var walk func(ast.SelectionSet)
	walk = func(set ast.SelectionSet) {
		for _, sel := range set {
			switch sel := sel.(type) {
			case *ast.Field:
				if sel.ObjectDefinition != nil {
					asked[sel.ObjectDefinition.Name+"."+sel.Name] = true
				}
				walk(sel.SelectionSet)
			case *ast.InlineFragment:
				walk(sel.SelectionSet)
			case *ast.FragmentSpread:
				walk(sel.Definition.SelectionSet)
			}
		}
	}
	for file, query := range queries(t) {
		doc, err := gqlparser.LoadQueryWithRules(s, query, rules.NewDefaultRules())
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, op := range doc.Operations {
			walk(op.SelectionSet)
		}
	}
	elsewhere := map[string]bool{"Mutation": true, "Subscription": true, "UserError": true, "LoggedEvent": true, "RunListChange": true, "JobQueue": true, "Job": true, "RaisedAlert": true,
		"Freed": true, "Garbage": true, "KeptObjects": true, "TrimmedLog": true, "RetentionPlan": true} // parts of payloads, asked for in services/node
	for name, def := range s.Types {
		if def.Kind != ast.Object || def.BuiltIn || elsewhere[name] || strings.HasSuffix(name, "Payload") {
			continue
		}
		for _, f := range def.Fields {
			if !strings.HasPrefix(f.Name, "__") && !asked[name+"."+f.Name] {
				t.Errorf("%s.%s is asked for nowhere in testdata/query", name, f.Name)
			}
		}
	}
}

func TestPagesGoOnWhereTheyEnded(t *testing.T) {
	l := newLab(t)
	l.write(t, story(t)...)
	type page struct {
		Runs struct {
			Nodes    []struct{ ID string }
			PageInfo struct {
				HasNextPage, HasPreviousPage bool
				EndCursor                    *string
			}
			TotalCount int
		}
	}
	for _, of := range []string{
		`first: 2`,
		`first: 2, orderBy: {field: KIND, direction: ASC}`,
		`first: 3, orderBy: {field: KIND}`,
		`first: 2, filter: {name: {ne: "x"}}`,
		`first: 2, orderBy: [{field: STATUS}, {field: CONFIG, key: "optimizer.lr", direction: ASC}]`,
		`first: 2, where: "kind != curate or archived = true", sort: "kind desc, name"`,
		`first: 1, filter: {kind: [TRAIN], name: {contains: ""}}, orderBy: {field: METRIC, key: "val/loss"}`,
	} {
		query := `query($after: String) { runs(after: $after, ` + of + `) { nodes { id } totalCount pageInfo { hasNextPage hasPreviousPage endCursor } } }`
		var first int
		if _, err := fmt.Sscanf(of, "first: %d", &first); err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		var after any
		for {
			p := get[page](t, l, query, map[string]any{"after": after}).Runs
			for _, n := range p.Nodes {
				if seen[n.ID] {
					t.Fatalf("%s: %s comes twice", of, n.ID)
				}
				seen[n.ID] = true
			}
			if len(p.Nodes) != first && p.PageInfo.HasNextPage || len(p.Nodes) > first {
				t.Fatalf("%s: a page of %d", of, len(p.Nodes))
			}
			if p.PageInfo.HasPreviousPage != (after != nil) {
				t.Errorf("%s: hasPreviousPage is %v after %v", of, p.PageInfo.HasPreviousPage, after)
			}
			if !p.PageInfo.HasNextPage {
				if len(seen) != p.TotalCount {
					t.Errorf("%s: %d of %d seen", of, len(seen), p.TotalCount)
				}
				break
			}
			after = *p.PageInfo.EndCursor
		}
	}
	for _, bad := range []string{
		`{ runs(after: "?") { totalCount } }`, `{ runs(first: -1) { totalCount } }`, `{ datasets(after: "?") { totalCount } }`,
		`{ experiments(first: -1) { totalCount } }`, `{ runs(after: "9.x", orderBy: {field: KIND}) { totalCount } }`,
		`{ runs(where: "status >") { totalCount } }`, `{ runs(sort: "size") { totalCount } }`, `{ runs(orderBy: {field: METRIC}) { totalCount } }`,
		`{ runGroups(by: []) { totalCount } }`, `{ runGroups(by: ["kind kind"]) { totalCount } }`, `{ runGroups(by: ["kind"], after: "?") { totalCount } }`,
		`{ runGroups(by: ["kind"], first: -1) { totalCount } }`, `{ runs(filter: ` + strings.Repeat("{not: ", 17) + "{}" + strings.Repeat("}", 17) + `) { totalCount } }`,
	} {
		if code := l.code(t, bad, nil); code != "BAD_USER_INPUT" {
			t.Errorf("%s: %s", bad, code)
		}
	}
}

// A list of many runs reads a metric of all of them at once; that must say what each run says for itself, over writers and contexts.
func TestAMetricOfManyRunsIsThatOfEach(t *testing.T) {
	l := newLab(t)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 70 {
		id := fmt.Sprintf("run-%02d", i)
		l.write(t, request(t, id, id, trainSpec(fmt.Sprint(i))))
		for writer := range random.IntN(4) {
			m := points(id, "loss", int64(random.IntN(5)), random.NormFloat64(), math.NaN(), random.NormFloat64())
			m.Frames[0].Writer = event.WriterID(fmt.Sprint("rank-", writer))
			m.Frames[0].Series[0].Context = []string{"", `{"split":"val"}`}[random.IntN(2)]
			l.write(t, m, points(id, "lossy", 0, 1))
		}
	}
	type metrics []struct{ Key, Last, Min, Max, First, LastStep, Points any }
	const fields = `metrics(match: "loss") { key last min max first lastStep points }`
	list := get[struct {
		Runs struct {
			Nodes []struct {
				ID      string
				Metrics metrics
			}
		}
	}](t, l, `{ runs(first: 100) { nodes { id `+fields+` } } }`, nil).Runs.Nodes
	some := 0
	for _, n := range list {
		one := get[struct{ Run struct{ Metrics metrics } }](t, l, `query($id: ID!) { run(id: $id) { `+fields+` } }`, map[string]any{"id": n.ID}).Run.Metrics
		if !reflect.DeepEqual(n.Metrics, one) {
			t.Errorf("%s: in the list %v, by itself %v", n.ID, n.Metrics, one)
		}
		some += len(one)
	}
	if len(list) != 70 || some < 20 {
		t.Errorf("%d runs with %d metrics", len(list), some)
	}
}

// A condition that cannot be read says where.
func TestAConditionIsPointedAt(t *testing.T) {
	l := newLab(t)
	a := l.ask(t, `{ runs(where: "status = running and\n and lr < 1") { totalCount } }`, nil)
	if len(a.Errors) != 1 {
		t.Fatalf("%+v", a.Errors)
	}
	x := a.Errors[0].Extensions
	if x["code"] != "BAD_USER_INPUT" || x["line"] != 2.0 || x["column"] != 2.0 || x["argument"] != "where" {
		t.Errorf("%+v", a.Errors[0])
	}
}
