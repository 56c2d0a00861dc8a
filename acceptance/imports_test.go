package acceptance_test

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// room is what a folder and everything below it may import of ours; below a room's own subtree everything is allowed.
type room struct {
	folder string
	may    []string
	why    string
}

// rooms is the import table. A package belongs to the longest folder that contains it; one that belongs to none fails.
var rooms = []room{
	{"event", nil, "the vocabulary is std only, so that everyone can speak it"},
	{"cost", nil, "arithmetic, std only"},
	{"web", nil, "pages are bytes"},
	{"trainer/token", nil, "a leaf: curator and evaluator use it too"},
	{"trainer/random", nil, "a leaf: numbers from a key and a counter"},
	{"trainer/engine", []string{"trainer/random"}, "the seam where speed lives knows nothing above it; dropout is random"},
	{"trainer", []string{"event", "cost"}, "knows no bus and no storage"},
	{"evaluator/metric", nil, "texts and references in, numbers out"},
	{"evaluator/rating", nil, "battles and labels in, numbers out"},
	{"evaluator", []string{"event", "cost", "trainer/token"}, "judges any model that has its three methods"},
	{"evaluator/sandbox", nil, "runs a program, bounded, and knows nothing of why"},
	{"evaluator/read", nil, "published forms of benchmarks become examples: bytes in, examples out"},
	{"curator", []string{"event", "cost", "trainer/token"}, "knows no bus and no storage"},
	{"storage/blob", nil, "bytes by digest"},
	{"storage/s3embed", nil, "a server that could stand alone"},
	{"storage/readmodel", []string{"event", "cost"}, "a picture of the log"},
	{"graph", []string{"storage/readmodel", "curator", "evaluator", "event", "cost"}, "reads the picture; wishes go through an interface of its own; curator for a dataset's record of documents; evaluator for files of answers, and what a contest's votes amount to"},
	{"services/bus", []string{"event"}, "carries events, whatever they say"},
	{"services/meter", []string{"event"}, "samples a machine"},
	{"services/job", []string{"services/bus", "services/meter", "storage/blob", "event"}, "carries one run from request to end"},
	{"services/rules", []string{"services/bus", "services/tracker", "storage/readmodel", "event", "cost"}, "what is to be done when something happens; wishes go to the tracker"},
	{"services/tracker", []string{"services/bus", "services/rules/search", "storage/readmodel", "event", "cost"}, "turns a wish into an event, or refuses"},
	{"services/ingest", []string{"services/tracker", "storage/readmodel", "storage/blob", "event"}, "what scripts log becomes events; the tracker takes them"},
	{"services/training", []string{"services/bus", "services/job", "storage/blob", "curator", "trainer", "event", "cost"}, "curator for the dataset's manifest"},
	{"services/evaluation", []string{"services/bus", "services/job", "storage/blob", "evaluator", "curator", "trainer", "event", "cost"}, "curator for the dataset's manifest"},
	{"services/judging", []string{"services/bus", "services/job", "storage/blob", "evaluator", "curator/fetch", "event"}, "models elsewhere vote in contests; curator/fetch for its client of OpenAI's protocol"},
	{"services/curation", []string{"services/bus", "services/job", "storage/blob", "curator", "trainer/token", "event", "cost"}, ""},
	{"services/serving", []string{"storage/blob", "storage/readmodel", "curator", "trainer", "event"}, "finds a checkpoint and lets it speak; curator for the dataset's manifest, which names the tokenizer"},
	{"services/external", []string{"services/bus", "services/job", "services/meter", "storage/blob", "curator", "event"}, "curator for the dataset's manifest"},
	{"services/rules/search", nil, "what a sweep tries next follows from what was seen"},
	{"services/sweeping", []string{"services/bus", "services/tracker", "services/rules/search", "storage/readmodel", "event"}, "reads the picture, and wishes through the tracker"},
	{"services/keeper", []string{"services/bus", "storage/blob", "storage/readmodel", "event"}, "keeps storage and log small, and the past readable"},
	{"services/api", []string{"graph", "services/tracker", "services/compat", "web"}, "one door"},
	{"services/node", []string{"services", "graph", "storage", "trainer/engine", "event", "web"}, "wires everything"},
	{"client", []string{"event"}, "what other programs import"},
	{"cmd", []string{"services/node", "services/serving", "services/api", "services/meter", "client", "event", "cost", "trainer", "curator", "evaluator/metric"}, "flags and tables; estimates, tokenizers and architectures are told without a node, a tracked command is measured by its own tracker, and a document is looked up in a dataset's own record"},
	{"acceptance/bench", []string{"client", "event", "trainer", "curator", "evaluator", "services/evaluation"}, "a program; it measures the curator's parts on one core, beside their peers, and the trainer's steps in processes of their own; services/evaluation for a model as evaluations ask it"},
	{"acceptance", []string{"services/node", "client", "event"}, "from outside"},
}

// vendors are known to one folder each (and to tests).
var vendors = map[string][]string{
	"github.com/nats-io":        {"services/bus"},
	"github.com/minio/minio-go": {"storage/blob"},
	"github.com/rclone":         {"storage/s3embed"},
	"go.etcd.io/bbolt":          {"storage/readmodel"},
	"github.com/99designs":      {"graph"},
	"gorgonia.org/cu":           {"trainer/engine/cuda"},
	"gorgonia.org":              {"trainer/engine"},
	"github.com/shirou":         {"services/meter"},
	"github.com/ebitengine":     {"services/meter"},
	"github.com/prometheus":     {"services/node", "services/api"},
	"github.com/alecthomas":     {"cmd"},
	"github.com/google/cel-go":  {"services/rules"},
}

type pkg struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = ".."
	var errOut strings.Builder
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, errOut.String())
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p pkg
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

func within(path, folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }

// roomOf finds the row of the longest folder that contains a package.
func roomOf(path string) (room, bool) {
	best, found := room{}, false
	for _, r := range rooms {
		if within(path, r.folder) && (!found || len(r.folder) > len(best.folder)) {
			best, found = r, true
		}
	}
	return best, found
}

func TestWhoMayImportWhom(t *testing.T) {
	all := packages(t)
	if len(all) < 20 {
		t.Fatalf("only %d packages: is this the repository?", len(all))
	}
	for _, p := range all {
		path := strings.TrimPrefix(p.ImportPath, "millrace/")
		r, ok := roomOf(path)
		if !ok {
			t.Errorf("%s is in no room: say its one sentence and give it a row in the table", path)
			continue
		}
		for _, imported := range p.Imports {
			target, ours := strings.CutPrefix(imported, "millrace/")
			if !ours {
				checkVendor(t, path, imported)
				continue
			}
			allowed := within(target, r.folder) || slices.ContainsFunc(r.may, func(f string) bool { return within(target, f) })
			if !allowed {
				t.Errorf("%s imports %s; %s may import %v (%s)", path, target, r.folder, r.may, r.why)
			}
		}
	}
}

func checkVendor(t *testing.T, path, imported string) {
	t.Helper()
	best := ""
	for prefix := range vendors {
		if within(imported, prefix) && len(prefix) > len(best) {
			best = prefix
		}
	}
	if best != "" && !slices.ContainsFunc(vendors[best], func(f string) bool { return within(path, f) }) {
		t.Errorf("%s imports %s, which only %v may know", path, imported, vendors[best])
	}
}
