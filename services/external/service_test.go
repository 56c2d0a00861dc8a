//go:build unix

package external_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"millrace/event"
	"millrace/storage/blob"
)

func quoted(s string) string {
	raw, _ := json.Marshal(s)
	return string(raw)
}

// save is a shell function that leaves a checkpoint of a step as the rule wants it: under another name, then renamed.
const save = `save() { mkdir -p "$MILLRACE_CHECKPOINTS/.new/sub"; echo "weights $1" > "$MILLRACE_CHECKPOINTS/.new/model.safetensors"; echo "{}" > "$MILLRACE_CHECKPOINTS/.new/sub/more.json"
mv "$MILLRACE_CHECKPOINTS/.new" "$MILLRACE_CHECKPOINTS/step-$1"; }
`

func TestACommandTellsItsWholeStory(t *testing.T) {
	l := newLab(t)
	ref, err := l.blobs.Put(t.Context(), []byte("the file that came along\n"))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("MILLRACE_S3_SECRET_KEY", "the worker's own")
	l.work()
	l.request("story", save+`
cat code/note.txt; cat "$MILLRACE_CONFIG"; echo; echo "run $MILLRACE_RUN attempt $MILLRACE_ATTEMPT at $MILLRACE_URL token $MILLRACE_TOKEN resume <$MILLRACE_RESUME> secret <$MILLRACE_S3_SECRET_KEY> mine $MINE"
echo '{"step": 1, "train/loss": 2.5, "lr": "NaN"}'; echo '{"step": 2, "train/loss": 1.5}'; echo '{"no": "points"}'; echo "10%`+"\r"+`100%" >&2
save 2; save 4; printf 'no newline'`, `,"metrics":"stdout","env":{"MINE":"at ${MILLRACE_RUN}"}`,
		event.Input{Role: "file", Digest: event.Digest(ref.Digest), Name: "code/note.txt"})
	end, all := l.ended("story")
	if end.Status != event.Finished || end.Steps != 4 || len(end.Outputs) != 1 || end.Outputs[0].Name != "step 4" {
		t.Errorf("%+v", end)
	}
	said := lines(all)
	for _, want := range []string{
		"the file that came along", `{"steps":4,"lr":0.5}`, "run story attempt 1 at http://127.0.0.1:1 token a-token resume <> secret <> mine at story",
		`{"no": "points"}`, "100%", "no newline",
	} {
		if !slices.Contains(said, want) {
			t.Errorf("%q is not in %q", want, said)
		}
	}
	loss := map[int64]float64{}
	for _, m := range of[event.MetricsLogged](all) {
		for _, s := range m.Frames[0].Series {
			if s.Key == "train/loss" {
				for i := range s.Steps {
					loss[s.Steps[i]] = s.Values[i]
				}
			}
		}
	}
	if loss[1] != 2.5 || loss[2] != 1.5 || len(loss) != 2 {
		t.Errorf("points %v", loss)
	}
	saved := of[event.CheckpointSaved](all)
	if len(saved) != 2 || saved[0].Step != 2 || saved[1].Step != 4 || len(saved[1].Files) != 2 || saved[1].Files[1].Name != "sub/more.json" || !slices.Equal(saved[0].Suites, []string{"quick"}) {
		t.Fatalf("%+v", saved)
	}
	if raw, err := l.blobs.Get(t.Context(), blob.Digest(saved[1].Files[0].Digest)); err != nil || string(raw) != "weights 4\n" {
		t.Errorf("%q %v", raw, err)
	}
	if spent := of[event.ResourcesSpent](all); len(spent) == 0 || spent[len(spent)-1].Stored == 0 || spent[len(spent)-1].Seconds <= 0 {
		t.Errorf("%+v", spent)
	}
	eventually(t, "the run's folder is gone", func() bool { return !exists(l.dir, "story-0") })
}

