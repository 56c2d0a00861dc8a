package external

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"millrace/services/job"
)

// prepare makes the command line and the environment of an attempt. The worker's own MILLRACE_ variables, which may hold its secrets, are not
// handed on.
func (s *Service) prepare(j *job.Job, c Command, l laid) (args, env []string, dir string, err error) {
	ours := map[string]string{
		"MILLRACE_RUN": string(j.Request.Run), "MILLRACE_URL": s.URL, "MILLRACE_ATTEMPT": strconv.Itoa(j.Attempt),
		"MILLRACE_DIR": l.root, "MILLRACE_SPEC": filepath.Join(l.root, "spec.json"), "MILLRACE_CONFIG": filepath.Join(l.root, "config.json"),
		"MILLRACE_INPUTS": l.inputs, "MILLRACE_CHECKPOINTS": l.checkpoints, "MILLRACE_RESUME": l.resume,
	}
	fill := func(text string) string {
		for _, k := range slices.Sorted(maps.Keys(ours)) {
			text = strings.ReplaceAll(text, "${"+k+"}", ours[k])
		}
		return text
	}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "MILLRACE_") {
			env = append(env, v)
		}
	}
	if os.Getenv("PYTHONUNBUFFERED") == "" {
		env = append(env, "PYTHONUNBUFFERED=1") // else a pipe gets its lines late
	}
	for _, k := range slices.Sorted(maps.Keys(c.Env)) {
		env = append(env, k+"="+fill(c.Env[k]))
	}
	for _, k := range slices.Sorted(maps.Keys(ours)) {
		env = append(env, k+"="+ours[k])
	}
	if s.Token != "" {
		env = append(env, "MILLRACE_TOKEN="+s.Token)
	}
	for _, a := range c.Args {
		args = append(args, fill(a))
	}
	dir = c.Dir
	if dir == "" {
		dir = l.work
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, nil, "", job.Failf("start", "name a folder on the machine of worker "+string(s.Jobs.Worker), "command.dir: %s is no folder", dir)
	}
	if args[0], err = program(args[0], dir, c.Env["PATH"]); err != nil {
		return nil, nil, "", job.Fail("start", "install it on the machine of worker "+string(s.Jobs.Worker)+", or name it by its path", fmt.Errorf("command.args[0]: %w", err))
	}
	return args, env, dir, nil
}

// program finds a program: a name in the worker's PATH, or in that of the command; a path from the working directory.
func program(name, dir, paths string) (string, error) {
	if strings.ContainsRune(name, filepath.Separator) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		return exec.LookPath(name)
	}
	for _, p := range filepath.SplitList(paths) {
		if found, err := exec.LookPath(filepath.Join(p, name)); err == nil && filepath.IsAbs(p) {
			return found, nil
		}
	}
	return exec.LookPath(name)
}
