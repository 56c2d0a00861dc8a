package acceptance_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"gopkg.in/yaml.v3"

	"millrace/acceptance/freeport"
	"millrace/client"
	"millrace/services/node"
)

// deployed is every file of deploy/ by its path there.
func deployed(t *testing.T) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	root := filepath.Join("..", "deploy")
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() && e.Name() != "corpus" || e.Name() == "compose.env" {
			return err // the last is the user's own, and not committed
		}
		if e.IsDir() {
			return fs.SkipDir
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		files[filepath.ToSlash(rel)], err = os.ReadFile(path)
		return err
	})
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files in deploy: %v", len(files), err)
	}
	return files
}

// documents parses a YAML file.
func documents(t *testing.T, name string, raw []byte) (docs []map[string]any) {
	t.Helper()
	for dec := yaml.NewDecoder(bytes.NewReader(raw)); ; {
		var d map[string]any
		err := dec.Decode(&d)
		if errors.Is(err, io.EOF) {
			return docs
		}
		if err != nil {
			t.Fatalf("deploy/%s: %v", name, err)
		}
		docs = append(docs, d)
	}
}

// at follows keys into what YAML or JSON holds; nil where there is nothing.
func at(v any, keys ...string) any {
	for _, k := range keys {
		m, _ := v.(map[string]any)
		v = m[k]
	}
	return v
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

func words(v any) (out []string) {
	for _, w := range list(v) {
		out = append(out, fmt.Sprint(w))
	}
	return out
}

// pods are the containers that run our image, by "workload/container".
func pods(t *testing.T, files map[string][]byte) map[string]any {
	t.Helper()
	found := map[string]any{}
	for name, raw := range files {
		if !strings.HasPrefix(name, "kubernetes/") || !strings.HasSuffix(name, ".yaml") {
			continue
		}
		for _, d := range documents(t, name, raw) {
			if d["kind"] == nil || d["apiVersion"] == nil {
				t.Errorf("deploy/%s: a document without kind or apiVersion", name)
			}
			for _, c := range list(at(d, "spec", "template", "spec", "containers")) {
				if at(c, "image") == "millrace" {
					found[fmt.Sprint(at(d, "metadata", "name"), "/", at(c, "name"))] = c
				}
			}
		}
	}
	return found
}

// invocations are the command lines of ours in deploy, by where they stand.
func invocations(t *testing.T, files map[string][]byte) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for name, s := range at(documents(t, "compose.yaml", files["compose.yaml"])[0], "services").(map[string]any) {
		if at(s, "image") == "millrace" {
			found["compose.yaml: "+name] = words(at(s, "command"))
		}
	}
	for name, c := range pods(t, files) {
		found["kubernetes: "+name] = words(at(c, "args"))
	}
	start := regexp.MustCompile(`(?m)^ExecStart=\S+/millrace (.*)$`).FindSubmatch(files["systemd/millrace.service"])
	if start == nil {
		t.Fatal("the unit does not start millrace")
	}
	found["systemd"] = strings.Fields(string(start[1]))
	for i, m := range regexp.MustCompile(`(?m)CMD (\[.*\])$`).FindAllSubmatch(files["Dockerfile"], -1) {
		var args []string
		if err := json.Unmarshal(m[1], &args); err != nil {
			t.Fatalf("Dockerfile: %s: %v", m[1], err)
		}
		if args[0] == "/usr/local/bin/millrace" {
			args = args[1:]
		}
		found[fmt.Sprintf("Dockerfile %d", i)] = args
	}
	return found
}

func TestDeployParsesAndHoldsNoSecret(t *testing.T) {
	assigned := regexp.MustCompile(`(?i)[A-Z0-9_]*(?:TOKEN|SECRET_KEY|ACCESS_KEY|PASSWORD)["']?[ \t]*[:=][ \t]*(\S*)`)
	random := regexp.MustCompile(`[A-Za-z0-9_-]{24,}`)
	for name, raw := range deployed(t) {
		switch filepath.Ext(name) {
		case ".yaml", ".yml":
			documents(t, name, raw)
		case ".json":
			if !json.Valid(raw) {
				t.Errorf("deploy/%s is not JSON", name)
			}
		}
		for _, m := range assigned.FindAllStringSubmatch(string(raw), -1) {
			v := strings.Trim(m[1], `"'`)
			if v != "" && v != "false" && !strings.HasPrefix(v, "$") && !strings.HasPrefix(v, "…") {
				t.Errorf("deploy/%s sets a secret: %s", name, m[0])
			}
		}
		for _, w := range random.FindAllString(string(raw), -1) {
			if strings.ContainsAny(w, "0123456789") && strings.ToLower(w) != w && strings.ToUpper(w) != w {
				t.Errorf("deploy/%s: %q looks like a secret", name, w)
			}
		}
	}
}

