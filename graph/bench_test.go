package graph_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"

	"millrace/event"
)

// request measures one question as a whole, in process.
func measure(b *testing.B, l *lab, query string) {
	b.Helper()
	body, err := json.Marshal(map[string]string{"query": query})
	if err != nil {
		b.Fatal(err)
	}
	size := 0
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, "/graphql", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		l.server.ServeHTTP(w, r)
		if w.Code != http.StatusOK || bytes.Contains(w.Body.Bytes(), []byte(`"errors"`)) {
			b.Fatalf("%.300s", w.Body)
		}
		size = w.Body.Len()
	}
	b.ReportMetric(float64(size), "bytes/answer")
}

func curve(b *testing.B, n int) *lab {
	b.Helper()
	l := newLab(b)
	random := rand.New(rand.NewPCG(1, 2))
	for from := 0; from < n; from += 1000 {
		values := make([]float64, min(1000, n-from))
		for i := range values {
			values[i] = random.NormFloat64()
		}
		l.write(b, points("r", "loss", int64(from), values...))
	}
	return l
}

func BenchmarkSeries10kPoints(b *testing.B) {
	l := curve(b, 10_000)
	for name, fields := range map[string]string{"arrays": "steps values", "base64": "stepsBase64 valuesBase64", "values-base64": "valuesBase64"} {
		b.Run(name, func(b *testing.B) {
			measure(b, l, `{ run(id: "r") { series(keys: ["loss"], maxPoints: 10000) { `+fields+` } } }`)
		})
	}
}

func BenchmarkSeriesThinned(b *testing.B) {
	l := curve(b, 100_000)
	measure(b, l, `{ run(id: "r") { series(keys: ["loss"]) { steps values min max } } }`)
}

func BenchmarkList500Runs(b *testing.B) {
	l := newLab(b)
	l.write(b, event.ExperimentCreated{Experiment: "exp", Name: "exp"})
	for i := range 500 {
		id := fmt.Sprintf("run-%03d", i)
		r := request(b, id, id, trainSpec(fmt.Sprint(i)))
		r.Experiment, r.Tags = "exp", map[string]string{"n": fmt.Sprint(i)}
		l.write(b, r, event.RunStarted{Run: r.Run, Attempt: 1, Worker: "w"},
			event.ResourcesSpent{Run: r.Run, Attempt: 1, Worker: "w", Device: event.Device{Kind: "gpu", Name: "H100", Count: 1}, Seconds: 10},
			event.UsageSampled{Run: r.Run, Worker: "w", Usage: event.Usage{At: 1}})
		for _, key := range []string{"train/loss", "val/loss", "lr", "grad_norm"} {
			l.write(b, points(id, key, 1, 3, 2, 1))
		}
	}
	for name, fields := range map[string]string{
		"plain":   "id name kind status createdAt seconds tags { key value }",
		"cost":    "id cost { dollars }",
		"metric":  `id metrics(match: "val/loss") { last }`,
		"metrics": "id metrics { key last }",
		"all":     `id name status seconds experiment { name } cost { dollars } metrics(match: "val/loss") { last min } progress { done total }`,
	} {
		b.Run(name, func(b *testing.B) { measure(b, l, `{ runs(first: 500) { totalCount nodes { `+fields+` } } }`) })
	}
}

// BenchmarkCompareThousandRuns is one metric's last value of 1,000 runs, the whole way through GraphQL but for the network.
func BenchmarkCompareThousandRuns(b *testing.B) {
	l := newLab(b)
	var ids []string
	for i := range 1000 {
		id := fmt.Sprintf("run-%04d", i)
		ids = append(ids, id)
		l.write(b, request(b, id, id, trainSpec(fmt.Sprint(i))), points(id, "loss", 1, float64(i)))
	}
	for b.Loop() {
		l.ask(b, `query($ids: [ID!]!) { compareRuns(ids: $ids) { metrics(keys: ["loss"]) { last } } }`, map[string]any{"ids": ids})
	}
}

// BenchmarkFirstPage is the first page of 100,000 runs with one metric, the whole way through GraphQL but for the network.
func BenchmarkFirstPage(b *testing.B) {
	l := newLab(b)
	for i := range 100_000 {
		id := fmt.Sprintf("run-%06d", i)
		r := request(b, id, id, trainSpec(fmt.Sprint(i)))
		r.Tags = map[string]string{"team": []string{"nlp", "vision", "audio"}[i%3]}
		l.write(b, r, points(id, "loss", 1, float64(i%977)))
	}
	for name, args := range map[string]string{
		"newest":             "first: 50",
		"metric where, sort": `first: 50, where: "metric[\"loss\"] < 500", orderBy: [{field: METRIC, key: "loss", direction: ASC}]`,
		"words and tags":     `first: 50, where: "tags.team = nlp and run-0012"`,
	} {
		b.Run(name, func(b *testing.B) {
			measure(b, l, `{ runs(`+args+`) { totalCount nodes { id name status createdAt tags { key value } metrics(match: "loss") { last } } } }`)
		})
	}
}