func TestAFailedCommandGoesOnFromItsNewestCheckpointAFewTimes(t *testing.T) {
	l := newLab(t)
	l.work()
	// Each attempt gets one step further, and is killed. Checkpoints make the count begin anew: four failures, with two retries.
	l.request("climbs", save+`
last=0; [ -n "$MILLRACE_RESUME" ] && last=$(sed 's/weights //' "$MILLRACE_RESUME/model.safetensors")
echo "from $last"; [ "$last" = 4 ] && exit 0
save $((last+1)); kill -9 $$`, `,"retries":2`)
	end, all := l.ended("climbs")
	if end.Status != event.Finished || end.Steps != 4 || end.Attempt != 5 {
		t.Errorf("%+v\n%q", end, lines(all))
	}
	started := of[event.RunStarted](all)
	for i, s := range started[1:] {
		if s.ResumedFrom == nil || *s.ResumedFrom != int64(i+1) {
			t.Errorf("attempt %d: %+v", s.Attempt, s)
		}
	}
	if said := lines(all); !slices.Contains(said, "from 3") || !slices.Contains(said, "millrace: the command was ended by signal 9: from 0; it is started again (1 of 2)") {
		t.Errorf("%q", said)
	}

	l.request("fails", `echo "so it goes" >&2; exit 3`, `,"retries":1`)
	end, all = l.ended("fails")
	if end.Status != event.Failed || end.Attempt != 2 || end.Failure.Code != "exit" || end.Failure.Message != "the command ended with exit code 3: so it goes" || !strings.Contains(end.Failure.Hint, "fails-0") {
		t.Errorf("%+v %+v\n%q", end, end.Failure, lines(all))
	}
	l.publish(event.RunRequested{Run: "none", Spec: event.Spec{Kind: event.External, Config: []byte("{}"), Command: []byte(`{"args":["no-such-program-here"]}`)}})
	if end, _ = l.ended("none"); end.Status != event.Failed || end.Attempt != 1 || end.Failure.Code != "start" || end.Failure.Hint == "" {
		t.Errorf("%+v %+v", end, end.Failure)
	}
}

func TestAStopIsASignalAndAPauseGoesOn(t *testing.T) {
	l := newLab(t)
	l.work()
	script := save + `
trap 'echo asked; save 7; exit 0' USR1
[ -n "$MILLRACE_RESUME" ] && { cat "$MILLRACE_RESUME/model.safetensors"; ls "$MILLRACE_CHECKPOINTS"; exit 0; }
echo '{"step":1,"begun":1}'; while :; do sleep 0.02; done`
	l.request("pauses", script, `,"metrics":"stdout","signal":"SIGUSR1"`)
	l.until(func(e event.Event) bool { _, ok := e.(event.MetricsLogged); return ok })
	l.publish(event.RunStopRequested{Run: "pauses", Pause: true})
	end, all := l.ended("pauses")
	saved := of[event.CheckpointSaved](all)
	if end.Status != event.Paused || len(saved) != 1 || saved[0].Step != 7 {
		t.Fatalf("%+v %+v\n%q", end, saved, lines(all))
	}
	req := of[event.RunRequested](all)[0]
	req.Resume, req.Attempts, req.From = 1, 1, &saved[0]
	l.publish(req)
	l.until(func(e event.Event) bool { x, ok := e.(event.RunEnded); return ok && x.Attempt == 2 })
	all = l.until(func(e event.Event) bool { x, ok := e.(event.RunEnded); return ok && x.Attempt == 2 })
	if x := all[len(all)-1].(event.RunEnded); x.Status != event.Finished || !slices.Contains(lines(all), "weights 7") {
		t.Errorf("%+v %q", x, lines(all))
	}
	if n := len(of[event.CheckpointSaved](all)); n != 1 {
		t.Errorf("%d checkpoints", n)
	}
}

