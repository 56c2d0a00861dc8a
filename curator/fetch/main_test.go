package fetch_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"millrace/curator/fetch"
)

// child is the environment variable with which this binary fetches, to be killed, instead of testing.
const child = "MILLRACE_FETCH_TEST_CHILD"

// order is what a child is to do.
type order struct {
	Dir       string
	Crawl     *fetch.Crawl     `json:",omitempty"`
	Synthetic *fetch.Synthetic `json:",omitempty"`
}

func TestMain(m *testing.M) {
	if raw := os.Getenv(child); raw != "" {
		var o order
		err := json.Unmarshal([]byte(raw), &o)
		dir, takeErr := fetch.Take(o.Dir)
		f := fetch.Fetcher{Dir: dir, Now: time.Now}
		err = errors.Join(err, takeErr)
		if err == nil && o.Crawl != nil {
			_, err = f.Crawl(context.Background(), *o.Crawl)
		} else if err == nil {
			_, err = f.Generate(context.Background(), *o.Synthetic)
		}
		fmt.Println(err)
		os.Exit(3) // it was not killed
	}
	goleak.VerifyTestMain(m)
}