func TestDeployPublishesOnLoopbackOnly(t *testing.T) {
	services := at(documents(t, "compose.yaml", deployed(t)["compose.yaml"])[0], "services").(map[string]any)
	published := 0
	for name, s := range services {
		for _, p := range words(at(s, "ports")) {
			published++
			if !strings.HasPrefix(p, "127.0.0.1:") {
				t.Errorf("%s publishes %s", name, p)
			}
		}
	}
	if published == 0 {
		t.Error("nothing is published: the page cannot be reached")
	}
}

func TestDeployUsesFlagsAndVariablesThatExist(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED in the race pass: needs the program, run in the pass before it")
	}
	files := deployed(t)
	bin := program(t)
	help := map[string]string{}
	for _, command := range []string{"up", "s3", "doctor"} {
		out, err := exec.Command(bin, command, "--help").Output()
		if err != nil {
			t.Fatal(err)
		}
		help[command] = string(out)
	}
	has := func(text, word string) bool {
		return regexp.MustCompile(regexp.QuoteMeta(word) + `[^A-Za-z0-9_-]`).MatchString(text)
	}
	found := invocations(t, files)
	if len(found) < 9 {
		t.Errorf("%d command lines: %v", len(found), slices.Sorted(maps.Keys(found)))
	}
	for where, args := range found {
		if len(args) == 0 || help[args[0]] == "" {
			t.Errorf("%s: %q is no command known here", where, args)
			continue
		}
		for i, a := range args {
			if flag, _, _ := strings.Cut(a, "="); strings.HasPrefix(a, "-") && !has(help[args[0]], flag) {
				t.Errorf("%s: millrace %s has no %s", where, args[0], flag)
			}
			if a != "--roles" {
				continue
			}
			for role := range strings.SplitSeq(args[i+1], ",") {
				if !slices.Contains(node.Roles(), node.Role(role)) {
					t.Errorf("%s: no role %q", where, role)
				}
			}
		}
	}
	variables := 0
	for name, raw := range files {
		for _, v := range regexp.MustCompile(`MILLRACE_[A-Z0-9_]+`).FindAllString(string(raw), -1) {
			variables++
			if v != "MILLRACE_CORPUS" && !has(help["up"]+help["s3"], "$"+v) { // that one is the compose file's own
				t.Errorf("deploy/%s: the program knows no %s", name, v)
			}
		}
	}
	if variables == 0 {
		t.Error("no variable found")
	}
}