func TestALeavingWorkerTakesTheCheckpointAndAnotherGoesOn(t *testing.T) {
	l := newLab(t)
	leave := l.work()
	l.request("moves", save+`
trap 'save 5; exit 0' TERM
[ -n "$MILLRACE_RESUME" ] && { cat "$MILLRACE_RESUME/model.safetensors"; exit 0; }
echo '{"step":1,"begun":1}'; while :; do sleep 0.02; done`, `,"metrics":"stdout"`)
	l.until(func(e event.Event) bool { _, ok := e.(event.MetricsLogged); return ok })
	leave()
	l.work()
	end, all := l.ended("moves")
	if end.Status != event.Finished || end.Attempt != 2 || !slices.Contains(lines(all), "weights 5") {
		t.Errorf("%+v %q", end, lines(all))
	}
}

func TestACheckpointWhoseWorkerWasKilledBeforeItTookItIsTakenByTheNext(t *testing.T) {
	l := newLab(t)
	left := filepath.Join(l.dir, "left-0", "checkpoints", "step-3")
	if err := os.MkdirAll(left, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"model.safetensors", "DONE"} {
		if err := os.WriteFile(filepath.Join(left, name), []byte("weights 3\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(l.dir, "left-0", "checkpoints", "step-9"), 0o700); err != nil { // it was being written
		t.Fatal(err)
	}
	l.work()
	l.request("left", `cat "$MILLRACE_RESUME/model.safetensors"; ls "$MILLRACE_RESUME"`, `,"checkpoints":{"marker":"DONE"}`)
	end, all := l.ended("left")
	saved := of[event.CheckpointSaved](all)
	if end.Status != event.Finished || len(saved) != 1 || saved[0].Step != 3 || !slices.Contains(lines(all), "weights 3") || slices.Contains(lines(all), "DONE") {
		t.Errorf("%+v %+v %q", end, saved, lines(all))
	}
}

func TestCheckpointsAppearInABucketOnceTheirMarkerIsThere(t *testing.T) {
	l := newLab(t)
	put := putter(t, l.s3, "theirs")
	l.work()
	proceed := filepath.Join(t.TempDir(), "go")
	l.request("remote", `echo "at $MILLRACE_CHECKPOINTS"; while [ ! -e `+proceed+` ]; do sleep 0.02; done`,
		`,"checkpoints":{"in":"s3://theirs/lab/","pattern":"^global_step(\\d+)$","marker":"latest","files":["*.bin"]}`)
	l.until(func(e event.Event) bool { _, ok := e.(event.LinesLogged); return ok })
	put("lab/remote-0/global_step10/weights.bin", "ten")
	put("lab/remote-0/global_step10/big.tmp", "not this")
	put("lab/remote-0/global_step20/weights.bin", "half")
	put("lab/remote-0/global_step10/latest", "")
	l.until(func(e event.Event) bool { _, ok := e.(event.CheckpointSaved); return ok })
	if err := os.WriteFile(proceed, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	end, all := l.ended("remote")
	saved := of[event.CheckpointSaved](all)
	if end.Status != event.Finished || len(saved) != 1 || saved[0].Step != 10 || len(saved[0].Files) != 1 || saved[0].Files[0].Name != "weights.bin" {
		t.Errorf("%+v %+v", end, saved)
	}
	if said := lines(all); said[0] != "at s3://theirs/lab/remote-0/" {
		t.Errorf("%q", said)
	}
}

// putter stores objects as somebody else's program does.
func putter(t *testing.T, c blob.Config, bucket string) func(key, data string) {
	t.Helper()
	s3, err := minio.New(strings.TrimPrefix(c.Endpoint, "http://"), &minio.Options{Creds: credentials.NewStaticV4(c.AccessKey, c.SecretKey, "")})
	if err != nil {
		t.Fatal(err)
	}
	if err := s3.MakeBucket(t.Context(), bucket, minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return func(key, data string) {
		if _, err := s3.PutObject(t.Context(), bucket, key, strings.NewReader(data), int64(len(data)), minio.PutObjectOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}