// answer GETs a path as a name.
func answer(t *testing.T, base, path, host string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if host != "" {
		req.Host = host
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(raw)
}

func TestDashboardAndProbesAskForWhatANodeServes(t *testing.T) {
	files := deployed(t)
	c, _ := up(t, node.Config{Data: t.TempDir(), Roles: []node.Role{node.Tracker}, Hosts: []string{"lab.example.org"}})
	_, served := answer(t, c.URL(), "/metrics", "")
	names := map[string]bool{}
	for line := range strings.Lines(served) {
		if name := regexp.MustCompile(`^[a-z_]+`).FindString(line); name != "" {
			names[name] = true
		}
	}
	asked := 0
	for _, m := range regexp.MustCompile(`\b(?:millrace|go|process)_[a-z_]+`).FindAllString(string(files["grafana/millrace.json"]), -1) {
		asked++
		if !names[m] {
			t.Errorf("the dashboard shows %s, which a node does not serve", m)
		}
	}
	for _, m := range regexp.MustCompile(`status=\\"([^\\]*)\\"`).FindAllStringSubmatch(string(files["grafana/millrace.json"]), -1) {
		if asked++; !strings.Contains(served, `millrace_runs{status="`+m[1]+`"}`) {
			t.Errorf("the dashboard shows runs of status %q, which a node does not serve", m[1])
		}
	}
	if asked < 10 {
		t.Errorf("the dashboard asks for %d metrics", asked)
	}
	if path := at(list(at(documents(t, "prometheus.yml", files["prometheus.yml"])[0], "scrape_configs"))[0], "metrics_path"); path != "/metrics" {
		t.Errorf("Prometheus scrapes %v", path)
	}

	probed := 0
	for name, p := range pods(t, files) {
		for _, kind := range []string{"startupProbe", "livenessProbe", "readinessProbe"} {
			get := at(p, kind, "httpGet")
			if get == nil {
				continue
			}
			probed++
			host := ""
			for _, h := range list(at(get, "httpHeaders")) {
				host = fmt.Sprint(at(h, "value"))
			}
			// The page answers every other path, so a status alone says nothing.
			status, says := answer(t, c.URL(), fmt.Sprint(at(get, "path")), host)
			if status != http.StatusOK || says != "ok\n" && !strings.HasPrefix(says, `{"ready":true`) {
				t.Errorf("%s: %s gets %d: %.80s", name, kind, status, says)
			}
		}
	}
	if probed != 3 {
		t.Errorf("%d probes, want the tracker's 3", probed)
	}
}

func TestTheClusterOfDeployKeepsThreeSyncedCopies(t *testing.T) {
	const token = "n-token-of-the-test"
	t.Setenv("NATS_TOKEN", token)
	files := deployed(t)
	services := at(documents(t, "compose.yaml", files["compose.yaml"])[0], "services")
	var servers []*server.Server
	var urls []string
	ports := [3]int{freeport.New(t), freeport.New(t), freeport.New(t)}
	var routes []*url.URL
	for _, port := range ports {
		routes = append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", port)})
	}
	for i := range 3 {
		name := fmt.Sprint("nats-", i)
		t.Setenv("NATS_NAME", name)
		opts, err := server.ProcessConfigFile(filepath.Join("..", "deploy", "kubernetes", "nats.conf"))
		if err != nil {
			t.Fatal(err)
		}
		if opts.ServerName != name || opts.Authorization != token || !opts.SyncAlways || !opts.JetStream || opts.StoreDir != "/data" || opts.HTTPPort != 8222 || len(opts.Routes) != 3 {
			t.Fatalf("name %q, JetStream %v in %q, sync always %v, monitoring %d, %d routes", opts.ServerName, opts.JetStream, opts.StoreDir, opts.SyncAlways, opts.HTTPPort, len(opts.Routes))
		}
		if alias := words(at(services, name, "networks", "default", "aliases")); len(alias) != 1 || opts.Routes[i].Hostname() != alias[0] {
			t.Errorf("%s is called %v, its fellows look for %s", name, alias, opts.Routes[i].Hostname())
		}
		// The same settings at other places: three servers on this machine.
		opts.Host, opts.Port, opts.HTTPHost, opts.HTTPPort = "127.0.0.1", -1, "127.0.0.1", -1
		opts.StoreDir, opts.NoSigs, opts.NoLog = t.TempDir(), true, true
		opts.Cluster.Host, opts.Cluster.Port, opts.Routes = "127.0.0.1", ports[i], routes
		s, err := server.NewServer(opts)
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		servers, urls = append(servers, s), append(urls, s.ClientURL())
	}
	healthy := func(s *server.Server) bool {
		status, _ := answer(t, "http://"+s.MonitorAddr().String(), "/healthz", "")
		return status == http.StatusOK
	}
	for deadline := time.Now().Add(time.Minute); !healthy(servers[0]) || !healthy(servers[1]) || !healthy(servers[2]); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the cluster does not become healthy")
		}
	}
	c, _ := up(t, node.Config{Data: t.TempDir(), NATS: node.NATS{URL: strings.Join(urls, ","), Token: token}})
	finished(t, c, client.StartRun{Kind: "CURATE", Config: recipe(t, corpus(t, 30))})

	_, says := answer(t, "http://"+servers[0].MonitorAddr().String(), "/jsz?streams=true&config=true", "")
	var jsz struct {
		Config struct {
			SyncAlways bool `json:"sync_always"`
		}
		Details []struct {
			Streams []struct {
				Name   string
				Config struct {
					Replicas int `json:"num_replicas"`
				}
			} `json:"stream_detail"`
		} `json:"account_details"`
	}
	if err := json.Unmarshal([]byte(says), &jsz); err != nil {
		t.Fatal(err)
	}
	if !jsz.Config.SyncAlways || len(jsz.Details) != 1 || len(jsz.Details[0].Streams) != 1 || jsz.Details[0].Streams[0].Config.Replicas != 3 {
		t.Errorf("%s", says)
	}
}
